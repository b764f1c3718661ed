//! Port-forwards over SPDY/3.1, as client-go asks for them: in one connection a pair of streams, for data and for errors,
//! for each connection that is forwarded.

use super::forward::Listener;
use super::forward::refusal;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::DecompressorOxide;
use miniz_oxide::inflate::core::decompress;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt as _;
use tokio::io::DuplexStream;
use tokio::io::ReadHalf;
use tokio::io::WriteHalf;
use tokio::sync::mpsc;

/// What every block of headers may refer to (SPDY/3.1, 2.6.10.1).
const DICTIONARY: &[u8] = include_bytes!("spdy.dictionary");
/// How far back compressed headers may refer, in bytes: a power of two.
const WINDOW: usize = 1 << 16;
/// The flag of a stream's last frame.
const FIN: u8 = 1;
/// The most that a frame of data carries here, in bytes.
const CHUNK: usize = 16 * 1024;

/// A frame, as far as a forward needs it.
#[derive(Debug, PartialEq, Eq)]
enum Frame {
    Open {
        stream: u32,
        headers: BTreeMap<String, String>,
    },
    Data {
        stream: u32,
        bytes: Vec<u8>,
        last: bool,
    },
    Reset {
        stream: u32,
    },
    Ping {
        id: u32,
    },
    GoAway,
    Other,
}

/// Unpacks blocks of headers, all of which belong to one compressed stream.
struct Inflater {
    state: Box<DecompressorOxide>,
    window: Vec<u8>,
    at: usize,
    begun: bool,
}

impl Inflater {
    fn new() -> Self {
        let mut window = vec![0; WINDOW];
        window[..DICTIONARY.len()].copy_from_slice(DICTIONARY);
        Self {
            state: Box::default(),
            window,
            at: DICTIONARY.len(),
            begun: false,
        }
    }

    fn inflate(&mut self, packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut rest = packed;
        if !self.begun {
            // The zlib header, and which dictionary is meant.
            rest = rest.get(6..).ok_or_else(broken)?;
            self.begun = true;
        }
        let mut plain = Vec::new();
        loop {
            let (status, read, written) = decompress(
                &mut self.state,
                rest,
                &mut self.window,
                self.at,
                TINFL_FLAG_HAS_MORE_INPUT,
            );
            plain.extend_from_slice(&self.window[self.at..self.at + written]);
            self.at = (self.at + written) % WINDOW;
            rest = &rest[read..];
            match status {
                TINFLStatus::NeedsMoreInput => return Ok(plain),
                TINFLStatus::HasMoreOutput => {}
                _ => return Err(broken()),
            }
        }
    }

    fn headers(&mut self, packed: &[u8]) -> io::Result<BTreeMap<String, String>> {
        let plain = self.inflate(packed)?;
        let (count, mut rest) = number(&plain)?;
        let mut headers = BTreeMap::new();
        let text = |rest: &mut &[u8]| -> io::Result<String> {
            let (length, after) = number(rest)?;
            let length = usize::try_from(length).map_err(|_| broken())?;
            let (text, after) = after.split_at_checked(length).ok_or_else(broken)?;
            let text = String::from_utf8_lossy(text).into_owned();
            *rest = &rest[rest.len() - after.len()..];
            Ok(text)
        };
        for _ in 0..count {
            let (name, value) = (text(&mut rest)?, text(&mut rest)?);
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

fn broken() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

/// The number at the beginning, and the rest.
fn number(bytes: &[u8]) -> io::Result<(u32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk().ok_or_else(broken)?;
    Ok((u32::from_be_bytes(*head), rest))
}

async fn read(reader: &mut (impl AsyncRead + Unpin), inflater: &mut Inflater) -> io::Result<Frame> {
    let mut head = [0; 8];
    reader.read_exact(&mut head).await?;
    let [a, b, c, d, flags, high, middle, low] = head;
    let length = u32::from_be_bytes([0, high, middle, low]);
    let mut body = vec![0; usize::try_from(length).map_err(|_| broken())?];
    reader.read_exact(&mut body).await?;
    if a & 0x80 == 0 {
        return Ok(Frame::Data {
            stream: u32::from_be_bytes([a, b, c, d]),
            bytes: body,
            last: flags & FIN != 0,
        });
    }
    Ok(match u16::from_be_bytes([c, d]) {
        1 => Frame::Open {
            stream: number(&body)?.0,
            headers: inflater.headers(body.get(10..).ok_or_else(broken)?)?,
        },
        3 => Frame::Reset {
            stream: number(&body)?.0,
        },
        6 => Frame::Ping {
            id: number(&body)?.0,
        },
        7 => Frame::GoAway,
        8 => {
            // Later headers say nothing here, but those after them refer to them.
            inflater.headers(body.get(4..).ok_or_else(broken)?)?;
            Frame::Other
        }
        _ => Frame::Other,
    })
}

fn data(stream: u32, bytes: &[u8], last: bool) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes();
    let flags = if last { FIN } else { 0 };
    let head = [flags, length[1], length[2], length[3]];
    [&stream.to_be_bytes()[..], &head, bytes].concat()
}

fn control(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(0).to_be_bytes();
    let head = [0x80, 3, 0, kind, 0, length[1], length[2], length[3]];
    [&head[..], body].concat()
}

/// One connection of a client.
struct Session {
    listener: Option<Arc<dyn Listener>>,
    namespace: String,
    pod: String,
    sender: mpsc::Sender<Vec<u8>>,
    /// The error stream of each request.
    errors: BTreeMap<String, u32>,
    pipes: BTreeMap<u32, WriteHalf<DuplexStream>>,
    replied: bool,
}

/// Serves one connection until either side ends it.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    listener: Option<Arc<dyn Listener>>,
    namespace: String,
    pod: String,
) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (sender, mut outgoing) = mpsc::channel::<Vec<u8>>(64);
    let mut session = Session {
        listener,
        namespace,
        pod,
        sender,
        errors: BTreeMap::new(),
        pipes: BTreeMap::new(),
        replied: false,
    };
    let writing = async {
        while let Some(frame) = outgoing.recv().await {
            writer.write_all(&frame).await?;
            writer.flush().await?;
        }
        io::Result::Ok(())
    };
    let reading = async {
        let mut inflater = Inflater::new();
        loop {
            match read(&mut reader, &mut inflater).await? {
                Frame::GoAway => return io::Result::Ok(()),
                frame => session.take(frame).await,
            }
        }
    };
    let ended = tokio::select! {
        ended = writing => ended,
        ended = reading => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a port-forward of the lab ended");
    }
}

impl Session {
    async fn send(&self, frame: Vec<u8>) {
        // A connection that has ended ends the session as well.
        let _ended = self.sender.send(frame).await;
    }

    async fn take(&mut self, frame: Frame) {
        match frame {
            Frame::Open { stream, headers } => self.open(stream, &headers).await,
            Frame::Data {
                stream,
                bytes,
                last,
            } => {
                if let Some(pipe) = self.pipes.get_mut(&stream) {
                    let written = pipe.write_all(&bytes).await;
                    let closed = last && pipe.shutdown().await.is_ok();
                    if closed || written.is_err() {
                        self.pipes.remove(&stream);
                    }
                }
            }
            Frame::Reset { stream } => {
                self.pipes.remove(&stream);
            }
            Frame::Ping { id } => self.send(control(6, &id.to_be_bytes())).await,
            Frame::GoAway | Frame::Other => {}
        }
    }

    async fn open(&mut self, stream: u32, headers: &BTreeMap<String, String>) {
        self.reply(stream).await;
        let text = |name: &str| headers.get(name).map_or("", String::as_str);
        let request = text("requestid").to_owned();
        if text("streamtype") == "error" {
            self.errors.insert(request, stream);
            return;
        }
        let port = text("port").parse().unwrap_or(0);
        let errors = self.errors.remove(&request).unwrap_or(stream);
        let (inside, outside) = tokio::io::duplex(64 * 1024);
        let connected = self
            .listener
            .as_ref()
            .is_some_and(|listener| listener.connect(&self.namespace, &self.pod, port, inside));
        if connected {
            let (reader, pipe) = tokio::io::split(outside);
            self.pipes.insert(stream, pipe);
            tokio::spawn(from_pod(stream, errors, reader, self.sender.clone()));
        } else {
            self.send(data(errors, refusal(port).as_bytes(), true))
                .await;
            self.send(data(stream, &[], true)).await;
        }
    }

    /// Accepts a stream, with no headers, which are not packed: a stored block of a zlib stream, and an empty one, after
    /// which readers look no further.
    async fn reply(&mut self, stream: u32) {
        let begin: &[u8] = if self.replied { &[] } else { &[0x78, 1] };
        self.replied = true;
        let block = [0, 4, 0, 0xfb, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
        self.send(control(
            2,
            &[&stream.to_be_bytes()[..], begin, &block].concat(),
        ))
        .await;
    }
}

/// Everything that the pod says; at its end both streams end.
async fn from_pod(
    stream: u32,
    errors: u32,
    mut reader: ReadHalf<DuplexStream>,
    sender: mpsc::Sender<Vec<u8>>,
) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(count @ 1..) = reader.read(&mut buffer).await {
        if sender
            .send(data(stream, &buffer[..count], false))
            .await
            .is_err()
        {
            return;
        }
    }
    for one in [errors, stream] {
        // A client that has gone away needs no end.
        let _gone = sender.send(data(one, &[], true)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two blocks as zlib packs them with the dictionary: `streamtype: error` or `data`, `port: 15014`, `requestid: 0`.
    const PACKED: [&[u8]; 2] = [FIRST, SECOND];
    const FIRST: &[u8] = &[
        120, 249, 227, 198, 167, 194, 2, 37, 58, 112, 58, 43, 41, 74, 77, 204, 133, 22, 37, 172,
        169, 160, 128, 134, 20, 203, 69, 160, 36, 204, 106, 8, 12, 117, 19, 32, 131, 179, 8, 18,
        143, 153, 160, 244, 205, 104, 0, 0, 0, 0, 255, 255,
    ];
    const SECOND: &[u8] = &[194, 170, 27, 84, 16, 37, 18, 161, 25, 0, 0, 0, 255, 255];

    /// Echoes on port 15014, and listens on no other.
    struct Echo;

    impl Listener for Echo {
        fn connect(&self, _: &str, _: &str, port: u16, stream: DuplexStream) -> bool {
            tokio::spawn(async move {
                let (mut reader, mut writer) = tokio::io::split(stream);
                tokio::io::copy(&mut reader, &mut writer).await
            });
            port == 15014
        }
    }

    #[test]
    fn headers_are_unpacked_one_block_after_the_other() {
        let mut inflater = Inflater::new();
        for (packed, kind) in PACKED.into_iter().zip(["error", "data"]) {
            let headers = inflater.headers(packed).expect("whole");
            assert_eq!(headers["streamtype"], kind);
            assert_eq!((&*headers["port"], &*headers["requestid"]), ("15014", "0"));
        }
    }

    async fn next(client: &mut DuplexStream) -> (u32, Vec<u8>, bool) {
        loop {
            // The replies are of the server's own making; what they carry is nothing.
            let mut head = [0; 8];
            client.read_exact(&mut head).await.expect("a frame");
            let length = u32::from_be_bytes([0, head[5], head[6], head[7]]);
            let mut body = vec![0; usize::try_from(length).expect("small")];
            client.read_exact(&mut body).await.expect("its body");
            if head[0] & 0x80 == 0 {
                let stream = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
                return (stream, body, head[4] == FIN);
            }
        }
    }

    #[tokio::test]
    async fn a_connection_goes_through_and_ends() {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        tokio::spawn(serve(
            server,
            Some(Arc::new(Echo)),
            "shop".to_owned(),
            "web".to_owned(),
        ));
        for (stream, packed) in [1_u32, 3].into_iter().zip(PACKED) {
            let body = [&stream.to_be_bytes()[..], &[0; 6], packed].concat();
            client.write_all(&control(1, &body)).await.expect("open");
        }
        client
            .write_all(&data(3, b"hello", false))
            .await
            .expect("sent");
        assert_eq!(next(&mut client).await, (3, b"hello".to_vec(), false));
        client.write_all(&data(3, b"", true)).await.expect("sent");
        assert_eq!(next(&mut client).await, (1, Vec::new(), true));
        assert_eq!(next(&mut client).await, (3, Vec::new(), true));
    }
}
