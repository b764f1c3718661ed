//! What every step may have: needs, a condition, times, retries, and what it is excused from.

use std::collections::HashMap;
use std::sync::Arc;

use super::step::Reader;
use crate::check::parsed::Allowed;
use crate::check::schema;
use crate::check::times;
use crate::check::tree::{Tree, no_template};
use crate::check::words;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::plan::Allow;
use crate::model::policy::{OnFailure, Retry};
use crate::source::{Entry, Key, Span};
use crate::template::Template;

/// Up to how many needs are searched one by one.
const FEW: usize = 16;

impl Reader<'_, '_, '_, '_> {
    pub(super) fn needs(&mut self) -> Vec<Key> {
        let Some(entry) = self.fields.get("needs") else {
            return Vec::new();
        };
        // As in GitHub Actions, one need may stand without a list.
        let list = if entry.value.is_seq() {
            entry.value.as_seq()
        } else {
            std::slice::from_ref(&entry.value)
        };
        let mut needs: Vec<Key> = Vec::with_capacity(list.len());
        let mut seen: HashMap<&str, Span> = HashMap::new();
        for node in list {
            let Some(text) = node.as_str().filter(|_| !node.is_null()) else {
                self.shaper.wrong("`needs` names steps", node);
                continue;
            };
            if no_template(text, node.span, "`needs`", &mut self.shaper.out) {
                continue;
            }
            // A map costs more than a walk over a few.
            let first = if list.len() <= FEW {
                let same = needs.iter().find(|need| need.text == text);
                same.map(|need| need.span)
            } else {
                seen.insert(text, node.span)
            };
            if let Some(first) = first {
                self.push(
                    Diagnostic::new(Code::RepeatedNeed, format!("`{text}` is needed twice"))
                        .at(node.span, "again")
                        .also(first, "first here"),
                );
                continue;
            }
            needs.push(Key {
                text: text.to_owned(),
                span: node.span,
            });
        }
        needs
    }

    pub(super) fn when(&mut self) -> Option<Arc<Template>> {
        let node = &self.fields.get("when")?.value;
        let Some(scalar) = node.as_scalar() else {
            self.shaper.wrong("a condition is an expression", node);
            return None;
        };
        match Template::condition(scalar, node.span) {
            Ok(template) => Some(Arc::new(template)),
            Err(flawed) => {
                self.shaper.out.extend(flawed.problems);
                self.broken_names = flawed.references;
                None
            }
        }
    }

    pub(super) fn timeout(&mut self) -> Option<Tree> {
        let entry = self.fields.get("timeout")?;
        let tree = self.shaper.templated(schema::timeout(), entry);
        times::timeout(&tree, &mut self.shaper.out);
        Some(tree)
    }

    pub(super) fn retry(&mut self, is_kind: bool) -> Retry {
        let defaults = self.shaper.default_retry.clone();
        let Some(entry) = self.fields.get("retry") else {
            if is_kind {
                self.shaper.unlimited(&defaults, None);
            }
            return defaults;
        };
        if !is_kind {
            self.push(
                Diagnostic::new(
                    Code::RetryOnGroup,
                    "a group or a sub-plan is not retried as a whole",
                )
                .at(entry.key.span, "only steps are retried")
                .help("move it to the steps inside, or to `defaults`"),
            );
            return defaults;
        }
        let Some(own) = self.shaper.read::<Retry>(schema::retry(), entry) else {
            return defaults;
        };
        let merged = own.or(&defaults);
        times::backoff(&merged, &entry.value, &mut self.shaper.out);
        let place = entry.value.get("attempts").map(|node| node.span);
        self.shaper.unlimited(&merged, place);
        merged
    }

    pub(super) fn on_failure(&mut self) -> OnFailure {
        let Some(entry) = self.fields.get("on_failure") else {
            return OnFailure::Stop;
        };
        let on_failure = self
            .shaper
            .read(schema::on_failure(), entry)
            .unwrap_or_default();
        if on_failure == OnFailure::Rollback {
            self.push(
                Diagnostic::new(
                    Code::RollbackUnavailable,
                    "`on_failure: rollback` is not available yet",
                )
                .at(entry.value.span, "what the run did would not be taken back")
                .help("write `on_failure: stop`, and go back by a plan of its own"),
            );
        }
        on_failure
    }

    pub(super) fn allow(&mut self) -> Vec<Allowed> {
        let Some(entry) = self.fields.get("allow") else {
            return Vec::new();
        };
        if !entry.value.is_seq() {
            self.shaper.wrong("`allow` is a list", &entry.value);
        }
        let mut allowed = Vec::new();
        for node in entry.value.as_seq() {
            let item = Entry {
                key: entry.key.clone(),
                value: node.clone(),
            };
            let Some(Allow { code, reason }) = self.shaper.read(schema::allow(), &item) else {
                continue;
            };
            let span = node.get("code").map_or(node.span, |code| code.span);
            match code.parse::<Code>() {
                Ok(code) if code.domain() => {
                    match allowed.iter().find(|one: &&Allowed| one.code == code) {
                        Some(first) => self.push(twice(code, span, first.span)),
                        None => allowed.push(Allowed { code, reason, span }),
                    }
                }
                Ok(code) => self.push(
                    Diagnostic::new(Code::NotAllowable, format!("{code} cannot be allowed"))
                        .at(span, code.title())
                        .help(format!("{} can be", words::quoted(&allowable()))),
                ),
                Err(error) => self.push(
                    Diagnostic::new(Code::UnknownAllow, error.to_string())
                        .at(span, "unknown")
                        .suggest(&code, allowable()),
                ),
            }
        }
        allowed
    }
}

/// The codes that an `allow` may name.
fn allowable() -> Vec<&'static str> {
    let codes = Code::ALL.iter().filter(|code| code.domain());
    codes.map(|code| code.as_str()).collect()
}

fn twice(code: Code, span: Span, first: Span) -> Diagnostic {
    Diagnostic::new(Code::UnusedAllow, format!("{code} is allowed twice"))
        .at(span, "allows nothing more")
        .also(first, "allowed here")
        .help("remove one of them")
}
