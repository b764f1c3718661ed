//! JSON merge patch, RFC 7386.

use serde_json::Value;
use serde_json::json;

/// Members of the patch replace members of the object; null removes.
pub fn patch(object: &mut Value, patch_value: &Value) {
    let Value::Object(members) = patch_value else {
        *object = patch_value.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    let Value::Object(map) = object else { return };
    for (key, member) in members {
        if member.is_null() {
            map.shift_remove(key);
        } else {
            patch(map.entry(key.clone()).or_insert(Value::Null), member);
        }
    }
}
