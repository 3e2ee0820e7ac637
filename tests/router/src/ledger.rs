//! What was promised and what was kept: the calls that the agent had made durable, held against those of the portal.

use std::collections::{BTreeMap, BTreeSet};

/// What the agent says at `debug` of a call that is synced.
const PROMISE: &str = " is journalled and outlives the power";

/// The identities of the calls that the agent called durable in its log.
pub fn promised(console: &str) -> BTreeSet<String> {
    let line = |line: &str| {
        let (before, _) = line.split_once(PROMISE)?;
        Some(before.rsplit_once("call ")?.1.to_owned())
    };
    console.lines().filter_map(line).collect()
}

/// How it came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Calls that were played.
    pub played: usize,
    /// Calls that were durable at some cut, or at the end.
    pub promised: usize,
    /// Calls at the portal.
    pub delivered: usize,
    /// Durable calls that are not at the portal.
    pub lost: Vec<String>,
    /// Calls that are there more than once.
    pub twice: Vec<String>,
    /// Calls that nobody made.
    pub invented: Vec<String>,
}

impl Account {
    /// Compares.
    pub fn of(played: &BTreeSet<String>, promised: &BTreeSet<String>, delivered: &BTreeMap<String, usize>) -> Self {
        let there = |id: &&String| !delivered.contains_key(*id);
        Self {
            played: played.len(),
            promised: promised.len(),
            delivered: delivered.len(),
            lost: promised.iter().filter(there).cloned().collect(),
            twice: delivered.iter().filter(|(_, times)| **times > 1).map(|(id, _)| id.clone()).collect(),
            invented: delivered.keys().filter(|id| !played.contains(*id)).cloned().collect(),
        }
    }

    /// Whether every promise was kept.
    pub fn is_true(&self) -> bool {
        self.lost.is_empty() && self.twice.is_empty() && self.invented.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_doubled_and_invented_calls_are_told() {
        let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
        let console =
            "[    1.2] x\nDEBUG [ringpost] call a is journalled and outlives the power\r\nDEBUG call b is journ";
        assert_eq!(promised(console), set(&["a"]));
        let delivered = [("a", 2), ("c", 1)].map(|(id, times)| (id.to_owned(), times)).into();
        let account = Account::of(&set(&["a", "b"]), &set(&["a", "b"]), &delivered);
        assert_eq!(
            (account.lost, account.twice, account.invented),
            (vec!["b".to_owned()], vec!["a".to_owned()], vec!["c".to_owned()])
        );
        assert!(Account::of(&set(&["a", "b"]), &set(&["a"]), &[("a".to_owned(), 1)].into()).is_true());
    }
}
