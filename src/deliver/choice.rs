//! Which recording of a call goes next.
//!
//! Stands alone because it is a decision of its own: a CRM that keeps every recording gets them one by one in their
//! order, but one that keeps a single recording (Bitrix24: a second replaces the first, whose file stays behind on the
//! portal's drive) gets the longest. That is the one that covers most of the talk: of a recording of the whole call
//! and one of its end, or of two talks, it holds what the other lacks. The others are waited for only so long. Pure:
//! looking for a file is an argument.

use crate::call::record::RecordingPath;
use crate::recording::{Found, Ready};
use core::time::Duration;
use std::path::PathBuf;

/// What is to be attached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Recordings still to be attached, as bits by index.
    pub(super) left: u8,
    /// Whether to wait for those that are not there yet.
    pub(super) patient: bool,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    /// Attach this one.
    Attach { index: usize, file: PathBuf },
    /// Look again later.
    Wait { after: Duration, why: String },
    /// This one (none: not one of them) will never be fit.
    Refuse { index: Option<usize>, why: String },
}

/// What to do now, and what somebody has to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) pick: Pick,
    pub(super) alarm: Option<String>,
}

/// Chooses among the recordings of `wanted`: the first, or with `alone` the longest.
pub(super) fn choose(
    paths: &[RecordingPath],
    wanted: Wanted,
    alone: bool,
    mut find: impl FnMut(&RecordingPath) -> Found,
) -> Choice {
    let left = |index: &usize| wanted.left.checked_shr(*index as u32).is_some_and(|bits| bits & 1 == 1);
    let among = paths.iter().enumerate().filter(|(index, _)| left(index)).take(if alone { paths.len() } else { 1 });
    let (mut best, mut wait, mut never, mut alarm) = (None::<(usize, Ready)>, None, None, None);
    for (index, path) in among {
        match find(path) {
            Found::Ready(ready) if best.as_ref().is_none_or(|(_, best)| ready.secs > best.secs) => {
                best = Some((index, ready));
            }
            Found::Ready(_) => {}
            Found::NotYet { after, why } => wait = Some((after, why)),
            Found::Misplaced { after, alarm: told } => {
                wait.get_or_insert((after, told.clone()));
                alarm = Some(told);
            }
            Found::Never { why } => never = Some((index, why)),
        }
    }
    let pick = match (best, wait, never) {
        (best, Some((after, why)), _) if best.is_none() || wanted.patient => Pick::Wait { after, why },
        (Some((index, ready)), ..) => Pick::Attach { index, file: ready.file },
        (None, _, Some((index, why))) => Pick::Refuse { index: Some(index), why },
        (None, _, None) => Pick::Refuse { index: None, why: String::from("the call has no such recording") },
    };
    Choice { pick, alarm }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::bounded;

    fn paths(names: &[&str]) -> Vec<RecordingPath> {
        names.iter().map(|name| bounded(name.as_bytes())).collect()
    }

    /// `a12`: ready, 12 s; `w`: not yet; `o`: misplaced; `n`: never.
    fn find(path: &RecordingPath) -> Found {
        let (kind, secs) = path.split_at_checked(1).unwrap_or_default();
        match kind {
            "w" => Found::NotYet { after: Duration::from_secs(5), why: "not there yet".to_owned() },
            "o" => Found::Misplaced { after: Duration::from_secs(600), alarm: "pbx_path".to_owned() },
            "n" => Found::Never { why: "no sound".to_owned() },
            _ => Found::Ready(Ready { file: PathBuf::from(path.as_str()), secs: secs.parse().unwrap_or(0) }),
        }
    }

    fn pick(names: &[&str], left: u8, patient: bool, alone: bool) -> String {
        let Choice { pick, alarm } = choose(&paths(names), Wanted { left, patient }, alone, find);
        let pick = match pick {
            Pick::Attach { index, file } => format!("{index} {}", file.display()),
            Pick::Wait { after, .. } => format!("wait {}", after.as_secs()),
            Pick::Refuse { index, .. } => format!("refuse {index:?}"),
        };
        if alarm.is_some() { pick + " alarm" } else { pick }
    }

    #[test]
    fn the_longest_goes_where_one_is_kept_and_the_next_where_all_are() {
        assert_eq!(pick(&["a12", "a95", "a40"], 0b111, true, true), "1 a95");
        assert_eq!(pick(&["a12", "a95"], 0b11, true, false), "0 a12");
        assert_eq!(pick(&["a12", "a95"], 0b10, true, false), "1 a95");
        assert_eq!(pick(&["a12", "a12"], 0b11, true, true), "0 a12", "of equals the first");
    }

    #[test]
    fn the_others_are_waited_for_while_that_is_worth_it() {
        assert_eq!(pick(&["a12", "w"], 0b11, true, true), "wait 5");
        assert_eq!(pick(&["a12", "w"], 0b11, false, true), "0 a12");
        assert_eq!(pick(&["w", "w"], 0b11, false, true), "wait 5");
        assert_eq!(pick(&["w", "o"], 0b11, true, true), "wait 5 alarm");
        assert_eq!(pick(&["a12", "o"], 0b11, false, true), "0 a12 alarm");
        assert_eq!(pick(&["o"], 0b1, true, true), "wait 600 alarm");
    }

    #[test]
    fn one_that_is_unfit_leaves_the_place_to_the_others() {
        assert_eq!(pick(&["n", "a12"], 0b11, true, true), "1 a12");
        assert_eq!(pick(&["n", "n"], 0b11, true, true), "refuse Some(1)");
        assert_eq!(pick(&["n", "a12"], 0b11, true, false), "refuse Some(0)");
        assert_eq!(pick(&[], 0b1, true, true), "refuse None");
    }
}
