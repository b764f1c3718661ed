//! The gate that a change window opens: a question to the clock alone.

use std::time::Duration;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _, Zoned};
use serde_json::json;

use super::accepted;
use crate::model::action::{Day, Window};
use crate::steps::context::{Done, Probe, StepContext, StepError};

/// The longest sleep between two looks at the clock: a machine that slept meanwhile must not go on in a window that has
/// closed.
const LOOK: Duration = Duration::from_secs(60);
/// How many days ahead an opening is looked for: a window that does not open within two years never does.
const HORIZON: i32 = 731;

/// Where a moment lies.
#[derive(Debug, Clone, PartialEq)]
enum Moment {
    /// In the window, which closes then.
    Open(Zoned),
    /// Before the window, which opens then.
    Before(Zoned),
    /// After the last window.
    Never,
}

/// Waits until the window is open.
pub(super) async fn run(window: &Window, context: &StepContext) -> Result<Done, StepError> {
    loop {
        let now = context.time().await;
        let opens = match moment(window, now) {
            Moment::Open(until) => return Ok(accepted("the clock", json!(until.to_string()))),
            Moment::Before(opens) => opens,
            Moment::Never => {
                return Err(StepError::failed("the window does not open any more")
                    .help("look at its `days` and `except`"));
            }
        };
        context.waiting(vec![format!("the window opens at {}", shown(&opens))]);
        let left = opens.timestamp().duration_since(now).unsigned_abs();
        tokio::time::sleep(left.min(LOOK)).await;
    }
}

/// Whether the window is open now.
pub(super) fn probe(window: &Window, now: Timestamp) -> Probe {
    match moment(window, now) {
        Moment::Open(until) => Probe::Done(format!("the window is open until {}", shown(&until))),
        other => Probe::Open(vec![told(&other)]),
    }
}

/// One line on how it stands.
pub(crate) fn describe(window: &Window, now: Timestamp) -> String {
    told(&moment(window, now))
}

fn told(moment: &Moment) -> String {
    match moment {
        Moment::Open(until) => format!("the window is open now, until {}", shown(until)),
        Moment::Before(opens) => format!("waits until the window opens, at {}", shown(opens)),
        Moment::Never => "the window does not open any more".to_owned(),
    }
}

fn shown(moment: &Zoned) -> String {
    moment.strftime("%a %Y-%m-%d %H:%M %Z").to_string()
}

fn moment(window: &Window, now: Timestamp) -> Moment {
    let today = now.to_zoned(window.zone.rules().clone()).date();
    let opens_on =
        |date: &Date| window.days.contains(&Day::of(*date)) && !window.except.contains(date);
    // What opened yesterday may still be open.
    let days = (-1..HORIZON).filter_map(|ahead| today.checked_add(ahead.days()).ok());
    for date in days.filter(opens_on) {
        let Some((opens, closes)) = hours(window, date) else {
            continue;
        };
        if now < opens.timestamp() {
            return Moment::Before(opens);
        }
        if now < closes.timestamp() {
            return Moment::Open(closes);
        }
    }
    Moment::Never
}

/// The window that opens on a date. A time that the zone's clocks leave out or show twice is taken as they do it: the
/// first one, moved by what was left out.
fn hours(window: &Window, date: Date) -> Option<(Zoned, Zoned)> {
    let [from, to] = window.between;
    let last = if to > from {
        date
    } else {
        date.tomorrow().ok()?
    };
    let at = |date: Date, time| date.to_datetime(time).to_zoned(window.zone.rules().clone());
    Some((at(date, from).ok()?, at(last, to).ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn look(window: Value, now: &str) -> String {
        let window: Window = serde_json::from_value(window).unwrap();
        describe(&window, now.parse().unwrap())
    }

    #[test]
    fn hours_that_end_on_the_same_day() {
        let window = json!({ "between": ["09:00", "17:00"] });
        // 2026-11-23 is a Monday.
        for (now, said) in [
            (
                "2026-11-23T08:59:59Z",
                "waits until the window opens, at Mon 2026-11-23 09:00 UTC",
            ),
            (
                "2026-11-23T09:00:00Z",
                "the window is open now, until Mon 2026-11-23 17:00 UTC",
            ),
            (
                "2026-11-23T16:59:59Z",
                "the window is open now, until Mon 2026-11-23 17:00 UTC",
            ),
            (
                "2026-11-23T17:00:00Z",
                "waits until the window opens, at Tue 2026-11-24 09:00 UTC",
            ),
        ] {
            assert_eq!(look(window.clone(), now), said, "{now}");
        }
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_began() {
        let window = json!({
            "between": ["22:00", "04:00"], "days": ["fri"], "except": ["2026-12-04"],
            "zone": "europe/berlin",
        });
        for (now, said) in [
            // Friday the 27th, 23:00 in Berlin, and the Saturday after it.
            (
                "2026-11-27T22:00:00Z",
                "the window is open now, until Sat 2026-11-28 04:00 CET",
            ),
            (
                "2026-11-28T02:59:00Z",
                "the window is open now, until Sat 2026-11-28 04:00 CET",
            ),
            // Friday the 4th is left out, and the night to the 5th with it.
            (
                "2026-11-28T03:00:00Z",
                "waits until the window opens, at Fri 2026-12-11 22:00 CET",
            ),
            (
                "2026-12-05T01:00:00Z",
                "waits until the window opens, at Fri 2026-12-11 22:00 CET",
            ),
        ] {
            assert_eq!(look(window.clone(), now), said, "{now}");
        }
    }

    #[test]
    fn without_hours_it_is_the_whole_day_and_without_days_every_day() {
        assert_eq!(
            look(json!({ "days": ["sat", "sun"] }), "2026-11-27T23:59:00Z"),
            "waits until the window opens, at Sat 2026-11-28 00:00 UTC"
        );
        assert_eq!(
            look(json!({ "days": ["sat", "sun"] }), "2026-11-28T23:59:00Z"),
            "the window is open now, until Sun 2026-11-29 00:00 UTC"
        );
        assert_eq!(
            look(json!({ "except": ["2026-11-28"] }), "2026-11-28T12:00:00Z"),
            "waits until the window opens, at Sun 2026-11-29 00:00 UTC"
        );
    }

    #[test]
    fn clocks_that_are_put_forward_or_back() {
        // In Berlin 02:30 does not exist on 2027-03-28, and is there twice on 2026-10-25.
        let window = json!({ "between": ["02:30", "02:45"], "zone": "Europe/Berlin" });
        assert_eq!(
            look(window.clone(), "2027-03-28T00:00:00Z"),
            "waits until the window opens, at Sun 2027-03-28 03:30 CEST"
        );
        assert_eq!(
            look(window.clone(), "2026-10-25T00:31:00Z"),
            "the window is open now, until Sun 2026-10-25 02:45 CEST"
        );
        assert_eq!(
            look(window, "2026-10-25T01:31:00Z"),
            "waits until the window opens, at Mon 2026-10-26 02:30 CET"
        );
    }

    #[test]
    fn what_is_no_window_is_refused() {
        let wrong = |window: Value| {
            serde_json::from_value::<Window>(window)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            wrong(json!({ "zone": "Europe/Atlantis" })),
            "`Europe/Atlantis` is no time zone: write its IANA name, such as `Europe/Berlin`, or `UTC`"
        );
        assert!(wrong(json!({ "between": ["22:00"] })).contains("array of length 2"));
        assert!(wrong(json!({ "between": ["22:00", "25:00"] })).contains("hour"));
        assert!(wrong(json!({ "except": ["2026-02-30"] })).contains("day"));
    }
}
