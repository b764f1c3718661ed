//! Label selectors as kubectl and the API server read them: `app=web,tier in (a, b),!legacy`.

/// Why a text is no label selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    /// Two commas without a condition between them, or one at the end.
    #[error("a condition is missing beside a comma")]
    Nothing,
    /// A condition of another form.
    #[error("`{0}` is no condition on a label")]
    Condition(String),
    /// What stands where a label's name is expected.
    #[error("`{0}` cannot be the name of a label")]
    Key(String),
    /// What stands where a label's value is expected.
    #[error("`{0}` cannot be the value of a label")]
    Value(String),
}

/// Looks whether a text is a label selector; the empty one selects everything.
///
/// # Errors
/// The first part that cannot be read.
pub fn check(text: &str) -> Result<(), BadQuery> {
    if text.trim().is_empty() {
        return Ok(());
    }
    parts(text)
        .into_iter()
        .try_for_each(|part| condition(part.trim()))
}

/// The conditions: commas in parentheses part values.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut inside, mut start) = (Vec::new(), false, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => inside = true,
            ')' => inside = false,
            ',' if !inside => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn condition(part: &str) -> Result<(), BadQuery> {
    if part.is_empty() {
        return Err(BadQuery::Nothing);
    }
    if let Some(absent) = part.strip_prefix('!') {
        return key(absent.trim());
    }
    if let Some(operator) = part.find(['=', '!', '<', '>']) {
        let (name, rest) = part.split_at(operator);
        let of_two = ["!=", "=="].iter().find_map(|two| rest.strip_prefix(two));
        let wanted = match of_two.or_else(|| rest.strip_prefix(['=', '<', '>'])) {
            Some(wanted) => wanted.trim(),
            None => return Err(BadQuery::Condition(part.to_owned())),
        };
        key(name.trim())?;
        let number = rest.starts_with(['<', '>']);
        if number && wanted.parse::<i64>().is_err() {
            return Err(BadQuery::Value(wanted.to_owned()));
        }
        return value(wanted);
    }
    match part.split_once('(') {
        Some((head, rest)) => one_of(head, rest).ok_or(part),
        None => return key(part),
    }
    .map_err(|part| BadQuery::Condition(part.to_owned()))?
}

/// `KEY in (A, B)`, without its opening parenthesis; `None` where it has another form.
fn one_of(head: &str, rest: &str) -> Option<Result<(), BadQuery>> {
    let values = rest
        .strip_suffix(')')
        .filter(|values| !values.trim().is_empty())?;
    let (name, operator) = head.trim_end().rsplit_once(char::is_whitespace)?;
    let known = matches!(operator, "in" | "notin");
    known.then(|| {
        key(name.trim())?;
        values.split(',').try_for_each(|one| value(one.trim()))
    })
}

/// `[PREFIX/]NAME`.
fn key(text: &str) -> Result<(), BadQuery> {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    let label = |part: &str| is_name(part) && !part.contains(['_']) && part == part.to_lowercase();
    let domain = |prefix: &str| prefix.len() <= 253 && prefix.split('.').all(label);
    if is_name(name) && prefix.is_none_or(domain) {
        Ok(())
    } else {
        Err(BadQuery::Key(text.to_owned()))
    }
}

fn value(text: &str) -> Result<(), BadQuery> {
    if text.is_empty() || is_name(text) {
        Ok(())
    } else {
        Err(BadQuery::Value(text.to_owned()))
    }
}

/// Letters and digits, with `-`, `_` and `.` between them; at most 63.
fn is_name(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 63
        && text.starts_with(edge)
        && text.ends_with(edge)
        && text
            .chars()
            .all(|c| edge(c) || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubectl_takes_is_taken() {
        for text in [
            "",
            "a=b",
            "a==b, c!=d",
            "istio.io/rev in (canary, ),tier notin (a)",
            "!legacy,app",
            "a=",
            "n>3,n < 5",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_it_refuses_is_refused() {
        for text in [
            "a=(b",
            "a=b,",
            "=b",
            "a b",
            "a in b",
            "a in ()",
            "a in (b",
            "a!b",
            "a=b=c",
            "n>x",
            "A_/b=c",
            "a/b/c",
            "a is (b)",
            "(a)",
            "-a",
            "a=b c",
            "a in (b))",
            "a in (b) c",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
