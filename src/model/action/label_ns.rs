//! Parameters of `label-ns`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::istio_system;
use crate::model::id::DNS_LABEL;

/// Points namespaces at a revision or tag: removes `istio-injection` and sets `istio.io/rev` in one patch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelNs {
    /// The one namespace to label.
    #[serde(default)]
    #[schemars(regex(pattern = DNS_LABEL))]
    pub namespace: Option<String>,
    /// The namespaces to label: their names, or `{selector, exclude}`.
    #[serde(default)]
    #[schemars(extend("minItems" = 1))]
    pub namespaces: Option<Namespaces>,
    /// The revision or tag that shall inject from now on.
    #[schemars(regex(pattern = DNS_LABEL))]
    pub revision: String,
    /// The namespace of the control plane.
    #[serde(default = "istio_system")]
    #[schemars(regex(pattern = DNS_LABEL))]
    pub istio_namespace: String,
}

/// Namespaces by name, or by one look at the cluster.
#[derive(Debug, Clone, PartialEq)]
pub enum Namespaces {
    /// These.
    Names(Vec<String>),
    /// Those that match.
    Query(NamespaceQuery),
}

/// Which namespaces a look at the cluster selects; sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamespaceQuery {
    /// A label selector as kubectl writes it: `istio-injection=enabled`.
    pub selector: String,
    /// Names to leave out.
    #[serde(default)]
    #[schemars(inner(regex(pattern = DNS_LABEL)))]
    pub exclude: Vec<String>,
}

impl Serialize for Namespaces {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Names(names) => names.serialize(serializer),
            Self::Query(query) => query.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Namespaces {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Namespaces;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of namespaces, or `{selector, exclude}`")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Namespaces, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Namespaces::Names)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Namespaces, A::Error> {
                NamespaceQuery::deserialize(de::value::MapAccessDeserializer::new(map))
                    .map(Namespaces::Query)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Namespaces {
    fn schema_name() -> Cow<'static, str> {
        "Namespaces".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let query = NamespaceQuery::json_schema(generator);
        json_schema!({
            "description": "Names of namespaces, or a query {selector, exclude}.",
            "anyOf": [{ "type": "array", "items": { "type": "string", "pattern": DNS_LABEL } }, query],
        })
    }
}
