//! The scenarios that are built in.

macro_rules! scenarios {
    ($($name:literal)+) => {
        /// The names of the scenarios that are built in, the default first.
        pub const NAMES: &[&str] = &[$($name),+];

        /// The YAML of a scenario that is built in.
        pub fn named(name: &str) -> Option<&'static str> {
            match name {
                $($name => Some(include_str!(concat!("named/", $name, ".yaml"))),)+
                _ => None,
            }
        }
    };
}

scenarios! {
    "shop"
    "both-labels"
    "nack"
    "stuck-rollout"
    "pdb-zero"
    "on-delete"
    "rejected"
    "fleet-50"
}
