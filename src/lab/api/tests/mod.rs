//! The server seen through `kube::Client`.

mod access;
mod definitions;
mod faults;
mod forwards;
mod reads;
mod webhooks;
mod writes;

use super::*;

fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}},
        },
    })
}

fn pod(name: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {"containers": [{"name": "app", "image": "app:1"}]},
    })
}

fn typed<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a typed object")
}

fn status(result: Result<impl std::fmt::Debug, kube::Error>) -> (u16, String, String) {
    match result.expect_err("the server must refuse") {
        kube::Error::Api(status) => (status.code, status.reason.clone(), status.message.clone()),
        other => panic!("no status: {other:?}"),
    }
}

async fn ask(
    client: &kube::Client,
    method: &str,
    path: &str,
    user: &str,
    body: &Value,
) -> Result<Value, kube::Error> {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .header("impersonate-user", user)
        .body(serde_json::to_vec(body).expect("json"))
        .expect("a request");
    client.request(request).await
}
