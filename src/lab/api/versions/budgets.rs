//! Disruption budgets: an empty selector takes no pod in v1beta1 and every pod in v1, so each is written otherwise in
//! the other version.

use crate::lab::api::object::items;
use serde_json::Value;
use serde_json::json;

const LABEL: &str = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match";

/// Makes a `spec` that of a version.
pub(super) fn convert(spec: &mut Value, to: &str) {
    let Some(selector) = spec.get_mut("selector").filter(|one| one.is_object()) else {
        return;
    };
    let marked =
        |operator: &str| json!({"matchExpressions": [{"key": LABEL, "operator": operator}]});
    let is_empty = ["matchLabels", "matchExpressions"].iter().all(|key| {
        let member = &selector[*key];
        member.is_null() || *member == json!({}) || *member == json!([])
    });
    let (takes_all, takes_none) = (marked("DoesNotExist"), marked("Exists"));
    if to == "v1beta1" {
        if *selector == takes_none {
            *selector = json!({});
        } else if is_empty {
            *selector = takes_all;
        }
    } else if is_empty {
        *selector = takes_none;
    } else if *selector == takes_all {
        *selector = json!({});
    } else if items(selector, "matchExpressions").any(|one| one["key"] == LABEL)
        && let Some(list) = selector["matchExpressions"].as_array_mut()
    {
        list.retain(|one| one["key"] != LABEL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_selector_means_the_same_in_both_versions() {
        for (old, new) in [
            (
                json!({}),
                json!({"matchExpressions": [{"key": LABEL, "operator": "Exists"}]}),
            ),
            (
                json!({"matchExpressions": [{"key": LABEL, "operator": "DoesNotExist"}]}),
                json!({}),
            ),
            (
                json!({"matchLabels": {"app": "a"}}),
                json!({"matchLabels": {"app": "a"}}),
            ),
        ] {
            let mut spec = json!({"selector": old});
            convert(&mut spec, "v1");
            assert_eq!(spec["selector"], new);
            convert(&mut spec, "v1beta1");
            assert_eq!(spec["selector"], old);
        }
    }
}
