//! Versions of Istio and Kubernetes: order, hops, skew, and what changed with which version.

mod features;
mod hop;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use features::{InjectorShape, RevisionMark};
pub use hop::{HopError, SkewError, hop, skew};

/// A version as people and programs write it: `1.6`, `v1.29.1`, `1.29.1-<sha>-Clean`, `1.28.2-unknown-unknown`,
/// `1.33+`.
///
/// Ordered by its numbers; a pre-release (`-alpha`, `-beta`, `-rc`, `-dev`) comes before its release, any other suffix
/// is build information and does not count. `1.6` equals `1.6.0` in that order; [`Version::covers`] tells them apart.
#[derive(Debug, Clone)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: Option<u32>,
    written: Box<str>,
}

/// The text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version such as 1.29 or 1.29.1")]
pub struct VersionError(String);

impl Version {
    /// A version of three numbers.
    pub fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch: Some(patch),
            written: format!("{major}.{minor}.{patch}").into(),
        }
    }

    /// The first number.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The second number.
    pub fn minor(&self) -> u32 {
        self.minor
    }

    /// The third number, where it was written.
    pub fn patch(&self) -> Option<u32> {
        self.patch
    }

    /// What follows the numbers, without its dash.
    pub fn suffix(&self) -> Option<&str> {
        let (_, suffix) = self.written.split_once(['-', '+'])?;
        Some(suffix).filter(|s| !s.is_empty())
    }

    /// The numbers alone, as far as they were written: `1.29.1` of `v1.29.1-unknown-unknown`.
    pub fn release(&self) -> String {
        match self.patch {
            Some(patch) => format!("{}.{}.{patch}", self.major, self.minor),
            None => self.minor_name(),
        }
    }

    /// `1.29` of `1.29.1`.
    pub fn minor_name(&self) -> String {
        format!("{}.{}", self.major, self.minor)
    }

    /// Whether it is a pre-release.
    pub fn is_prerelease(&self) -> bool {
        self.prerelease().is_some()
    }

    /// Whether `actual` is what was asked for: the same numbers as far as they were written, so `1.6` covers `1.6.14`.
    pub fn covers(&self, actual: &Self) -> bool {
        (self.major, self.minor) == (actual.major, actual.minor)
            && self
                .patch
                .is_none_or(|patch| actual.patch.unwrap_or(0) == patch)
            && (self.patch.is_none() || self.prerelease() == actual.prerelease())
    }

    /// Minor versions from this one up to `later`; negative when it is older; `None` across major versions.
    pub fn minor_distance(&self, later: &Self) -> Option<i64> {
        (self.major == later.major).then(|| i64::from(later.minor) - i64::from(self.minor))
    }

    fn at_least(&self, major: u32, minor: u32) -> bool {
        (self.major, self.minor) >= (major, minor)
    }

    fn prerelease(&self) -> Option<&str> {
        self.suffix().filter(|s| {
            ["alpha", "beta", "rc", "dev"]
                .iter()
                .any(|p| s.starts_with(p))
        })
    }

    fn key(&self) -> (u32, u32, u32, bool, Vec<Part<'_>>) {
        let prerelease = self.prerelease();
        let parts = prerelease
            .into_iter()
            .flat_map(|s| s.split(['.', '-']))
            .map(Part::of)
            .collect();
        (
            self.major,
            self.minor,
            self.patch.unwrap_or(0),
            prerelease.is_none(),
            parts,
        )
    }
}

/// A part of a pre-release: numbers before words, as in semantic versions.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Part<'a> {
    Number(u64),
    Word(&'a str),
}

impl<'a> Part<'a> {
    fn of(text: &'a str) -> Self {
        text.parse().map_or(Self::Word(text), Self::Number)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || VersionError(text.trim().to_owned());
        let written = text.trim();
        let bare = written.strip_prefix(['v', 'V']).unwrap_or(written);
        let (numbers, suffix) = match bare.split_once(['-', '+']) {
            Some((numbers, suffix)) => (numbers, suffix),
            None => (bare, ""),
        };
        let mut parts = numbers.split('.');
        let mut number = || parts.next().map(digits).transpose();
        let major = number().map_err(|()| error())?.ok_or_else(error)?;
        let minor = number().map_err(|()| error())?.ok_or_else(error)?;
        let patch = number().map_err(|()| error())?;
        if parts.next().is_some() || suffix.contains(char::is_whitespace) {
            return Err(error());
        }
        Ok(Self {
            major,
            minor,
            patch,
            written: written.into(),
        })
    }
}

fn digits(text: &str) -> Result<u32, ()> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(());
    }
    text.parse().map_err(|_| ())
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Version {}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
