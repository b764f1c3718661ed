//! What lies below an object or is only asked: scale, eviction, tokens, reviews.

use super::access::Attributes;
use super::access::User;
use super::base64;
use super::commit;
use super::door;
use super::object;
use super::selector::LabelSelector;
use super::server::Call;
use super::server::Reply;
use super::server::Shared;
use super::server::lock;
use super::status_error::Cause;
use super::status_error::StatusError;
use super::store::Key;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

/// Who makes the tokens of service accounts, and whom they are for where nothing else is asked.
pub(super) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

impl Shared {
    /// GET of `scale`.
    pub(super) fn get_scale(&self, call: &Call) -> Result<Reply, StatusError> {
        let found = self
            .state()
            .store
            .get(&call.key())
            .cloned()
            .ok_or_else(|| call.target.not_found())?;
        Ok(Reply::ok(scale_of(&found)))
    }

    /// PUT or PATCH of `scale`: `change` makes the next Scale from the present one.
    pub(super) fn set_scale(
        &self,
        call: &Call,
        change: impl FnOnce(Value) -> Result<Value, StatusError>,
    ) -> Result<Reply, StatusError> {
        call.check_dry_run("UpdateOptions")?;
        let mut state = self.state();
        let before = state
            .store
            .get(&call.key())
            .cloned()
            .ok_or_else(|| call.target.not_found())?;
        let wanted = change(scale_of(&before))?;
        if wanted["spec"]["replicas"]
            .as_i64()
            .is_some_and(|replicas| replicas < 0)
        {
            let detail = "must be greater than or equal to 0";
            let cause = Cause::invalid("spec.replicas", &wanted["spec"]["replicas"], detail);
            return Err(StatusError::invalid(
                "Scale",
                "autoscaling",
                &call.target.name,
                &[cause],
            ));
        }
        let mut after = Arc::unwrap_or_clone(call.present(&before));
        after["spec"]["replicas"] = json!(wanted["spec"]["replicas"].as_u64().unwrap_or(0));
        if let Some(revision) = wanted["metadata"]["resourceVersion"].as_str() {
            object::set_meta(&mut after, "resourceVersion", json!(revision));
        }
        let writer = call.writer("Update", self.clock.seconds());
        let stored = commit::commit(&mut state, call, &before, after, &writer)?;
        Ok(Reply::ok(scale_of(&stored)))
    }

    /// POST of `binding`: puts a pod on a node.
    pub(super) fn bind(&self, call: &Call, body: &Value) -> Result<Reply, StatusError> {
        let mut state = self.state();
        let key = call.key();
        let found = state
            .store
            .get(&key)
            .ok_or_else(|| call.target.not_found())?;
        let mut pod = (**found).clone();
        pod["spec"]["nodeName"] = body["target"]["name"].clone();
        state.store.put(key, pod);
        Ok(Reply::created(
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
        ))
    }

    /// POST of `eviction`: deletes the pod unless a disruption budget holds it.
    pub(super) fn evict(&self, call: &Call, body: &Value) -> Result<Reply, StatusError> {
        let name = object::name(body);
        if !(name.is_empty() || name == call.target.name) {
            let why = "name in URL does not match name in Eviction object";
            return Err(StatusError::bad_request(why));
        }
        let (budgets, is_ready) = {
            let state = self.state();
            let pod = state
                .store
                .get(&call.key())
                .cloned()
                .ok_or_else(|| call.target.not_found())?;
            let ended = matches!(
                pod["status"]["phase"].as_str(),
                Some("Pending" | "Failed" | "Succeeded")
            );
            // Nothing is lost with a pod that does not run.
            let free = ended || object::is_terminating(&pod);
            let all = state
                .store
                .list("poddisruptionbudgets.policy", &call.target.namespace);
            let covers = |budget: &Value| {
                LabelSelector::from_object(&budget["spec"]["selector"])
                    .matches(object::labels(&pod))
            };
            let is_ready = object::items(&pod["status"], "conditions")
                .any(|one| one["type"] == "Ready" && one["status"] == "True");
            let budgets: Vec<Arc<Value>> = all
                .map(|(_, budget)| Arc::clone(budget))
                .filter(|budget| !free && covers(budget))
                .collect();
            (budgets, is_ready)
        };
        if budgets.len() > 1 {
            let why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Err(StatusError::internal(why));
        }
        // Whose pods' health the budget counts, and whose not.
        let budgets: Vec<Arc<Value>> = budgets
            .into_iter()
            .filter(|budget| is_ready || !lets_unhealthy_go(budget))
            .collect();
        for budget in &budgets {
            check_budget(budget)?;
        }
        let mut one = call.clone();
        one.target.subresource.clear();
        if body["deleteOptions"]["dryRun"] == json!(["All"]) {
            one.query.set("dryRun", "All".to_owned());
        }
        if let Some(budget) = budgets.first().filter(|_| !one.dry_run()) {
            self.book(call, budget);
        }
        self.delete(&one, &body["deleteOptions"])?;
        Ok(Reply::created(
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
        ))
    }

    /// Takes an eviction from what a budget allows, before its controller has seen it.
    fn book(&self, call: &Call, budget: &Value) {
        let mut next = budget.clone();
        let allowed = budget["status"]["disruptionsAllowed"].as_u64().unwrap_or(0);
        next["status"]["disruptionsAllowed"] = json!(allowed.saturating_sub(1));
        object::default_to(&mut next["status"], "disruptedPods", json!({}));
        next["status"]["disruptedPods"][&call.target.name] = json!(self.clock.seconds());
        let key = Key::new(
            "poddisruptionbudgets.policy",
            &call.target.namespace,
            object::name(budget),
        );
        self.state().store.put(key, next);
    }

    /// POST of a service account's `token`.
    pub(super) fn token(&self, call: &Call, body: &Value) -> Result<Reply, StatusError> {
        let account = self
            .state()
            .store
            .get(&call.key())
            .cloned()
            .ok_or_else(|| call.target.not_found())?;
        let seconds = body["spec"]["expirationSeconds"].as_i64().unwrap_or(3600);
        if seconds < 600 {
            let detail = "may not specify a duration less than 10 minutes";
            let cause = Cause::invalid("spec.expirationSeconds", &json!(seconds), detail);
            return Err(StatusError::invalid(
                "TokenRequest",
                "authentication.k8s.io",
                "",
                &[cause],
            ));
        }
        let expires = self
            .clock
            .now()
            .saturating_add(jiff::SignedDuration::from_secs(seconds))
            .unwrap_or(jiff::Timestamp::MAX);
        let audiences = match &body["spec"]["audiences"] {
            Value::Array(list) if !list.is_empty() => json!(list),
            _ => json!([ISSUER]),
        };
        let claims = json!({
            "aud": audiences, "exp": expires.as_second(), "iss": ISSUER,
            "sub": format!("system:serviceaccount:{}:{}", call.target.namespace, call.target.name),
            "kubernetes.io": {"namespace": call.target.namespace, "serviceaccount": {"name": call.target.name, "uid": account["metadata"]["uid"]}},
        });
        let part = |value: &Value| {
            base64::encode(value.to_string().as_bytes())
                .replace('+', "-")
                .replace('/', "_")
                .replace('=', "")
        };
        let token = format!("{}.{}.bGFi", part(&json!({"alg": "none"})), part(&claims));
        lock(&self.tokens).insert(token.clone(), claims);
        Ok(Reply::created(json!({
            "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": call.target.name, "namespace": call.target.namespace, "creationTimestamp": self.clock.seconds()},
            "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": null},
            "status": {"token": token, "expirationTimestamp": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()},
        })))
    }

    /// Whose a token is.
    fn status_of_token(&self, spec: &Value) -> Value {
        let token = spec["token"].as_str().unwrap_or_default();
        let asked: Vec<&str> = object::items(spec, "audiences")
            .filter_map(Value::as_str)
            .collect();
        let asked = if asked.is_empty() {
            vec![ISSUER]
        } else {
            asked
        };
        if let Some((user, uid, audiences)) = door::account(self, token, &asked) {
            return json!({
                "authenticated": true, "audiences": audiences,
                "user": {"username": user.name, "uid": uid, "groups": user.groups},
            });
        }
        let text = |list: &[&str]| {
            let list: Vec<String> = list.iter().map(|one| format!("{one:?}")).collect();
            format!("[{}]", list.join(" "))
        };
        let meant = lock(&self.tokens).get(token).map(|claims| {
            let meant = object::items(claims, "aud").filter_map(Value::as_str);
            text(&meant.collect::<Vec<_>>())
        });
        let error = meant.map_or_else(
            || "invalid bearer token".to_owned(),
            |meant| {
                format!(
                    "[invalid bearer token, token audiences {meant} is invalid for the target audiences {}]",
                    text(&asked)
                )
            },
        );
        json!({"user": {}, "error": error})
    }

    /// POST of a review: answered, never stored.
    pub(super) fn review(&self, call: &Call, mut body: Value) -> Result<Reply, StatusError> {
        let user = match call.target.resource.kind.as_str() {
            "SelfSubjectReview" => {
                body["status"] =
                    json!({"userInfo": {"username": call.user.name, "groups": call.user.groups}});
                return Ok(Reply::created(body));
            }
            "TokenReview" => {
                if body["spec"]["token"].as_str().is_none_or(str::is_empty) {
                    let why = "token is required for TokenReview in authentication";
                    return Err(StatusError::bad_request(why));
                }
                body["status"] = self.status_of_token(&body["spec"]);
                return Ok(Reply::created(body));
            }
            "SelfSubjectRulesReview" => {
                let namespace = body["spec"]["namespace"].as_str().unwrap_or_default();
                let rules = self.rules(&call.user, namespace);
                let (paths, resources): (Vec<Value>, Vec<Value>) = rules
                    .into_iter()
                    .partition(|rule| rule["nonResourceURLs"].is_array());
                body["status"] = json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false});
                return Ok(Reply::created(body));
            }
            "SubjectAccessReview" => {
                let name = body["spec"]["user"].as_str().unwrap_or_default();
                let groups = object::items(&body["spec"], "groups").filter_map(Value::as_str);
                User::impersonated(name, groups.map(str::to_owned).collect())
            }
            _ => call.user.clone(),
        };
        let attributes = &body["spec"]["resourceAttributes"];
        if attributes.is_null() && body["spec"]["nonResourceAttributes"].is_null() {
            // The kind is missing in the real message, too.
            let why =
                "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            let cause = Cause::invalid("spec.resourceAttributes", &Value::Null, why);
            return Err(StatusError::invalid(
                "",
                "authorization.k8s.io",
                "",
                &[cause],
            ));
        }
        let groups = &body["spec"]["groups"];
        if user.name.is_empty() && groups.is_null() {
            let why = "at least one of user or group must be specified";
            let cause = Cause::invalid("spec.user", &json!(""), why);
            return Err(StatusError::invalid(
                "",
                "authorization.k8s.io",
                "",
                &[cause],
            ));
        }
        let allowed = self.allowed(&Attributes::of_review(&body["spec"], &user));
        body["status"] = if allowed {
            json!({"allowed": true})
        } else {
            json!({"allowed": false})
        };
        Ok(Reply::created(body))
    }
}

/// Whether a budget does not hold pods that are not ready anyway (`unhealthyPodEvictionPolicy`).
fn lets_unhealthy_go(budget: &Value) -> bool {
    let count = |key: &str| budget["status"][key].as_u64().unwrap_or(0);
    budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        || (count("desiredHealthy") > 0 && count("currentHealthy") >= count("desiredHealthy"))
}

/// Whether a budget permits one pod less.
fn check_budget(budget: &Value) -> Result<(), StatusError> {
    let status = &budget["status"];
    let name = object::name(budget);
    let mut error = StatusError::too_many_requests(
        "Cannot evict pod as it would violate the pod's disruption budget.",
        10,
    );
    let seen = status["observedGeneration"].as_u64().unwrap_or(0);
    let message = if seen < budget["metadata"]["generation"].as_u64().unwrap_or(0) {
        format!("The disruption budget {name} is still being processed by the server.")
    } else if status["disruptionsAllowed"].as_u64().unwrap_or(0) == 0 {
        error.retry_after = None;
        object::remove(&mut error.status["details"], "retryAfterSeconds");
        format!(
            "The disruption budget {name} needs {} healthy pods and has {} currently",
            status["desiredHealthy"], status["currentHealthy"]
        )
    } else {
        return Ok(());
    };
    error.status["details"]["causes"] = json!([{"reason": "DisruptionBudget", "message": message}]);
    Err(error)
}

fn scale_of(object: &Value) -> Value {
    let selector = &object["spec"]["selector"]["matchLabels"];
    let pairs: Vec<String> = selector
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    let mut metadata = json!({});
    for field in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ] {
        metadata[field] = object["metadata"][field].clone();
    }
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": {"replicas": object["spec"]["replicas"].as_u64().unwrap_or(0)},
        "status": {"replicas": object["status"]["replicas"].as_u64().unwrap_or(0), "selector": pairs.join(",")},
    })
}
