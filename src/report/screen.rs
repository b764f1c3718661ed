//! A terminal on which progress is drawn or somebody is asked, one at a time: what happens meanwhile is still shown, and
//! nothing waits for an answer but who asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::{MultiProgress, ProgressDrawTarget};

use super::Out;

/// To the beginning of the line, and the line is empty.
const AFRESH: &str = "\r\x1b[2K";

/// The terminal.
#[derive(Clone)]
pub struct Screen {
    pub(super) bars: MultiProgress,
    target: fn() -> ProgressDrawTarget,
    talk: Arc<Mutex<Talk>>,
}

/// What is written as text while nothing is drawn.
struct Talk {
    out: Out,
    question: Option<String>,
}

/// A question that is open; the drawing goes on when it is dropped.
pub struct Asking<'s>(&'s Screen);

impl Screen {
    /// Draws on `target` and asks on `out`, normally both stderr.
    pub fn new(target: fn() -> ProgressDrawTarget, out: Out) -> Self {
        let question = None;
        Self {
            bars: MultiProgress::with_draw_target(target()),
            target,
            talk: Arc::new(Mutex::new(Talk { out, question })),
        }
    }

    /// Asks in place of the drawing.
    pub fn ask(&self, question: &str) -> Asking<'_> {
        let mut talk = self.talk();
        // A terminal that is gone is noticed by whoever reads the answer.
        let _gone = self.bars.clear();
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
        talk.question = Some(question.to_owned());
        talk.say(&format!("{question} "));
        Asking(self)
    }

    /// Shows a line that stays.
    pub(super) fn println(&self, line: &str) {
        let mut talk = self.talk();
        match talk.question.clone() {
            Some(question) => talk.say(&format!("{AFRESH}{line}\n{question} ")),
            None => {
                let _gone = self.bars.println(line);
            }
        }
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Talk {
    fn say(&mut self, text: &str) {
        let _gone = self
            .out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush());
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut talk = self.0.talk();
        talk.question = None;
        talk.say(AFRESH);
        self.0.bars.set_draw_target((self.0.target)());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_happens_while_somebody_is_asked_is_shown_above_the_question() {
        let paper = Paper::default();
        let screen = Screen::new(ProgressDrawTarget::hidden, Box::new(paper.clone()));
        screen.println("drawn, not written");
        let asking = screen.ask("go on?");
        screen.println("other: done");
        drop(asking);
        screen.println("drawn again");
        let written = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            written,
            format!("go on? {AFRESH}other: done\ngo on? {AFRESH}")
        );
    }
}
