//! The closed list of step kinds, each with its parameters.

mod gate;
mod install_revision;
mod label_ns;
mod precheck;
mod restart;
mod verify_xds;
mod wait_ready;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};

pub use gate::{
    Approval, Command, Day, GATE_CHECKS, Gate, GateCheck, Health, Http, Missing, Prometheus, Soak,
    Window, Zone, is_http_url,
};
pub use install_revision::{InstallRevision, Source};
pub use label_ns::{LabelNs, NamespaceQuery, Namespaces};
pub use precheck::{FailOn, Precheck};
pub use restart::{Restart, WorkloadKind};
pub use verify_xds::{VerifyXds, Via};
pub use wait_ready::WaitReady;

/// The namespace of the control plane where a step names none.
pub const ISTIO_SYSTEM: &str = "istio-system";

/// What a step does: its kind and its parameters, resolved.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "uses", content = "with", rename_all = "kebab-case")]
pub enum Action {
    /// Looks for what would make the upgrade fail.
    Precheck(Precheck),
    /// Installs a control plane beside the old one.
    InstallRevision(InstallRevision),
    /// Waits until a control plane really serves.
    WaitReady(WaitReady),
    /// Points namespaces at a revision or tag.
    LabelNs(LabelNs),
    /// Restarts the workloads that have not moved.
    Restart(Restart),
    /// Proves that every proxy moved.
    VerifyXds(VerifyXds),
    /// Holds the run until something says go.
    Gate(Gate),
}

/// The name of a step kind, without its parameters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// See [`Precheck`].
    Precheck,
    /// See [`InstallRevision`].
    InstallRevision,
    /// See [`WaitReady`].
    WaitReady,
    /// See [`LabelNs`].
    LabelNs,
    /// See [`Restart`].
    Restart,
    /// See [`VerifyXds`].
    VerifyXds,
    /// See [`Gate`].
    Gate,
}

impl Kind {
    /// All kinds, in the order in which an upgrade uses them.
    pub const ALL: [Self; 7] = [
        Self::Precheck,
        Self::InstallRevision,
        Self::WaitReady,
        Self::LabelNs,
        Self::Restart,
        Self::VerifyXds,
        Self::Gate,
    ];

    /// The name as `uses` writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Precheck => "precheck",
            Self::InstallRevision => "install-revision",
            Self::WaitReady => "wait-ready",
            Self::LabelNs => "label-ns",
            Self::Restart => "restart",
            Self::VerifyXds => "verify-xds",
            Self::Gate => "gate",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The outputs that the kind produces, each with what it holds.
    pub const fn outputs(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Precheck => &[
                ("verdict", "`pass`, `warn` or `fail`"),
                (
                    "findings",
                    "the list of findings: code, verdict, object, message, advice",
                ),
            ],
            Self::InstallRevision => &[
                ("objects", "the objects applied, as KIND/NAMESPACE/NAME"),
                ("changed", "how many of them changed"),
            ],
            Self::WaitReady => &[
                ("pods", "the control plane's pods that serve"),
                ("version", "the version that they report"),
            ],
            Self::LabelNs => &[("before", "the two labels of each namespace as they were")],
            Self::Restart => &[
                (
                    "restarted",
                    "the workloads restarted, as KIND/NAMESPACE/NAME",
                ),
                ("skipped", "the workloads left alone, each with its reason"),
                (
                    "unrestartable",
                    "what cannot be restarted, each with its reason",
                ),
            ],
            Self::VerifyXds => &[
                ("moved", "how many proxies moved"),
                ("verdicts", "one verdict for each pod"),
            ],
            Self::Gate => &[
                ("decision", "`accepted` or `rejected`"),
                ("by", "who or what decided"),
                (
                    "value",
                    "what was measured or answered, where there is such a thing",
                ),
            ],
        }
    }

    /// The JSON schema of the kind's parameters.
    pub fn parameters(self, generator: &mut SchemaGenerator) -> Schema {
        match self {
            Self::Precheck => Precheck::json_schema(generator),
            Self::InstallRevision => InstallRevision::json_schema(generator),
            Self::WaitReady => WaitReady::json_schema(generator),
            Self::LabelNs => LabelNs::json_schema(generator),
            Self::Restart => Restart::json_schema(generator),
            Self::VerifyXds => VerifyXds::json_schema(generator),
            Self::Gate => Gate::json_schema(generator),
        }
    }

    /// Reads the parameters of this kind.
    ///
    /// # Errors
    /// What the deserializer says of a parameter that is missing, unknown or of the wrong type.
    pub fn decode<'de, D: Deserializer<'de>>(self, with: D) -> Result<Action, D::Error> {
        Ok(match self {
            Self::Precheck => Action::Precheck(Precheck::deserialize(with)?),
            Self::InstallRevision => Action::InstallRevision(InstallRevision::deserialize(with)?),
            Self::WaitReady => Action::WaitReady(WaitReady::deserialize(with)?),
            Self::LabelNs => Action::LabelNs(LabelNs::deserialize(with)?),
            Self::Restart => Action::Restart(Restart::deserialize(with)?),
            Self::VerifyXds => Action::VerifyXds(VerifyXds::deserialize(with)?),
            Self::Gate => Action::Gate(Gate::deserialize(with)?),
        })
    }
}

impl Action {
    /// The kind of this action.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Precheck(_) => Kind::Precheck,
            Self::InstallRevision(_) => Kind::InstallRevision,
            Self::WaitReady(_) => Kind::WaitReady,
            Self::LabelNs(_) => Kind::LabelNs,
            Self::Restart(_) => Kind::Restart,
            Self::VerifyXds(_) => Kind::VerifyXds,
            Self::Gate(_) => Kind::Gate,
        }
    }
}

/// The default of every `istio_namespace`.
fn istio_system() -> String {
    ISTIO_SYSTEM.to_owned()
}
