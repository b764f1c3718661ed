//! Label selectors as kubectl writes them, for objects that only a prediction has.

use serde_json::Value;

use super::object::{Object, Selector};

/// Whether a selector selects an object.
pub(super) fn selects(selector: &Selector, object: &Object) -> bool {
    let labels = &object.value()["metadata"]["labels"];
    selector
        .name
        .as_deref()
        .is_none_or(|name| name == object.name())
        && selector
            .labels
            .as_deref()
            .is_none_or(|text| requirements(text).iter().all(|one| meets(one, labels)))
}

/// Splits at commas, but not at those inside of parentheses.
fn requirements(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut from, mut inside) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            '(' => inside = true,
            ')' => inside = false,
            ',' if !inside => {
                parts.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[from..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

fn meets(requirement: &str, labels: &Value) -> bool {
    let has = |key: &str| labels[key.trim()].as_str();
    if let Some((key, value)) = requirement.split_once("!=") {
        return has(key) != Some(value.trim());
    }
    if let Some((key, value)) = requirement
        .split_once("==")
        .or_else(|| requirement.split_once('='))
    {
        return has(key) == Some(value.trim());
    }
    if let Some((head, set)) = requirement.split_once('(') {
        let mut values = set.trim_end_matches(')').split(',').map(str::trim);
        let mut head = head.split_whitespace();
        let key = head.next().unwrap_or_default();
        let found = has(key).is_some_and(|label| values.any(|value| value == label));
        return found == (head.next() == Some("in"));
    }
    match requirement.strip_prefix('!') {
        Some(key) => has(key).is_none(),
        None => has(requirement).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_form_of_a_requirement() {
        let object = Object::new(
            json!({ "metadata": { "name": "a", "labels": { "app": "x", "tier": "1" } } }),
        );
        for (text, expected) in [
            ("app=x", true),
            ("app==x,tier!=2", true),
            ("app!=x", false),
            ("app in (x, y),tier", true),
            ("app notin (x)", false),
            ("other notin (x),!other", true),
            ("!app", false),
        ] {
            assert_eq!(
                selects(&Selector::labelled(text), &object),
                expected,
                "{text}"
            );
        }
        assert!(!selects(&Selector::named("b"), &object));
    }
}
