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

/// The candidate that a name stands for but for a slip of one or two letters, the first of them right: for words where
/// a wrong guess is worse than none (`uninstall` is no slip for `install`).
#[must_use]
pub fn slip<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LETTERS: usize = 2;
    let folded = fold(name);
    let meant = closest(name, candidates)?;
    let near = strsim::damerau_levenshtein(&folded, &fold(meant)) <= LETTERS;
    (near && folded.chars().next() == meant.chars().next()).then_some(meant)
}

/// Case and the choice between `_` and `-` are the commonest slips, and cost nothing.
fn fold(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::{closest, slip};

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
    fn a_slip_of_the_pen_is_no_other_word() {
        let kinds = ["install-revision", "restart"];
        assert_eq!(slip("instal_revison", kinds), Some("install-revision"));
        assert_eq!(slip("uninstall-revision", kinds), None);
        assert_eq!(slip("restarted", kinds), Some("restart"));
        assert_eq!(slip("start", kinds), None);
    }

    #[test]
    fn something_else_is_not() {
        for typed in ["retries", "x", "depends_on", ""] {
            assert_eq!(closest(typed, KEYS), None, "{typed}");
        }
        assert_eq!(closest("a", ["b"]), None);
    }
}
