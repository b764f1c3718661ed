//! The file: JSON with a line for each object, a digest of all before it at the end, packed with gzip.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{FORMAT, Snapshot};

/// How every version of the format begins.
const BEGINNING: &str = "{\n\"snapshot\": ";
/// How the digest's line begins.
const DIGEST: &str = "\"digest\": \"sha256:";
/// How much a file may unpack to.
const LIMIT: u64 = 1 << 30;

/// Why a file is no snapshot that can be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Not packed with gzip, or cut off.
    #[error("it is not packed with gzip, or cut off")]
    Packing(#[source] io::Error),
    /// More than is unpacked.
    #[error("it unpacks to more than 1 GiB")]
    TooLarge,
    /// Something else.
    #[error("it is no snapshot")]
    Foreign,
    /// Of another version.
    #[error("it is of format {0}, and this `plan` reads format {FORMAT}")]
    Format(u32),
    /// Changed since.
    #[error("its contents do not match its digest: it was changed or damaged since it was taken")]
    Digest,
    /// The digest is right, the contents are not.
    #[error("its contents are not of the form that its format has")]
    Shape(#[source] serde_json::Error),
}

impl SnapshotError {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Packing(_) | Self::Foreign | Self::TooLarge => {
                "name a file that `plan snapshot -o FILE` wrote"
            }
            Self::Format(_) => "take it again, or use the `plan` that took it",
            Self::Digest => {
                "copy it again from where it was taken, or take it again; it is not meant to be edited"
            }
            Self::Shape(_) => "take it again",
        }
    }
}

impl Snapshot {
    /// The file's bytes: the same for equal snapshots.
    ///
    /// # Errors
    /// None that a snapshot can cause; they are those of the libraries.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(self.text()?.as_bytes())?;
        packed.finish()
    }

    fn text(&self) -> io::Result<String> {
        let mut text = "{".to_owned();
        if let Value::Object(members) = serde_json::to_value(self)? {
            for (name, value) in members {
                let value = match value {
                    Value::Array(items) if !items.is_empty() => {
                        let lines: Vec<String> = items.iter().map(Value::to_string).collect();
                        format!("[\n{}\n]", lines.join(",\n"))
                    }
                    other => other.to_string(),
                };
                // Writing to a String cannot fail.
                let _: std::fmt::Result = write!(text, "\n\"{name}\": {value},");
            }
        }
        text.push('\n');
        let digest = digest(&text);
        let _: std::fmt::Result = write!(text, "{DIGEST}{digest}\"\n}}\n");
        Ok(text)
    }

    /// Reads a file's bytes, after its format and its digest were found right.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut text = String::new();
        let read = MultiGzDecoder::new(bytes)
            .take(LIMIT + 1)
            .read_to_string(&mut text)
            .map_err(SnapshotError::Packing)?;
        if read as u64 > LIMIT {
            return Err(SnapshotError::TooLarge);
        }
        let format = text
            .strip_prefix(BEGINNING)
            .and_then(|rest| rest.split(',').next()?.parse().ok())
            .ok_or(SnapshotError::Foreign)?;
        if format != FORMAT {
            return Err(SnapshotError::Format(format));
        }
        let (before, end) = text
            .rfind(DIGEST)
            .map(|at| text.split_at(at))
            .ok_or(SnapshotError::Digest)?;
        if end != format!("{DIGEST}{}\"\n}}\n", digest(before)) {
            return Err(SnapshotError::Digest);
        }
        serde_json::from_str(&text).map_err(SnapshotError::Shape)
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            let _: std::fmt::Result = write!(hex, "{byte:02x}");
            hex
        })
}
