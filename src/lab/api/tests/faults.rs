//! Faults on demand.

use super::*;
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;
use kube::api::WatchParams;

#[tokio::test(start_paused = true)]
async fn faults_strike_the_requests_they_name() {
    let server = ApiServer::default();
    server.add_fault(
        Fault::when(
            |record| record.verb == "list",
            Effect::Fail(StatusError::too_many_requests("slow down", 1)),
        )
        .times(1),
    );
    server.add_fault(Fault::when(
        |record| record.verb == "watch",
        Effect::CutWatch(1),
    ));
    let api: Api<Namespace> = Api::all(server.client("plan/0.1"));
    assert_eq!(status(api.list(&ListParams::default()).await).0, 429);
    assert_eq!(
        api.list(&ListParams::default())
            .await
            .expect("only once")
            .items
            .len(),
        4
    );
    let events: Vec<_> = api
        .watch(&WatchParams::default(), "0")
        .await
        .expect("watched")
        .try_collect()
        .await
        .expect("cut cleanly");
    assert_eq!(events.len(), 1);
    let codes: Vec<_> = server
        .records()
        .iter()
        .map(|record| (record.verb.clone(), record.agent.clone(), record.code))
        .collect();
    assert_eq!(codes[0], ("list".to_owned(), "plan/0.1".to_owned(), 429));
}
