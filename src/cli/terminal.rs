//! The person at the terminal, who answers gates where the run is.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{origin, stderr};
use crate::engine::{Gatekeeper, Question, Reply};
use crate::report::{Screen, plain};

/// Asks on stderr, on the screen where progress is drawn there, and reads stdin.
pub(super) struct Terminal {
    screen: Option<Screen>,
    typed: Arc<Mutex<Typed>>,
}

/// The lines that are typed. One reader for all questions: one that nobody answered would keep the next one's answer.
#[derive(Default)]
struct Typed(Option<UnboundedReceiver<String>>);

impl Terminal {
    /// The terminal, with the screen where there is one.
    pub(super) fn new(screen: Option<Screen>) -> Self {
        let typed = Arc::default();
        Self { screen, typed }
    }
}

impl Typed {
    /// The lines, from the first question on.
    fn lines(&mut self) -> &mut UnboundedReceiver<String> {
        self.0.get_or_insert_with(|| {
            let (sender, lines) = unbounded_channel();
            tokio::task::spawn_blocking(move || {
                for line in std::io::stdin().lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
            lines
        })
    }
}

impl Gatekeeper for Terminal {
    fn ask(&self, question: Question) -> BoxFuture<'static, Option<Reply>> {
        let (screen, typed) = (self.screen.clone(), Arc::clone(&self.typed));
        async move {
            // One question after the other.
            let mut typed = typed.lock().await;
            let lines = typed.lines();
            // What was typed before the question is no answer to it.
            while lines.try_recv().is_ok() {}
            let text = format!("{}: {} [y/n/later]", question.node, question.message);
            let text = plain(&text);
            let _asking = screen.as_ref().map(|screen| screen.ask(&text));
            if screen.is_none() {
                stderr(&format!("{text} "));
            }
            loop {
                let approve = match lines.recv().await?.trim().to_lowercase().as_str() {
                    "y" | "yes" => true,
                    "n" | "no" => false,
                    "l" | "later" => return None,
                    _ => {
                        stderr("y, n or later? ");
                        continue;
                    }
                };
                let by = origin::user();
                return Some(Reply { approve, by });
            }
        }
        .boxed()
    }
}
