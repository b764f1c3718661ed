//! What a precheck found: one line for each thing looked at.

use serde::Serialize;

use crate::model::action::FailOn;
use crate::model::counted;

/// How a finding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Grade {
    /// As it should be.
    Pass,
    /// Worth a look.
    Warn,
    /// To be mended first.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    /// What was looked at: `hop`, `matrix`, `eol`, …
    code: &'static str,
    /// How it counts.
    verdict: Grade,
    /// The object that it is about.
    object: String,
    /// What was found.
    message: String,
    /// What to do about it.
    advice: Option<String>,
}

/// All findings of one precheck.
pub(super) struct Report {
    fail_on: Vec<FailOn>,
    findings: Vec<Finding>,
}

impl Report {
    /// An empty report, and the warnings that count as failures.
    pub(super) fn new(fail_on: &[FailOn]) -> Self {
        Self {
            fail_on: fail_on.to_vec(),
            findings: Vec::new(),
        }
    }

    /// Something is as it should be.
    pub(super) fn pass(&mut self, code: &'static str, object: &str, message: impl Into<String>) {
        self.add(code, Grade::Pass, object, message.into(), None);
    }

    /// Something is worth a look; a failure where `fail_on` says so.
    pub(super) fn warn(
        &mut self,
        code: &'static str,
        object: &str,
        message: impl Into<String>,
        advice: &str,
    ) {
        let strict = self.fail_on.iter().any(|on| match on {
            FailOn::Matrix => code == "matrix",
            FailOn::Eol => code == "eol",
            FailOn::Unrestartable => code == "unrestartable",
            FailOn::Pdb => code == "pdb",
            FailOn::Rollout => code == "rollout",
            FailOn::Warnings => true,
        });
        let grade = if strict { Grade::Fail } else { Grade::Warn };
        self.add(code, grade, object, message.into(), Some(advice.to_owned()));
    }

    /// Something must be mended first.
    pub(super) fn fail(
        &mut self,
        code: &'static str,
        object: &str,
        message: impl Into<String>,
        advice: &str,
    ) {
        self.add(
            code,
            Grade::Fail,
            object,
            message.into(),
            Some(advice.to_owned()),
        );
    }

    fn add(
        &mut self,
        code: &'static str,
        verdict: Grade,
        object: &str,
        message: String,
        advice: Option<String>,
    ) {
        self.findings.push(Finding {
            code,
            verdict,
            object: object.to_owned(),
            message,
            advice,
        });
    }

    /// How many findings are more than passes.
    pub(super) fn count(&self) -> usize {
        self.findings
            .iter()
            .filter(|f| f.verdict != Grade::Pass)
            .count()
    }

    /// All of them, in the order in which they were looked at.
    pub(super) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The worst verdict.
    pub(super) fn worst(&self) -> Grade {
        self.findings
            .iter()
            .map(|f| f.verdict)
            .max()
            .unwrap_or(Grade::Pass)
    }

    /// How many of each.
    pub(super) fn summary(&self) -> String {
        let count = |grade| self.findings.iter().filter(|f| f.verdict == grade).count();
        format!(
            "{} passed, {}, {}",
            count(Grade::Pass),
            counted(count(Grade::Warn), "warning"),
            counted(count(Grade::Fail), "failure")
        )
    }

    /// What is not as it should be, one line each.
    pub(super) fn open(&self) -> Vec<String> {
        self.findings
            .iter()
            .filter(|f| f.verdict != Grade::Pass)
            .map(|f| {
                let advice = f
                    .advice
                    .as_ref()
                    .map_or_else(String::new, |a| format!(" ({a})"));
                format!(
                    "{} {} {}: {}{advice}",
                    mark(f.verdict),
                    f.code,
                    f.object,
                    f.message
                )
            })
            .collect()
    }

    /// Everything, in columns.
    pub(super) fn table(&self) -> Vec<String> {
        let width = |column: fn(&Finding) -> &str| {
            self.findings
                .iter()
                .map(|f| column(f).chars().count())
                .max()
                .unwrap_or(0)
        };
        let (code, object) = (width(|f| f.code), width(|f| f.object.as_str()));
        self.findings
            .iter()
            .map(|f| {
                let advice = f
                    .advice
                    .as_ref()
                    .map_or_else(String::new, |a| format!(" → {a}"));
                format!(
                    "{} {:<code$}  {:<object$}  {}{advice}",
                    mark(f.verdict),
                    f.code,
                    f.object,
                    f.message
                )
            })
            .collect()
    }
}

fn mark(grade: Grade) -> &'static str {
    match grade {
        Grade::Pass => "PASS",
        Grade::Warn => "WARN",
        Grade::Fail => "FAIL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fail_on_turns_its_own_warnings_into_failures() {
        let mut report = Report::new(&[FailOn::Eol]);
        report.warn("matrix", "Kubernetes 1.21", "outside", "upgrade");
        assert_eq!(report.worst(), Grade::Warn);
        report.warn("eol", "Istio 1.6", "past", "go on");
        assert_eq!(report.worst(), Grade::Fail);
        let mut strict = Report::new(&[FailOn::Warnings]);
        strict.warn("pdb", "a", "b", "c");
        assert_eq!(strict.worst(), Grade::Fail);
        assert_eq!(strict.open(), ["FAIL pdb a: b (c)"]);
    }
}
