//! Names with `*` for any text.

/// Whether the whole text is what the pattern names; `*` stands for any text, the empty one and `/` included.
pub fn matches(glob: &str, text: &str) -> bool {
    match glob.split_once('*') {
        None => glob == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|tail| {
            tail.char_indices()
                .map(|(at, _)| at)
                .chain([tail.len()])
                .any(|at| matches(rest, &tail[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        assert!(matches("*/*", "ClusterRole/istio-reader"));
        assert!(matches("ClusterRole/istio-*", "ClusterRole/istio-reader"));
        assert!(matches(
            "CustomResourceDefinition/*.istio.io",
            "CustomResourceDefinition/gateways.networking.istio.io"
        ));
        assert!(!matches("ClusterRole/istio", "ClusterRole/istio-reader"));
        assert!(!matches(
            "ClusterRole/istio-*",
            "ClusterRoleBinding/istio-reader"
        ));
    }
}
