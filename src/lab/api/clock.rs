//! The server's time and identities: both repeat exactly from the same start and seed.

use jiff::SignedDuration;
use jiff::Timestamp;
use sha2::Digest as _;
use sha2::Sha256;
use tokio::time::Instant;

/// Wall time that runs with tokio's, so that paused time pauses it.
#[derive(Debug)]
pub(super) struct Clock {
    start: Timestamp,
    origin: Instant,
}

impl Clock {
    /// A clock that shows `start` now.
    pub(super) fn starting_at(start: Timestamp) -> Self {
        Self {
            start,
            origin: Instant::now(),
        }
    }

    /// The time now.
    pub(super) fn now(&self) -> Timestamp {
        let elapsed =
            SignedDuration::try_from(self.origin.elapsed()).unwrap_or(SignedDuration::MAX);
        self.start.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// The time now as `metav1.Time` writes it: whole seconds.
    pub(super) fn seconds(&self) -> String {
        self.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

/// Makes uids and name suffixes from a seed.
#[derive(Debug)]
pub(super) struct Ids {
    seed: u64,
    next: u64,
}

/// The letters of generated names (`apimachinery/pkg/util/rand`): no vowels, nothing that looks alike.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

impl Ids {
    /// Starts a sequence.
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, next: 0 }
    }

    fn digest(&mut self) -> [u8; 32] {
        self.next += 1;
        Sha256::digest(format!("{}/{}", self.seed, self.next)).into()
    }

    /// A uid in the shape of a random UUID.
    pub(super) fn uid(&mut self) -> String {
        let digest = self.digest();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .to_string()
    }

    /// Five letters for `generateName`.
    pub(super) fn suffix(&mut self) -> String {
        self.digest()
            .iter()
            .take(5)
            .map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]))
            .collect()
    }
}
