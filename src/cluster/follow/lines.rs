//! The lines of an answer that is read as it comes.

use http_body_util::BodyExt as _;
use kube::client::Body;

use crate::cluster::error::ClusterError;

/// The lines of an answer that does not end soon.
pub(super) struct Lines {
    body: Body,
    buffer: Vec<u8>,
    /// Up to where the buffer is known to have no line's end.
    searched: usize,
}

impl Lines {
    pub(super) fn new(body: Body) -> Self {
        Self {
            body,
            buffer: Vec::new(),
            searched: 0,
        }
    }

    /// The next line; none at the end, where a torn line is dropped. Nothing is lost when this is.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, ClusterError> {
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
    pub(super) fn ready(&mut self) -> Option<Vec<u8>> {
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
