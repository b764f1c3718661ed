//! istiod's `/metrics`: the counters that tell rejected configuration and trouble with pushes.

use std::collections::BTreeMap;

use super::ProxyId;

/// The counters that must not grow while proxies move.
pub const GATE_COUNTERS: [&str; 12] = [
    "pilot_total_xds_rejects",
    "pilot_xds_cds_reject",
    "pilot_xds_lds_reject",
    "pilot_xds_eds_reject",
    "pilot_xds_rds_reject",
    "pilot_xds_expired_nonce",
    "pilot_xds_write_timeout",
    "pilot_total_xds_internal_errors",
    "pilot_total_rejected_configs",
    "sidecar_injection_failure_total",
    "webhook_patch_failures_total",
    "galley_validation_failed",
];

/// The counters of rejected configuration that name the proxy.
const REJECTS: [&str; 4] = [
    "pilot_xds_cds_reject",
    "pilot_xds_lds_reject",
    "pilot_xds_eds_reject",
    "pilot_xds_rds_reject",
];

/// One line of the exposition.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric's name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// A line is not a sample.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the metrics is not a sample: {text}")]
pub struct MetricsError {
    /// The line, from 1.
    pub line: usize,
    /// What it says.
    pub text: String,
}

/// The samples of one scrape, in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metrics {
    samples: Vec<Sample>,
}

impl Metrics {
    /// Reads the Prometheus text format. Time stamps and exemplars are ignored.
    ///
    /// # Errors
    /// The first line that is neither empty, a comment nor a sample.
    pub fn parse(text: &str) -> Result<Self, MetricsError> {
        let lines = text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line.trim()));
        let samples = lines
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .map(|(number, line)| {
                sample(line).ok_or_else(|| MetricsError {
                    line: number,
                    text: line.chars().take(80).collect(),
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { samples })
    }

    /// The samples of a metric.
    pub fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples
            .iter()
            .filter(move |sample| sample.name == name)
    }

    /// The sum of a metric over all of its labels; 0 when it is not there.
    pub fn sum(&self, name: &str) -> f64 {
        self.of(name).map(|sample| sample.value).sum()
    }

    /// The version that istiod says it has (`pilot_info`).
    pub fn version(&self) -> Option<&str> {
        self.of("pilot_info")
            .find_map(|sample| sample.labels.get("version"))
            .map(String::as_str)
    }

    /// How many configurations of any type proxies rejected. Modern versions count them together, older ones by type.
    pub fn rejects(&self) -> f64 {
        let by_type: f64 = REJECTS.iter().map(|name| self.sum(name)).sum();
        self.sum("pilot_total_xds_rejects").max(by_type)
    }

    /// How many configurations one proxy rejected, with the reason that was counted last.
    ///
    /// The label `node` holds its id, or in older versions its Envoy node id or that of a connection.
    pub fn rejects_of(&self, id: &ProxyId) -> Option<(f64, String)> {
        let exact = self.rejects_where(|node| names(node, id));
        exact.or_else(|| {
            self.rejects_where(|node| ProxyId::of_connection(node).as_ref() == Some(id))
        })
    }

    /// Which of the [`GATE_COUNTERS`] grew since an earlier scrape of the same istiod, and by how much. A counter that
    /// shrank was reset by a restart, and counts from zero.
    pub fn growth_since(&self, earlier: &Self) -> BTreeMap<&'static str, f64> {
        let grown = GATE_COUNTERS.into_iter().filter_map(|name| {
            let (before, now) = (earlier.sum(name), self.sum(name));
            let growth = if now < before { now } else { now - before };
            (growth > 0.0).then_some((name, growth))
        });
        grown.collect()
    }

    fn rejects_where(&self, is_it: impl Fn(&str) -> bool) -> Option<(f64, String)> {
        let mut found = self.samples.iter().filter(|sample| {
            let node = ["node", "proxy", "proxy_id"]
                .iter()
                .find_map(|label| sample.labels.get(*label));
            REJECTS.contains(&sample.name.as_str())
                && sample.value > 0.0
                && node.is_some_and(|n| is_it(n))
        });
        let first = found.next()?;
        let reason = |s: &Sample| s.labels.get("err").cloned().unwrap_or_default();
        Some(found.fold((first.value, reason(first)), |(sum, _), s| {
            (sum + s.value, reason(s))
        }))
    }
}

fn names(node: &str, id: &ProxyId) -> bool {
    let named = if node.contains('~') {
        ProxyId::of_node(node)
    } else {
        ProxyId::parse(node)
    };
    named.as_ref() == Some(id)
}

fn sample(line: &str) -> Option<Sample> {
    let name_end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, rest) = line.split_at(name_end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inner) => label_set(inner)?,
        None => (BTreeMap::new(), rest),
    };
    let value = rest.split_whitespace().next()?;
    // Rust reads `Inf` and `NaN` with their signs as Prometheus writes them.
    Some(Sample {
        name: name.to_owned(),
        labels,
        value: value.parse().ok()?,
    })
}

/// Reads `key="value",…}` and gives what follows. A value may hold escaped quotes, backslashes and line breaks.
fn label_set(text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (key, after) = rest.split_once('=')?;
        let (value, after) = quoted(after.trim_start().strip_prefix('"')?)?;
        labels.insert(key.trim().to_owned(), value);
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}
