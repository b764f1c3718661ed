//! News that many wait for: who began to wait first hears first. `tokio::sync::watch` draws that order by chance, and a
//! run in the lab must repeat.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Notify;

/// Tells a number that only grows.
#[derive(Debug)]
pub struct Announcer(Arc<Board>);

#[derive(Debug)]
struct Board {
    number: AtomicU64,
    closed: AtomicBool,
    notify: Notify,
}

/// Hears of each new number.
#[derive(Debug, Clone)]
pub struct News {
    board: Arc<Board>,
    seen: Option<u64>,
}

/// Whoever told the news is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody tells news any more")]
pub struct Closed;

impl Announcer {
    /// Begins with this number.
    pub fn new(number: u64) -> Self {
        Self(Arc::new(Board {
            number: AtomicU64::new(number),
            closed: AtomicBool::new(false),
            notify: Notify::new(),
        }))
    }

    /// Tells a number.
    pub fn announce(&self, number: u64) {
        self.0.number.store(number, Ordering::Release);
        self.0.notify.notify_waiters();
    }

    /// Announces one more.
    pub fn announce_next(&self) {
        self.0.number.fetch_add(1, Ordering::AcqRel);
        self.0.notify.notify_waiters();
    }

    /// Whether anybody listens.
    pub fn is_heard(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// News from now on.
    pub fn subscribe(&self) -> News {
        let mut news = News {
            board: Arc::clone(&self.0),
            seen: None,
        };
        news.mark_unchanged();
        news
    }
}

impl Default for Announcer {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.notify.notify_waiters();
    }
}

impl News {
    /// What has happened so far is known.
    pub fn mark_unchanged(&mut self) {
        self.seen = Some(self.board.number.load(Ordering::Acquire));
    }

    /// What has happened so far is new.
    pub fn mark_changed(&mut self) {
        self.seen = None;
    }

    /// Waits for a number that is not known. May be dropped and called again at any time.
    ///
    /// # Errors
    /// Whoever told the news is gone, and nothing further comes.
    pub async fn changed(&mut self) -> Result<(), Closed> {
        loop {
            // Begins to listen now, so that nothing is missed between the look and the wait.
            let told = self.board.notify.notified();
            let number = self.board.number.load(Ordering::Acquire);
            if self.seen.replace(number) != Some(number) {
                return Ok(());
            }
            if self.board.closed.load(Ordering::Acquire) {
                return Err(Closed);
            }
            told.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[tokio::test(start_paused = true)]
    async fn who_waits_first_hears_first_each_time() {
        let board = Announcer::new(1);
        let heard = Arc::new(Mutex::new(Vec::new()));
        for listener in 0..20 {
            let (mut news, heard) = (board.subscribe(), Arc::clone(&heard));
            tokio::spawn(async move {
                while news.changed().await.is_ok() {
                    heard.lock().unwrap().push(listener);
                }
            });
        }
        let mut wanted = Vec::new();
        for number in 2..5 {
            tokio::task::yield_now().await;
            board.announce(number);
            wanted.extend(0..20);
            tokio::task::yield_now().await;
        }
        assert_eq!(*heard.lock().unwrap(), wanted);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_no_news_and_a_gone_announcer_is_told() {
        let board = Announcer::new(1);
        let mut news = board.subscribe();
        news.mark_changed();
        assert_eq!(news.changed().await, Ok(()));
        board.announce(2);
        board.announce(3);
        assert_eq!(news.changed().await, Ok(()));
        drop(board);
        assert_eq!(news.changed().await, Err(Closed));
    }
}
