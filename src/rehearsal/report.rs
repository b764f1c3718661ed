//! A summary for people.

use std::fmt::Write as _;

use super::{Group, Summary};
use crate::model::counted;
use crate::report::span;

/// Writes it down. `again` is the command that shows a seed again, without the seed.
pub fn text(summary: &Summary, again: &str) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _infallible = write(&mut out, summary, again);
    out
}

fn write(out: &mut String, summary: &Summary, again: &str) -> std::fmt::Result {
    let Summary {
        plan,
        rehearsals,
        well,
        ..
    } = summary;
    writeln!(out, "{plan}: {well} of {rehearsals} rehearsals ended well")?;
    if summary.crashed > 0 {
        writeln!(
            out,
            "plan died in {} of them and was resumed",
            summary.crashed
        )?;
    }
    writeln!(
        out,
        "it takes {} (half of them), at most {} (95 of 100)",
        span(summary.median),
        span(summary.p95)
    )?;
    restarts(out, summary)?;
    groups(out, "did not end well", &summary.failures, again)?;
    groups(out, "broken on the way", &summary.breaches, again)?;
    groups(out, "needed somebody to resume", &summary.help, again)?;
    if summary.breaches.is_empty() {
        writeln!(out, "no invariant was broken")?;
    }
    Ok(())
}

fn restarts(out: &mut String, summary: &Summary) -> std::fmt::Result {
    if summary.workloads.is_empty() {
        return writeln!(out, "it restarts nothing");
    }
    let workloads = counted(summary.workloads.len(), "workload");
    writeln!(out, "it restarts {workloads}:")?;
    for (name, effect) in &summary.workloads {
        let times = match effect.restarts {
            1 => "once".to_owned(),
            more => format!("{more} times"),
        };
        let reduced = if effect.longest.is_zero() {
            "never with fewer pods".to_owned()
        } else {
            format!(
                "with fewer pods for {} (half of them), at most {}",
                span(effect.median),
                span(effect.longest)
            )
        };
        writeln!(out, "  {name}: {times}, {reduced}")?;
    }
    Ok(())
}

fn groups(out: &mut String, title: &str, groups: &[Group], again: &str) -> std::fmt::Result {
    for group in groups {
        writeln!(out, "{title}, {} of them: {}", group.count, group.what)?;
        for line in &group.trace {
            writeln!(out, "    {line}")?;
        }
        writeln!(out, "  {again} --seed {} shows it again", group.seed)?;
        let faults = serde_yaml::to_string(&group.faults).unwrap_or_default();
        if !group.faults.is_empty() {
            writeln!(out, "  faults:")?;
            for line in faults.lines() {
                writeln!(out, "    {line}")?;
            }
        }
    }
    Ok(())
}
