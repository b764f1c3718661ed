//! Lists, watches and other forms of an answer.

use super::*;
use futures::StreamExt as _;
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::ResourceExt as _;
use kube::api::DeleteParams;
use kube::api::ListParams;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::PostParams;
use kube::api::WatchEvent;
use kube::api::WatchParams;

#[tokio::test(start_paused = true)]
async fn lists_come_in_chunks_of_one_moment() {
    let server = ApiServer::default();
    let api: Api<Pod> = Api::default_namespaced(server.client("test"));
    for name in ["a", "b", "c"] {
        api.create(
            &PostParams::default(),
            &typed(pod(name, &json!({"app": name}))),
        )
        .await
        .expect("created");
    }
    let first = api
        .list(&ListParams::default().limit(2))
        .await
        .expect("listed");
    assert_eq!(
        (first.items.len(), first.metadata.remaining_item_count),
        (2, Some(1))
    );
    api.delete("c", &DeleteParams::default())
        .await
        .expect("deleted");
    let token = first.metadata.continue_.expect("more to come");
    let rest = api
        .list(&ListParams::default().limit(2).continue_token(&token))
        .await
        .expect("listed");
    assert_eq!(rest.items[0].name_any(), "c");
    assert_eq!(
        rest.metadata.resource_version,
        first.metadata.resource_version
    );
    server.compact();
    let (code, reason, _) = status(
        api.list(&ListParams::default().continue_token(&token))
            .await,
    );
    assert_eq!((code, reason.as_str()), (410, "Expired"));
    let selected = api
        .list(&ListParams::default().labels("app in (a,x)"))
        .await
        .expect("listed");
    assert_eq!(selected.items.len(), 1);
    let selected = api
        .list(&ListParams::default().fields("status.phase!=Pending"))
        .await
        .expect("listed");
    assert_eq!(selected.items.len(), 0);
}

async fn next(
    stream: &mut (impl futures::Stream<Item = Result<WatchEvent<Pod>, kube::Error>> + Unpin),
) -> String {
    match stream.next().await {
        Some(Ok(WatchEvent::Added(pod))) => format!("added {}", pod.name_any()),
        Some(Ok(WatchEvent::Modified(pod))) => format!("modified {}", pod.name_any()),
        Some(Ok(WatchEvent::Deleted(pod))) => format!("deleted {}", pod.name_any()),
        Some(Ok(WatchEvent::Bookmark(bookmark))) => {
            format!("bookmark {:?}", bookmark.metadata.annotations.len())
        }
        Some(Ok(WatchEvent::Error(status))) => format!("error {}", status.code),
        Some(Err(error)) => format!("failed {error}"),
        None => "end".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_sees_objects_enter_and_leave_its_selector() {
    let server = ApiServer::default();
    let api: Api<Pod> = Api::default_namespaced(server.client("test"));
    let mut events = Box::pin(
        api.watch(&WatchParams::default().labels("app=x").timeout(120), "0")
            .await
            .expect("watched"),
    );
    api.create(
        &PostParams::default(),
        &typed(pod("a", &json!({"app": "y"}))),
    )
    .await
    .expect("created");
    for app in ["x", "x", "y"] {
        let patch = json!({"metadata": {"labels": {"app": app}, "annotations": {"step": app.to_owned() + &server.records().len().to_string()}}});
        api.patch("a", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect("patched");
    }
    let seen = [
        next(&mut events).await,
        next(&mut events).await,
        next(&mut events).await,
    ];
    assert_eq!(seen, ["added a", "modified a", "deleted a"]);
    assert_eq!(next(&mut events).await, "bookmark 0");
    server.compact();
    let mut late = Box::pin(
        api.watch(&WatchParams::default(), "2")
            .await
            .expect("a watch fails in its stream"),
    );
    assert_eq!(
        (
            next(&mut late).await.as_str(),
            next(&mut late).await.as_str()
        ),
        ("error 410", "end")
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_more_has_happened_to_than_is_kept_is_told_so() {
    let server = ApiServer::default();
    let api: Api<Pod> = Api::default_namespaced(server.client("test"));
    let mut stream = std::pin::pin!(
        api.watch(&WatchParams::default(), "0")
            .await
            .expect("watched"),
    );
    let namespace = |number: usize| {
        let labels = json!({"number": number.to_string()});
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "busy", "labels": labels}})
    };
    server.seed(&pod("a", &json!({})));
    for number in 0..store::HISTORY {
        server.seed(&namespace(number));
    }
    assert_eq!(next(&mut stream).await, "error 410");
    assert_eq!(next(&mut stream).await, "end");
}

#[tokio::test(start_paused = true)]
async fn kubes_own_watcher_is_satisfied_in_both_modes() {
    use kube::runtime::watcher;
    let server = ApiServer::default();
    let api: Api<Pod> = Api::default_namespaced(server.client("test"));
    api.create(&PostParams::default(), &typed(pod("a", &json!({}))))
        .await
        .expect("created");
    for config in [
        watcher::Config::default(),
        watcher::Config::default().streaming_lists(),
    ] {
        let events: Vec<_> = watcher(api.clone(), config)
            .take(3)
            .try_collect()
            .await
            .expect("events");
        let kinds: Vec<&str> = events
            .iter()
            .map(|event| match event {
                watcher::Event::Init => "init",
                watcher::Event::InitApply(_) => "object",
                watcher::Event::InitDone => "done",
                _ => "more",
            })
            .collect();
        assert!(kinds.starts_with(&["init", "object"]), "{kinds:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_metadata_is_sent_where_only_that_is_asked() {
    let api: Api<Namespace> = Api::all(ApiServer::default().client("test"));
    let partial = api.get_metadata("default").await.expect("read");
    assert_eq!(partial.name_any(), "default");
    assert_eq!(
        api.list_metadata(&ListParams::default())
            .await
            .expect("listed")
            .items
            .len(),
        4
    );
}
