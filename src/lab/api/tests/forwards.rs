//! What is behind a pod, and what is not.

use super::*;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;

struct Echo;

impl Listener for Echo {
    fn connect(&self, _: &str, _: &str, port: u16, mut stream: tokio::io::DuplexStream) -> bool {
        tokio::spawn(async move {
            let mut buffer = [0; 5];
            stream.read_exact(&mut buffer).await?;
            stream.write_all(&buffer).await
        });
        port == 15014
    }
}

#[tokio::test(start_paused = true)]
async fn a_port_forward_reaches_the_pods_listener() {
    let server = ApiServer::default();
    server.set_listener(Arc::new(Echo));
    let mut running = pod("a", &json!({}));
    running["status"] = json!({"phase": "Running"});
    server.seed(&running);
    let pods: Api<Pod> = Api::default_namespaced(server.client("test"));
    let mut forward = pods.portforward("a", &[15014]).await.expect("upgraded");
    let mut stream = forward.take_stream(15014).expect("the port");
    stream.write_all(b"hello").await.expect("sent");
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await.expect("echoed");
    assert_eq!(&answer, b"hello");
    let mut closed = pods.portforward("a", &[9]).await.expect("upgraded");
    let error = closed.take_error(9).expect("the channel").await;
    assert!(error.is_some_and(|text| text.contains("connection refused")));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_modelled_says_so() {
    let server = ApiServer::default();
    server.seed(&pod("a", &json!({})));
    let client = server.client("test");
    for subresource in ["log", "exec", "attach", "proxy"] {
        let path = |name: &str| format!("/api/v1/namespaces/default/pods/{name}/{subresource}");
        let (code, _, message) =
            status(ask(&client, "GET", &path("a"), "kubernetes-admin", &Value::Null).await);
        assert_eq!(code, 400);
        assert!(message.contains("simulation"), "{message}");
        let missing =
            status(ask(&client, "GET", &path("b"), "kubernetes-admin", &Value::Null).await);
        assert_eq!(missing.0, 404);
    }
}
