//! "did you mean …?"

/// The candidate that a misspelt name most likely stands for, if one is close enough: about one slip in three
/// characters. Of equally close ones, the first.
#[must_use]
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(name);
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&folded, &fold(candidate));
            (distance, candidate)
        })
        .filter(|(distance, candidate)| {
            // One letter for another is no slip where it is the whole name.
            *distance <= limit && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Case and the choice between `_` and `-` are the commonest slips, and cost nothing.
fn fold(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::closest;

    const KEYS: [&str; 6] = ["uses", "with", "needs", "when", "timeout", "on_failure"];

    #[test]
    fn a_slip_is_recognised() {
        for (typed, meant) in [
            ("use", "uses"),
            ("need", "needs"),
            ("timeuot", "timeout"),
            ("on-failure", "on_failure"),
            ("onFailure", "on_failure"),
            ("When", "when"),
        ] {
            assert_eq!(closest(typed, KEYS), Some(meant), "{typed}");
        }
    }

    #[test]
    fn something_else_is_not() {
        for typed in ["retries", "x", "depends_on", ""] {
            assert_eq!(closest(typed, KEYS), None, "{typed}");
        }
        assert_eq!(closest("a", ["b"]), None);
    }
}
