//! How messages count things.

/// `1 step`, `2 steps`, `3 proxies`: a number and its noun.
#[must_use]
pub fn counted(number: usize, one: &str) -> String {
    match one.strip_suffix('y') {
        _ if number == 1 => format!("1 {one}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn a_noun_follows_its_number() {
        let said = [0, 1, 2].map(|number| counted(number, "proxy"));
        assert_eq!(said, ["0 proxies", "1 proxy", "2 proxies"]);
        assert_eq!(counted(2, "pod"), "2 pods");
    }
}
