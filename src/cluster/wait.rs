//! Waiting for a condition: a list, then a watch, that survives what watches suffer.

use std::time::Duration;

use http::Method;
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;
use tokio::time::Instant;

use super::Cluster;
use super::error::{ClusterError, ErrorClass};
use super::kinds::path;
use super::object::{Object, Selector};
use super::verbs::{key, named, selection};

/// How long one watch lasts, in seconds; the server ends it, and the next goes on where it ended.
const WATCH: u64 = 60;
/// How long a watch may stay silent before it is given up: so long may a dead connection go unnoticed.
const SILENCE: Duration = Duration::from_secs(75);
/// The pause after the first error in a row; doubled by each further one.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between attempts.
const LONGEST: Duration = Duration::from_secs(15);
/// A watch that ends sooner than this is an error as well: a server that cuts every watch is not to be flooded.
const SHORT: Duration = Duration::from_secs(5);

/// What a look at the objects says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait<T> {
    /// The wait is over.
    Done(T),
    /// It goes on, for these reasons.
    Not(Vec<String>),
}

impl Cluster {
    /// Waits until `judge` is content with the objects, telling its reasons as they change. Errors that may pass are
    /// told and waited out; how long all of it may take is the caller's matter.
    ///
    /// In a dry run nothing comes about: the judge is asked once, and its reasons are the error.
    ///
    /// # Errors
    /// What the server says for good.
    pub async fn wait<T>(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &Selector,
        mut judge: impl FnMut(&[Object]) -> Wait<T>,
        mut told: impl FnMut(Vec<String>),
    ) -> Result<T, ClusterError> {
        if self.is_dry_run() {
            let objects = self.list(api_version, kind, namespace, selector).await?;
            return match judge(&objects) {
                Wait::Done(value) => Ok(value),
                Wait::Not(reasons) => Err(ClusterError::new(
                    ErrorClass::Invalid,
                    format!("a dry run does not wait: {}", reasons.join("; ")),
                )),
            };
        }
        let mut watched = Watched {
            cluster: self,
            api_version,
            kind,
            namespace,
            selector,
            objects: Vec::new(),
            state: State::Unknown,
        };
        let mut failures = 0;
        let mut said = Vec::new();
        loop {
            let trouble = match watched.advance().await {
                Ok(Step::Quiet) => continue,
                Ok(Step::Changed) => {
                    failures = 0;
                    None
                }
                Err(error) if error.is_transient() => Some(error),
                Err(error) => return Err(error),
            };
            let mut reasons = match judge(&watched.objects) {
                Wait::Done(value) if watched.is_known() => return Ok(value),
                Wait::Done(_) => Vec::new(),
                Wait::Not(reasons) => reasons,
            };
            if let Some(error) = &trouble {
                reasons.push(format!("the API server: {error}; trying again"));
            }
            if reasons != said {
                told(reasons.clone());
                said = reasons;
            }
            if let Some(error) = trouble {
                tokio::time::sleep(pause(&error, failures)).await;
                failures += 1;
            }
        }
    }
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

/// Objects that are kept up to date.
struct Watched<'a> {
    cluster: &'a Cluster,
    api_version: &'a str,
    kind: &'a str,
    namespace: Option<&'a str>,
    selector: &'a Selector,
    /// Sorted by namespace and name.
    objects: Vec<Object>,
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
    /// The objects may be different.
    Changed,
    /// They are not.
    Quiet,
}

impl Watched<'_> {
    /// Whether the objects have been listed at least once, and have been followed since.
    fn is_known(&self) -> bool {
        !matches!(self.state, State::Unknown)
    }

    /// Lists, opens a watch, or takes what it says: all that has arrived, so that a burst is judged once.
    async fn advance(&mut self) -> Result<Step, ClusterError> {
        match &mut self.state {
            State::Unknown => {
                let (objects, version) = self
                    .cluster
                    .list_live(self.api_version, self.kind, self.namespace, self.selector)
                    .await?;
                self.objects = objects;
                self.state = State::Listed(version);
                Ok(Step::Changed)
            }
            State::Listed(version) => {
                let version = version.clone();
                let opened = self.open(&version).await;
                if matches!(&opened, Err(error) if error.class == ErrorClass::Gone) {
                    self.state = State::Unknown;
                }
                let lines = Box::new(Lines::new(opened?));
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
                    Err(_) => self.cut(Some("a watch fell silent".to_owned())),
                }
            }
        }
    }

    async fn open(&mut self, version: &str) -> Result<Body, ClusterError> {
        let resource = self.cluster.resource(self.api_version, self.kind).await?;
        let url = format!(
            "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH}&resourceVersion={version}{}",
            path(self.api_version, &resource, self.namespace, None),
            selection(self.selector)
        );
        self.cluster.open(Method::GET, url).await
    }

    /// The next watch goes on from where this one ended.
    fn cut(&mut self, why: Option<String>) -> Result<Step, ClusterError> {
        if let State::Watching { version, .. } = &mut self.state {
            self.state = State::Listed(std::mem::take(version));
        }
        match why {
            None => Ok(Step::Quiet),
            Some(why) => Err(ClusterError::new(ErrorClass::Transient(None), why)),
        }
    }

    fn burst(&mut self, first: Vec<u8>) -> Result<Step, ClusterError> {
        let mut changed = false;
        let mut next = Some(first);
        while let Some(line) = next {
            changed |= self.take(&line)?;
            next = match &mut self.state {
                State::Watching { lines, .. } => lines.ready(),
                _ => None,
            };
        }
        Ok(if changed { Step::Changed } else { Step::Quiet })
    }

    /// Takes one event; gives whether it changed an object.
    fn take(&mut self, line: &[u8]) -> Result<bool, ClusterError> {
        let parsed = serde_json::from_slice::<Value>(line);
        let Ok(mut event) = parsed else {
            // What it said is lost; a new list knows.
            self.state = State::Unknown;
            let message = "a line of a watch cannot be read";
            return Err(ClusterError::new(ErrorClass::Transient(None), message));
        };
        let object = event["object"].take();
        let event = event["type"].as_str().unwrap_or_default();
        if event == "ERROR" {
            self.state = State::Unknown;
            return Err(super::verbs::told(&object));
        }
        let object = named(object, self.api_version, self.kind);
        if let State::Watching { version, .. } = &mut self.state
            && !object.resource_version().is_empty()
        {
            object.resource_version().clone_into(version);
        }
        let place = self
            .objects
            .binary_search_by(|known| key(known).cmp(&key(&object)));
        match (event, place) {
            ("BOOKMARK", _) | ("DELETED", Err(_)) => return Ok(false),
            ("DELETED", Ok(at)) => drop(self.objects.remove(at)),
            (_, Ok(at)) => self.objects[at] = object,
            (_, Err(at)) => self.objects.insert(at, object),
        }
        Ok(true)
    }
}

/// The lines of an answer that does not end soon.
struct Lines {
    body: Body,
    buffer: Vec<u8>,
    /// Up to where the buffer is known to have no line's end.
    searched: usize,
}

impl Lines {
    fn new(body: Body) -> Self {
        Self {
            body,
            buffer: Vec::new(),
            searched: 0,
        }
    }

    /// The next line; none at the end, where a torn line is dropped. Nothing is lost when this is.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, ClusterError> {
        loop {
            if let Some(line) = self.ready() {
                return Ok(Some(line));
            }
            match self.body.frame().await {
                Some(frame) => self
                    .buffer
                    .extend(frame?.into_data().as_deref().unwrap_or_default()),
                None => return Ok(None),
            }
        }
    }

    /// A line that has arrived already.
    fn ready(&mut self) -> Option<Vec<u8>> {
        let found = self.buffer[self.searched..]
            .iter()
            .position(|byte| *byte == b'\n');
        let Some(end) = found.map(|at| self.searched + at) else {
            self.searched = self.buffer.len();
            return None;
        };
        self.searched = 0;
        let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
        line.pop();
        Some(line)
    }
}
