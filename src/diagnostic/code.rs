//! The codes: one table, and a page of explanation for each.

use std::fmt;
use std::str::FromStr;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The plan cannot run.
    Error,
    /// The plan can run, and somebody should look.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown diagnostic code `{0}`")]
pub struct UnknownCode(pub String);

macro_rules! codes {
    ($($name:ident = $code:literal $severity:ident $title:literal,)+) => {
        /// What kind of problem a diagnostic tells of. `plan explain CODE` shows its page.
        ///
        /// P01xx: the text and its YAML; P02xx: shape and types; P03xx: names and templates; P04xx: order;
        /// P05xx: what is unsafe on a mesh; P06xx: files, sub-plans and inputs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = concat!($code, ": ", $title)] $name,)+
        }

        impl Code {
            /// Every code, in the order of the numbers.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// `P0105`: stable, and never used again for another problem.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// Error or warning.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)+ }
            }

            /// The problem in a few words.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// Its page, in Markdown: what it means, why it is bad, an example, how to mend it.
            #[must_use]
            pub fn explain(self) -> &'static str {
                match self { $(Self::$name => include_str!(concat!("explain/", $code, ".md")),)+ }
            }
        }
    };
}

codes! {
    NotUtf8 = "P0101" Error "the file is not UTF-8",
    NulByte = "P0102" Error "the file contains a NUL byte",
    FileTooLarge = "P0103" Error "the file is too large",
    YamlSyntax = "P0104" Error "the YAML cannot be read",
    DuplicateKey = "P0105" Error "a key is given twice",
    Tag = "P0106" Error "YAML tags are not supported",
    MergeKey = "P0107" Error "YAML merge keys are not supported",
    SeveralDocuments = "P0108" Error "the file holds more than one YAML document",
    TabIndentation = "P0109" Error "a tab is used for indentation",
    UnknownAnchor = "P0110" Error "an alias names no anchor",
    AliasBudget = "P0111" Error "the aliases expand to too much",
    TooDeep = "P0112" Error "the nesting is too deep",
    TooManyNodes = "P0113" Error "the file has too many values",
    KeyNotScalar = "P0114" Error "a key is not a plain name",

    WrongType = "P0201" Error "a value has the wrong type",
    UnknownKey = "P0202" Error "an unknown key",
    MissingKey = "P0203" Error "a required key is missing",
    BadValue = "P0204" Error "a value is not allowed here",
    BadId = "P0205" Error "a name does not have the form of one",
    UnsupportedVersion = "P0206" Error "the language version is not supported",
    UnquotedNumber = "P0207" Warning "a number where a string is meant",
    UnknownKind = "P0208" Error "an unknown step kind",
    UnlimitedRetry = "P0209" Error "an unlimited retry without a budget",
    RetryOnGroup = "P0210" Error "a retry on a group or a sub-plan",
    InvalidWaves = "P0211" Error "the waves are not valid",
    BetweenWithoutWaves = "P0212" Error "`between` without waves",
    DuplicateItem = "P0213" Error "an item is given twice",
    BadItem = "P0214" Error "an item cannot name a run of the group",
    ConflictingKeys = "P0215" Error "keys that exclude each other",

    UnknownStep = "P0301" Error "an unknown step",
    UnknownInput = "P0302" Error "an unknown input in an expression",
    UnknownVariable = "P0303" Error "an unknown variable",
    UnknownOutput = "P0304" Error "an unknown output",
    OutputNotVisible = "P0305" Error "an output that cannot be seen from here",
    ShadowedName = "P0306" Error "a name is defined twice in nested scopes",
    HyphenInExpression = "P0307" Error "a hyphen in an expression is a subtraction",
    TemplateSyntax = "P0308" Error "an expression cannot be read",
    TemplateEvaluation = "P0309" Error "an expression cannot be evaluated",
    VersionComparison = "P0310" Error "versions compared as text",
    WhenNotBool = "P0311" Error "a condition that is not true or false",
    ExpressionType = "P0312" Error "an expression of the wrong type",
    TemplateNotAllowed = "P0313" Error "an expression where none may stand",
    UnknownFunction = "P0314" Error "an unknown filter, test or function",
    OutputMaySkip = "P0315" Error "the output of a step that may be skipped",

    Cycle = "P0401" Error "the steps wait for each other",
    SelfNeed = "P0402" Error "a step needs itself",
    RepeatedNeed = "P0403" Error "a need is given twice",
    UnknownSliceStep = "P0404" Error "a slice names an unknown step",
    SliceCutsOutput = "P0405" Error "a slice cuts off an output that is used",
    PlanTooLarge = "P0406" Error "the plan expands to too many steps",

    RestartUnverified = "P0501" Error "a restart that nothing verifies",
    LabelNotReady = "P0502" Error "a namespace labelled before its revision is ready",
    GateWithoutTimeout = "P0503" Error "a gate without a timeout",
    InvalidRevision = "P0504" Error "a revision that is not a DNS label",
    SkippedMinor = "P0505" Error "a hop skips a minor version",
    MaxHopTooLarge = "P0506" Error "a `max_hop` above 2",
    RestartAllAtOnce = "P0507" Warning "everything is restarted at once",
    InPlaceUpgrade = "P0508" Warning "an in-place upgrade",
    RollbackUnavailable = "P0509" Error "`on_failure: rollback` is not available yet",
    UnknownAllow = "P0510" Error "an `allow` of a code that does not exist",
    NotAllowable = "P0511" Error "an `allow` of a code that cannot be allowed",
    UnusedAllow = "P0512" Warning "an `allow` that allows nothing",
    Downgrade = "P0513" Error "a hop to an older version",
    VersionsDisagree = "P0514" Error "steps that name different versions",

    SubPlanNotFound = "P0601" Error "a sub-plan cannot be read",
    FileOutside = "P0602" Error "a file outside the root plan's directory",
    SubPlanCycle = "P0603" Error "sub-plans use each other",
    UnusedInput = "P0604" Warning "an input that nothing uses",
    InputWithoutValue = "P0605" Error "an input without a value",
    BadInputValue = "P0606" Error "a value that does not fit its input",
    UndeclaredInput = "P0607" Error "a value for an input that the plan does not declare",
    SensitiveDefault = "P0608" Error "a secret in the plan file",
    BadInputDeclaration = "P0609" Error "an input declaration contradicts itself",
    FileNotFound = "P0610" Error "a file that the plan names cannot be read",
}

impl Code {
    /// Whether it speaks of the mesh rather than of the language, so that a step may `allow` it with a reason.
    #[must_use]
    pub fn domain(self) -> bool {
        matches!(
            self,
            Self::RestartUnverified
                | Self::LabelNotReady
                | Self::GateWithoutTimeout
                | Self::RestartAllAtOnce
                | Self::InPlaceUpgrade
        )
    }

    /// Whether the text behind it was not read, so that the tree may lack what the file has.
    #[must_use]
    pub fn truncates(self) -> bool {
        matches!(
            self,
            Self::NotUtf8
                | Self::NulByte
                | Self::FileTooLarge
                | Self::YamlSyntax
                | Self::Tag
                | Self::MergeKey
                | Self::TabIndentation
                | Self::UnknownAnchor
                | Self::AliasBudget
                | Self::TooDeep
                | Self::TooManyNodes
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_are_used_once() {
        for pair in Code::ALL.windows(2) {
            assert!(
                pair[0].as_str() < pair[1].as_str(),
                "{} {}",
                pair[0],
                pair[1]
            );
        }
    }

    #[test]
    fn a_code_is_found_by_its_number() {
        for &code in Code::ALL {
            assert_eq!(code.as_str().parse(), Ok(code));
        }
        assert_eq!("p0105".parse(), Ok(Code::DuplicateKey));
        assert_eq!(
            "P9999".parse::<Code>(),
            Err(UnknownCode("P9999".to_owned()))
        );
    }

    #[test]
    fn every_page_begins_with_the_code_and_says_how_to_mend_it() {
        for &code in Code::ALL {
            let page = code.explain();
            let first = format!("# {code}: {}\n\n", code.title());
            assert!(
                page.starts_with(&first),
                "{code}: should begin with {first:?}"
            );
            assert!(page.contains("\n## Mend\n\n"), "{code} has no section Mend");
            assert!(page.ends_with('\n') && !page.contains("\n\n\n"), "{code}");
            assert!(
                page.matches("```").count() % 2 == 0,
                "{code}: an open code block"
            );
        }
    }

    #[test]
    fn no_page_is_without_a_code() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/diagnostic/explain");
        let pages = fs_err::read_dir(folder).unwrap().count();
        assert_eq!(pages, Code::ALL.len());
    }
}
