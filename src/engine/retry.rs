//! Whether a failed attempt is tried again, and when.

use std::time::Duration;

use crate::event::FailureClass;
use crate::model::Span;
use crate::model::policy::{Attempts, Jitter, Retry, RetryOn};
use crate::steps::StepError;

const ATTEMPTS: u32 = 3;
const INITIAL: Duration = Duration::from_secs(1);
const FACTOR: f32 = 2.0;
const MAX: Duration = Duration::from_secs(30);

/// How far a step is with its attempts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tried {
    /// The attempts that were made since the run began or went on.
    pub(super) attempts: u32,
    /// The time since the first of them started.
    pub(super) elapsed: Duration,
    /// What is left of the step's timeout.
    pub(super) left: Option<Duration>,
}

/// Why no attempt follows one that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GivenUp {
    /// Such a failure is not tried again.
    AtOnce,
    /// So many attempts were made.
    Attempts(u32),
    /// The time for all attempts is used up.
    Budget(Span),
    /// The step's timeout leaves no time for another.
    Time,
}

impl GivenUp {
    /// What a failure says of it.
    pub(super) fn words(self) -> Option<String> {
        match self {
            Self::AtOnce | Self::Attempts(..=1) => None,
            Self::Attempts(count) => Some(format!("after {count} attempts")),
            Self::Budget(budget) => Some(format!("its budget of {budget} is used up")),
            Self::Time => Some("its timeout leaves no time for another attempt".to_owned()),
        }
    }
}

/// The delay before the next attempt. `chance` is a number in `0..1`.
///
/// # Errors
/// Why none follows.
pub(super) fn delay(
    policy: &Retry,
    error: &StepError,
    timed_out: bool,
    tried: Tried,
    chance: f64,
) -> Result<Duration, GivenUp> {
    let on = policy.on.as_deref().unwrap_or(&[RetryOn::Transient]);
    let allowed = match error.failure.class {
        FailureClass::Transient => on.contains(&RetryOn::Transient),
        FailureClass::TimedOut => timed_out && on.contains(&RetryOn::Transient),
        FailureClass::Failed => on.contains(&RetryOn::Failed),
        FailureClass::Rejected | FailureClass::Interrupted => false,
    };
    if !allowed {
        return Err(GivenUp::AtOnce);
    }
    match policy.attempts.unwrap_or(Attempts::Count(ATTEMPTS)) {
        Attempts::Count(count) if tried.attempts >= count => {
            return Err(GivenUp::Attempts(tried.attempts));
        }
        // Without a budget it would never end; check refuses that.
        Attempts::Unlimited if policy.budget.is_none() => return Err(GivenUp::AtOnce),
        Attempts::Count(_) | Attempts::Unlimited => {}
    }
    let own = backoff(policy, tried.attempts, chance);
    let delay = error.retry_after.map_or(own, |asked| own.max(asked));
    let until = tried.elapsed.saturating_add(delay);
    if let Some(budget) = policy.budget.filter(|budget| until >= budget.0) {
        return Err(GivenUp::Budget(budget));
    }
    if tried.left.is_some_and(|left| delay >= left) {
        return Err(GivenUp::Time);
    }
    Ok(delay)
}

fn backoff(policy: &Retry, attempts: u32, chance: f64) -> Duration {
    let backoff = policy.backoff.unwrap_or_default();
    let initial = backoff.initial.map_or(INITIAL, |span| span.0);
    let max = backoff.max.map_or(MAX, |span| span.0);
    let factor = f64::from(backoff.factor.unwrap_or(FACTOR).max(1.0));
    let exponent = i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
    let seconds = (initial.as_secs_f64() * factor.powi(exponent)).min(max.as_secs_f64());
    let full = Duration::try_from_secs_f64(seconds).unwrap_or(max);
    match backoff.jitter.unwrap_or_default() {
        Jitter::None => full,
        Jitter::Full => full.mul_f64(chance),
    }
}

/// A number in `0..1` from a seed: `SplitMix64` (Steele, Lea, Flood 2014), for jitter alone.
pub(super) fn chance(seed: &mut u64) -> f64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    // 32 bits are chance enough, and every one of them fits into an f64.
    let bits = u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(u32::MAX);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::policy::Backoff;

    fn tried(attempts: u32) -> Tried {
        Tried {
            attempts,
            elapsed: Duration::ZERO,
            left: None,
        }
    }

    fn next(policy: &Retry, error: &StepError, attempts: u32) -> Option<f64> {
        let delay = delay(policy, error, true, tried(attempts), 1.0);
        delay.ok().map(|d| d.as_secs_f64())
    }

    #[test]
    fn defaults_are_three_attempts_for_what_is_transient() {
        let policy = Retry::default();
        let lost = StepError::transient("connection lost");
        assert_eq!(next(&policy, &lost, 1), Some(1.0));
        assert_eq!(next(&policy, &lost, 2), Some(2.0));
        assert_eq!(next(&policy, &lost, 3), None);
        let slow = StepError::new(FailureClass::TimedOut, "slow");
        assert_eq!(next(&policy, &slow, 1), Some(1.0));
        assert_eq!(next(&policy, &StepError::failed("no"), 1), None);
    }

    #[test]
    fn backoff_is_capped_and_retry_after_is_heard() {
        let policy = Retry {
            attempts: Some(Attempts::Count(100)),
            backoff: Some(Backoff {
                factor: Some(3.0),
                ..Backoff::default()
            }),
            ..Retry::default()
        };
        let mut lost = StepError::transient("429");
        assert_eq!(next(&policy, &lost, 3), Some(9.0));
        assert_eq!(next(&policy, &lost, 99), Some(30.0));
        lost.retry_after = Some(Duration::from_secs(45));
        assert_eq!(next(&policy, &lost, 1), Some(45.0));
    }

    #[test]
    fn failed_is_tried_again_where_asked_and_rejected_never() {
        let policy = Retry {
            on: Some(vec![RetryOn::Failed]),
            ..Retry::default()
        };
        assert!(next(&policy, &StepError::failed("no"), 1).is_some());
        assert!(next(&policy, &StepError::transient("lost"), 1).is_none());
        let rejected = StepError::new(FailureClass::Rejected, "no");
        assert!(next(&policy, &rejected, 1).is_none());
    }

    #[test]
    fn budget_and_timeout_end_it() {
        let lost = StepError::transient("lost");
        let unlimited = Retry {
            attempts: Some(Attempts::Unlimited),
            ..Retry::default()
        };
        assert_eq!(next(&unlimited, &lost, 1), None, "unlimited needs a budget");
        let policy = Retry {
            budget: Some(Span::from_secs(60)),
            ..unlimited
        };
        let at = |elapsed, left| Tried {
            attempts: 9,
            elapsed: Duration::from_secs(elapsed),
            left,
        };
        let given_up = |tried| delay(&policy, &lost, false, tried, 1.0).err();
        assert_eq!(given_up(at(29, None)), None);
        let budget = Span::from_secs(60);
        assert_eq!(given_up(at(30, None)), Some(GivenUp::Budget(budget)));
        let left = Some(Duration::from_secs(30));
        assert_eq!(given_up(at(0, left)), Some(GivenUp::Time));
    }

    #[test]
    fn jitter_is_seeded_and_within_bounds() {
        let draw = |mut seed| [(); 1000].map(|()| chance(&mut seed));
        let bits = |seed| draw(seed).map(f64::to_bits);
        assert_eq!(bits(7), bits(7));
        assert_ne!(bits(7), bits(8));
        assert!(draw(7).iter().all(|c| (0.0..1.0).contains(c)));
        assert!(draw(7).iter().any(|c| *c < 0.1) && draw(7).iter().any(|c| *c > 0.9));
    }
}
