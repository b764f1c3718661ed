//! How far one version may be from another: a hop of the control plane, a skew of its proxies.

use super::Version;

/// Why a control plane must not go from one version to another in one hop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HopError {
    /// The target is older.
    #[error("{to} is older than {from}: going back is a rollback, not an upgrade")]
    Downgrade {
        /// The version to leave.
        from: Version,
        /// The version asked for.
        to: Version,
    },
    /// The first number differs.
    #[error("{from} to {to} crosses a major version")]
    MajorJump {
        /// The version to leave.
        from: Version,
        /// The version asked for.
        to: Version,
    },
    /// More minor versions than allowed.
    #[error("{from} to {to} is {minors} minor versions in one hop (at most {max_hop}): go through {} first", .missing.join(", "))]
    TooFar {
        /// The version to leave.
        from: Version,
        /// The version asked for.
        to: Version,
        /// How many minor versions lie between.
        minors: u32,
        /// How many are allowed.
        max_hop: u32,
        /// The minor versions to stop at on the way, in order: `["1.5"]` for 1.4 to 1.6.
        missing: Vec<String>,
    },
}

/// Whether a control plane may go from `from` to `to` in one hop of at most `max_hop` minor versions.
///
/// In place Istio supports one minor version, beside the old one (a revision) two; no tool of Istio refuses more.
///
/// # Errors
/// A downgrade, another major version, or too many minor versions; the last names the stops that are missing.
pub fn hop(from: &Version, to: &Version, max_hop: u32) -> Result<(), HopError> {
    if from.major != to.major {
        let (from, to) = (from.clone(), to.clone());
        return Err(if to < from {
            HopError::Downgrade { from, to }
        } else {
            HopError::MajorJump { from, to }
        });
    }
    if to < from && !to.covers(from) {
        return Err(HopError::Downgrade {
            from: from.clone(),
            to: to.clone(),
        });
    }
    let minors = to.minor.saturating_sub(from.minor);
    if minors <= max_hop {
        return Ok(());
    }
    let stride = usize::try_from(max_hop.max(1)).unwrap_or(usize::MAX);
    let missing = (from.minor..to.minor)
        .step_by(stride)
        .skip(1)
        .map(|minor| format!("{}.{minor}", to.major))
        .collect();
    Err(HopError::TooFar {
        from: from.clone(),
        to: to.clone(),
        minors,
        max_hop,
        missing,
    })
}

/// Why a proxy and its control plane do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkewError {
    /// The proxy is newer.
    #[error("the proxy ({proxy}) is newer than its control plane ({control_plane})")]
    ProxyNewer {
        /// The proxy's version.
        proxy: Version,
        /// The control plane's version.
        control_plane: Version,
    },
    /// The proxy is more than one minor version behind.
    #[error(
        "the proxy ({proxy}) is {minors} minor versions behind its control plane ({control_plane}), at most 1 is supported"
    )]
    ProxyTooOld {
        /// The proxy's version.
        proxy: Version,
        /// The control plane's version.
        control_plane: Version,
        /// How far it is behind, in minor versions.
        minors: i64,
    },
}

/// Whether a control plane may serve a proxy: never a newer one, and at most one minor version older (Istio's
/// supported releases).
///
/// # Errors
/// The proxy is newer, or too old.
pub fn skew(control_plane: &Version, proxy: &Version) -> Result<(), SkewError> {
    let pair = || (proxy.clone(), control_plane.clone());
    if proxy > control_plane && !control_plane.covers(proxy) {
        let (proxy, control_plane) = pair();
        return Err(SkewError::ProxyNewer {
            proxy,
            control_plane,
        });
    }
    match proxy.minor_distance(control_plane) {
        Some(minors) if minors <= 1 => Ok(()),
        distance => {
            let (proxy, control_plane) = pair();
            Err(SkewError::ProxyTooOld {
                proxy,
                control_plane,
                minors: distance.unwrap_or(i64::MAX),
            })
        }
    }
}
