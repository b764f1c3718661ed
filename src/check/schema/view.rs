//! The tree as the validator of JSON sees it: in place, without a copy.
//!
//! Two things are not as in JSON. A plain scalar takes the type that its place asks for: it is text where a string is
//! wanted, and a number where a number is. And a template stands for a value that is not known yet: it can be whatever
//! its expression can give, and nothing is said of what is in it.

use std::borrow::Cow;
use std::str::FromStr;

use jsonschema::json::{Array, Json, Node, NodeIdentity, Object};
use jsonschema::{JsonType, JsonTypeSet, Keyword, ValidationError};
use serde_json::{Map, Number, Value};

use super::NoTypes;
use crate::check::tree::{Branch, Tree};
use crate::source::{Core, Key, Scalar, Style};
use crate::template::{Type, Types};

/// Our trees, as a representation of JSON.
pub(super) struct Trees;

/// A value in a tree.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) value: &'a Branch,
    /// The types of the names in its expressions.
    pub(super) types: &'a dyn Types,
}

impl<'a> View<'a> {
    fn of(self, tree: &'a Tree) -> Self {
        Self {
            value: &tree.value,
            ..self
        }
    }

    fn pairs(&self) -> &'a [(Key, Tree)] {
        match self.value {
            Branch::Map(pairs) => pairs,
            _ => &[],
        }
    }

    fn items(&self) -> &'a [Tree] {
        match self.value {
            Branch::Seq(items) => items,
            _ => &[],
        }
    }

    /// The scalar, where it is one that says something.
    pub(super) fn scalar(&self) -> Option<&'a Scalar> {
        match self.value {
            Branch::Scalar(scalar) if scalar.core() != Core::Null => Some(scalar),
            _ => None,
        }
    }

    /// Whether it can be of one of these types.
    pub(super) fn can_be(&self, types: JsonTypeSet) -> bool {
        let has = |one: JsonType| types.contains(one);
        let text = has(JsonType::String);
        let number = has(JsonType::Number);
        let whole = has(JsonType::Integer);
        match self.value {
            Branch::Broken(_) => true,
            Branch::Seq(_) => has(JsonType::Array),
            Branch::Map(_) => has(JsonType::Object),
            Branch::Scalar(scalar) => match scalar.core() {
                // An optional value is left out, not empty.
                Core::Null => false,
                Core::Bool(_) => has(JsonType::Boolean) || text,
                Core::Int(_) => whole || number || text,
                Core::Float(_) => number || text,
                Core::Str => text,
            },
            // Its own mistakes are told elsewhere.
            Branch::Template(template) => match template.infer(self.types).0 {
                Type::Unknown => true,
                Type::Bool => has(JsonType::Boolean) || text,
                Type::Number => whole || number || text,
                Type::String | Type::Version | Type::Outcome => text,
                Type::List => has(JsonType::Array),
                Type::Map => has(JsonType::Object),
            },
        }
    }
}

/// The types that a `type` names.
pub(super) fn types_in(names: &Value) -> JsonTypeSet {
    let names = match names {
        Value::Array(many) => many.as_slice(),
        one => std::slice::from_ref(one),
    };
    let types = names.iter().filter_map(Value::as_str);
    types
        .filter_map(|name| JsonType::from_str(name).ok())
        .fold(JsonTypeSet::empty(), JsonTypeSet::insert)
}

/// The keyword `type`, by what a value can be. Where free text is wanted, it also finds fault with a plain scalar that
/// other readers would take for another number.
pub(super) struct TypeOf {
    types: JsonTypeSet,
    free_text: bool,
}

impl TypeOf {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the form of a factory of keywords"
    )]
    pub(super) fn keyword<'a>(
        parent: &'a Map<String, Value>,
        names: &'a Value,
        _: jsonschema::paths::Location,
    ) -> Result<Box<dyn for<'i> Keyword<'i, Trees>>, ValidationError<'a>> {
        let types = types_in(names);
        let fixed = ["enum", "const", "format"];
        let free_text =
            types.contains(JsonType::String) && !fixed.iter().any(|key| parent.contains_key(*key));
        Ok(Box::new(Self { types, free_text }))
    }
}

impl<'i> Keyword<'i, Trees> for TypeOf {
    fn validate(&self, view: View<'i>) -> Result<(), ValidationError<'i>> {
        if Keyword::<Trees>::is_valid(self, view) {
            Ok(())
        } else {
            Err(ValidationError::custom("not of this type"))
        }
    }

    fn is_valid(&self, view: View<'i>) -> bool {
        let otherwise = || view.scalar().and_then(Scalar::rewritten).is_some();
        view.can_be(self.types) && !(self.free_text && otherwise())
    }
}

impl Json for Trees {
    type Node<'a> = View<'a>;
    type PreparedKey = Box<str>;
    type StringBuffer = Option<Branch>;

    const KEYS_PER_LOOKUP: usize = 2;
    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> Box<str> {
        key.into()
    }

    fn with_string_node<T>(
        buffer: &mut Option<Branch>,
        text: &str,
        f: impl FnOnce(View<'_>) -> T,
    ) -> T {
        f(View {
            value: buffer.insert(Branch::Scalar(Scalar::new(text, Style::Quoted))),
            types: &NoTypes,
        })
    }
}

impl<'a> Node<'a, Trees> for View<'a> {
    type Object = Self;
    type Array = Self;
    type Number = Number;

    fn as_object(&self) -> Option<Self> {
        matches!(self.value, Branch::Map(_)).then_some(*self)
    }

    fn as_array(&self) -> Option<Self> {
        matches!(self.value, Branch::Seq(_)).then_some(*self)
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        self.scalar().map(|scalar| scalar.text.as_str().into())
    }

    fn as_number(&self) -> Option<Number> {
        match self.scalar()?.core() {
            Core::Int(int) => Some(int.into()),
            Core::Float(float) => Number::from_f64(float),
            _ => None,
        }
    }

    fn as_boolean(&self) -> Option<bool> {
        match self.scalar()?.core() {
            Core::Bool(bool) => Some(bool),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self.value, Branch::Scalar(scalar) if scalar.core() == Core::Null)
    }

    fn is_string(&self) -> bool {
        self.scalar().is_some()
    }

    fn json_type(&self) -> JsonType {
        match self.value {
            Branch::Seq(_) => JsonType::Array,
            Branch::Map(_) => JsonType::Object,
            Branch::Template(_) | Branch::Broken(_) => JsonType::String,
            Branch::Scalar(scalar) => match scalar.core() {
                Core::Null => JsonType::Null,
                Core::Bool(_) => JsonType::Boolean,
                Core::Int(_) | Core::Float(_) => JsonType::Number,
                Core::Str => JsonType::String,
            },
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match expected {
            Value::String(text) => self.scalar().is_some_and(|scalar| scalar.text == *text),
            other => self.value.to_json() == *other,
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Owned(self.value.to_json())
    }

    /// The schemas hold no circle of references that this would have to break.
    fn identity(&self) -> Option<NodeIdentity> {
        None
    }
}

impl<'a> Object<'a, Trees> for View<'a> {
    type Node = Self;
    type MemberName = &'a str;
    type MembersIter = Members<'a>;

    fn len(&self) -> usize {
        self.pairs().len()
    }

    fn get(&self, key: &Box<str>) -> Option<Self> {
        let mut pairs = self.pairs().iter();
        let (_, tree) = pairs.find(|(known, _)| *known.text == **key)?;
        Some(self.of(tree))
    }

    fn members(&self) -> Members<'a> {
        Members(self.pairs().iter(), *self)
    }
}

impl<'a> Array<'a, Trees> for View<'a> {
    type Node = Self;
    type ElementsIter = Elements<'a>;

    fn len(&self) -> usize {
        self.items().len()
    }

    fn elements(&self) -> Elements<'a> {
        Elements(self.items().iter(), *self)
    }
}

/// The pairs of a map.
pub(super) struct Members<'a>(std::slice::Iter<'a, (Key, Tree)>, View<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, View<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, tree) = self.0.next()?;
        Some((&key.text, self.1.of(tree)))
    }
}

/// The items of a list.
pub(super) struct Elements<'a>(std::slice::Iter<'a, Tree>, View<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = View<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|tree| self.1.of(tree))
    }
}
