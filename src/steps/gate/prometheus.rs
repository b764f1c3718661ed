//! The metric gate: an instant query, a comparison, and explicit rules for what is not there.

use std::time::Duration;

use serde_json::{Value, json};

use super::{AGAIN, Look, accepted, rejected, web};
use crate::model::action::{Missing, Prometheus};
use crate::steps::context::{Done, StepContext, StepError};

/// Queries until the value has met the expectation for the whole window.
pub(super) async fn run(query: &Prometheus, context: &StepContext) -> Result<Done, StepError> {
    let expect = Expectation::parse(&query.expect)
        .ok_or_else(|| StepError::failed(format!("`{}` is no comparison", query.expect)))?;
    let window = query.window.map_or(Duration::ZERO, |span| span.0);
    let mut met_since = None;
    loop {
        match look(query, &expect).await? {
            Look::Open(value) => {
                let since = *met_since.get_or_insert_with(tokio::time::Instant::now);
                let held = since.elapsed();
                if held >= window {
                    return Ok(accepted(&query.url, value));
                }
                context.waiting(vec![format!(
                    "{value} meets `{}` for {} of {} s",
                    query.expect,
                    held.as_secs(),
                    window.as_secs()
                )]);
            }
            Look::Shut(why) => return Err(rejected(&query.url, why)),
            Look::NotYet(why) => {
                met_since = None;
                context.waiting(vec![why]);
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn look(query: &Prometheus, expect: &Expectation) -> Result<Look, StepError> {
    let url = address(query);
    Ok(match web::get(&url).await {
        Ok(answer) => read(query, expect, answer.status, &answer.body)?,
        Err(error) => Look::NotYet(format!("{}: {error}", query.url)),
    })
}

/// What an answer says. A query that the server cannot parse (400, Prometheus HTTP API v1) does not get better by waiting.
fn read(
    query: &Prometheus,
    expect: &Expectation,
    status: u16,
    body: &str,
) -> Result<Look, StepError> {
    match values(body) {
        Err(why) if status == 400 => Err(StepError::failed(format!(
            "{} refuses the query `{}`: {why}",
            query.url, query.query
        ))
        .help("try the query in Prometheus, then correct it in the plan")),
        Err(why) => Ok(Look::NotYet(format!(
            "{} answers {status}: {why}",
            query.url
        ))),
        Ok(values) => Ok(judge(query, expect, &values)),
    }
}

/// Every value must meet the expectation; what is absent or NaN follows the gate's own rules.
fn judge(query: &Prometheus, expect: &Expectation, values: &[f64]) -> Look {
    if values.is_empty() {
        return missing(query.no_data, "the query gives no data");
    }
    if values.iter().any(|v| v.is_nan()) {
        return missing(query.nan, "the query gives NaN");
    }
    match values.iter().find(|v| !expect.met(**v)) {
        Some(value) => Look::NotYet(format!("{value} does not meet `{}`", query.expect)),
        None => Look::Open(json!(values)),
    }
}

fn missing(rule: Missing, what: &str) -> Look {
    match rule {
        Missing::Reject => Look::Shut(what.to_owned()),
        Missing::Accept => Look::Open(Value::Null),
        Missing::Wait => Look::NotYet(what.to_owned()),
    }
}

/// The sample values of an instant query's answer (Prometheus HTTP API v1: scalar or vector).
fn values(body: &str) -> Result<Vec<f64>, String> {
    let answer: Value = serde_json::from_str(body).map_err(|e| e.to_string())?;
    if answer["status"] != "success" {
        return Err(answer["error"].as_str().unwrap_or("no success").to_owned());
    }
    let sample = |pair: &Value| -> Result<f64, String> {
        let text = pair[1].as_str().ok_or("a sample without a value")?;
        text.parse().map_err(|_| format!("`{text}` is no number"))
    };
    match &answer["data"]["result"] {
        Value::Array(series) if answer["data"]["resultType"] == "vector" => {
            series.iter().map(|one| sample(&one["value"])).collect()
        }
        scalar if answer["data"]["resultType"] == "scalar" => Ok(vec![sample(scalar)?]),
        _ => Err("the query gives neither a scalar nor a vector".to_owned()),
    }
}

fn address(query: &Prometheus) -> String {
    let parameters = form_urlencoded::Serializer::new(String::new())
        .append_pair("query", &query.query)
        .finish();
    format!(
        "{}/api/v1/query?{parameters}",
        query.url.trim_end_matches('/')
    )
}

/// A comparison with a number.
struct Expectation {
    operator: &'static str,
    bound: f64,
}

impl Expectation {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let operator = ["<=", ">=", "==", "!=", "<", ">"]
            .into_iter()
            .find(|operator| text.starts_with(operator))?;
        let bound = text[operator.len()..].trim().parse().ok()?;
        Some(Self { operator, bound })
    }

    #[expect(clippy::float_cmp, reason = "`==` means what the user wrote")]
    fn met(&self, value: f64) -> bool {
        match self.operator {
            "<=" => value <= self.bound,
            ">=" => value >= self.bound,
            "==" => value == self.bound,
            "!=" => value != self.bound,
            "<" => value < self.bound,
            _ => value > self.bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(no_data: Missing, nan: Missing) -> Prometheus {
        Prometheus {
            url: String::new(),
            query: String::new(),
            expect: "< 0.01".to_owned(),
            window: None,
            no_data,
            nan,
        }
    }

    fn verdict(query: &Prometheus, values: &[f64]) -> &'static str {
        let expect = Expectation::parse(&query.expect).unwrap();
        match judge(query, &expect, values) {
            Look::Open(_) => "open",
            Look::Shut(_) => "shut",
            Look::NotYet(_) => "not yet",
        }
    }

    #[test]
    fn every_value_counts_and_absence_follows_its_rule() {
        let strict = gate(Missing::Reject, Missing::Reject);
        assert_eq!(verdict(&strict, &[0.0, 0.009]), "open");
        assert_eq!(verdict(&strict, &[0.0, 0.01]), "not yet");
        assert_eq!(verdict(&strict, &[]), "shut");
        assert_eq!(verdict(&strict, &[f64::NAN, 0.0]), "shut");
        let lax = gate(Missing::Accept, Missing::Wait);
        assert_eq!(verdict(&lax, &[]), "open");
        assert_eq!(verdict(&lax, &[f64::NAN]), "not yet");
    }

    #[test]
    fn answers_are_read() {
        let vector = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"0.5"]},{"metric":{},"value":[1,"NaN"]}]}}"#;
        assert!(
            matches!(values(vector).unwrap()[..], [a, b] if (0.49..0.51).contains(&a) && b.is_nan())
        );
        let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"3"]}}"#;
        assert_eq!(values(scalar), Ok(vec![3.0]));
        let error = r#"{"status":"error","error":"parse error"}"#;
        assert_eq!(values(error), Err("parse error".to_owned()));
    }

    #[test]
    fn only_a_server_in_trouble_is_asked_again() {
        let query = gate(Missing::Reject, Missing::Reject);
        let expect = Expectation::parse(&query.expect).unwrap();
        let error =
            r#"{"status":"error","errorType":"bad_data","error":"unclosed left parenthesis"}"#;
        let refused = read(&query, &expect, 400, error).err().unwrap();
        assert_eq!(
            refused.failure.class,
            crate::event::FailureClass::Failed,
            "{refused}"
        );
        assert!(
            refused
                .failure
                .message
                .contains("unclosed left parenthesis")
        );
        assert!(matches!(
            read(&query, &expect, 503, "busy"),
            Ok(Look::NotYet(_))
        ));
    }

    #[test]
    fn queries_are_escaped() {
        let query = Prometheus {
            url: "http://prometheus:9090/".to_owned(),
            query: "rate(x[5m]) > 1".to_owned(),
            ..gate(Missing::Reject, Missing::Reject)
        };
        assert_eq!(
            address(&query),
            "http://prometheus:9090/api/v1/query?query=rate%28x%5B5m%5D%29+%3E+1"
        );
    }
}
