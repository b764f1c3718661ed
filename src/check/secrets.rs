//! The texts that nobody may see: the values of sensitive inputs, and what expressions make of them.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::Value as Json;

use crate::diagnostic::Diagnostics;
use crate::event::Mask;

/// Collects them while a plan is checked.
#[derive(Debug, Default)]
pub(super) struct Secrets(Mutex<BTreeSet<String>>);

impl Secrets {
    /// A secret value: each text and number in it. What is true or false tells nothing.
    pub(super) fn hear(&self, value: &Json) {
        let mut texts = Vec::new();
        collect(value, &mut texts);
        self.keep(texts.into_iter());
    }

    /// What an expression made of a secret: only its texts, and none that the expression spells out.
    pub(super) fn hear_made(&self, value: &Json, expression: &str) {
        let mut texts = Vec::new();
        collect(value, &mut texts);
        let spelt = |text: &String| {
            ['\'', '"']
                .iter()
                .any(|quote| expression.contains(&format!("{quote}{text}{quote}")))
        };
        self.keep(
            texts
                .into_iter()
                .filter(|text| text.parse::<f64>().is_err() && !spelt(text)),
        );
    }

    fn keep(&self, texts: impl Iterator<Item = String>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(texts.filter(|text| !text.trim().is_empty()));
    }

    /// All of them.
    pub(super) fn texts(&self) -> Vec<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().cloned().collect()
    }

    /// Takes them out of texts.
    pub(super) fn mask(&self) -> Mask {
        Mask::new(&self.texts())
    }

    /// Takes them out of what is told of a plan.
    pub(super) fn hide(&self, diagnostics: &mut Diagnostics) {
        let texts = self.texts();
        if texts.is_empty() {
            return;
        }
        let mask = Mask::new(&texts);
        for one in diagnostics.iter_mut() {
            let labels = one.primary.iter_mut().chain(&mut one.secondary);
            let texts = labels.map(|label| &mut label.message);
            for text in texts.chain(&mut one.help).chain([&mut one.message]) {
                *text = mask.text(text);
            }
        }
    }
}

fn collect(value: &Json, texts: &mut Vec<String>) {
    match value {
        Json::String(text) => texts.push(text.clone()),
        Json::Number(number) => texts.push(number.to_string()),
        Json::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Json::Object(fields) => fields.values().for_each(|field| collect(field, texts)),
        Json::Null | Json::Bool(_) => {}
    }
}
