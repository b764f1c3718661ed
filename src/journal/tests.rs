//! Journals that were torn, are too new, are held; directories that keep what they were given.

use jiff::Timestamp;

use super::*;
use crate::event::{Event, EventKind};
use crate::model::{NodeId, RunId};

fn line(seq: u64) -> String {
    let event = Event {
        seq,
        at: Timestamp::UNIX_EPOCH,
        event: EventKind::AttemptStarted {
            node: NodeId::new("a"),
            attempt: 1,
            after: None,
        },
    };
    format!("{}\n", serde_json::to_string(&event).unwrap())
}

#[test]
fn a_torn_last_line_is_left_out_wherever_it_was_torn() {
    let whole = line(1);
    let text = format!("{whole}{}", line(2));
    for cut in whole.len()..text.len() {
        let read = parse(&text.as_bytes()[..cut]).unwrap();
        assert_eq!(
            (read.events.len(), read.whole),
            (1, whole.len()),
            "cut at {cut}"
        );
    }
    assert_eq!(parse(text.as_bytes()).unwrap().events.len(), 2);
    assert!(matches!(parse(b"{\"seq\":1"), Err(ReadError::Empty)));
}

#[test]
fn what_is_broken_in_the_middle_is_an_error() {
    let broken = format!("{}nonsense\n{}", line(1), line(3));
    assert!(matches!(
        parse(broken.as_bytes()),
        Err(ReadError::Broken { line: 2, .. })
    ));
    let gap = format!("{}{}", line(1), line(3));
    assert!(matches!(
        parse(gap.as_bytes()),
        Err(ReadError::Order { line: 2, found: 3 })
    ));
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let new = br#"{"seq":1,"at":"soon","event":{"type":"run_started","format":"2.0"}}"#;
    let error = parse(new).unwrap_err().to_string();
    assert_eq!(
        error,
        "the journal has format 2.0, this `plan` reads 1.0: use a newer `plan`"
    );
}

fn stored() -> Stored {
    let file = |path: &str, text: &str| StoredFile {
        path: path.to_owned(),
        bytes: text.as_bytes().to_vec(),
    };
    Stored {
        manifest: Manifest {
            root: "plan.yaml".to_owned(),
            base: "base".into(),
            ..Manifest::default()
        },
        files: vec![
            file("plan.yaml", "version: 1"),
            file("sub/x.yaml", "version: 1"),
        ],
    }
}

#[test]
fn a_run_is_found_by_the_beginning_of_its_id() {
    let state = tempfile::tempdir().unwrap();
    assert!(RunDir::list(state.path()).unwrap().is_empty());
    for id in ["2026-a-1", "2026-b-1"] {
        RunDir::create(state.path(), &RunId::new(id), &stored()).unwrap();
    }
    let again = RunDir::create(state.path(), &RunId::new("2026-a-1"), &stored());
    assert!(
        matches!(again, Err(StoreError::Taken(_))),
        "a name is one run's"
    );
    let find = |prefix| RunDir::find(state.path(), prefix).map(|run| run.id().to_string());
    assert_eq!(find(None).unwrap(), "2026-b-1", "the newest");
    assert_eq!(find(Some("2026-a")).unwrap(), "2026-a-1");
    assert!(matches!(
        find(Some("2026")),
        Err(StoreError::Ambiguous { .. })
    ));
    assert!(matches!(find(Some("x")), Err(StoreError::Unknown { .. })));
    let now: Timestamp = "2026-11-23T12:55:01Z".parse().unwrap();
    let id = run_id(now, "Upgrade 1/6", 0x7f3a);
    assert_eq!(id.as_str(), "20261123-125501-upgrade-1-6-7f3a");
}

#[test]
fn files_come_back_and_changes_are_seen() {
    let state = tempfile::tempdir().unwrap();
    let run = RunDir::create(state.path(), &RunId::new("r"), &stored()).unwrap();
    assert_eq!(run.stored().unwrap().files, stored().files);
    let same = |_: &std::path::Path| Some(b"version: 1".to_vec());
    assert_eq!(run.changed_files(same).unwrap(), []);
    let changes = run
        .changed_files(|path| (path.ends_with("plan.yaml")).then(|| b"version: 2".to_vec()))
        .unwrap();
    let seen: Vec<_> = changes
        .iter()
        .map(|c| (c.path.as_str(), c.now.is_some()))
        .collect();
    assert_eq!(seen, [("plan.yaml", true), ("sub/x.yaml", false)]);
    let mut evil = stored();
    evil.files[0].path = "../plan.yaml".to_owned();
    let error = RunDir::create(state.path(), &RunId::new("s"), &evil).unwrap_err();
    assert!(matches!(error, StoreError::Path(_)));
}

#[tokio::test]
async fn one_process_writes_and_a_torn_line_is_cut_off() {
    let state = tempfile::tempdir().unwrap();
    let run = RunDir::create(state.path(), &RunId::new("r"), &stored()).unwrap();
    let torn = format!("{}{}", line(1), &line(2)[..20]);
    fs_err::write(run.path().join("journal.jsonl"), torn).unwrap();
    assert!(!run.is_held());
    let mut journal = run.journal(run.lock("process 1 on a").unwrap()).unwrap();
    let held = run.lock("process 2 on b").unwrap_err().to_string();
    assert_eq!(held, "the run is held by process 1 on a");
    assert!(run.is_held());
    let event = serde_json::from_str(&line(2)).unwrap();
    journal.append(&event).unwrap();
    journal.settle().await.unwrap();
    assert_eq!(run.read().unwrap().events.len(), 2);
    drop(journal);
    assert!(!run.is_held());
}
