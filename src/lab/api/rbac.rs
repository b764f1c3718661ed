//! The authorizer that reads Roles and their bindings (`plugin/pkg/auth/authorizer/rbac`).

use super::access::AUTHENTICATED;
use super::access::Attributes;
use super::access::MASTERS;
use super::access::User;
use super::object;
use super::object::items;
use super::store::Key;
use super::store::Store;
use serde_json::Value;
use serde_json::json;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Whether any binding gives the user what it asks for.
pub(super) fn allows(store: &Store, asked: &Attributes) -> bool {
    asked.user.groups.iter().any(|group| group == MASTERS)
        || rules(store, &asked.user, &asked.namespace)
            .iter()
            .any(|rule| covers(rule, asked))
}

/// The rules of all roles that are bound to a user: in the whole cluster, and in the namespace where one is named.
pub(super) fn rules(store: &Store, user: &User, namespace: &str) -> Vec<Value> {
    let cluster = store.list("clusterrolebindings.rbac.authorization.k8s.io", "");
    let local = store.list("rolebindings.rbac.authorization.k8s.io", namespace);
    cluster
        .chain(local.filter(|_| !namespace.is_empty()))
        .map(|(_, binding)| binding)
        .filter(|binding| {
            items(binding, "subjects")
                .any(|subject| is_subject(subject, user, object::namespace(binding)))
        })
        .filter_map(|binding| {
            let role = &binding["roleRef"];
            let name = role["name"].as_str().unwrap_or_default();
            store.get(&if role["kind"] == "ClusterRole" {
                Key::new(&format!("clusterroles.{GROUP}"), "", name)
            } else {
                Key::new(&format!("roles.{GROUP}"), object::namespace(binding), name)
            })
        })
        .flat_map(|role| items(role, "rules").cloned())
        .collect()
}

/// The rules of those who may do everything.
pub(super) fn everything() -> Vec<Value> {
    vec![
        json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}),
        json!({"nonResourceURLs": ["*"], "verbs": ["*"]}),
    ]
}

/// The roles that let everybody ask who they are, what they may do and what there is, and that of the administrators
/// (`plugin/pkg/auth/authorizer/rbac/bootstrappolicy`).
pub(super) fn first() -> Vec<Value> {
    let info = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
    let documents = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
    ];
    let create = |group: &str, resources: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": ["create"]});
    let get = |paths: &[&str]| vec![json!({"nonResourceURLs": paths, "verbs": ["get"]})];
    let basic = vec![
        create(
            "authorization.k8s.io",
            &["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        ),
        create("authentication.k8s.io", &["selfsubjectreviews"]),
    ];
    [
        ("cluster-admin", MASTERS, everything()),
        ("system:basic-user", AUTHENTICATED, basic),
        ("system:discovery", AUTHENTICATED, get(&documents)),
        ("system:public-info-viewer", AUTHENTICATED, get(&info)),
    ]
    .into_iter()
    .flat_map(|(name, group, rules)| {
        let metadata = json!({"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}});
        let version = format!("{GROUP}/v1");
        [
            json!({"apiVersion": version, "kind": "ClusterRole", "metadata": metadata, "rules": rules}),
            json!({
                "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": metadata,
                "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
                "subjects": [{"apiGroup": GROUP, "kind": "Group", "name": group}],
            }),
        ]
    })
    .collect()
}

fn is_subject(subject: &Value, user: &User, namespace: &str) -> bool {
    let name = subject["name"].as_str().unwrap_or_default();
    match subject["kind"].as_str() {
        Some("User") => name == user.name,
        Some("Group") => user.groups.iter().any(|group| group == name),
        Some("ServiceAccount") => {
            let place = subject["namespace"].as_str().unwrap_or(namespace);
            user.name == format!("system:serviceaccount:{place}:{name}")
        }
        _ => false,
    }
}

fn covers(rule: &Value, asked: &Attributes) -> bool {
    let has = |key: &str, wanted: &str| items(rule, key).any(|one| one == "*" || one == wanted);
    if !asked.path.is_empty() {
        let below = |one: &Value| {
            let start = one.as_str().and_then(|one| one.strip_suffix('*'));
            start.is_some_and(|start| asked.path.starts_with(start))
        };
        return has("verbs", &asked.verb)
            && (has("nonResourceURLs", &asked.path) || items(rule, "nonResourceURLs").any(below));
    }
    let resource = if asked.subresource.is_empty() {
        asked.resource.clone()
    } else {
        format!("{}/{}", asked.resource, asked.subresource)
    };
    let anywhere = format!("*/{}", asked.subresource);
    let resources = has("resources", &resource)
        || (!asked.subresource.is_empty()
            && items(rule, "resources").any(|one| one == anywhere.as_str()));
    let named = items(rule, "resourceNames").next().is_none()
        || items(rule, "resourceNames").any(|one| one == asked.name.as_str());
    has("verbs", &asked.verb) && has("apiGroups", &asked.group) && resources && named
}
