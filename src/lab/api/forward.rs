//! Port-forwards over WebSocket, to handlers in the process.

use super::server::lock;
use super::status_error::StatusError;
use axum::extract::ws::Message;
use axum::extract::ws::WebSocket;
use futures::SinkExt as _;
use futures::StreamExt as _;
use futures::stream::SplitSink;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::DuplexStream;
use tokio::io::ReadHalf;
use tokio::io::WriteHalf;
use tokio::sync::mpsc;

/// What listens in a pod. Gets each connection; gives false where nothing listens on that port.
pub trait Listener: Send + Sync {
    /// Takes a connection to `port` of the pod, or refuses it.
    fn connect(&self, namespace: &str, pod: &str, port: u16, stream: DuplexStream) -> bool;
}

/// The listener of this server's pods.
#[derive(Default)]
pub(super) struct Forwards(Mutex<Option<Arc<dyn Listener>>>);

impl Forwards {
    pub(super) fn set(&self, listener: Arc<dyn Listener>) {
        *lock(&self.0) = Some(listener);
    }

    pub(super) fn get(&self) -> Option<Arc<dyn Listener>> {
        lock(&self.0).clone()
    }
}

/// The ports that a query names, in order: `ports=1,2` or `port=1&port=2`.
pub(super) fn ports(query: &str) -> Result<Vec<u16>, StatusError> {
    let mut ports = Vec::new();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        if matches!(&*key, "ports" | "port") {
            for text in value.split(',') {
                let port = text
                    .parse()
                    .map_err(|_| StatusError::bad_request(format!("invalid port \"{text}\"")))?;
                ports.push(port);
            }
        }
    }
    if ports.is_empty() {
        Err(StatusError::bad_request(
            "query parameter \"port\" is required",
        ))
    } else {
        Ok(ports)
    }
}

/// Serves one WebSocket with a data and an error channel for each port (`portforward.k8s.io` over channels).
pub(super) async fn serve(
    socket: WebSocket,
    listener: Option<Arc<dyn Listener>>,
    namespace: String,
    pod: String,
    ports: Vec<u16>,
) {
    let (mut sink, mut source) = socket.split();
    let (sender, mut outgoing) = mpsc::channel::<Vec<u8>>(64);
    let mut writers: BTreeMap<u8, WriteHalf<DuplexStream>> = BTreeMap::new();
    for (index, port) in ports.iter().enumerate() {
        let Ok(channel) = u8::try_from(index * 2) else {
            return;
        };
        for number in [channel, channel + 1] {
            let [low, high] = port.to_le_bytes();
            if sink
                .send(Message::Binary(vec![number, low, high].into()))
                .await
                .is_err()
            {
                return;
            }
        }
        let (inside, outside) = tokio::io::duplex(64 * 1024);
        let connected = listener
            .as_ref()
            .is_some_and(|listener| listener.connect(&namespace, &pod, *port, inside));
        if connected {
            let (reader, writer) = tokio::io::split(outside);
            writers.insert(channel, writer);
            tokio::spawn(from_pod(channel, reader, sender.clone()));
        } else if !refuse(&mut sink, channel, *port).await {
            return;
        }
    }
    drop(sender);
    loop {
        tokio::select! {
            Some(frame) = outgoing.recv() => {
                if sink.send(Message::Binary(frame.into())).await.is_err() {
                    return;
                }
            }
            message = source.next() => match message {
                Some(Ok(Message::Binary(frame))) => to_pod(&frame, &mut writers).await,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
}

/// What the node says where nothing listens.
pub(super) fn refusal(port: u16) -> String {
    format!(
        "error forwarding port {port} to pod, uid : failed to execute portforward in network namespace: failed to connect to localhost:{port} inside namespace, IPv4: dial tcp4 127.0.0.1:{port}: connect: connection refused"
    )
}

async fn refuse(sink: &mut SplitSink<WebSocket, Message>, channel: u8, port: u16) -> bool {
    let text = refusal(port);
    let frame = [&[channel + 1], text.as_bytes()].concat();
    sink.send(Message::Binary(frame.into())).await.is_ok()
}

async fn from_pod(channel: u8, mut reader: ReadHalf<DuplexStream>, sender: mpsc::Sender<Vec<u8>>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = reader.read(&mut buffer).await {
        if sender
            .send([&[channel], &buffer[..count]].concat())
            .await
            .is_err()
        {
            return;
        }
    }
}

async fn to_pod(frame: &[u8], writers: &mut BTreeMap<u8, WriteHalf<DuplexStream>>) {
    if let [channel, data @ ..] = frame
        && let Some(writer) = writers.get_mut(channel)
        && writer.write_all(data).await.is_err()
    {
        writers.remove(channel);
    }
}
