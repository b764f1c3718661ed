//! The YAML 1.2 core schema: what a plain scalar is taken for where no type is asked for.

use super::Scalar;
use super::Style;

/// What a scalar is by the YAML 1.2 core schema (YAML 1.2.2, chapter 10.3).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Core {
    /// Nothing: empty, `~`, `null`.
    Null,
    /// `true` or `false`; never `yes`, `no`, `on`, `off`.
    Bool(bool),
    /// A whole number that fits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Str,
}

impl Scalar {
    /// What it is by the YAML 1.2 core schema. Quoted and block scalars are always strings.
    #[must_use]
    pub fn core(&self) -> Core {
        match self.style {
            Style::Plain => resolve(&self.text),
            Style::Quoted | Style::Block => Core::Str,
        }
    }

    /// Of a plain scalar that looks like a number: what a reader that takes it for one would write back, where that
    /// is another text (`1.10` becomes `1.1`, `0x10` becomes `16`). Where a string is meant, it should be quoted.
    #[must_use]
    pub fn rewritten(&self) -> Option<String> {
        let number = match self.core() {
            Core::Int(int) => int.to_string(),
            Core::Float(float) => float.to_string(),
            Core::Null | Core::Bool(_) | Core::Str => return None,
        };
        (number != self.text).then_some(number)
    }
}

/// Resolves the text of a plain scalar.
pub(super) fn resolve(text: &str) -> Core {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Core::Null,
        "true" | "True" | "TRUE" => return Core::Bool(true),
        "false" | "False" | "FALSE" => return Core::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Core::Float(f64::NAN),
        _ => {}
    }
    if let Some(int) = int(text) {
        return Core::Int(int);
    }
    float(text).map_or(Core::Str, Core::Float)
}

/// `[-+]? [0-9]+`, `0o [0-7]+` or `0x [0-9a-fA-F]+`, as far as it fits.
fn int(text: &str) -> Option<i64> {
    let radix = |digits: &str, radix: u32| {
        let digits_only = digits.chars().all(|digit| digit.is_digit(radix));
        (digits_only && !digits.is_empty())
            .then(|| i64::from_str_radix(digits, radix).ok())
            .flatten()
    };
    if let Some(digits) = text.strip_prefix("0o") {
        radix(digits, 8)
    } else if let Some(digits) = text.strip_prefix("0x") {
        radix(digits, 16)
    } else {
        text.parse().ok()
    }
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, or an infinity.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        let negative = text.starts_with('-');
        return Some(if negative {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        });
    }
    // Rust reads more than the schema allows: `inf`, `nan`, `infinity`.
    let starts_as_number =
        unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    let numeric =
        |letter: char| letter.is_ascii_digit() || matches!(letter, '.' | 'e' | 'E' | '-' | '+');
    (starts_as_number && unsigned.chars().all(numeric))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_schema_decides() {
        for (text, expected) in [
            ("", Core::Null),
            ("~", Core::Null),
            ("null", Core::Null),
            ("true", Core::Bool(true)),
            ("FALSE", Core::Bool(false)),
            ("12", Core::Int(12)),
            ("-12", Core::Int(-12)),
            ("+12", Core::Int(12)),
            ("007", Core::Int(7)),
            ("0o17", Core::Int(15)),
            ("0xff", Core::Int(255)),
            ("1.10", Core::Float(1.1)),
            (".5", Core::Float(0.5)),
            ("1e3", Core::Float(1000.0)),
            ("-.inf", Core::Float(f64::NEG_INFINITY)),
            ("99999999999999999999", Core::Float(1e20)),
        ] {
            assert_eq!(resolve(text), expected, "{text}");
        }
    }

    #[test]
    fn what_yaml_1_1_would_have_changed_stays_a_string() {
        for text in [
            "no", "off", "on", "yes", "y", "1_000", "12:30", "0b11", "1.2.3", "inf", "nan", "-",
            ".", "+", "0x", "0o9", "1e", "infinity", "--1", "1-2", "e5",
        ] {
            assert_eq!(resolve(text), Core::Str, "{text}");
        }
    }

    #[test]
    fn a_number_that_would_be_written_otherwise_is_told() {
        let rewritten = |text: &str, style| Scalar::new(text, style).rewritten();
        for (text, expected) in [
            ("1.10", "1.1"),
            ("0x10", "16"),
            ("007", "7"),
            ("1.0", "1"),
            ("1e3", "1000"),
            ("+1", "1"),
        ] {
            assert_eq!(rewritten(text, Style::Plain).as_deref(), Some(expected));
            assert_eq!(rewritten(text, Style::Quoted), None);
        }
        for text in ["1.1", "16", "-3", "1.6.14", "no", "true", ""] {
            assert_eq!(rewritten(text, Style::Plain), None, "{text}");
        }
    }
}
