//! The filters, tests and functions of expressions: a closed list, all of them pure.

use std::cmp::Ordering;
use std::sync::OnceLock;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, Value, filters, tests};

use super::limits;
use crate::mesh::version::Version;

/// The filters, each with what it does. Where not said otherwise they are those of Jinja.
pub const FILTERS: &[(&str, &str)] = &[
    ("abs", "the absolute value of a number"),
    ("bool", "true or false, as a condition would see the value"),
    ("count", "the same as `length`"),
    ("d", "the same as `default`"),
    (
        "default",
        "the value, or the argument where there is none: `inputs.x | default('y')`",
    ),
    (
        "dns_label",
        "text as a DNS label: lowercase, `-` for anything else, at most 63 characters: `1.29.1` gives `1-29-1`",
    ),
    ("first", "the first item of a list"),
    ("float", "a number with a fraction"),
    ("int", "a whole number"),
    ("items", "the pairs of a map, as a list"),
    ("join", "the items of a list as one text: `join(', ')`"),
    ("last", "the last item of a list"),
    ("length", "how many items or characters"),
    ("list", "a list of the items"),
    ("lower", "text in lowercase"),
    (
        "map",
        "each item through a filter, or one attribute of each: `map('upper')`, `map(attribute='name')`",
    ),
    (
        "max",
        "the greatest item; versions are compared as versions",
    ),
    (
        "min",
        "the smallest item; versions are compared as versions",
    ),
    (
        "reject",
        "the items for which a test is false: `reject('eq', 'x')`",
    ),
    (
        "rejectattr",
        "the items for whose attribute a test is false",
    ),
    (
        "replace",
        "text with every occurrence replaced: `replace('.', '-')`",
    ),
    (
        "reverse",
        "the items or characters from the last to the first",
    ),
    ("round", "a number rounded"),
    ("select", "the items for which a test is true"),
    ("selectattr", "the items for whose attribute a test is true"),
    (
        "sort",
        "the items in order; versions are compared as versions",
    ),
    ("split", "the parts of a text: `split(',')`"),
    ("string", "the value as text"),
    ("sum", "the sum of a list of numbers"),
    ("title", "each word with a capital"),
    ("tojson", "the value as JSON"),
    ("trim", "text without blanks at its ends"),
    ("unique", "the items, each once"),
    ("upper", "text in uppercase"),
];

/// The tests, each with what it says: `x is NAME`.
pub const TESTS: &[(&str, &str)] = &[
    ("boolean", "it is true or false"),
    ("defined", "it has a value"),
    ("divisibleby", "the argument divides it"),
    ("endingwith", "the text ends so"),
    ("eq", "it equals the argument, for `select` and `reject`"),
    ("even", "the number is even"),
    ("false", "it is false"),
    ("float", "it is a number with a fraction"),
    ("ge", "it is at least the argument"),
    ("gt", "it is greater than the argument"),
    ("in", "the argument holds it"),
    ("integer", "it is a whole number"),
    ("iterable", "it has items"),
    ("le", "it is at most the argument"),
    ("lt", "it is less than the argument"),
    ("mapping", "it is a map"),
    ("ne", "it differs from the argument"),
    ("none", "it is null"),
    ("number", "it is a number"),
    ("odd", "the number is odd"),
    ("sequence", "it is a list"),
    ("startingwith", "the text begins so"),
    ("string", "it is text"),
    ("true", "it is true"),
    ("undefined", "it has no value"),
    (
        "version",
        "the version meets a requirement: `is version('>= 1.10, < 1.29')`; a comma means and, and `== 1.29` means any 1.29",
    ),
];

/// The functions, each with what it gives. They are for `when` only.
pub const FUNCTIONS: &[(&str, &str)] = &[
    (
        "always",
        "true, and the step is decided whatever its needs came to",
    ),
    (
        "failure",
        "whether one of the needs failed, and the step is decided whatever they came to",
    ),
];

/// Whether a filter stands in for a value that is not there.
pub(super) fn is_default(filter: &str) -> bool {
    matches!(filter, "default" | "d")
}

/// The environment of every expression: nothing but what is listed above.
pub(super) fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        // From the full environment and not from the empty one: its filters are charged for what they do.
        let mut env = Environment::new();
        for name in BUILTIN_FILTERS {
            if !FILTERS.iter().any(|(kept, _)| kept == name) {
                env.remove_filter(name);
            }
        }
        for name in [
            "namespace",
            "dict",
            "range",
            "debug",
            "cycler",
            "joiner",
            "lipsum",
        ] {
            env.remove_global(name);
        }
        env.add_filter("dns_label", dns_label);
        env.add_test("version", is_version);
        env.add_test("ge", |one: &Value, other: &Value| {
            ordered(tests::is_ge, one, other)
        });
        env.add_test("gt", |one: &Value, other: &Value| {
            ordered(tests::is_gt, one, other)
        });
        env.add_test("le", |one: &Value, other: &Value| {
            ordered(tests::is_le, one, other)
        });
        env.add_test("lt", |one: &Value, other: &Value| {
            ordered(tests::is_lt, one, other)
        });
        env.add_filter(
            "max",
            |state: &State<'_, '_>, list: Value, kwargs: Kwargs| match versions(&list, &kwargs)
                .and_then(|mut list| list.pop())
            {
                Some((_, greatest)) => Ok(greatest),
                None => filters::max(state, list, kwargs),
            },
        );
        env.add_filter(
            "min",
            |state: &State<'_, '_>, list: Value, kwargs: Kwargs| match versions(&list, &kwargs)
                .and_then(|list| list.into_iter().next())
            {
                Some((_, smallest)) => Ok(smallest),
                None => filters::min(state, list, kwargs),
            },
        );
        env.add_filter("sort", sort);
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_fuel(Some(limits::FUEL));
        env.set_recursion_limit(64);
        // Errors then know their place.
        env.set_debug(true);
        env
    })
}

/// The filters of the engine that expressions do not get: they format for pages and programs, not for plans.
const BUILTIN_FILTERS: &[&str] = &[
    "safe",
    "escape",
    "e",
    "capitalize",
    "dictsort",
    "lines",
    "attr",
    "batch",
    "slice",
    "indent",
    "groupby",
    "chain",
    "zip",
    "pprint",
    "format",
    "urlencode",
];

/// Text as a DNS-1123 label.
fn dns_label(text: &str) -> Result<String, Error> {
    let mut label = String::with_capacity(text.len());
    for c in text.chars().map(|c| c.to_ascii_lowercase()) {
        let keep = c.is_ascii_lowercase() || c.is_ascii_digit();
        if keep {
            label.push(c);
        } else if !label.is_empty() && !label.ends_with('-') {
            label.push('-');
        }
    }
    label.truncate(63);
    label.truncate(label.trim_end_matches('-').len());
    if label.is_empty() {
        let message = format!("`{text}` has nothing that a DNS label could be made of");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    Ok(label)
}

/// A test of order. Versions have none as text.
fn ordered(test: fn(&Value, &Value) -> bool, one: &Value, other: &Value) -> Result<bool, Error> {
    if version_of(one).is_some() && version_of(other).is_some() {
        let message = "versions are compared as text here: write `is version('>= 1.10')`";
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    Ok(test(one, other))
}

fn version_of(value: &Value) -> Option<Version> {
    value.as_str()?.parse().ok()
}

/// The items in the order of versions, where all of them are versions and nothing else is to be compared.
fn versions(list: &Value, kwargs: &Kwargs) -> Option<Vec<(Version, Value)>> {
    if kwargs.has("attribute") {
        return None;
    }
    let items = list.try_iter().ok()?;
    let mut items: Vec<(Version, Value)> = items
        .map(|item| Some((version_of(&item)?, item)))
        .collect::<Option<_>>()?;
    items.sort_by(|one, other| one.0.cmp(&other.0));
    Some(items)
}

/// The filter `sort`, which knows the order of versions.
fn sort(state: &State<'_, '_>, list: Value, kwargs: Kwargs) -> Result<Value, Error> {
    let Some(sorted) = versions(&list, &kwargs) else {
        return filters::sort(state, list, kwargs);
    };
    let mut sorted: Vec<Value> = sorted.into_iter().map(|(_, item)| item).collect();
    if kwargs.get::<Option<bool>>("reverse")?.unwrap_or(false) {
        sorted.reverse();
    }
    Ok(Value::from(sorted))
}

/// `is version('>= 1.10')`.
fn is_version(value: &Value, requirement: &str) -> Result<bool, Error> {
    let invalid = |message: String| Error::new(ErrorKind::InvalidOperation, message);
    let text = match value.kind() {
        ValueKind::String => value.as_str().unwrap_or_default(),
        kind => {
            return Err(invalid(format!(
                "a version is a text such as '1.29.1', and this is a {kind}"
            )));
        }
    };
    let version: Version = text.parse().map_err(|error| invalid(format!("{error}")))?;
    Ok(Requirement::parse(requirement)
        .map_err(invalid)?
        .met_by(&version))
}

/// What a version must be: comparisons, all of which must hold.
pub(super) struct Requirement(Vec<(Comparison, Version)>);

#[derive(Clone, Copy)]
enum Comparison {
    AtLeast,
    AtMost,
    Above,
    Below,
    Is,
    IsNot,
}

/// Longest first, so that `>=` is not read as `>`.
const COMPARISONS: [(&str, Comparison); 7] = [
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    ("==", Comparison::Is),
    ("!=", Comparison::IsNot),
    (">", Comparison::Above),
    ("<", Comparison::Below),
    ("=", Comparison::Is),
];

impl Requirement {
    /// Reads `>= 1.10, < 1.29`. A version alone means `==`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let part = |part: &str| {
            let part = part.trim();
            let (comparison, version) = COMPARISONS
                .iter()
                .find_map(|(sign, comparison)| Some((*comparison, part.strip_prefix(sign)?)))
                .unwrap_or((Comparison::Is, part));
            let version = version.trim().parse().map_err(|_| {
                format!("`{part}` is no requirement: write a comparison and a version, such as `>= 1.10`")
            })?;
            Ok((comparison, version))
        };
        text.split(',')
            .map(part)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a version meets it. `1.29` stands for every 1.29: `<= 1.29` and `== 1.29` hold for 1.29.3, `> 1.29`
    /// does not.
    fn met_by(&self, version: &Version) -> bool {
        self.0.iter().all(|(comparison, bound)| {
            let order = if bound.covers(version) {
                Ordering::Equal
            } else {
                version.cmp(bound)
            };
            match comparison {
                Comparison::AtLeast => order.is_ge(),
                Comparison::AtMost => order.is_le(),
                Comparison::Above => order.is_gt(),
                Comparison::Below => order.is_lt(),
                Comparison::Is => order.is_eq(),
                Comparison::IsNot => order.is_ne(),
            }
        })
    }
}
