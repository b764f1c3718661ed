//! Endpoint slices: v1beta1 had the zone and the node among labels of the topology.

use crate::lab::api::object::items_mut;
use crate::lab::api::object::remove;
use serde_json::Value;
use serde_json::json;

const ZONE: &str = "topology.kubernetes.io/zone";
const HOST: &str = "kubernetes.io/hostname";

/// Makes a slice that of a version.
pub(super) fn convert(slice: &mut Value, to: &str) {
    for endpoint in items_mut(slice, "endpoints") {
        if to == "v1beta1" {
            let mut topology = remove(endpoint, "deprecatedTopology").unwrap_or(json!({}));
            if let Some(zone) = remove(endpoint, "zone") {
                topology[ZONE] = zone;
            }
            if endpoint["nodeName"].is_string() && topology[HOST].is_null() {
                topology[HOST] = endpoint["nodeName"].clone();
            }
            if topology != json!({}) {
                endpoint["topology"] = topology;
            }
        } else if let Some(mut topology) = remove(endpoint, "topology") {
            if let Some(zone) = remove(&mut topology, ZONE) {
                endpoint["zone"] = zone;
            }
            if topology[HOST].is_string() && topology[HOST] == endpoint["nodeName"] {
                remove(&mut topology, HOST);
            }
            if topology != json!({}) {
                endpoint["deprecatedTopology"] = topology;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_and_node_are_labels_of_the_topology_in_v1beta1() {
        let new = json!({"endpoints": [{"addresses": ["10.0.0.1"], "nodeName": "n", "zone": "z", "deprecatedTopology": {"rack": "r"}}]});
        let old = json!({"endpoints": [{"addresses": ["10.0.0.1"], "nodeName": "n", "topology": {"rack": "r", ZONE: "z", HOST: "n"}}]});
        let mut slice = new.clone();
        convert(&mut slice, "v1beta1");
        assert_eq!(slice, old);
        convert(&mut slice, "v1");
        assert_eq!(slice, new);
    }
}
