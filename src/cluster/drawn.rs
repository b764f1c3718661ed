//! The fields whose values the API server draws when it stores an object, anew each time: a dry run can say that such
//! a field will be there, not what it will hold.

use serde_json::{Value, json};

use super::object::Object;

/// Stands in a predicted object where the server will draw the value.
pub const DRAWN: &str = "(drawn by the server)";

/// Puts [`DRAWN`] in place of each value that the server drew for a dry run, and gives their JSON pointers.
///
/// These are all that the allocators of the API server's `core/service/storage` give out: addresses, node ports and
/// the port of health checks. A value that was there before, or that a field manager asked for, is no drawn one. Some
/// servers (1.21) draw nothing for a dry run, so what is missing is filled in.
pub(super) fn mark(before: Option<&Object>, after: &Object, shown: &mut Value) -> Vec<String> {
    let mut drawn = Vec::new();
    if after.api_version() != "v1" || after.kind() != "Service" {
        return drawn;
    }
    fill(shown);
    for (pointer, asked) in candidates(shown) {
        let value = after.value().pointer(&pointer);
        let old = before.and_then(|before| before.value().pointer(&pointer));
        let Some(place) = shown.pointer_mut(&pointer) else {
            continue;
        };
        let is_given = value.is_some_and(|value| value != "None" && value != "");
        if is_given && value != old && !is_asked_for(after, &asked) {
            *place = Value::from(DRAWN);
        }
        if *place == DRAWN {
            drawn.push(pointer);
        }
    }
    drawn
}

/// Puts [`DRAWN`] where a Service has nothing yet and will have something.
fn fill(service: &mut Value) {
    let spec = &mut service["spec"];
    let is_missing = |value: &Value| value.is_null() || value == "" || value == 0;
    let kind = spec["type"].as_str().unwrap_or("ClusterIP");
    let balances = kind == "LoadBalancer";
    let has_address = kind != "ExternalName";
    let has_ports =
        kind == "NodePort" || balances && spec["allocateLoadBalancerNodePorts"] != false;
    if has_address && is_missing(&spec["clusterIP"]) {
        spec["clusterIP"] = Value::from(DRAWN);
        spec["clusterIPs"] = json!([DRAWN]);
    }
    if balances
        && spec["externalTrafficPolicy"] == "Local"
        && is_missing(&spec["healthCheckNodePort"])
    {
        spec["healthCheckNodePort"] = Value::from(DRAWN);
    }
    for port in spec["ports"].as_array_mut().into_iter().flatten() {
        if has_ports && is_missing(&port["nodePort"]) {
            port["nodePort"] = Value::from(DRAWN);
        }
    }
    service.sort_all_objects();
}

/// The places of a Service that may hold something drawn, each with its path in `managedFields` below `f:spec`.
fn candidates(service: &Value) -> Vec<(String, Vec<String>)> {
    let spec = &service["spec"];
    let mut found = Vec::new();
    for field in ["clusterIP", "healthCheckNodePort"] {
        found.push((format!("/spec/{field}"), vec![format!("f:{field}")]));
    }
    for index in 0..spec["clusterIPs"].as_array().map_or(0, Vec::len) {
        // Who asks for one of the two asks for both.
        let asked = vec!["f:clusterIP".to_owned()];
        found.push((format!("/spec/clusterIPs/{index}"), asked));
    }
    let ports = spec["ports"].as_array().into_iter().flatten();
    for (index, port) in ports.enumerate() {
        let key = json!({ "port": port["port"], "protocol": port["protocol"] });
        let asked = ["f:ports", &format!("k:{key}"), "f:nodePort"].map(str::to_owned);
        found.push((format!("/spec/ports/{index}/nodePort"), asked.to_vec()));
    }
    found
}

/// Whether a field manager has it among its own, rather than the server having filled it in. An object that no server
/// has seen holds only what was asked for.
fn is_asked_for(object: &Object, path: &[String]) -> bool {
    let managers = object.value()["metadata"]["managedFields"].as_array();
    managers.is_none_or(|managers| {
        managers.iter().any(|entry| {
            let spec = &entry["fieldsV1"]["f:spec"];
            path.iter()
                .try_fold(spec, |fields, key| fields.get(key))
                .is_some()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(managed: &Value) -> Object {
        Object::new(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": "istiod", "managedFields": [{ "fieldsV1": { "f:spec": managed } }] },
            "spec": {
                "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "fd00::1"], "type": "NodePort",
                "ports": [
                    { "port": 80, "protocol": "TCP", "nodePort": 30001 },
                    { "port": 81, "protocol": "TCP", "nodePort": 30002 },
                ],
            },
        }))
    }

    fn marked(before: Option<&Object>, after: &Object) -> (Vec<String>, Value) {
        let mut shown = after.value().clone();
        (mark(before, after, &mut shown), shown)
    }

    #[test]
    fn what_nobody_asked_for_is_drawn() {
        let asked =
            json!({ "f:ports": { r#"k:{"port":81,"protocol":"TCP"}"#: { "f:nodePort": {} } } });
        let (drawn, shown) = marked(None, &service(&asked));
        let wanted = [
            "/spec/clusterIP",
            "/spec/clusterIPs/0",
            "/spec/clusterIPs/1",
            "/spec/ports/0/nodePort",
        ];
        assert_eq!(drawn, wanted);
        assert_eq!(shown["spec"]["clusterIP"], DRAWN);
        assert_eq!(shown["spec"]["ports"][0]["nodePort"], DRAWN);
        assert_eq!(shown["spec"]["ports"][1]["nodePort"], 30002);
    }

    #[test]
    fn what_was_asked_for_or_there_before_is_shown() {
        let mine = service(&json!({ "f:clusterIP": {} }));
        assert!(
            !marked(None, &mine)
                .0
                .contains(&"/spec/clusterIP".to_owned())
        );
        let old = service(&json!({}));
        assert_eq!(marked(Some(&old), &old).0, Vec::<String>::new());
    }

    #[test]
    fn what_the_server_has_not_drawn_yet_will_be() {
        let balancer = Object::new(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "managedFields": [] },
            "spec": { "type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{ "port": 80, "protocol": "TCP" }] },
        }));
        let (drawn, shown) = marked(None, &balancer);
        let wanted = [
            "/spec/clusterIP",
            "/spec/healthCheckNodePort",
            "/spec/clusterIPs/0",
            "/spec/ports/0/nodePort",
        ];
        assert_eq!(drawn, wanted);
        assert_eq!(shown["spec"]["ports"][0]["nodePort"], DRAWN);
        assert_eq!(shown["spec"]["clusterIPs"], json!([DRAWN]));
    }

    #[test]
    fn a_service_without_an_address_has_nothing_drawn() {
        let headless = Object::new(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "managedFields": [] },
            "spec": { "clusterIP": "None", "clusterIPs": ["None"], "ports": [{ "port": 80, "protocol": "TCP" }] },
        }));
        assert_eq!(marked(None, &headless).0, Vec::<String>::new());
    }
}
