//! Endpoints and their slices.

use super::{change, deploy, list, pick, quiet};
use crate::truth::cases;
use crate::truth::samples::{pod, service};
use crate::truth::scene::Scene;
use serde_json::{Value, json};

cases!(
    a_service_with_pods,
    a_service_without_pods,
    a_service_of_several_ports,
    a_service_of_a_named_port,
    a_headless_service,
    a_service_without_a_selector,
    a_service_of_pods_that_wait,
    a_service_that_publishes_what_waits,
    a_service_loses_its_pods,
    a_service_takes_other_pods,
    a_service_goes,
);

/// Keeps both; addresses and nodes differ from run to run.
async fn see_endpoints(on: &Scene) {
    quiet(on).await;
    let kept = [
        "/metadata/name",
        "/metadata/labels",
        "/metadata/annotations",
        "/subsets",
    ];
    let mut all = list(on, "v1~endpoints").await;
    for one in &mut all {
        for subset in one["subsets"].as_array_mut().into_iter().flatten() {
            for key in ["addresses", "notReadyAddresses"] {
                mask(&mut subset[key]);
            }
            // Their order is that of hashes.
            if let Some(ports) = subset["ports"].as_array_mut() {
                ports.sort_by_key(|port| port["name"].to_string());
            }
        }
    }
    on.observe(
        "endpoints",
        all.iter().map(|one| pick(one, &kept)).collect(),
    );
    let kept = [
        "/metadata/generateName",
        "/metadata/labels",
        "/metadata/annotations",
        "/metadata/ownerReferences",
        "/metadata/generation",
        "/addressType",
        "/endpoints",
        "/ports",
    ];
    let mut all = list(on, "discovery.k8s.io/v1~endpointslices").await;
    all.sort_by_key(|one| one["metadata"]["labels"]["kubernetes.io/service-name"].to_string());
    for one in &mut all {
        // How often it was written is a matter of timing.
        one["metadata"]["generation"] = json!(one["metadata"]["generation"].is_u64());
        mask(&mut one["endpoints"]);
    }
    on.observe("slices", all.iter().map(|one| pick(one, &kept)).collect());
}

fn mask(list: &mut Value) {
    for one in list.as_array_mut().into_iter().flatten() {
        for (key, word) in [("nodeName", "node"), ("ip", "address")] {
            if !one[key].is_null() {
                one[key] = json!(word);
            }
        }
        if !one["addresses"].is_null() {
            one["addresses"] = json!(["address"]);
        }
        for key in ["name", "uid"] {
            if !one["targetRef"][key].is_null() {
                one["targetRef"][key] = json!(true);
            }
        }
    }
}

async fn serve(on: &Scene, spec: Value) {
    let mut service = service("web");
    for (key, value) in spec.as_object().into_iter().flatten() {
        service["spec"][key] = value.clone();
    }
    on.given("v1~services", service).await;
}

async fn a_service_with_pods(on: &Scene) {
    deploy(on, json!({"replicas": 2})).await;
    serve(on, json!({})).await;
    see_endpoints(on).await;
}

async fn a_service_without_pods(on: &Scene) {
    serve(on, json!({})).await;
    see_endpoints(on).await;
}

async fn a_service_of_several_ports(on: &Scene) {
    deploy(on, json!({"replicas": 1})).await;
    serve(on, json!({"ports": [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "grpc", "port": 90, "appProtocol": "grpc"}]})).await;
    see_endpoints(on).await;
}

async fn a_service_of_a_named_port(on: &Scene) {
    let named = json!({"replicas": 1, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "app:1", "ports": [{"name": "web", "containerPort": 8080}]}]}}});
    deploy(on, named).await;
    serve(on, json!({"ports": [{"port": 80, "targetPort": "web"}]})).await;
    see_endpoints(on).await;
    change(
        on,
        "v1~services/web",
        json!({"spec": {"ports": [{"port": 80, "targetPort": "none"}]}}),
    )
    .await;
    see_endpoints(on).await;
}

async fn a_headless_service(on: &Scene) {
    deploy(on, json!({"replicas": 1})).await;
    serve(on, json!({"clusterIP": "None"})).await;
    see_endpoints(on).await;
}

async fn a_service_without_a_selector(on: &Scene) {
    serve(on, json!({"selector": null})).await;
    see_endpoints(on).await;
}

/// A Service of a pod that never becomes ready.
async fn wait(on: &Scene, publish: bool) {
    super::namespaces::ready_account(on).await;
    let mut pod = pod("web");
    pod["metadata"]["annotations"] = json!({"mesh.test/ready": "never"});
    on.given("v1~pods", pod).await;
    on.until("v1~pods/web", |pod| !pod["status"]["podIP"].is_null())
        .await;
    serve(on, json!({"publishNotReadyAddresses": publish})).await;
    see_endpoints(on).await;
}

async fn a_service_of_pods_that_wait(on: &Scene) {
    wait(on, false).await;
}

async fn a_service_that_publishes_what_waits(on: &Scene) {
    wait(on, true).await;
}

async fn a_service_loses_its_pods(on: &Scene) {
    deploy(on, json!({"replicas": 1})).await;
    serve(on, json!({})).await;
    quiet(on).await;
    change(on, super::WEB, json!({"spec": {"replicas": 0}})).await;
    super::gone(on, "v1~pods", |_| true).await;
    see_endpoints(on).await;
}

async fn a_service_takes_other_pods(on: &Scene) {
    deploy(on, json!({"replicas": 1})).await;
    serve(on, json!({})).await;
    quiet(on).await;
    change(
        on,
        "v1~services/web",
        json!({"metadata": {"labels": {"is": "other"}}, "spec": {"selector": {"app": "other"}}}),
    )
    .await;
    see_endpoints(on).await;
}

async fn a_service_goes(on: &Scene) {
    deploy(on, json!({"replicas": 1})).await;
    serve(on, json!({})).await;
    quiet(on).await;
    on.ask("DELETE", "v1~services/web", "", Value::Null).await;
    super::gone(on, "discovery.k8s.io/v1~endpointslices", |_| true).await;
    super::gone(on, "v1~endpoints", |_| true).await;
    see_endpoints(on).await;
}
