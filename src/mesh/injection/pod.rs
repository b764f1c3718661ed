//! What a pod already has: its proxy, the revision that injected it, and what pins it there.

use std::fmt;

use serde_json::Value;

use crate::mesh::istiod::{DEFAULT, REVISION_LABEL, STATUS_ANNOTATION, revision_of_address};
use crate::mesh::version::Version;

const PROXY_CONTAINER: &str = "istio-proxy";

/// Where the revision of a pod was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RevisionSource {
    /// The annotation `istio.io/rev` (since 1.10).
    Annotation,
    /// The JSON in the annotation `sidecar.istio.io/status`.
    Status,
    /// The label `istio.io/rev` (1.6 to 1.9, and gateways).
    Label,
    /// The address of the control plane in the proxy's environment or arguments (1.5).
    Address,
}

/// What a proxy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyKind {
    /// Beside an application.
    Sidecar,
    /// A gateway: nothing but the proxy.
    Gateway,
}

/// The proxy of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// The revision of the control plane that injected it.
    pub revision: Option<String>,
    /// Where the revision was read.
    pub source: Option<RevisionSource>,
    /// The version in its image's tag.
    pub version: Option<Version>,
    /// The control plane that it is told to talk to, `istiod-canary.istio-system.svc:15012`.
    pub address: Option<String>,
    /// What it is for.
    pub kind: ProxyKind,
    /// Whether it is a native sidecar, an init container that goes on running.
    pub native: bool,
}

impl Proxy {
    /// The proxy of a pod (an object with `metadata` and `spec`), if it has one.
    pub fn of(pod: &Value) -> Option<Self> {
        let (container, native) = proxy_container(pod)?;
        let (revision, source) = pod_revision(pod).unzip();
        Some(Self {
            revision,
            source,
            version: image_version(container["image"].as_str().unwrap_or_default()),
            address: address(container),
            kind: if is_gateway(pod) {
                ProxyKind::Gateway
            } else {
                ProxyKind::Sidecar
            },
            native,
        })
    }

    /// The revision that its address names, when that is another one than the revision that injected it: a pin keeps
    /// it there.
    pub fn strays_to(&self) -> Option<&str> {
        let addressed = revision_of_address(self.address.as_deref()?)?;
        (self.revision.as_deref() != Some(addressed)).then_some(addressed)
    }
}

/// The revision of the control plane that injected a pod, and where it is written. An empty revision is `default`.
pub fn pod_revision(pod: &Value) -> Option<(String, RevisionSource)> {
    let metadata = &pod["metadata"];
    let annotations = &metadata["annotations"];
    let status = || {
        let status: Value = serde_json::from_str(annotations[STATUS_ANNOTATION].as_str()?).ok()?;
        status["revision"].as_str().map(str::to_owned)
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    // A pod that only asks for a revision has the label too: it counts on pods that have a proxy.
    let label = || proxy_container(pod).and_then(|_| text(&metadata["labels"][REVISION_LABEL]));
    let by_address = || {
        let (container, _) = proxy_container(pod)?;
        revision_of_address(&address(container)?).map(str::to_owned)
    };
    text(&annotations[REVISION_LABEL])
        .map(|r| (r, RevisionSource::Annotation))
        .or_else(|| status().map(|r| (r, RevisionSource::Status)))
        .or_else(|| label().map(|r| (r, RevisionSource::Label)))
        .or_else(|| by_address().map(|r| (r, RevisionSource::Address)))
        .map(|(revision, source)| {
            (
                if revision.is_empty() {
                    DEFAULT.to_owned()
                } else {
                    revision
                },
                source,
            )
        })
}

/// Whether a pod or template is a gateway: a gateway of the chart (image `auto`, template `gateway`), of an
/// `IstioOperator` (arguments `proxy router`), or of the Gateway API.
pub fn is_gateway(pod: &Value) -> bool {
    let metadata = &pod["metadata"];
    let templates = metadata["annotations"]["inject.istio.io/templates"]
        .as_str()
        .unwrap_or_default();
    let labelled = [
        "gateway.networking.k8s.io/gateway-name",
        "gateway.istio.io/managed",
    ]
    .iter()
    .any(|label| metadata["labels"][label].is_string());
    let contained = proxy_container(pod).is_some_and(|(container, _)| {
        container["image"].as_str() == Some("auto")
            || arguments(container)
                .take(2)
                .any(|argument| argument == "router" || argument == "waypoint")
    });
    templates
        .split(',')
        .any(|template| template.trim() == "gateway")
        || labelled
        || contained
}

/// Whether a template brings its own sidecar (`istioctl kube-inject`): a restart does not inject it anew.
pub fn baked_in(template: &Value) -> bool {
    proxy_container(template).is_some() && !is_gateway(template)
}

/// Something in a template that keeps its proxies where they are, whoever injects them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pin {
    /// The annotation `sidecar.istio.io/proxyImage`.
    ProxyImage(String),
    /// A `discoveryAddress` in the annotation `proxy.istio.io/config`.
    DiscoveryAddress(String),
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProxyImage(image) => write!(f, "sidecar.istio.io/proxyImage={image}"),
            Self::DiscoveryAddress(address) => {
                write!(f, "the discoveryAddress {address} in proxy.istio.io/config")
            }
        }
    }
}

/// The pins of a template or pod.
pub fn pins(template: &Value) -> Vec<Pin> {
    let annotations = &template["metadata"]["annotations"];
    // A bare name chooses among the images of the injector's own hub and tag, and moves with them.
    let image = annotations["sidecar.istio.io/proxyImage"].as_str();
    let image = image
        .filter(|image| image.contains(['/', ':']))
        .map(|image| Pin::ProxyImage(image.to_owned()));
    let config = annotations["proxy.istio.io/config"].as_str();
    let address = config
        .and_then(discovery_address)
        .map(Pin::DiscoveryAddress);
    image.into_iter().chain(address).collect()
}

fn proxy_container(pod: &Value) -> Option<(&Value, bool)> {
    let spec = &pod["spec"];
    let find = |list: &'static str| {
        let containers = spec[list].as_array().into_iter().flatten();
        containers
            .into_iter()
            .find(|container| container["name"] == PROXY_CONTAINER)
    };
    find("containers")
        .map(|c| (c, false))
        .or_else(|| find("initContainers").map(|c| (c, true)))
}

fn arguments(container: &Value) -> impl Iterator<Item = &str> {
    container["args"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

fn image_version(image: &str) -> Option<Version> {
    let (_, tag) = image.split('@').next()?.rsplit_once(':')?;
    tag.parse().ok()
}

/// Where the proxy finds its control plane: `PROXY_CONFIG` (since 1.7), the argument `--discoveryAddress` (1.5), and
/// at last the certificate authority, which is the same Service.
fn address(container: &Value) -> Option<String> {
    let env = |name: &str| {
        let list = container["env"].as_array().into_iter().flatten();
        let variable = list.into_iter().find(|variable| variable["name"] == name)?;
        variable["value"].as_str().map(str::to_owned)
    };
    let argument = || {
        let mut all = arguments(container);
        let argument = all.find_map(|a| a.strip_prefix("--discoveryAddress"))?;
        match argument.strip_prefix('=') {
            Some(value) => Some(value.to_owned()),
            None => all.next().map(str::to_owned),
        }
    };
    env("PROXY_CONFIG")
        .and_then(|config| discovery_address(&config))
        .or_else(argument)
        .or_else(|| env("CA_ADDR"))
        .filter(|address| !address.is_empty())
}

/// A `ProxyConfig` is written as YAML by people and as JSON by istiod.
fn discovery_address(config: &str) -> Option<String> {
    let config: Value = serde_yaml::from_str(config).ok()?;
    config["discoveryAddress"].as_str().map(str::to_owned)
}
