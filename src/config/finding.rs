//! What is wrong with a configuration file, where, and what to do about it.
//!
//! Findings are collected, not returned at the first: somebody who edits the file wants all of them at once. At most
//! [`CONFIG_FINDINGS`] are kept, the rest is counted. No text here holds a value of a secret key: whoever reports one
//! names the key alone.

use crate::limits::CONFIG_FINDINGS;
use crate::text::head;
use core::fmt;

/// Whether ringpost can run with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It cannot: exit code 2.
    Error,
    /// It can, but somebody should look.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it stops ringpost.
    pub severity: Severity,
    /// Line and column (in characters), both from 1; none: the file as a whole.
    pub place: Option<(usize, usize)>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// The findings of one file.
#[derive(Debug)]
pub struct Findings<'a> {
    text: &'a str,
    kept: Vec<Finding>,
    errors: usize,
    uncounted: usize,
}

impl<'a> Findings<'a> {
    /// None yet, about a file with this `text`.
    pub(super) fn about(text: &'a str) -> Self {
        Self { text, kept: Vec::new(), errors: 0, uncounted: 0 }
    }

    /// Something at byte `at` makes the file unusable.
    pub(super) fn error(&mut self, at: usize, what: impl Into<String>, remedy: impl Into<String>) {
        self.errors += 1;
        self.keep(Severity::Error, Some(at), what.into(), remedy.into());
    }

    /// Something at byte `at`, or in the file as a whole, deserves a look.
    pub(super) fn warn(&mut self, at: Option<usize>, what: impl Into<String>, remedy: impl Into<String>) {
        self.keep(Severity::Warning, at, what.into(), remedy.into());
    }

    fn keep(&mut self, severity: Severity, at: Option<usize>, what: String, remedy: String) {
        if self.kept.len() >= CONFIG_FINDINGS {
            self.uncounted += 1;
            return;
        }
        let place = at.map(|at| place(self.text, at));
        self.kept.push(Finding { severity, place, what, remedy });
    }

    /// Whether the file is unusable.
    pub(super) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// The line of byte `at`, for a remedy that names another place.
    pub(super) fn line(&self, at: usize) -> usize {
        place(self.text, at).0
    }

    /// Everything found, in the order of the file, and how many more there were.
    pub(super) fn into_sorted(mut self) -> (Vec<Finding>, usize) {
        self.kept.sort_by_key(|finding| finding.place);
        (self.kept, self.uncounted)
    }
}

/// Line and column of byte `at`, both from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = head(text, at);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

impl Finding {
    /// How it is printed: `FILE:LINE:COLUMN: error: what`, and the remedy on a line of its own.
    pub fn show<'a>(&'a self, file: &'a str) -> impl fmt::Display + 'a {
        struct Shown<'a>(&'a Finding, &'a str);
        impl fmt::Display for Shown<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let Self(finding, file) = self;
                f.write_str(file)?;
                if let Some((line, column)) = finding.place {
                    write!(f, ":{line}:{column}")?;
                }
                let severity = match finding.severity {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                };
                write!(f, ": {severity}: {}\n    {}", finding.what, finding.remedy)
            }
        }
        Shown(self, file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        let text = "a\nжé = 1\n";
        assert_eq!(place(text, 0), (1, 1));
        assert_eq!(place(text, 2), (2, 1));
        assert_eq!(place(text, 7), (2, 4));
        assert_eq!(place(text, 3), (2, 1), "inside a character");
        assert_eq!(place(text, 999), (3, 1));
    }

    #[test]
    fn findings_are_bounded_and_sorted() {
        let text = "x\n".repeat(CONFIG_FINDINGS + 5);
        let mut findings = Findings::about(&text);
        for line in (0..CONFIG_FINDINGS + 5).rev() {
            findings.error(line * 2, "w", "r");
        }
        let (kept, more) = findings.into_sorted();
        assert_eq!((kept.len(), more), (CONFIG_FINDINGS, 5));
        assert!(kept.is_sorted_by_key(|finding| finding.place));
    }
}
