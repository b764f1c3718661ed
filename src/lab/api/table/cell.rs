//! What several columns write in the same way.

use super::super::object::items;
use jiff::Timestamp;
use serde_json::Value;
use serde_json::json;

/// What stands where nothing is.
pub(super) const NONE: &str = "<none>";

/// A text, or what stands for none.
pub(super) fn text_or<'value>(value: &'value Value, none: &'value str) -> &'value str {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .unwrap_or(none)
}

/// A number that counts from zero.
pub(super) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// Texts with commas between them, or `<none>`.
pub(super) fn list<'value>(texts: impl Iterator<Item = &'value str>) -> String {
    let joined = texts.collect::<Vec<_>>().join(",");
    if joined.is_empty() {
        NONE.to_owned()
    } else {
        joined
    }
}

/// The first three of some texts and how many more there are.
pub(super) fn first_three(texts: &[String], none: &str) -> String {
    match texts.split_at_checked(3) {
        _ if texts.is_empty() => none.to_owned(),
        Some((shown, [_, ..])) => format!("{} + {} more...", shown.join(","), texts.len() - 3),
        _ => texts.join(","),
    }
}

/// A field of each container of the pod template.
pub(super) fn containers(template: &Value, field: &str) -> Value {
    let texts: Vec<&str> = items(&template["spec"], "containers")
        .filter_map(|one| one[field].as_str())
        .collect();
    json!(texts.join(","))
}

/// A map as `a=b,c=d`, or `<none>`.
pub(super) fn pairs(map: &Value) -> String {
    let texts: Vec<String> = map
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    list(texts.iter().map(String::as_str))
}

/// A label selector as kubectl writes it, or `<none>`.
pub(super) fn selector(selector: &Value) -> String {
    let mut terms: Vec<String> = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    for one in items(selector, "matchExpressions") {
        let key = one["key"].as_str().unwrap_or_default();
        let mut values: Vec<&str> = items(one, "values").filter_map(Value::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        terms.push(match one["operator"].as_str() {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    list(terms.iter().map(String::as_str))
}

/// How long ago a time was.
pub(super) fn since(time: &Value, now: Timestamp) -> String {
    match time.as_str().map(str::parse::<Timestamp>) {
        Some(Ok(time)) => human(now.duration_since(time).as_secs()),
        _ => "<unknown>".to_owned(),
    }
}

/// `duration.HumanDuration`: two units at most, coarser with age.
pub(super) fn human(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    let two = |large: i64, unit: char, small: i64, other: char| {
        if small == 0 {
            format!("{large}{unit}")
        } else {
            format!("{large}{unit}{small}{other}")
        }
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 192 => two(days, 'd', hours % 24, 'h'),
        () if years < 2 => format!("{days}d"),
        () if years < 8 => two(years, 'y', days % 365, 'd'),
        () => format!("{years}y"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_as_kubectl_tells_them() {
        for (seconds, text) in [
            (-1, "0s"),
            (119, "119s"),
            (120, "2m"),
            (599, "9m59s"),
            (600, "10m"),
            (3 * 3600, "3h"),
            (8 * 3600 - 1, "7h59m"),
            (47 * 3600, "47h"),
            (49 * 3600, "2d1h"),
            (400 * 86400, "400d"),
            (800 * 86400, "2y70d"),
        ] {
            assert_eq!(human(seconds), text);
        }
    }

    #[test]
    fn long_lists_are_cut() {
        let texts = |count: usize| vec!["a".to_owned(); count];
        assert_eq!(first_three(&texts(0), "<none>"), "<none>");
        assert_eq!(first_three(&texts(3), "<none>"), "a,a,a");
        assert_eq!(first_three(&texts(5), "<none>"), "a,a,a + 2 more...");
    }
}
