//! StatefulSets.

use super::{caught_up, change, count, image, quiet, see, see_pods, with};
use crate::truth::cases;
use crate::truth::scene::{MERGE, Scene};
use serde_json::{Value, json};

cases!(
    a_stateful_set,
    a_stateful_set_rolls,
    a_stateful_set_with_a_partition,
    a_stateful_set_on_delete,
    a_stateful_set_shrinks,
);

const DB: &str = "apps/v1~statefulsets/db";

fn set_is_done(set: &Value) -> bool {
    let status = &set["status"];
    caught_up(set)
        && count(&status["availableReplicas"]) == count(&set["spec"]["replicas"])
        && status["currentRevision"] == status["updateRevision"]
        && count(&status["replicas"]) == count(&set["spec"]["replicas"])
}

async fn ordered(on: &Scene, spec: Value) {
    let mut set = with("db", spec);
    set["spec"]["serviceName"] = json!("db");
    on.given("apps/v1~statefulsets", set).await;
    on.until(DB, set_is_done).await;
}

async fn see_set(on: &Scene) {
    quiet(on).await;
    see(on, DB).await;
    see_pods(on).await;
}

async fn a_stateful_set(on: &Scene) {
    ordered(on, json!({"replicas": 3})).await;
    see_set(on).await;
}

async fn a_stateful_set_rolls(on: &Scene) {
    ordered(on, json!({"replicas": 2})).await;
    change(on, DB, image(2)).await;
    on.until(DB, |set| {
        count(&set["status"]["updatedReplicas"]) == 2 && set_is_done(set)
    })
    .await;
    see_set(on).await;
}

async fn a_stateful_set_with_a_partition(on: &Scene) {
    ordered(
        on,
        json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}}),
    )
    .await;
    change(on, DB, image(2)).await;
    on.until(DB, |set| {
        caught_up(set)
            && count(&set["status"]["updatedReplicas"]) == 1
            && count(&set["status"]["availableReplicas"]) == 3
    })
    .await;
    see_set(on).await;
}

async fn a_stateful_set_on_delete(on: &Scene) {
    ordered(
        on,
        json!({"replicas": 2, "updateStrategy": {"type": "OnDelete"}}),
    )
    .await;
    change(on, DB, image(2)).await;
    on.until(DB, caught_up).await;
    see_set(on).await;
    on.ask("DELETE", "v1~pods/db-0", "", Value::Null).await;
    on.until("v1~pods/db-0", |pod| {
        pod["spec"]["containers"][0]["image"] == "app:2"
    })
    .await;
    on.until(DB, |set| {
        count(&set["status"]["updatedReplicas"]) == 1
            && count(&set["status"]["availableReplicas"]) == 2
    })
    .await;
    see_set(on).await;
}

async fn a_stateful_set_shrinks(on: &Scene) {
    ordered(on, json!({"replicas": 3})).await;
    on.ask(
        "PATCH",
        "apps/v1~statefulsets/db/scale",
        MERGE,
        json!({"spec": {"replicas": 1}}),
    )
    .await;
    on.until(DB, set_is_done).await;
    see_set(on).await;
}
