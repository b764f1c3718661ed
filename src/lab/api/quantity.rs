//! Quantities in the one form in which a server keeps them (`apimachinery/pkg/api/resource/quantity.go`): `2048Mi` is
//! `2Gi`, and `1000m` is `1`.

use serde_json::Value;

/// The powers of 1 000 from a billionth on, as suffixes write them.
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
/// The powers of 1 024.
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// The exponent of ten of the smallest amount.
const SMALLEST: i32 = -9;

#[derive(Clone, Copy)]
enum Form {
    Decimal,
    Binary,
    /// `1e3`, `1E-3`: keeps its exponent.
    Exponent,
}

/// Brings a quantity into its form; what is none stays as it is.
pub(super) fn canonicalize(value: &mut Value) {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => std::mem::take(text),
        _ => return,
    };
    *value = Value::String(canonical(&text).unwrap_or(text));
}

/// All amounts of a map of resources.
pub(super) fn canonicalize_all(amounts: &mut Value) {
    let amounts = amounts.as_object_mut().into_iter();
    amounts
        .flat_map(|map| map.values_mut())
        .for_each(canonicalize);
}

fn canonical(text: &str) -> Option<String> {
    let (sign, unsigned) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let end = unsigned
        .find(|char: char| !(char.is_ascii_digit() || char == '.'))
        .unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (form, base, power) = unit(suffix)?;
    let amount = billionths(number, base, power)?;
    if amount == 0 {
        return Some("0".to_owned());
    }
    let (number, suffix) = match form {
        Form::Binary if amount >= 1024 * BILLION => binary(amount)?,
        Form::Exponent => {
            let (number, exponent) = decimal(amount);
            let suffix = if exponent == 0 {
                String::new()
            } else {
                format!("e{exponent}")
            };
            (number, suffix)
        }
        Form::Decimal | Form::Binary => {
            let (number, exponent) = decimal(amount);
            let suffix = DECIMAL.get(usize::try_from((exponent - SMALLEST) / 3).ok()?)?;
            (number, (*suffix).to_owned())
        }
    };
    Some(format!("{sign}{number}{suffix}"))
}

const BILLION: i128 = 1_000_000_000;

/// What a suffix stands for: a power of a base.
fn unit(suffix: &str) -> Option<(Form, i128, i32)> {
    if let Some(at) = DECIMAL.iter().position(|known| *known == suffix) {
        return Some((Form::Decimal, 10, i32::try_from(at).ok()? * 3 + SMALLEST));
    }
    if let Some(at) = BINARY.iter().position(|known| *known == suffix) {
        return Some((Form::Binary, 1024, i32::try_from(at).ok()?));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some((Form::Exponent, 10, exponent))
}

/// The amount in billionths, the last one rounded up. None where the text is no number, or too large a one.
fn billionths(number: &str, base: i128, power: i32) -> Option<i128> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && part.is_empty() || part.contains('.') {
        return None;
    }
    let digits: i128 = format!("0{whole}{part}").parse().ok()?;
    let places = i32::try_from(part.len()).ok()?;
    let (factor, tens) = if base == 10 {
        (1, power - places - SMALLEST)
    } else {
        let factor = base.checked_pow(power.unsigned_abs())?;
        (factor, -places - SMALLEST)
    };
    let scaled = digits.checked_mul(factor)?;
    let shift = 10_i128.checked_pow(tens.unsigned_abs())?;
    if tens >= 0 {
        scaled.checked_mul(shift)
    } else {
        Some(scaled.div_euclid(shift) + i128::from(scaled % shift != 0))
    }
}

/// The whole number and the largest exponent, a multiple of three, that make the amount.
fn decimal(amount: i128) -> (i128, i32) {
    let (mut number, mut exponent) = (amount, SMALLEST);
    while number % 1000 == 0 {
        number /= 1000;
        exponent += 3;
    }
    (number, exponent)
}

/// The same with powers of 1 024; what is no whole number is rounded up.
fn binary(amount: i128) -> Option<(i128, String)> {
    let mut number = amount.div_euclid(BILLION) + i128::from(amount % BILLION != 0);
    let mut power = 0;
    while number % 1024 == 0 && power + 1 < BINARY.len() {
        number /= 1024;
        power += 1;
    }
    Some((number, (*BINARY.get(power)?).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each was read from a real server.
    #[test]
    fn every_amount_has_one_form() {
        for (written, kept) in [
            ("2048Mi", "2Gi"),
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1.5Gi", "1536Mi"),
            ("0.5Ki", "512"),
            ("1e3", "1e3"),
            ("1500e0", "1500"),
            ("100000000", "100M"),
            ("1000k", "1M"),
            ("1025Ki", "1025Ki"),
            ("1024", "1024"),
            ("0", "0"),
            ("0Mi", "0"),
            ("10u", "10u"),
            ("+5", "5"),
            ("-1000m", "-1"),
            (".5", "500m"),
            ("5.", "5"),
            ("0.0000000001", "1n"),
        ] {
            assert_eq!(canonical(written).as_deref(), Some(kept), "{written}");
        }
        for none in ["", "-", ".", "1.2.3", "5Zi", "five", "1e"] {
            assert_eq!(canonical(none), None, "{none}");
        }
    }
}
