//! Pods and proxies that behave in another way than the rest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::strike::Dice;
use crate::lab::api::object;
use crate::lab::istio::ProxyFault;
use crate::mesh::injection::Proxy;
use crate::model::{Span, glob};

/// How some pods behave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Behaviour {
    /// Which pods; default: all.
    #[serde(default)]
    pub on: Which,
    /// The share of them that it hits, by the seed; default: all.
    #[serde(default = "all")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub chance: f64,
    /// How long they take to become ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_after: Option<Span>,
    /// Whether they never become ready.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never_ready: bool,
    /// How long after its pod's start the proxy connects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_after: Option<Span>,
    /// What the proxy does wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxyBehaviour>,
}

/// Which pods; a pod must fit all that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// The namespace, with `*` for any text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The pod's name, with `*` for any text: `cart-*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The revision that injected its proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// What a proxy does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyBehaviour {
    /// It rejects what it is sent.
    Nack,
    /// It never answers to what it is sent.
    NeverAck,
    /// It is connected to another revision than the one that injected it.
    StayOld,
    /// It is connected to its own revision and to another one.
    Both,
    /// It never connects.
    Absent,
}

impl From<ProxyBehaviour> for ProxyFault {
    fn from(behaviour: ProxyBehaviour) -> Self {
        match behaviour {
            ProxyBehaviour::Nack => Self::Nack,
            ProxyBehaviour::NeverAck => Self::NeverAck,
            ProxyBehaviour::StayOld => Self::StayOld,
            ProxyBehaviour::Both => Self::Both,
            ProxyBehaviour::Absent => Self::Absent,
        }
    }
}

fn all() -> f64 {
    1.0
}

impl Which {
    fn takes(&self, pod: &Value) -> bool {
        let fits = |glob: &Option<String>, text: &str| {
            glob.as_ref().is_none_or(|glob| glob::matches(glob, text))
        };
        fits(&self.namespace, object::namespace(pod))
            && fits(&self.name, object::name(pod))
            && self.revision.as_ref().is_none_or(|revision| {
                Proxy::of(pod).is_some_and(|proxy| proxy.revision.as_ref() == Some(revision))
            })
    }
}

/// The behaviour of a pod, if it is another than that of the rest.
pub(super) fn of<'a>(all: &'a [Behaviour], dice: Dice, pod: &Value) -> Option<&'a Behaviour> {
    all.iter().enumerate().find_map(|(at, behaviour)| {
        let uid = object::meta(pod, "uid");
        let fits =
            behaviour.on.takes(pod) && dice.falls(&format!("pod/{at}/{uid}"), behaviour.chance);
        fits.then_some(behaviour)
    })
}
