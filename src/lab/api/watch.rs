//! Watches: a stream of events from a revision on.

use super::object;
use super::read::Selection;
use super::server::Call;
use super::server::Shared;
use super::status_error::StatusError;
use super::store::Change;
use crate::news::News;
use futures::Stream;
use hyper::body::Bytes;
use serde_json::Value;
use serde_json::json;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often a watch that allows it is told how far it is.
const BOOKMARKS: Duration = Duration::from_secs(60);
/// How long a watch without a timeout lasts; the real server takes 30 to 60 minutes.
const DEFAULT_TIMEOUT: u64 = 45 * 60;

/// Turns an object into what the client asked for: itself, its metadata or a table.
pub(super) type Shape = Box<dyn Fn(Arc<Value>) -> Arc<Value> + Send + Sync>;

/// One running watch.
struct Watch {
    shared: Arc<Shared>,
    call: Call,
    selection: Selection,
    shape: Shape,
    news: News,
    cuts: News,
    seen: u64,
    /// Lines to be sent.
    pending: VecDeque<Bytes>,
    ends: Instant,
    bookmark: Option<Instant>,
    cut_after: Option<usize>,
    over: bool,
}

impl Shared {
    /// Begins a watch. Failures that a real server tells as an event are told so.
    pub(super) fn watch(
        self: &Arc<Self>,
        call: Call,
        shape: Shape,
        cut_after: Option<usize>,
    ) -> Result<impl Stream<Item = Bytes> + Send + use<>, StatusError> {
        let selection = Selection::of(&call)?;
        let timeout = call
            .query
            .number("timeoutSeconds")?
            .filter(|seconds| *seconds > 0)
            .unwrap_or(DEFAULT_TIMEOUT);
        call.check_list_options(true)?;
        let initial = self.initial_events(&call)?;
        // A watch cannot say what is wrong with it, and so it is a failure of the server.
        let from = call
            .revision()
            .map_err(|why| StatusError::new(500, "", why))?
            .unwrap_or(0);
        let state = self.state();
        let mut watch = Watch {
            shared: Arc::clone(self),
            selection,
            shape,
            news: state.store.subscribe(),
            cuts: self.cuts.subscribe(),
            seen: state.store.revision(),
            pending: VecDeque::new(),
            ends: Instant::now() + Duration::from_secs(timeout),
            bookmark: call
                .query
                .flag("allowWatchBookmarks")
                .then(|| Instant::now() + BOOKMARKS),
            cut_after,
            over: false,
            call,
        };
        let compacted = state.store.compacted(&watch.call.target.resource.id());
        if initial || (from == 0 && watch.call.query.text("sendInitialEvents").is_empty()) {
            let resource = watch.call.target.resource.id();
            for (_, value) in state.store.list(&resource, &watch.call.target.namespace) {
                if watch.selection.matches(value) {
                    let event = watch.event("ADDED", value);
                    watch.pending.push_back(event);
                }
            }
            if initial && watch.bookmark.is_some() {
                let event = watch.bookmark_event(true);
                watch.pending.push_back(event);
            }
        } else if from > 0 && from < compacted {
            watch.end_as_too_old(from, compacted);
        } else if from > 0 {
            watch.seen = from;
            watch.news.mark_changed();
        }
        drop(state);
        Ok(futures::stream::unfold(watch, |mut watch| async move {
            watch.next().await.map(|line| (line, watch))
        }))
    }

    /// Whether the watch is to begin with all objects and a bookmark (`WatchList`, on by default from 1.32 on).
    fn initial_events(&self, call: &Call) -> Result<bool, StatusError> {
        if !call.query.has("sendInitialEvents") {
            return Ok(false);
        }
        let refuse = |detail: &str| {
            let message = format!("ListOptions.meta.k8s.io \"\" is invalid: {detail}");
            Err(StatusError::new(422, "Invalid", message))
        };
        if self.minor < 32 {
            return refuse(
                "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
            );
        }
        Ok(call.query.flag("sendInitialEvents"))
    }
}

impl Watch {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                if let Some(left) = &mut self.cut_after {
                    *left = left.checked_sub(1)?;
                }
                return Some(event);
            }
            if self.over || self.cut_after == Some(0) {
                return None;
            }
            let bookmark = self.bookmark.unwrap_or(self.ends);
            tokio::select! {
                biased;
                _ = self.cuts.changed() => return None,
                changed = self.news.changed() => {
                    changed.ok()?;
                    self.collect();
                }
                () = tokio::time::sleep_until(self.ends) => self.over = true,
                () = tokio::time::sleep_until(bookmark), if self.bookmark.is_some() => {
                    self.bookmark = Some(Instant::now() + BOOKMARKS);
                    let event = self.bookmark_event(false);
                    self.pending.push_back(event);
                }
            }
        }
    }

    fn collect(&mut self) {
        let (changes, revision, compacted, dropped) = {
            let state = self.shared.state();
            let (store, resource) = (&state.store, self.call.target.resource.id());
            (
                store.changes(&resource, &self.call.target.namespace, self.seen),
                store.revision(),
                store.compacted(&resource),
                store.dropped(&resource),
            )
        };
        if self.seen < dropped {
            self.end_as_too_old(self.seen, dropped);
            return;
        }
        if self.seen < compacted && changes.is_empty() {
            // A compaction does not touch a watch that has seen everything before it.
            self.seen = revision;
            return;
        }
        for change in changes {
            if let Some(event) = self.translate(&change) {
                self.pending.push_back(event);
            }
        }
        self.seen = revision.max(self.seen);
    }

    /// Says so, and ends.
    fn end_as_too_old(&mut self, from: u64, compacted: u64) {
        let message = format!("too old resource version: {from} ({compacted})");
        let error = StatusError::expired(message);
        self.pending.push_back(line("ERROR", &error.status));
        self.over = true;
    }

    /// With a selector an object that begins to match is ADDED, one that ceases is DELETED.
    fn translate(&self, change: &Change) -> Option<Bytes> {
        let was = change
            .before
            .as_ref()
            .filter(|value| self.selection.matches(value));
        let is = change
            .after
            .as_ref()
            .filter(|value| self.selection.matches(value));
        match (was, is) {
            (None, None) => None,
            (None, Some(after)) => Some(self.event("ADDED", after)),
            (Some(_), Some(after)) => Some(self.event("MODIFIED", after)),
            (Some(before), None) => {
                let mut last = (**before).clone();
                object::set_meta(
                    &mut last,
                    "resourceVersion",
                    json!(change.revision.to_string()),
                );
                Some(self.event("DELETED", &Arc::new(last)))
            }
        }
    }

    fn event(&self, kind: &str, object: &Arc<Value>) -> Bytes {
        line(kind, &(self.shape)(self.call.present(object)))
    }

    fn bookmark_event(&self, initial: bool) -> Bytes {
        let mut object = json!({"metadata": {"resourceVersion": self.seen.to_string()}});
        if initial {
            object["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        self.event("BOOKMARK", &Arc::new(object))
    }
}

/// One event as it is sent.
fn line(kind: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n"))
}
