//! The versions that the steps of a plan name must belong together: what a precheck looks at is what is installed, and
//! what is installed is what is waited for.

use std::collections::BTreeSet;

use super::expand::Draft;
use super::facts::{Facts, Symbol, Version};
use crate::diagnostic::{Code, Diagnostic};
use crate::mesh::version::hop;

/// How many versions are compared: each takes a walk over the graph.
const MOST: usize = 64;

/// Gives what is wrong, with the task that it is about.
pub(super) fn check(tasks: &[Draft]) -> Vec<(usize, Diagnostic)> {
    let mut found = Vec::new();
    let prechecks = |task: &Draft| match &task.facts {
        Facts::Precheck { to, .. } => to.clone(),
        _ => None,
    };
    disagree(
        tasks,
        prechecks,
        installed,
        |own, before| {
            let message =
                format!("{own} is installed, and the precheck before it looks at {before}");
            Diagnostic::new(Code::VersionsDisagree, message).help(
                "give both the same version: a precheck of another hop says nothing of this one",
            )
        },
        &mut found,
    );
    for revision in revisions(tasks) {
        let of = |task: &Draft| match &task.facts {
            Facts::Install {
                revision: own,
                version,
            } if *own == revision => version.clone(),
            _ => None,
        };
        let ready = |task: &Draft| match &task.facts {
            Facts::Ready {
                revision: own,
                version,
            } if *own == revision => version.clone(),
            _ => None,
        };
        disagree(
            tasks,
            of,
            ready,
            |own, before| {
                let message = format!("{own} is waited for, and {before} is installed before it");
                Diagnostic::new(Code::VersionsDisagree, message)
                    .help("leave the version out, or give both the same")
            },
            &mut found,
        );
    }
    in_place(tasks, &mut found);
    found
}

fn installed(task: &Draft) -> Option<Version> {
    match &task.facts {
        Facts::Install { version, .. } => version.clone(),
        _ => None,
    }
}

/// The revisions of which both an install and a wait name a version.
fn revisions(tasks: &[Draft]) -> Vec<Symbol> {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let waited = tasks.iter().filter_map(|task| match &task.facts {
        Facts::Ready {
            revision: Symbol::Any,
            ..
        } => None,
        Facts::Ready {
            revision,
            version: Some(_),
        } => Some(revision.clone()),
        _ => None,
    });
    waited
        .filter(|one| seen.insert(format!("{one:?}")))
        .take(MOST)
        .collect()
}

/// Of the tasks that want a version: those before which others give a version, and none gives that one.
fn disagree(
    tasks: &[Draft],
    gives: impl Fn(&Draft) -> Option<Version>,
    wants: impl Fn(&Draft) -> Option<Version>,
    say: impl Fn(&str, &str) -> Diagnostic,
    found: &mut Vec<(usize, Diagnostic)>,
) {
    let named: Vec<Option<Version>> = tasks.iter().map(&gives).collect();
    if named.iter().all(Option::is_none) {
        return;
    }
    let unsure = |task: &Draft| task.tainted || matches!(task.facts, Facts::Anything);
    let before = walk(tasks, |at| named[at].is_some().then_some(at));
    let mut looked: Vec<(Version, Vec<Option<usize>>)> = Vec::new();
    for (at, task) in tasks.iter().enumerate() {
        let (Some(own), Some(other)) = (wants(task), before[at]) else {
            continue;
        };
        if !looked.iter().any(|(version, _)| version.value == own.value) {
            if looked.len() == MOST {
                return;
            }
            let same = walk(tasks, |one| {
                let agrees = named[one].as_ref().is_some_and(|named| named.may_be(&own));
                (agrees || unsure(&tasks[one])).then_some(one)
            });
            looked.push((own.clone(), same));
        }
        let agrees = looked
            .iter()
            .find(|(version, _)| version.value == own.value);
        if agrees.is_some_and(|(_, same)| same[at].is_some()) {
            continue;
        }
        let Some(other) = &named[other] else { continue };
        let problem = say(&own.to_string(), &other.to_string())
            .at(own.span, "another version")
            .also(other.span, "than here");
        found.push((at, problem));
    }
}

/// In place every minor version has to be gone through, whatever `max_hop` says.
fn in_place(tasks: &[Draft], found: &mut Vec<(usize, Diagnostic)>) {
    let far = tasks.iter().enumerate().filter_map(|(at, task)| {
        let Facts::Precheck {
            from: Some(from),
            to: Some(to),
            max_hop,
            ..
        } = &task.facts
        else {
            return None;
        };
        let (old, new) = (from.known()?, to.known()?);
        // Where that is too far already, it was told.
        hop(&old, &new, (*max_hop)?).ok()?;
        Some((at, hop(&old, &new, 1).err()?, to.span))
    });
    for (at, error, span) in far.take(MOST) {
        let after = walk(tasks, |one| (one == at).then_some(one));
        let own = |(_, task): &(usize, &Draft)| matches!(&task.facts, Facts::Install { revision: Symbol::Known(name), .. } if name == "default");
        let install = tasks
            .iter()
            .enumerate()
            .filter(own)
            .find(|(one, _)| after[*one].is_some());
        found.extend(install.map(|(_, install)| {
            let problem = Diagnostic::new(Code::SkippedMinor, error.to_string())
                .at(span, "too far for an upgrade in place")
                .also(install.span, "replaces the control plane that runs")
                .help("go through each minor version, or install a revision of its own beside the old one");
            (at, problem)
        }));
    }
}

/// For each task the last one before it, or itself, of which `f` gives something.
fn walk(tasks: &[Draft], f: impl Fn(usize) -> Option<usize>) -> Vec<Option<usize>> {
    let mut seen: Vec<Option<usize>> = Vec::with_capacity(tasks.len());
    for (at, task) in tasks.iter().enumerate() {
        let inherited = task.needs.iter().filter_map(|need| seen[need.task]).max();
        seen.push(f(at).or(inherited));
    }
    seen
}
