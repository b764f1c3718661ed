//! Who may do what.

use super::three;
use crate::truth::cases;
use crate::truth::samples::{config, workload};
use crate::truth::scene::Scene;
use serde_json::{Value, json};

cases!(
    a_review_of_oneself,
    a_review_of_somebody_else,
    a_review_of_nothing,
    a_stranger_is_forbidden,
    a_role_gives_what_it_says,
    a_name_in_a_role,
    a_verb_that_is_not_served,
    a_token_is_reviewed,
);

fn review(kind: &str, spec: Value) -> Value {
    json!({"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec})
}

async fn a_review_of_oneself(on: &Scene) {
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let spec = json!({"resourceAttributes": {"verb": "delete", "resource": "pods", "namespace": "default"}});
    on.see(
        "POST",
        path,
        "",
        review("SelfSubjectAccessReview", spec.clone()),
        &["/kind", "/spec", "/status/allowed"],
    )
    .await;
    on.see(
        "POST",
        path,
        "user:nobody",
        review("SelfSubjectAccessReview", spec),
        &["/kind", "/spec", "/status/allowed"],
    )
    .await;
}

async fn a_review_of_somebody_else(on: &Scene) {
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let spec = json!({"user": "nobody", "resourceAttributes": {"verb": "delete", "resource": "pods", "namespace": "default"}});
    on.see(
        "POST",
        path,
        "",
        review("SubjectAccessReview", spec),
        &["/spec", "/status"],
    )
    .await;
    let spec = json!({"user": "anybody", "groups": ["system:masters"], "resourceAttributes": {"verb": "delete", "resource": "pods"}});
    on.see(
        "POST",
        path,
        "",
        review("SubjectAccessReview", spec),
        &["/spec", "/status/allowed"],
    )
    .await;
    let spec = json!({"resourceAttributes": {"verb": "delete", "resource": "pods"}});
    on.post(path, review("SubjectAccessReview", spec)).await;
}

async fn a_review_of_nothing(on: &Scene) {
    on.post(
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        review("SelfSubjectAccessReview", json!({})),
    )
    .await;
}

async fn a_stranger_is_forbidden(on: &Scene) {
    let user = "user:nobody";
    on.call("GET", "v1~configmaps/a", user, Value::Null).await;
    on.call("GET", "v1~configmaps", user, Value::Null).await;
    on.call("POST", "apps/v1~deployments", user, workload("web"))
        .await;
    on.call("DELETE", "v1~configmaps", user, Value::Null).await;
    on.call("PATCH", "apps/v1~deployments/web/scale", user, json!({}))
        .await;
    on.call("GET", "/api/v1/namespaces", user, Value::Null)
        .await;
    on.call("GET", "/api/v1/namespaces/default", user, Value::Null)
        .await;
    on.call("GET", "/api/v1/pods?watch=true", user, Value::Null)
        .await;
    on.call(
        "GET",
        "v1~configmaps/a",
        "user:system:serviceaccount:default:robot",
        Value::Null,
    )
    .await;
}

async fn role(on: &Scene, rules: Value) {
    on.given(
        "rbac.authorization.k8s.io/v1~roles",
        json!({"metadata": {"name": "reader"}, "rules": rules}),
    )
    .await;
    let subjects = json!([{"kind": "ServiceAccount", "name": "robot"}, {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "reader"}]);
    let reference =
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"});
    let mut subjects = subjects;
    subjects[0]["namespace"] = json!(on.namespace());
    on.given(
        "rbac.authorization.k8s.io/v1~rolebindings",
        json!({"metadata": {"name": "readers"}, "subjects": subjects, "roleRef": reference}),
    )
    .await;
    // The authorizer of a real server learns of it a moment later.
    for _ in 0..600 {
        let answer = on.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", "", review("SubjectAccessReview", json!({"user": "reader",
            "resourceAttributes": {"verb": "get", "resource": "configmaps", "namespace": on.namespace(), "name": "a"}}))).await;
        if answer.body["status"]["allowed"] == true {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn a_role_gives_what_it_says(on: &Scene) {
    role(on, json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}, {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["*"]}])).await;
    on.given("v1~configmaps", config("a")).await;
    on.given("apps/v1~deployments", workload("web")).await;
    let robot = format!("user:system:serviceaccount:{}:robot", on.namespace());
    for user in ["user:reader", robot.as_str()] {
        on.see("GET", "v1~configmaps/a", user, Value::Null, &["/data"])
            .await;
        on.see("GET", "v1~configmaps", user, Value::Null, &["/kind"])
            .await;
        on.call("DELETE", "v1~configmaps/a", user, Value::Null)
            .await;
        on.see(
            "GET",
            "apps/v1~deployments/web/scale",
            user,
            Value::Null,
            &["/kind"],
        )
        .await;
        on.call("GET", "apps/v1~deployments/web", user, Value::Null)
            .await;
        on.call("GET", "/api/v1/configmaps", user, Value::Null)
            .await;
    }
}

async fn a_name_in_a_role(on: &Scene) {
    role(on, json!([{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"], "verbs": ["get", "list", "create"]}])).await;
    three(on).await;
    let user = "user:reader";
    on.see("GET", "v1~configmaps/a", user, Value::Null, &["/data"])
        .await;
    on.call("GET", "v1~configmaps/b", user, Value::Null).await;
    on.call("GET", "v1~configmaps", user, Value::Null).await;
    on.see(
        "GET",
        "v1~configmaps?fieldSelector=metadata.name%3Da",
        user,
        Value::Null,
        &["/kind"],
    )
    .await;
    on.call("POST", "v1~configmaps", user, config("a")).await;
}

async fn a_verb_that_is_not_served(on: &Scene) {
    on.put("v1~configmaps", config("a")).await;
    on.post("v1~configmaps/a", config("a")).await;
    on.get("v1~pods/a/eviction").await;
    on.get("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
        .await;
}

async fn a_token_is_reviewed(on: &Scene) {
    on.account().await;
    let review = |token: &str, audiences: Value| json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token, "audiences": audiences}});
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    let places = [
        "/kind",
        "/status/authenticated",
        "/status/user/username",
        "/status/user/uid",
        "/status/user/groups",
        "/status/error",
    ];
    let none = Value::Null;
    on.see("POST", path, "", review("nonsense", none.clone()), &places)
        .await;
    let other = json!(["istio-ca"]);
    for (audiences, asked) in [
        (json!([]), none.clone()),
        (other.clone(), other.clone()),
        (other, json!(["a", "b"])),
    ] {
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": audiences}});
        let account = "v1~serviceaccounts/default/token";
        let made = on.ask("POST", account, "", request).await.body;
        let token = made["status"]["token"].as_str().unwrap_or_default();
        on.see("POST", path, "", review(token, asked), &places)
            .await;
    }
    on.post(path, review("", none)).await;
}
