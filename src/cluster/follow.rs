//! Following the objects of one kind: a list, then a watch that survives what watches suffer.
//!
//! Each [`Follower`] is a task of its own, and ends with the last one who holds it. What it knows is a [`View`]:
//! everything up to one moment, and what `plan` itself has written since.

mod lines;
mod view;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::client::Body;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::Cluster;
use super::error::{ClusterError, ErrorClass};
use super::kinds::path;
use super::object::{Object, Selector};
use super::verbs::{Form, named, reading, selection};
use crate::news::{Announcer, News};
use lines::Lines;
pub(super) use view::{End, View};

/// How long one watch lasts, in seconds; the server ends it, and the next goes on where it ended.
const WATCH: u64 = 300;
/// How long a watch may stay silent before the next one takes its place: a server sends a bookmark about once a minute,
/// and so long may a dead connection go unnoticed.
const SILENCE: Duration = Duration::from_secs(75);
/// The pause after the first error in a row; doubled by each further one.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between attempts.
const LONGEST: Duration = Duration::from_secs(15);
/// A watch that ends sooner than this is an error as well: a server that cuts every watch is not to be flooded.
const SHORT: Duration = Duration::from_secs(5);

/// Which objects are followed, and in what form.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) namespace: Option<String>,
    pub(super) selector: Selector,
    pub(super) form: Form,
}

impl Scope {
    /// Whether an object of this kind in this namespace is followed.
    pub(super) fn covers(&self, api_version: &str, kind: &str, namespace: Option<&str>) -> bool {
        self.api_version == api_version
            && self.kind == kind
            && (self.namespace.is_none() || self.namespace.as_deref() == namespace)
    }
}

/// Objects that are kept up to date, for all who hold it.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) scope: Scope,
    shared: Arc<Shared>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    view: Mutex<View>,
    news: Announcer,
    used: AtomicBool,
    relist: Notify,
}

impl Shared {
    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.view());
        self.news.announce_next();
    }
}

/// What is known, and news of it.
#[derive(Debug)]
pub(super) struct Listener {
    shared: Arc<Shared>,
    news: News,
}

impl Listener {
    /// What is known now; a later change of it is news.
    pub(super) fn look(&mut self) -> MutexGuard<'_, View> {
        self.news.mark_unchanged();
        self.shared.view()
    }

    /// Waits for news. May be dropped and called again at any time.
    pub(super) async fn changed(&mut self) {
        // The announcer lives as long as this.
        let _news = self.news.changed().await;
    }
}

impl Follower {
    /// Begins to follow.
    pub(super) fn start(cluster: &Cluster, scope: Scope) -> Self {
        let shared = Arc::<Shared>::default();
        let watched = Watched {
            // A cluster with a cache would hold this follower, and so itself, for ever.
            cluster: cluster.live().impatient(),
            scope: scope.clone(),
            shared: Arc::clone(&shared),
            state: State::Unknown,
        };
        Self {
            scope,
            shared,
            _task: AbortOnDropHandle::new(tokio::spawn(watched.follow())),
        }
    }

    /// What is known, and news of it.
    pub(super) fn listen(&self) -> Listener {
        self.shared.used.store(true, Ordering::Relaxed);
        Listener {
            shared: Arc::clone(&self.shared),
            news: self.shared.news.subscribe(),
        }
    }

    /// Takes what a write gave, so that whoever reads next sees it.
    pub(super) fn written(&self, object: &Object) {
        let object = self.scope.form.slim(object.clone());
        self.shared.change(|view| view.written(object));
        if !self.shared.view().known {
            self.shared.relist.notify_one();
        }
    }

    /// What is known has proved wrong: whoever reads next waits for a new list.
    pub(super) fn doubt(&self) {
        self.shared.change(|view| view.known = false);
        self.shared.relist.notify_one();
    }
}

/// The task behind a follower.
struct Watched {
    cluster: Cluster,
    scope: Scope,
    shared: Arc<Shared>,
    state: State,
}

enum State {
    /// Nothing is known, or what is known is too old to go on from: list.
    Unknown,
    /// Known up to this version: watch.
    Listed(String),
    /// A watch is open, and has told of everything up to this version.
    Watching {
        lines: Box<Lines>,
        version: String,
        since: Instant,
    },
}

/// What came of one step.
enum Step {
    /// Something was heard.
    Heard,
    /// Nothing was.
    Quiet,
    /// Nothing was, and nobody has asked since the watch began.
    Idle,
}

impl Watched {
    async fn follow(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut failures = 0;
        loop {
            let step = tokio::select! {
                // Always in this order: a run in the lab repeats from its seed.
                biased;
                step = self.advance() => step,
                () = shared.relist.notified() => {
                    self.state = State::Unknown;
                    continue;
                }
            };
            match step {
                Ok(Step::Quiet) => {}
                Ok(Step::Heard) => failures = 0,
                Ok(Step::Idle) => {
                    shared.change(|view| view.end = Some(End::Idle));
                    return;
                }
                Err(error) if error.is_transient() => {
                    let pause = pause(&error, failures);
                    let known = !matches!(self.state, State::Unknown);
                    shared.change(|view| {
                        view.known &= known;
                        view.trouble = Some(error);
                    });
                    tokio::time::sleep(pause).await;
                    failures += 1;
                }
                Err(error) => {
                    let end = Some(End::Refused(error));
                    shared.change(|view| view.end = end);
                    return;
                }
            }
        }
    }

    /// Lists, opens a watch, or takes what it says: all that has arrived, so that a burst is judged once.
    async fn advance(&mut self) -> Result<Step, ClusterError> {
        match &mut self.state {
            State::Unknown => {
                let (objects, version) = self.cluster.list_live(&self.scope).await?;
                let number = version.parse().unwrap_or(0);
                self.shared.change(|view| view.listed(objects, number));
                self.state = State::Listed(version);
                Ok(Step::Heard)
            }
            State::Listed(version) => {
                let version = version.clone();
                let opened = open(&self.cluster, &self.scope, &version).await;
                if matches!(&opened, Err(error) if error.class == ErrorClass::Gone) {
                    self.state = State::Unknown;
                }
                let lines = Box::new(Lines::new(opened?));
                self.shared.used.store(false, Ordering::Relaxed);
                self.state = State::Watching {
                    lines,
                    version,
                    since: Instant::now(),
                };
                Ok(Step::Quiet)
            }
            State::Watching { lines, since, .. } => {
                let next = tokio::time::timeout(SILENCE, lines.next()).await;
                let lasted = since.elapsed();
                match next {
                    Ok(Ok(Some(line))) => self.burst(line),
                    Ok(Ok(None)) if lasted >= SHORT => self.cut(None),
                    Ok(Ok(None)) => self.cut(Some("a watch ended too soon".to_owned())),
                    Ok(Err(error)) => self.cut(Some(error.message)),
                    // Nothing may have happened, or the connection may be dead: the next one shows.
                    Err(_) => self.cut(None),
                }
            }
        }
    }

    /// The next watch goes on from where this one ended.
    fn cut(&mut self, why: Option<String>) -> Result<Step, ClusterError> {
        if let State::Watching { version, .. } = &mut self.state {
            self.state = State::Listed(std::mem::take(version));
        }
        let shared = &self.shared;
        match why {
            Some(why) => Err(ClusterError::new(ErrorClass::Transient(None), why)),
            None if shared.news.is_heard() || shared.used.load(Ordering::Relaxed) => {
                Ok(Step::Quiet)
            }
            None => Ok(Step::Idle),
        }
    }

    fn burst(&mut self, first: Vec<u8>) -> Result<Step, ClusterError> {
        let mut events = Vec::new();
        let mut next = Some(first);
        let mut end = Ok(Step::Heard);
        while let Some(line) = next {
            match self.take(&line) {
                Ok(event) => events.push(event),
                Err(error) => {
                    // What it said is lost; a new list knows.
                    self.state = State::Unknown;
                    end = Err(error);
                }
            }
            next = match &mut self.state {
                State::Watching { lines, .. } => lines.ready(),
                _ => None,
            };
        }
        self.shared.change(|view| {
            for (event, object) in events {
                view.event(&event, object);
            }
        });
        end
    }

    /// Reads one event.
    fn take(&mut self, line: &[u8]) -> Result<(String, Object), ClusterError> {
        let mut event = serde_json::from_slice::<Value>(line).map_err(|_| {
            let message = "a line of a watch cannot be read";
            ClusterError::new(ErrorClass::Transient(None), message)
        })?;
        let object = event["object"].take();
        let event = event["type"].as_str().unwrap_or_default();
        if event == "ERROR" {
            return Err(super::verbs::told(&object));
        }
        let object = named(object, &self.scope.api_version, &self.scope.kind);
        if let State::Watching { version, .. } = &mut self.state
            && !object.resource_version().is_empty()
        {
            object.resource_version().clone_into(version);
        }
        Ok((event.to_owned(), self.scope.form.slim(object)))
    }
}

async fn open(cluster: &Cluster, scope: &Scope, version: &str) -> Result<Body, ClusterError> {
    let resource = cluster.resource(&scope.api_version, &scope.kind).await?;
    let url = format!(
        "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH}&resourceVersion={version}{}",
        path(
            &scope.api_version,
            &resource,
            scope.namespace.as_deref(),
            None
        ),
        selection(&scope.selector)
    );
    cluster.open(reading(url, scope.form.watch())?).await
}

/// How long to wait after so many failures in a row: what the server asks for, else twice as long each time.
fn pause(error: &ClusterError, failures: u32) -> Duration {
    match error.class {
        ErrorClass::Transient(Some(asked)) => asked,
        // A version that is too old is worth a new list at once, but not over and over.
        ErrorClass::Gone if failures == 0 => Duration::ZERO,
        _ => PAUSE.saturating_mul(1 << failures.min(6)).min(LONGEST),
    }
}
