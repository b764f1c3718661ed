//! What tells one mesh's cases from another's.

/// A real mesh and its upgrade.
pub(crate) struct Case {
    /// Its name for `tests/mesh/up`.
    pub(crate) bed: &'static str,
    /// The shipped plan as its command line, without a person to ask and with little patience for soaks.
    pub(crate) upgrade: &'static [&'static str],
    /// The namespaces that it moves, wave by wave.
    pub(crate) waves: &'static [&'static [&'static str]],
    /// How many pods are in them.
    pub(crate) pods: usize,
    /// What the plan writes in other versions than kubectl reads, as kubectl names it.
    pub(crate) versions: &'static [&'static str],
}

impl Case {
    /// The namespaces that the upgrade moves.
    pub(crate) fn namespaces(&self) -> Vec<&'static str> {
        self.waves.concat()
    }
}

/// Where the workloads of `tests/mesh/modern.yaml` are, which run on either mesh.
pub(crate) const SHOP: [&str; 4] = ["shop", "pay", "cart", "web"];
/// How many pods are in them.
pub(crate) const SHOP_PODS: usize = 40;
