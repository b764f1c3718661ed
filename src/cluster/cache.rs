//! What the steps of a run read over and over: listed once, watched from then on, and answered from memory.
//!
//! Only the kinds of [`FOLLOWED`], and only as much of each object as [`Form`] keeps. The first namespaces of a kind are
//! followed one by one; from one more on the whole cluster is, where the user may. Whoever may not follow asks the
//! server each time, as does everybody while a watch is in trouble.
//!
//! What a step wrote it reads: a write's answer goes into the memory before the write returns. A write that finds
//! another version than it expected throws away what is remembered of the kind. What others wrote is seen as soon as the
//! watch tells; who judges asks [`Cluster::followed_of_late`], and who must be certain [`Cluster::live`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Cluster;
use super::error::{ClusterError, ErrorClass};
use super::follow::{End, Follower, Scope, View};
use super::object::{Object, ObjectRef, Selector};
use super::verbs::Form;

/// How long ago the server may last have been heard where a verdict is asked for: while much happens it says something
/// all the time, and needs not be asked.
const LATE: Duration = Duration::from_secs(2);
/// How many namespaces of a kind are followed one by one, before the whole cluster is.
const NARROW: usize = 2;

/// The kinds that are remembered.
const FOLLOWED: [(&str, &str, Form); 9] = [
    ("v1", "Namespace", Form::Full),
    ("v1", "Pod", Form::Pod),
    ("apps/v1", "ReplicaSet", Form::Metadata),
    ("apps/v1", "Deployment", Form::Unmanaged),
    ("apps/v1", "StatefulSet", Form::Unmanaged),
    ("apps/v1", "DaemonSet", Form::Unmanaged),
    ("policy/v1", "PodDisruptionBudget", Form::Unmanaged),
    (
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
        Form::Unmanaged,
    ),
    (
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        Form::Unmanaged,
    ),
];

/// What is followed, by api version, kind and namespace.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<BTreeMap<Key, Entry>>);

type Key = (&'static str, &'static str, Option<String>);

#[derive(Debug)]
enum Entry {
    Followed(Arc<Follower>),
    /// The user may not list or watch there.
    Denied,
}

impl Cache {
    /// Who follows the objects of a kind in a namespace or everywhere; none where nobody may, or nobody should.
    pub(super) fn pick(
        &self,
        cluster: &Cluster,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Option<Arc<Follower>> {
        let (api_version, kind, form) = *FOLLOWED
            .iter()
            .find(|(v, k, _)| *v == api_version && *k == kind)?;
        let mut entries = self.lock();
        let narrow = namespace.map(|namespace| (api_version, kind, Some(namespace.to_owned())));
        let wide = (api_version, kind, None);
        let key = match (entries.get(&wide), narrow) {
            (Some(Entry::Followed(follower)), _) => return Some(Arc::clone(follower)),
            (Some(Entry::Denied), narrow) => narrow?,
            (None, None) => wide,
            (None, Some(narrow)) => {
                let others = entries
                    .keys()
                    .filter(|(v, k, _)| (*v, *k) == (api_version, kind));
                if entries.contains_key(&narrow) || others.count() < NARROW {
                    narrow
                } else {
                    entries.retain(|(v, k, _), _| (*v, *k) != (api_version, kind));
                    wide
                }
            }
        };
        let start = || {
            let scope = Scope {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
                namespace: key.2.clone(),
                selector: Selector::default(),
                form,
            };
            Entry::Followed(Arc::new(Follower::start(cluster, scope)))
        };
        match entries.entry(key.clone()).or_insert_with(start) {
            Entry::Followed(follower) => Some(Arc::clone(follower)),
            Entry::Denied => None,
        }
    }

    /// Takes down that a follower has ended; gives whether another may do better.
    pub(super) fn ended(&self, follower: &Arc<Follower>, end: &End) -> bool {
        let mut entries = self.lock();
        let found = entries
            .iter_mut()
            .find(|(_, entry)| matches!(entry, Entry::Followed(one) if Arc::ptr_eq(one, follower)));
        let Some((key, entry)) = found else {
            return true;
        };
        match end {
            End::Refused(error) if error.class == ErrorClass::Denied => *entry = Entry::Denied,
            End::Refused(_) => return false,
            End::Idle => {
                let key = key.clone();
                entries.remove(&key);
            }
        }
        true
    }

    fn followers(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Vec<Arc<Follower>> {
        let entries = self.lock();
        let followed = entries.values().filter_map(|entry| match entry {
            Entry::Followed(follower) => Some(follower),
            Entry::Denied => None,
        });
        followed
            .filter(|follower| follower.scope.covers(api_version, kind, namespace))
            .cloned()
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cluster {
    /// The same cluster without a memory: whatever is read of it is asked of the server.
    #[must_use]
    pub fn live(&self) -> Self {
        Self {
            cache: None,
            ..self.clone()
        }
    }

    /// As [`Cluster::list`], from memory where it can be: the objects as the watch tells them, with all that this
    /// [`Cluster`] has written. Pods and `ReplicaSets` come without what no step reads of them.
    pub async fn followed(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<Object>, ClusterError> {
        self.recalled(api_version, kind, namespace, selector, |_| true)
            .await
    }

    /// As [`Cluster::followed`], for a verdict: from memory only while the watch is certainly alive, else from the
    /// server. What happened within the last two seconds may be missing all the same.
    pub async fn followed_of_late(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<Object>, ClusterError> {
        let of_late = |view: &View| view.is_of_late(LATE);
        self.recalled(api_version, kind, namespace, selector, of_late)
            .await
    }

    /// The objects from memory, where that will do, else from the server.
    async fn recalled(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &Selector,
        will_do: impl Fn(&View) -> bool,
    ) -> Result<Vec<Object>, ClusterError> {
        let follower = self.settled(api_version, kind, namespace).await;
        let remembered = follower.and_then(|follower| {
            let mut news = follower.listen();
            let view = news.look();
            will_do(&view).then(|| view.objects(namespace, selector))
        });
        let Some(mut objects) = remembered else {
            return self.list(api_version, kind, namespace, selector).await;
        };
        if let Some(overlay) = &self.overlay {
            overlay.merge(&mut objects, api_version, kind, namespace, selector);
        }
        Ok(objects)
    }

    /// As [`Cluster::get`], from memory where it can be.
    pub async fn followed_one(&self, object: &ObjectRef) -> Result<Option<Object>, ClusterError> {
        let namespace = object.namespace.as_deref();
        let Some(follower) = self
            .settled(&object.api_version, &object.kind, namespace)
            .await
        else {
            return self.get(object).await;
        };
        let predicted = self
            .overlay
            .as_ref()
            .and_then(|overlay| overlay.get(object));
        Ok(predicted.or_else(|| follower.listen().look().object(namespace, &object.name)))
    }

    /// Who knows the objects well enough to answer; none where the server must be asked.
    async fn settled(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Option<Arc<Follower>> {
        let cache = self.cache.as_ref()?;
        loop {
            let follower = cache.pick(self, api_version, kind, namespace)?;
            let mut news = follower.listen();
            loop {
                let end = {
                    let view = news.look();
                    if view.end().is_none() && view.trouble().is_some() {
                        return None;
                    }
                    if view.end().is_none() && view.is_known() {
                        drop(view);
                        return Some(follower);
                    }
                    view.end().cloned()
                };
                match end {
                    Some(end) if cache.ended(&follower, &end) => break,
                    Some(_) => return None,
                    None => news.changed().await,
                }
            }
        }
    }

    /// Remembers what a write gave.
    pub(super) fn written(&self, after: &Object) {
        let Some(cache) = &self.cache else {
            return;
        };
        for follower in cache.followers(after.api_version(), after.kind(), after.namespace()) {
            follower.written(after);
        }
    }

    /// Forgets what is remembered of an object's kind: it was not as remembered.
    pub(super) fn doubt(&self, object: &ObjectRef) {
        let Some(cache) = &self.cache else {
            return;
        };
        let namespace = object.namespace.as_deref();
        for follower in cache.followers(&object.api_version, &object.kind, namespace) {
            follower.doubt();
        }
    }
}

#[cfg(test)]
mod tests;
