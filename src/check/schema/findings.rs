//! What the validator finds, in the words of the language, at the place that it speaks of.

use std::borrow::Cow;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Fault;
use serde_json::{Map, Value as Json};

use super::view::{View, types_in};
use super::{DURATION, Schema};
use crate::check::tree::{Branch, Tree};
use crate::check::words;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, suggest};
use crate::model;
use crate::model::id::DNS_LABEL;
use crate::source::{Core, Scalar, Span, Style};
use crate::template::Types;

/// Something that is wrong, with alternatives reduced to the one that was meant.
struct Finding {
    /// Where: a pointer into the value.
    at: String,
    what: What,
}

enum What {
    /// None of these types, in words.
    Type(Vec<&'static str>),
    /// A text that other readers take for another number.
    Unquoted,
    /// None of these names, and of none of these types, in words.
    Name(Vec<String>, Vec<&'static str>),
    /// A key that is not there.
    Missing(String),
    /// Keys that the map does not know; the schema of the map.
    Unknown(Vec<String>, String),
    /// Anything else, with what helps.
    Value(String, Option<String>),
}

/// Tells what is wrong with a value. A misspelt key is taken for the one that was probably meant, so that what stands
/// under it is checked, too.
pub(super) fn tell(
    schema: &Schema,
    tree: &Tree,
    owner: Span,
    types: &dyn Types,
    truncated: bool,
    out: &mut Diagnostics,
) {
    let mut tree = Cow::Borrowed(tree);
    // Maps of one key, under which another name stands.
    let mut hollow = Vec::new();
    loop {
        let teller = Teller {
            schema: &schema.json,
            tree: &tree,
            owner,
            types,
        };
        let value = &tree.value;
        let errors = schema.validator.iter_errors(View { value, types });
        let found: Vec<Finding> = errors.flat_map(|error| teller.reduce(&error)).collect();
        let mut mended = None;
        for finding in &found {
            if let What::Unknown(names, map) = &finding.what {
                let mended = mended.get_or_insert_with(|| tree.as_ref().clone());
                if let Some(map_tree) = at_mut(mended, &finding.at) {
                    let known: Vec<&str> = teller.keys(map).collect();
                    rename(map_tree, names, &known, out);
                    if known.len() == 1 {
                        hollow.push(finding.at.clone());
                    }
                }
            }
        }
        let Some(mended) = mended else {
            let types: Vec<String> = found
                .iter()
                .filter(|one| matches!(one.what, What::Type(_)))
                .map(|one| one.at.clone())
                .collect();
            for finding in found {
                // What has the wrong type has the wrong value, too.
                if matches!(finding.what, What::Value(..)) && types.contains(&finding.at)
                    || matches!(finding.what, What::Missing(_)) && hollow.contains(&finding.at)
                {
                    continue;
                }
                if !(truncated && matches!(finding.what, What::Missing(_))) {
                    out.extend(teller.say(finding));
                }
            }
            return;
        };
        tree = Cow::Owned(mended);
    }
}

/// Tells the unknown keys of a map, and puts those that were probably meant in their place.
fn rename(map: &mut Tree, unknown: &[String], known: &[&str], out: &mut Diagnostics) {
    let Branch::Map(pairs) = &mut map.value else {
        return;
    };
    for name in unknown {
        let Some(position) = pairs.iter().position(|(key, _)| key.text == *name) else {
            continue;
        };
        out.push(words::unknown_key(name, pairs[position].0.span, known));
        let taken = |name: &str| pairs.iter().any(|(key, _)| key.text == name);
        let free = known.iter().copied().filter(|name| !taken(name));
        match suggest::closest(name, free) {
            Some(meant) => meant.clone_into(&mut pairs[position].0.text),
            None => {
                pairs.remove(position);
            }
        }
    }
}

struct Teller<'a> {
    schema: &'a Json,
    tree: &'a Tree,
    owner: Span,
    types: &'a dyn Types,
}

impl Teller<'_> {
    /// What an error says. Of alternatives, those that fit the type of the value speak.
    fn reduce(&self, error: &ValidationError<'_>) -> Vec<Finding> {
        let at = error.instance_path().as_str();
        let parent = error.schema_path().as_str();
        let parent = parent.rsplit_once('/').map_or("", |(parent, _)| parent);
        let is_duration = self
            .schema
            .pointer(parent)
            .is_some_and(|parent| parent.get("format").and_then(Json::as_str) == Some(DURATION));
        let (tree, _) = self.find(at);
        let text = match &tree.value {
            Branch::Scalar(scalar) => scalar.text.as_str(),
            _ => "",
        };
        let what = match error.kind() {
            Fault::Custom { .. } => {
                let wanted = self.schema.pointer(error.schema_path().as_str());
                let wanted = wanted.unwrap_or(&Json::Null);
                let view = View {
                    value: &tree.value,
                    types: self.types,
                };
                if view.can_be(types_in(wanted)) {
                    What::Unquoted
                } else {
                    What::Type(in_words(wanted, is_duration))
                }
            }
            Fault::Enum { options } => {
                let names = options.as_array().into_iter().flatten();
                let names = names.filter_map(Json::as_str).map(str::to_owned);
                What::Name(names.collect(), Vec::new())
            }
            Fault::Constant { expected_value } => {
                let name = expected_value.as_str().map(str::to_owned);
                What::Name(name.into_iter().collect(), Vec::new())
            }
            Fault::AnyOf { context } | Fault::OneOfNotValid { context } => {
                let branches = context
                    .iter()
                    .map(|errors| errors.iter().flat_map(|one| self.reduce(one)).collect());
                return meant(at, branches.collect());
            }
            Fault::Required { property } => {
                What::Missing(property.as_str().unwrap_or_default().to_owned())
            }
            Fault::AdditionalProperties { unexpected } => {
                What::Unknown(unexpected.clone(), parent.to_owned())
            }
            Fault::Format { .. } => match text.parse::<model::Span>() {
                Err(error) => What::Value(error.to_string(), None),
                Ok(_) => return Vec::new(),
            },
            Fault::Pattern { pattern } => match (pattern.as_str(), only_word(pattern)) {
                (_, Some(word)) => What::Name(vec![word.to_owned()], Vec::new()),
                (DNS_LABEL, _) => What::Value(
                    format!("`{text}` is no name of a namespace"),
                    Some("such a name is made of small letters, digits and `-`".to_owned()),
                ),
                _ => What::Value(
                    format!("`{text}` does not have the form of such a value"),
                    Some(format!("it must match `{pattern}`")),
                ),
            },
            Fault::MinLength { .. } => What::Value("the text is empty".to_owned(), None),
            Fault::MinProperties { .. } => What::Value("the map is empty".to_owned(), None),
            Fault::ExclusiveMinimum { limit } => {
                What::Value(format!("`{text}` is not above {limit}"), None)
            }
            Fault::Minimum { limit } => What::Value(format!("`{text}` is below {limit}"), None),
            Fault::Maximum { limit } => What::Value(format!("`{text}` is above {limit}"), None),
            Fault::MinItems { limit } => {
                let said = match tree.items().len() {
                    0 => "the list is empty".to_owned(),
                    items => format!("the list has {items} items, and needs {limit}"),
                };
                What::Value(said, None)
            }
            Fault::MaxItems { limit } => {
                let items = tree.items().len();
                let said = format!("the list has {items} items, and takes {limit}");
                What::Value(said, None)
            }
            _ => What::Value(error.to_string(), None),
        };
        vec![Finding {
            at: at.to_owned(),
            what,
        }]
    }

    fn say(&self, finding: Finding) -> Option<Diagnostic> {
        let (tree, owner) = self.find(&finding.at);
        Some(match finding.what {
            What::Missing(name) => words::missing(&name, owner),
            What::Type(wanted) => return self.wrong_type(&wanted.join(" or "), tree),
            What::Value(message, help) => {
                let mut problem = Diagnostic::new(Code::BadValue, message).at(tree.span, "");
                problem.help = help;
                problem
            }
            What::Unquoted => words::unquoted(tree.scalar()?, tree.span)?,
            What::Name(names, types) => {
                let scalar = tree.scalar().filter(|one| one.core() != Core::Null)?;
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                match types.as_slice() {
                    [] => unknown_name(&scalar.text, tree.span, &names),
                    types => neither(scalar, tree.span, types, &names),
                }
            }
            What::Unknown(..) => return None,
        })
    }

    fn wrong_type(&self, wanted: &str, tree: &Tree) -> Option<Diagnostic> {
        let found = match &tree.value {
            Branch::Seq(_) => "a list",
            Branch::Map(_) => "a map",
            Branch::Scalar(scalar) => found(scalar),
            Branch::Template(template) => {
                let (inferred, _) = template.infer(self.types);
                let message = format!("expected {wanted}, found an expression that is {inferred}");
                return Some(
                    Diagnostic::new(Code::ExpressionType, message)
                        .at(template.span(), format!("this is {inferred}")),
                );
            }
            Branch::Broken(_) => return None,
        };
        let whole = |scalar: &Scalar| {
            let digits = scalar.text.trim_start_matches(['-', '+']);
            matches!(scalar.core(), Core::Float(_)) && digits.chars().all(|c| c.is_ascii_digit())
        };
        if let Some(scalar) = tree.scalar().filter(|one| whole(one)) {
            let message = format!("`{}` is out of range", scalar.text);
            return Some(Diagnostic::new(Code::BadValue, message).at(tree.span, "too large"));
        }
        let message = format!("expected {wanted}, found {found}");
        Some(Diagnostic::new(Code::WrongType, message).at(head(tree), format!("this is {found}")))
    }

    /// The value that a pointer names, and the key that it stands under.
    fn find(&self, pointer: &str) -> (&Tree, Span) {
        let mut found = (self.tree, self.owner);
        for name in names(pointer) {
            let inner = match &found.0.value {
                Branch::Map(pairs) => {
                    let mut pairs = pairs.iter();
                    let pair = pairs.find(|(key, _)| key.text == name);
                    pair.map(|(key, tree)| (tree, key.span))
                }
                _ => position(&name)
                    .and_then(|at| found.0.items().get(at))
                    .map(|tree| (tree, found.1)),
            };
            found = inner.unwrap_or(found);
        }
        found
    }

    /// The keys that the schema at a pointer knows.
    fn keys(&self, pointer: &str) -> impl Iterator<Item = &str> {
        let properties = self
            .schema
            .pointer(pointer)
            .and_then(|map| map.get("properties"));
        let properties = properties.and_then(Json::as_object);
        properties
            .into_iter()
            .flat_map(Map::keys)
            .map(String::as_str)
    }
}

/// Of what is wrong with each alternative: what is wrong with the one that was meant.
fn meant(at: &str, branches: Vec<Vec<Finding>>) -> Vec<Finding> {
    let mut names = Vec::new();
    let mut types: Vec<&'static str> = Vec::new();
    for mut branch in branches {
        // What the text is not taken for says nothing where it is not the right text either.
        if branch.len() > 1 {
            branch.retain(|one| !matches!(one.what, What::Unquoted));
        }
        let of_type = branch.iter().find_map(|one| match &one.what {
            What::Type(wanted) if one.at == at => Some(wanted),
            _ => None,
        });
        if let Some(wanted) = of_type {
            let new = wanted.iter().filter(|word| !types.contains(word));
            let new: Vec<_> = new.copied().collect();
            types.extend(new);
            continue;
        }
        match branch.as_slice() {
            [
                Finding {
                    at: place,
                    what: What::Name(some, of),
                },
            ] if place == at => {
                names.extend_from_slice(some);
                types.extend(of);
            }
            _ => return branch,
        }
    }
    let what = if names.is_empty() {
        What::Type(types)
    } else {
        What::Name(names, types)
    };
    let at = at.to_owned();
    vec![Finding { at, what }]
}

fn unknown_name(text: &str, span: Span, names: &[&str]) -> Diagnostic {
    let problem = Diagnostic::new(Code::BadValue, format!("unknown value `{text}`"))
        .at(span, "not one of the values allowed here")
        .suggest(text, names.iter().copied());
    match problem.help {
        Some(_) => problem,
        None => problem.help(format!("allowed are {}", words::quoted(names))),
    }
}

/// A value that is of none of the types, and none of the names.
fn neither(scalar: &Scalar, span: Span, types: &[&str], names: &[&str]) -> Diagnostic {
    let text = &scalar.text;
    let allowed = format!("{} or {}", types.join(" or "), words::quoted(names));
    let message = format!("`{text}` is neither {}", allowed.replace(" or ", " nor "));
    let problem = Diagnostic::new(Code::BadValue, message).at(span, "not allowed here");
    let number = text.parse::<u32>().is_ok();
    if number && scalar.style != Style::Plain {
        return problem.help(format!("write it without quotes: {text}"));
    }
    problem
        .suggest(text, names.iter().copied())
        .or_help(format!("write {allowed}"))
}

/// The word that a pattern asks for, where it asks for one alone.
fn only_word(pattern: &str) -> Option<&str> {
    let word = pattern.strip_prefix('^')?.strip_suffix('$')?;
    word.chars().all(char::is_alphanumeric).then_some(word)
}

fn at_mut<'t>(tree: &'t mut Tree, pointer: &str) -> Option<&'t mut Tree> {
    let mut found = tree;
    for name in names(pointer) {
        found = match &mut found.value {
            Branch::Map(pairs) => pairs
                .iter_mut()
                .find(|(key, _)| key.text == name)
                .map(|(_, tree)| tree),
            Branch::Seq(items) => position(&name).and_then(|at| items.get_mut(at)),
            _ => None,
        }?;
    }
    Some(found)
}

/// The names in a JSON pointer.
fn names(pointer: &str) -> impl Iterator<Item = String> {
    let names = pointer.split('/').skip(1);
    names.map(|name| name.replace("~1", "/").replace("~0", "~"))
}

fn position(name: &str) -> Option<usize> {
    name.parse().ok()
}

/// Where to point at a value: the first line of a map or list, else all of it.
fn head(tree: &Tree) -> Span {
    match &tree.value {
        Branch::Map(pairs) => pairs.first().map_or(tree.span, |(key, _)| key.span),
        Branch::Seq(items) => items.first().map_or(tree.span, head),
        _ => tree.span,
    }
}

/// The types that a `type` names.
fn in_words(types: &Json, is_duration: bool) -> Vec<&'static str> {
    let types = match types {
        Json::Array(many) => many.as_slice(),
        one => std::slice::from_ref(one),
    };
    let word = |name: &Json| match name.as_str()? {
        "object" => Some("a map"),
        "array" => Some("a list"),
        "string" if is_duration => Some("a duration"),
        "string" => Some("a string"),
        "integer" => Some("a whole number"),
        "number" => Some("a number"),
        "boolean" => Some("`true` or `false`"),
        // An optional value is left out.
        _ => None,
    };
    types.iter().filter_map(word).collect()
}

fn found(scalar: &Scalar) -> &'static str {
    match scalar.core() {
        Core::Null => "nothing",
        Core::Bool(_) => "a bool",
        Core::Int(_) | Core::Float(_) => "a number",
        Core::Str => "a string",
    }
}
