//! The authorizer that reads Roles and their bindings (`plugin/pkg/auth/authorizer/rbac`).

use super::ApiServer;
use super::access::Attributes;
use super::object;
use super::object::items;
use serde_json::Value;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Whether any binding gives the user what it asks for.
pub(super) fn allows(api: &ApiServer, asked: &Attributes) -> bool {
    let groups = groups(&asked.user);
    if groups.iter().any(|group| group == "system:masters") {
        return true;
    }
    let bound = |binding: &Value| {
        items(binding, "subjects")
            .any(|subject| is_subject(subject, &asked.user, &groups, object::namespace(binding)))
    };
    let cluster = api.objects(&format!("clusterrolebindings.{GROUP}"), "");
    let local = if asked.namespace.is_empty() {
        Vec::new()
    } else {
        api.objects(&format!("rolebindings.{GROUP}"), &asked.namespace)
    };
    cluster
        .iter()
        .chain(&local)
        .filter(|binding| bound(binding))
        .any(|binding| {
            let role = &binding["roleRef"];
            let name = role["name"].as_str().unwrap_or_default();
            let found = if role["kind"] == "ClusterRole" {
                api.object(&format!("clusterroles.{GROUP}"), "", name)
            } else {
                api.object(&format!("roles.{GROUP}"), object::namespace(binding), name)
            };
            found.is_some_and(|role| items(&role, "rules").any(|rule| covers(rule, asked)))
        })
}

fn groups(user: &str) -> Vec<String> {
    let mut groups = vec!["system:authenticated".to_owned()];
    if user == "kubernetes-admin" || user == "system:masters" {
        groups.push("system:masters".to_owned());
    }
    if let Some((namespace, _)) = user
        .strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split_once(':'))
    {
        groups.push("system:serviceaccounts".to_owned());
        groups.push(format!("system:serviceaccounts:{namespace}"));
    }
    groups
}

fn is_subject(subject: &Value, user: &str, groups: &[String], namespace: &str) -> bool {
    let name = subject["name"].as_str().unwrap_or_default();
    match subject["kind"].as_str() {
        Some("User") => name == user,
        Some("Group") => groups.iter().any(|group| group == name),
        Some("ServiceAccount") => {
            let place = subject["namespace"].as_str().unwrap_or(namespace);
            user == format!("system:serviceaccount:{place}:{name}")
        }
        _ => false,
    }
}

fn covers(rule: &Value, asked: &Attributes) -> bool {
    let has = |key: &str, wanted: &str| items(rule, key).any(|one| one == "*" || one == wanted);
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
