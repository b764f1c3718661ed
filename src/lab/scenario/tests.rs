use super::*;
use crate::mesh::injection::Proxy;

fn scenario(text: &str) -> Scenario {
    serde_yaml::from_str(text).expect("a scenario")
}

#[tokio::test(start_paused = true)]
async fn every_pod_of_the_shop_is_injected_by_the_old_control_plane() {
    for version in ["1.5.10", "1.28.2"] {
        let version: Version = version.parse().expect("a version");
        let shop = Scenario::new("shop").fit(&version, ["shop"]);
        let lab = shop.open(0).await.expect("a lab");
        let pods = lab.api.objects("pods", "shop");
        assert_eq!(pods.len(), 5);
        for pod in &pods {
            let proxy = Proxy::of(pod).expect("a sidecar");
            assert_eq!(proxy.revision.as_deref(), Some("default"), "{pod}");
            assert_eq!(proxy.version, Some(version.clone()));
        }
    }
}

#[test]
fn what_is_built_in_is_named_as_its_file_and_fits_the_schema() {
    let validator = jsonschema::draft7::new(&Scenario::schema()).expect("a schema");
    for name in NAMES {
        let text = named(name).expect("built in");
        let instance: serde_json::Value = serde_yaml::from_str(text).expect("YAML");
        let errors: Vec<String> = validator
            .iter_errors(&instance)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{name}");
        let read = scenario(text);
        assert_eq!(read.name, *name);
        assert!(!read.description.is_empty());
        let written = serde_yaml::to_string(&read).expect("YAML");
        assert_eq!(scenario(&written), read);
    }
    assert_eq!(named("none"), None);
}

/// `PLAN_UPDATE=1` writes it.
#[test]
fn the_shipped_schema_is_that_of_the_types() {
    jsonschema::draft7::meta::validate(&Scenario::schema()).expect("draft 7");
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/scenario.schema.json");
    let made = format!("{:#}\n", Scenario::schema());
    #[expect(clippy::disallowed_methods, reason = "a switch of this test")]
    let update = std::env::var_os("PLAN_UPDATE").is_some();
    if update {
        fs_err::write(&path, &made).expect("written");
    }
    let file = fs_err::read_to_string(&path).expect("the shipped schema");
    assert!(file == made, "run the tests once with PLAN_UPDATE=1");
}

#[test]
fn a_fault_is_read_as_it_is_written() {
    for effect in [
        "{effect: answer, status: 429, retry_after: 2s, times: 3}",
        "{effect: lose, chance: 0.5, on: {verb: write, agent: plan}}",
        "{effect: lose-answer, on: {verb: patch, resource: deployments, namespace: shop, name: ca*}}",
        "{effect: delay, delay: 5s, at: 1m, for: 30s}",
        "{effect: cut-watch, events: 2}",
        "{effect: silence}",
        "{effect: compact, at: 10s}",
        "{effect: lost-server, at: 10s, for: 1m}",
        "{effect: kill-istiod, revision: canary, for: 30s}",
        "{effect: crash-plan, at: 2m}",
    ] {
        let fault: Fault = serde_yaml::from_str(effect).expect(effect);
        let written = serde_yaml::to_string(&fault).expect("YAML");
        let read: Fault = serde_yaml::from_str(&written).expect("the same");
        assert_eq!(read, fault, "{written}");
    }
    for (effect, expected) in [
        ("{effect: answer}", "the effect `answer` needs `status`"),
        (
            "{effect: lose, status: 500}",
            "the effect `lose` has no `status`",
        ),
        ("{effect: delay}", "the effect `delay` needs `delay`"),
        (
            "{effect: kill-istiod}",
            "the effect `kill-istiod` needs `revision`",
        ),
    ] {
        let error = serde_yaml::from_str::<Fault>(effect).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn the_end_of_a_fault_is_known_where_it_has_one() {
    let ends = |text: &str| {
        let fault: Fault = serde_yaml::from_str(text).expect(text);
        fault.ends().map(|ends| ends.as_secs())
    };
    assert_eq!(ends("{effect: lose}"), None);
    assert_eq!(ends("{effect: lose, at: 10s, for: 5s}"), Some(15));
    assert_eq!(ends("{effect: compact, at: 10s}"), Some(10));
    assert_eq!(
        ends("{effect: kill-istiod, revision: a, at: 10s}"),
        Some(10)
    );
    assert_eq!(
        ends("{effect: kill-istiod, revision: a, at: 10s, for: 5s}"),
        Some(15)
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_lab_does_not_have_is_said() {
    for (text, expected) in [
        (
            "{name: x}",
            "the scenario names no version for the revision `default`",
        ),
        (
            "{name: x, istio: {revisions: [{version: 1.12.0}]}}",
            "the lab knows no Istio 1.12.0: only 1.5, 1.6 and 1.24 to 1.30",
        ),
        (
            "{name: x, kubernetes: '1.20', istio: {revisions: [{version: 1.28.2}]}}",
            "the lab knows no Kubernetes 1.20: only 1.21 to 1.35",
        ),
        (
            "{name: x, istio: {revisions: [{version: 1.28.2}], tags: {prod: other}}}",
            "the tag `prod` stands for the revision `other`, which the scenario does not have",
        ),
    ] {
        let error = scenario(text).open(0).await.err().expect("an error");
        assert_eq!(error.to_string(), expected);
    }
    let error = scenario(
        "{name: x, istio: {revisions: [{version: 1.28.2}]}, namespaces: [{name: No_Name}]}",
    )
    .open(0)
    .await
    .err()
    .expect("an error");
    assert!(
        error.to_string().contains("refuses Namespace /No_Name"),
        "{error}"
    );
}

async fn code(lab: &Lab, agent: &str, path: &str) -> Result<u16, String> {
    use tower::ServiceExt as _;
    let request = http::Request::get(path)
        .header("user-agent", agent)
        .body(kube::client::Body::empty())
        .expect("a request");
    let service = lab.api.service("test");
    let answered = service.oneshot(request).await;
    answered
        .map(|response| response.status().as_u16())
        .map_err(|error| error.to_string())
}

const PODS: &str = "/api/v1/namespaces/shop/pods";

async fn open(faults: &str, seed: u64) -> Lab {
    let text = format!(
        "{{name: x, istio: {{revisions: [{{version: 1.28.2}}]}}, namespaces: [{{name: shop}}], faults: {faults}}}"
    );
    scenario(&text).open(seed).await.expect("a lab")
}

#[tokio::test(start_paused = true)]
async fn faults_come_by_time_by_request_and_by_count() {
    let lab = open(
        "[{effect: answer, status: 429, retry_after: 3s, at: 10s, for: 10s, on: {resource: pods, verb: list, agent: plan}, times: 2}]",
        0,
    )
    .await;
    assert_eq!(code(&lab, "plan", PODS).await, Ok(200));
    tokio::time::sleep(std::time::Duration::from_secs(11)).await;
    assert_eq!(code(&lab, "kubectl", PODS).await, Ok(200));
    assert_eq!(code(&lab, "plan", "/api/v1/namespaces").await, Ok(200));
    assert_eq!(code(&lab, "plan", PODS).await, Ok(429));
    assert_eq!(code(&lab, "plan", PODS).await, Ok(429));
    assert_eq!(code(&lab, "plan", PODS).await, Ok(200));
    let lab = open("[{effect: lost-server, for: 10s}]", 0).await;
    assert!(code(&lab, "plan", PODS).await.is_err());
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    assert_eq!(code(&lab, "plan", PODS).await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn chance_comes_from_the_seed() {
    let mut patterns = Vec::new();
    for seed in [1, 1, 2] {
        let lab = open("[{effect: lose, chance: 0.5}]", seed).await;
        let mut pattern = Vec::new();
        for _ in 0..32 {
            pattern.push(code(&lab, "plan", PODS).await.is_ok());
        }
        assert!(pattern.contains(&true) && pattern.contains(&false));
        patterns.push(pattern);
    }
    assert_eq!(patterns[0], patterns[1]);
    assert_ne!(patterns[0], patterns[2]);
}

#[tokio::test(start_paused = true)]
async fn a_killed_istiod_comes_back_when_its_time_is_over() {
    let lab = open(
        "[{effect: kill-istiod, revision: default, at: 10s, for: 60s}]",
        0,
    )
    .await;
    let ready = || {
        crate::lab::istio::replicas(&lab.api, "default")
            .iter()
            .any(|pod| {
                pod["status"]["conditions"]
                    .to_string()
                    .contains(r#""type":"Ready","status":"True""#)
            })
    };
    assert!(ready());
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    assert!(!ready());
    tokio::time::sleep(std::time::Duration::from_secs(50)).await;
    assert!(ready());
}

#[tokio::test(start_paused = true)]
async fn a_crash_comes_at_its_time_or_with_its_request_and_never_where_there_is_none() {
    let soon = std::time::Duration::from_secs(3600);
    let lab = open("[{effect: crash-plan, at: 10s}]", 0).await;
    assert!(tokio::time::timeout(soon, lab.crashed()).await.is_ok());
    let lab = open("[{effect: crash-plan, on: {resource: pods}}]", 0).await;
    assert!(tokio::time::timeout(soon, lab.crashed()).await.is_err());
    assert!(code(&lab, "plan", PODS).await.is_err());
    assert!(tokio::time::timeout(soon, lab.crashed()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn faults_can_be_ended() {
    let mut lab = open("[{effect: lose}, {effect: crash-plan, at: 10s}]", 0).await;
    assert!(code(&lab, "plan", PODS).await.is_err());
    lab.end_faults();
    assert_eq!(code(&lab, "plan", PODS).await, Ok(200));
    let soon = std::time::Duration::from_secs(3600);
    assert!(tokio::time::timeout(soon, lab.crashed()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_default_tag_takes_the_place_of_the_plain_injector() {
    let text = "{name: x, istio: {revisions: [{version: 1.28.2}, {name: canary, version: 1.29.1}], tags: {default: canary, prod: canary}}, namespaces: [{name: shop}, {name: pay, labels: {istio.io/rev: prod}}]}";
    let lab = scenario(text).open(0).await.expect("a lab");
    for namespace in ["shop", "pay"] {
        for pod in lab.api.objects("pods", namespace) {
            let proxy = Proxy::of(&pod).expect("a sidecar");
            assert_eq!(proxy.revision.as_deref(), Some("canary"), "{pod}");
        }
    }
    let service = |name: &str| lab.api.object("services", "istio-system", name);
    assert!(service("istiod-revision-tag-prod").is_some());
    let validators = "validatingwebhookconfigurations.admissionregistration.k8s.io";
    let validator = lab.api.object(validators, "", "istiod-default-validator");
    assert_eq!(
        validator.expect("one")["webhooks"][0]["failurePolicy"],
        "Fail"
    );
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_that_goes_on_keeps_its_job_from_its_end() {
    let text = "{name: x, istio: {revisions: [{version: 1.28.2}]}, namespaces: [{name: shop}, {name: plain, labels: {}}], workloads: [{name: once, kind: Job}]}";
    let lab = scenario(text).open(0).await.expect("a lab");
    tokio::time::sleep(std::time::Duration::from_secs(120)).await;
    let succeeded = |namespace: &str| {
        let job = lab.api.object("jobs.batch", namespace, "once");
        job.expect("a job")["status"]["succeeded"].clone()
    };
    assert_eq!(succeeded("plain"), 1);
    let native = lab
        .api
        .objects("pods", "shop")
        .iter()
        .any(|pod| Proxy::of(pod).is_some_and(|proxy| proxy.native));
    assert_eq!(succeeded("shop").is_null(), !native);
}

#[tokio::test(start_paused = true)]
async fn who_watches_is_told_what_is_not_ready_instead_of_waiting_for_it() {
    let scenario = scenario(
        "{name: x, istio: {revisions: [{version: 1.28.2}]}, namespaces: [{name: shop}, {name: pay}], pods: [{on: {namespace: shop}, never_ready: true}]}",
    );
    let began = tokio::time::Instant::now();
    let start = crate::lab::api::Options::default().start;
    let lab = scenario.open_at(start, 0).await.expect("a lab");
    assert_eq!(lab.unready, ["shop"]);
    assert!(began.elapsed().as_secs() < 40);
}
