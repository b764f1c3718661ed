//! What a run needs to end well by itself: each way of trying again has a fault that it cannot do without. Whoever takes
//! one away sees the test fail that has its name.

use super::*;
use crate::lab::scenario::{Effect, On, Verb};
use crate::model::Span;

/// The seed of all of them: it decides no more than jitter and names.
const SEED: u64 = 7;

/// A fault that hits the first so many requests of `plan` of this kind.
fn first(times: u32, verb: Verb, resource: &str, effect: Effect) -> Fault {
    let mut fault = Fault::new(Span::from_secs(0), effect);
    fault.times = Some(times);
    fault.on = On {
        verb: Some(verb),
        resource: Some(resource.to_owned()),
        agent: Some("plan".to_owned()),
        ..On::default()
    };
    fault
}

fn status(status: u16) -> Effect {
    Effect::Answer {
        status,
        retry_after: (status == 429).then(|| Span::from_secs(2)),
    }
}

/// A run that meets these faults needs nobody.
fn survives(mut rehearsal: Rehearsal, faults: Vec<Fault>) -> Rehearsed {
    rehearsal.scenario.faults = faults;
    let done = rehearsal.run(SEED).unwrap();
    assert_eq!(done.failure, None, "seed {SEED}");
    assert_eq!(done.helped, [], "seed {SEED}");
    assert_eq!(done.breaches, [], "seed {SEED}");
    done
}

/// A change of a step that meets this is made by another attempt.
fn is_changed_again(effect: Effect) {
    let fault = first(1, Verb::Patch, "namespaces", effect);
    let done = survives(canary(&[]), vec![fault]);
    let journal = String::from_utf8(done.journal).unwrap();
    assert!(
        journal.contains(r#""attempt":2"#),
        "the fault hit no change, seed {SEED}"
    );
}

#[test]
fn a_change_that_a_busy_server_refuses_is_tried_again() {
    is_changed_again(status(429));
}

#[test]
fn a_change_that_a_server_fails_to_make_is_tried_again() {
    is_changed_again(status(500));
    is_changed_again(status(503));
}

#[test]
fn a_change_in_conflict_is_tried_again() {
    is_changed_again(status(409));
}

#[test]
fn a_change_whose_connection_is_lost_is_tried_again() {
    is_changed_again(Effect::Lose);
}

#[test]
fn a_change_without_an_answer_is_tried_again() {
    is_changed_again(Effect::Delay(Span::from_secs(100)));
}

#[test]
fn an_attempt_whose_time_is_up_is_tried_again() {
    let rehearsal = canary_within("timeout: { attempt: 30s, total: 15m }", &[]);
    let slow = Effect::Delay(Span::from_secs(50));
    survives(rehearsal, vec![first(1, Verb::Patch, "namespaces", slow)]);
}

#[test]
fn a_change_that_was_made_unheard_is_found_made() {
    survives(
        canary(&[]),
        vec![first(1, Verb::Patch, "namespaces", Effect::LoseAnswer)],
    );
}

/// Of many questions so many go wrong that no attempt of a step would get through all of them.
#[test]
fn a_question_is_asked_again_by_itself() {
    for effect in [Effect::Lose, status(429), status(500)] {
        let mut fault = first(1, Verb::Create, "selfsubjectaccessreviews", effect);
        (fault.times, fault.chance) = (None, 0.3);
        let done = survives(canary(&[]), vec![fault]);
        let journal = String::from_utf8(done.journal).unwrap();
        assert!(journal.contains("asking again (2 of 6)"), "seed {SEED}");
    }
}

/// Of many changes so many go wrong that no attempt of a step would make all of them; nor would its dry runs go through.
#[test]
fn an_apply_is_made_again_by_itself() {
    for effect in [Effect::Lose, status(429), status(500)] {
        let mut fault = first(1, Verb::Patch, "*", effect);
        (fault.times, fault.chance) = (None, 0.5);
        fault.on.namespace = Some("istio-system".to_owned());
        let done = survives(canary(&[]), vec![fault]);
        let journal = String::from_utf8(done.journal).unwrap();
        assert!(
            journal.contains("applying it again (2 of 6)"),
            "seed {SEED}"
        );
    }
}

#[test]
fn a_lock_that_cannot_be_taken_at_once_is_tried_again() {
    for effect in [Effect::Lose, status(429), status(500)] {
        survives(canary(&[]), vec![first(3, Verb::Write, "leases", effect)]);
    }
}

#[test]
fn a_version_that_is_too_old_is_listed_anew() {
    let mut answered = first(1, Verb::Watch, "*", status(410));
    answered.times = Some(20);
    let forgets = (0..75).map(|second| Fault::new(Span::from_secs(second), Effect::Compact));
    survives(canary(&[]), forgets.chain([answered]).collect());
}

#[test]
fn a_watch_that_is_cut_is_opened_again() {
    let cut = first(20, Verb::Watch, "*", Effect::CutWatch { events: 1 });
    survives(canary(&[]), vec![cut]);
}

#[test]
fn a_watch_that_falls_silent_is_opened_again() {
    let silent = first(6, Verb::Watch, "*", Effect::Silence);
    survives(canary(&[]), vec![silent]);
}

#[test]
fn a_control_plane_that_is_gone_for_a_moment_is_no_finding() {
    let revision = "default".to_owned();
    let mut killed = Fault::new(Span::from_secs(0), Effect::KillIstiod { revision });
    killed.lasts = Some(Span::from_secs(20));
    // By the time that the lock is taken it is gone.
    let late = Effect::Delay(Span::from_secs(5));
    let late = first(1, Verb::Write, "leases", late);
    let done = survives(canary(&[]), vec![killed, late]);
    let journal = String::from_utf8(done.journal).unwrap();
    assert!(
        journal.contains("istiod has no ready endpoint"),
        "the precheck saw nothing, seed {SEED}"
    );
}
