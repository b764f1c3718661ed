//! Faults drawn from a seed, around the moments at which something happens.

use std::time::Duration;

use fastrand::Rng;

use crate::lab::scenario::{Effect, Fault, On, Verb};
use crate::model::Span;

/// A class of faults that may be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Requests that are refused: 429 with `Retry-After`, 500, 503, 409.
    Answers,
    /// Connections that are lost, before or after the request is carried out.
    Connections,
    /// Slow answers.
    Slow,
    /// Watches that are cut, that fall silent, and 410.
    Watches,
    /// An API server that is gone for a while.
    Server,
    /// A control plane whose pods die.
    Istiod,
    /// The death of `plan` itself, once.
    Crash,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 7] = [
        Self::Answers,
        Self::Connections,
        Self::Slow,
        Self::Watches,
        Self::Server,
        Self::Istiod,
        Self::Crash,
    ];
}

/// Who the faults are meant for.
const AGENT: &str = "plan";
/// The most faults of one rehearsal, the crash aside.
const MOST: usize = 5;

/// Draws the faults of one rehearsal. `revisions` are the control planes that may die.
pub(super) fn draw(
    classes: &[Class],
    seed: u64,
    moments: &[Duration],
    revisions: &[String],
) -> Vec<Fault> {
    let mut rng = Rng::with_seed(seed);
    let mut drawn = Vec::new();
    let others: Vec<Class> = classes
        .iter()
        .copied()
        .filter(|class| *class != Class::Crash)
        .collect();
    if !others.is_empty() {
        for _ in 0..rng.usize(1..=MOST) {
            let class = others[rng.usize(..others.len())];
            let at = moment(&mut rng, moments);
            drawn.push(one(&mut rng, class, at, revisions));
        }
    }
    if classes.contains(&Class::Crash) {
        drawn.push(crash(&mut rng, moments));
    }
    drawn
}

/// Shortly before, or just when something happens.
fn moment(rng: &mut Rng, moments: &[Duration]) -> Span {
    let at = rng.choice(moments).copied().unwrap_or_default();
    let early = Duration::from_millis(rng.u64(0..3_000));
    // Spans are whole milliseconds, as a scenario file has them.
    let millis = u64::try_from(at.saturating_sub(early).as_millis()).unwrap_or_default();
    Span(Duration::from_millis(millis))
}

fn seconds(rng: &mut Rng, range: std::ops::RangeInclusive<u64>) -> Span {
    Span::from_secs(rng.u64(range))
}

fn one(rng: &mut Rng, class: Class, at: Span, revisions: &[String]) -> Fault {
    let mut fault = Fault::new(at, Effect::Lose);
    fault.on.agent = Some(AGENT.to_owned());
    fault.lasts = Some(seconds(rng, 1..=20));
    fault.chance = [0.1, 0.3, 0.6][rng.usize(..3)];
    match class {
        Class::Answers => {
            let (status, retry_after) = [
                (429, Some(seconds(rng, 1..=5))),
                (500, None),
                (503, None),
                (409, None),
            ][rng.usize(..4)];
            fault.effect = Effect::Answer {
                status,
                retry_after,
            };
            // Only who changes what is there can meet another writer. Creations are left out: nothing else makes what
            // plan makes, and most of them (reviews, tokens) make nothing at all.
            fault.on.verb = (status == 409).then(|| [Verb::Patch, Verb::Update][rng.usize(..2)]);
        }
        Class::Connections => {
            if rng.bool() {
                fault.effect = Effect::LoseAnswer;
                fault.on.verb = rng.bool().then_some(Verb::Write);
            }
        }
        Class::Slow => fault.effect = Effect::Delay(seconds(rng, 1..=15)),
        Class::Watches => {
            fault.effect = match rng.u8(..3) {
                0 => Effect::Silence,
                1 => Effect::CutWatch {
                    events: rng.usize(..4),
                },
                _ => Effect::Compact,
            };
            if fault.effect == Effect::Compact {
                (fault.lasts, fault.chance, fault.on) = (None, 1.0, On::default());
            } else {
                fault.chance = 1.0;
            }
        }
        Class::Server => {
            fault.effect = Effect::LostServer;
            fault.on = On::default();
            fault.lasts = Some(seconds(rng, 1..=12));
            fault.chance = 1.0;
        }
        Class::Istiod => {
            let revision = rng.choice(revisions).cloned().unwrap_or_default();
            fault.effect = Effect::KillIstiod { revision };
            fault.on = On::default();
            fault.lasts = Some(seconds(rng, 1..=20));
            fault.chance = 1.0;
        }
        Class::Crash => return crash(rng, &[at.0]),
    }
    fault
}

/// At any time, or in the middle of a change.
fn crash(rng: &mut Rng, moments: &[Duration]) -> Fault {
    let mut fault = Fault::new(moment(rng, moments), Effect::CrashPlan);
    if rng.bool() {
        fault.on = On {
            verb: Some(Verb::Write),
            agent: Some(AGENT.to_owned()),
            ..On::default()
        };
    }
    fault
}
