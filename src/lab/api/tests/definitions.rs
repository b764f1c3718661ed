//! What definitions add, and what clients read of it.

use super::*;
use kube::Api;
use kube::api::DynamicObject;
use kube::api::Patch;
use kube::api::PatchParams;

#[tokio::test(start_paused = true)]
async fn a_stored_definition_is_discovered_and_served() {
    let server = ApiServer::default();
    server.seed(&json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "envoyfilters.networking.istio.io"},
        "spec": {"group": "networking.istio.io", "scope": "Namespaced", "names": {"plural": "envoyfilters", "kind": "EnvoyFilter"},
            "versions": [{"name": "v1alpha3", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]},
    }));
    let client = server.client("test");
    let kind = kube::core::GroupVersionKind::gvk("networking.istio.io", "v1alpha3", "EnvoyFilter");
    let (resource, _) = kube::discovery::pinned_kind(&client, &kind)
        .await
        .expect("discovered");
    let api: Api<DynamicObject> = Api::default_namespaced_with(client.clone(), &resource);
    let filter = json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "metadata": {"name": "f"}, "spec": {"a": [1]}});
    api.patch("f", &PatchParams::apply("plan"), &Patch::Apply(&filter))
        .await
        .expect("applied");
    assert_eq!(
        api.get("f").await.expect("read").data["spec"],
        json!({"a": [1]})
    );
    let discovery = kube::Discovery::new(client)
        .run_aggregated()
        .await
        .expect("aggregated discovery");
    assert!(discovery.resolve_gvk(&kind).is_some());
}

#[tokio::test(start_paused = true)]
async fn kubectls_validation_finds_its_parameter() {
    let server = ApiServer::default();
    let client = server.client("test");
    let request = |path: &str| {
        http::Request::get(path)
            .body(Vec::new())
            .expect("a request")
    };
    let index: Value = client
        .request(request("/openapi/v3"))
        .await
        .expect("an index");
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
        .as_str()
        .expect("listed")
        .to_owned();
    let document: Value = client.request(request(&url)).await.expect("a document");
    let patch =
        &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(
        patch["x-kubernetes-group-version-kind"]["kind"],
        "Deployment"
    );
    assert!(
        object::items(patch, "parameters").any(|parameter| parameter["name"] == "fieldValidation")
    );
    // What `kubectl explain deployment.spec.strategy.rollingUpdate` walks through.
    let schemas = &document["components"]["schemas"];
    let mut at = &schemas["io.k8s.api.apps.v1.Deployment"];
    assert_eq!(
        at["x-kubernetes-group-version-kind"][0]["kind"],
        "Deployment"
    );
    for field in ["spec", "strategy", "rollingUpdate"] {
        let property = &at["properties"][field];
        assert!(property["description"].is_string(), "{field}: {property}");
        let reference = [&property["$ref"], &property["allOf"][0]["$ref"]];
        let reference = reference
            .into_iter()
            .find_map(Value::as_str)
            .expect("a reference");
        let name = reference
            .strip_prefix("#/components/schemas/")
            .expect("local");
        at = &schemas[name];
    }
    assert!(
        at["properties"]["maxSurge"]["description"].is_string(),
        "{at}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_definition_brings_its_documentation_and_its_columns() {
    let server = ApiServer::default();
    let definition = |text: &str| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
                "versions": [{
                    "name": "v1", "served": true, "storage": true,
                    "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
                    "schema": {"openAPIV3Schema": {"type": "object", "description": text, "properties": {"spec": {
                        "type": "object", "properties": {"size": {"type": "integer", "description": "How large."}}}}}},
                }],
            },
        })
    };
    server.seed(&definition("A widget."));
    server.seed(&json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "default"}, "spec": {"size": 3}}));
    let client = server.client("test");
    let get = async |path: &str, accept: &str| -> Value {
        let request = http::Request::get(path)
            .header("accept", accept)
            .body(Vec::new());
        client
            .request(request.expect("a request"))
            .await
            .expect("an answer")
    };
    let url = async || {
        let index = get("/openapi/v3", "application/json").await;
        index["paths"]["apis/example.com/v1"]["serverRelativeURL"]
            .as_str()
            .expect("listed")
            .to_owned()
    };
    let first = url().await;
    let document = get(&first, "application/json").await;
    let widget = &document["components"]["schemas"]["com.example.v1.Widget"];
    assert_eq!(widget["description"], "A widget.");
    assert_eq!(
        widget["properties"]["spec"]["properties"]["size"]["description"],
        "How large."
    );
    assert!(
        document["components"]["schemas"]["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]
            .is_object()
    );
    // kubectl keeps a document for as long as its address is the same.
    server.seed(&definition("Another widget."));
    assert_ne!(url().await, first);

    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let path = "/apis/example.com/v1/namespaces/default/widgets";
    let table = get(path, accept).await;
    let titles: Vec<&Value> = object::items(&table, "columnDefinitions")
        .map(|one| &one["name"])
        .collect();
    assert_eq!(titles, ["Name", "Size"]);
    assert_eq!(table["rows"][0]["cells"], json!(["w", 3]));
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let whole = get(&format!("{path}?includeObject=Object"), accept).await;
    assert_eq!(whole["rows"][0]["object"]["spec"]["size"], 3);
}

/// Kubernetes 1.21 serves definitions in both versions, and Istio 1.5 and 1.6 write the old one.
#[tokio::test(start_paused = true)]
async fn an_old_definition_is_read_in_the_new_version_and_written_in_both() {
    let server = ApiServer::new(&Options {
        minor: 21,
        ..Options::default()
    });
    let client = server.client("test");
    let path = |version: &str| {
        format!("/apis/apiextensions.k8s.io/{version}/customresourcedefinitions/tunes.example.com")
    };
    let definition = |version: &str, spec: Value| json!({"apiVersion": format!("apiextensions.k8s.io/{version}"), "kind": "CustomResourceDefinition", "metadata": {"name": "tunes.example.com"}, "spec": spec});
    let send =
        async |method: &str, path: &str, kind: &str, body: &Value| -> Result<Value, kube::Error> {
            let request = http::Request::builder()
                .method(method)
                .uri(path)
                .header("content-type", kind);
            let request = request.body(serde_json::to_vec(body).expect("json"));
            client.request(request.expect("a request")).await
        };
    let columns =
        json!([{"name": "Age", "type": "date", "JSONPath": ".metadata.creationTimestamp"}]);
    let old = definition(
        "v1beta1",
        json!({"group": "example.com", "version": "v1", "names": {"plural": "tunes", "kind": "Tune"},
            "subresources": {"status": {}}, "additionalPrinterColumns": columns,
            "validation": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}}}),
    );
    let apply = "application/apply-patch+yaml";
    let applied = format!("{}?fieldManager=old", path("v1beta1"));
    let made = send("PATCH", &applied, apply, &old).await.expect("made");
    assert_eq!(
        made["spec"]["versions"],
        json!([{"name": "v1", "served": true, "storage": true}])
    );
    assert_eq!(made["spec"]["preserveUnknownFields"], true);
    assert_eq!(made["status"]["storedVersions"], json!(["v1"]));

    let new = send("GET", &path("v1"), "", &Value::Null)
        .await
        .expect("read");
    let version = &new["spec"]["versions"][0];
    assert_eq!(
        version["additionalPrinterColumns"][0]["jsonPath"],
        ".metadata.creationTimestamp"
    );
    assert_eq!(
        version["schema"]["openAPIV3Schema"]["properties"]["spec"]["type"],
        "object"
    );
    assert_eq!(new["spec"]["preserveUnknownFields"], true);
    assert!(new["spec"]["version"].is_null() && new["spec"]["validation"].is_null());

    // Nothing is dropped of what the schema does not know.
    let tune = json!({"apiVersion": "example.com/v1", "kind": "Tune", "metadata": {"name": "a"}, "spec": {"a": 1}});
    let stored = send(
        "POST",
        "/apis/example.com/v1/namespaces/default/tunes",
        "application/json",
        &tune,
    )
    .await;
    assert_eq!(stored.expect("made")["spec"], json!({"a": 1}));

    // The same again is no write, in whichever version it is read.
    let again = send("PATCH", &applied, apply, &old).await.expect("applied");
    assert_eq!(
        again["metadata"]["resourceVersion"],
        made["metadata"]["resourceVersion"]
    );

    // Another, who speaks the new version, wants another column.
    let mut versions = new["spec"]["versions"].clone();
    versions[0]["additionalPrinterColumns"][0]["jsonPath"] = json!(".spec.a");
    let wanted = definition(
        "v1",
        json!({"group": "example.com", "names": {"plural": "tunes", "kind": "Tune"}, "scope": "Namespaced", "versions": versions}),
    );
    let other = format!("{}?fieldManager=new", path("v1"));
    let refused = status(send("PATCH", &other, apply, &wanted).await);
    assert_eq!(
        refused.2,
        "Apply failed with 1 conflict: conflict with \"old\": .spec.additionalPrinterColumns"
    );
    send("PATCH", &format!("{other}&force=true"), apply, &wanted)
        .await
        .expect("forced");
    let read = send("GET", &path("v1beta1"), "", &Value::Null)
        .await
        .expect("read");
    assert_eq!(
        read["spec"]["additionalPrinterColumns"][0]["JSONPath"],
        ".spec.a"
    );
    assert_eq!(read["metadata"]["generation"], 2);
}
