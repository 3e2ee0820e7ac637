//! The portal's list of calls against the exchange's, one to one.
//!
//! The exchange's own list (CDR, by `linkedid`) says which calls there were; the telephones say when each began, who
//! talked and until when. Of the portal exactly one finished call is demanded for each call of a client, with one
//! exception, which is counted: AMI tells nothing of what began and ended while nobody listened.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use live::Cdr;
use portal::FinishedCall;

use crate::calls::{Direction, Kind, Played};
use crate::killer::Absence;

/// What a kill may take of a call beyond its absence: the mirror is behind by a tenth of a second, and a busy machine
/// by more.
const BEHIND: Duration = Duration::from_millis(300);
/// The talk that is behind on the mirror, which is written each second while calls are in progress.
const TALK_BEHIND: f64 = 1.3;
/// How far the talk of a call may be off that no kill disturbed; the portal counts whole seconds.
const EXACT: f64 = 1.0;
/// How much too long a talk may be whose answer was not heard: a list of channels tells whole seconds.
const LISTED: f64 = 2.0;

/// What the portal shows of a call that was not heard all the time.
const MARK: &str = "times are at least";

/// A call as the exchange lists it, and as the telephones saw it.
struct Call<'a> {
    linked_id: String,
    played: &'a Played,
}

/// What came of it all.
#[derive(Debug, Default)]
pub struct Account {
    /// Calls of clients that the exchange lists.
    pub listed: usize,
    /// Calls among employees, which no portal gets.
    pub internal: usize,
    /// Calls that the portal has.
    pub posted: usize,
    /// Calls that no kill touched, told exactly.
    pub exact: usize,
    /// Calls that began and ended while the agent did not run and that the portal does not have.
    pub unseen: usize,
    /// By kind: how many, and how many of them the portal has.
    pub kinds: BTreeMap<String, (usize, usize)>,
    /// From the end of a call to its place in the portal, shortest first.
    pub delays: Vec<Duration>,
    /// What is wrong, for people.
    pub complaints: Vec<String>,
    /// How many are missing, and how many are there more than once.
    pub lost: usize,
    pub twice: usize,
}

/// Holds all lists against each other. `name` is the PBX's in the identities.
pub fn reckon(name: &str, cdrs: &[Cdr], played: &[Played], portal: &[FinishedCall], absences: &[Absence]) -> Account {
    let mut account = Account::default();
    let calls = match listed(cdrs, played) {
        Ok(calls) => calls,
        Err(complaint) => {
            account.complaints.push(complaint);
            return account;
        }
    };
    let mut posted: HashMap<&str, Vec<&FinishedCall>> = HashMap::new();
    for call in portal {
        posted.entry(call.external_call_id().unwrap_or("without an identity")).or_default().push(call);
    }
    for call in &calls {
        let found = posted.remove(format!("{name}-{}", call.linked_id).as_str()).unwrap_or_default();
        account.enter(call, &found, absences);
    }
    for (id, found) in posted {
        account.twice += found.len();
        account.complaints.push(format!("the exchange lists no {id}: {found:?}"));
    }
    account.delays.sort_unstable();
    account
}

impl Account {
    fn enter(&mut self, call: &Call<'_>, found: &[&FinishedCall], absences: &[Absence]) {
        let Played { kind, direction, .. } = call.played;
        let (all, had) = self.kinds.entry(format!("{kind:?}")).or_default();
        *all += 1;
        *had += usize::from(!found.is_empty());
        if *direction == Direction::Internal {
            self.internal += 1;
            if !found.is_empty() {
                self.complain(call, absences, &format!("has no client and was posted: {found:?}"));
            }
            return;
        }
        self.listed += 1;
        match found {
            [] if is_unheard(call.played, absences) => self.unseen += 1,
            [] => {
                self.lost += 1;
                self.complain(call, absences, "is missing");
            }
            [one] => self.compare(call, one, absences),
            more => {
                self.twice += more.len() - 1;
                self.complain(call, absences, &format!("is there {} times: {more:#?}", more.len()));
            }
        }
    }

    fn compare(&mut self, call: &Call<'_>, found: &FinishedCall, absences: &[Absence]) {
        self.posted += 1;
        self.delays.push(found.finished.saturating_duration_since(call.played.ended));
        let disturbed = overlapping(call.played.began, call.played.ended, absences).next().is_some();
        self.exact += usize::from(!disturbed);
        let wrong = if disturbed {
            wrong_of_disturbed(call.played, found, absences)
        } else {
            wrong_of_exact(call.played, found)
        };
        if let Some(wrong) = wrong {
            self.complain(call, absences, &format!("{wrong}: {found:?}"));
        }
    }

    fn complain(&mut self, call: &Call<'_>, absences: &[Absence], what: &str) {
        let at = |instant: Instant| instant.saturating_duration_since(call.played.began).as_secs_f64();
        let before = |instant: Instant| call.played.began.saturating_duration_since(instant).as_secs_f64();
        let offset = |instant: Instant| at(instant) - before(instant);
        let times: Vec<String> = overlapping(call.played.began, call.played.ended, absences)
            .map(|absence| format!("{:.3}..{:.3}", offset(absence.from), offset(absence.until)))
            .collect();
        let talks: Vec<String> = call
            .played
            .talks
            .iter()
            .map(|talk| format!("{} {:.3}..{:.3}", talk.user, offset(talk.from), offset(talk.until)))
            .collect();
        self.complaints.push(format!(
            "{} ({:?} of {}, ended after {:.3} s, talks {talks:?}, the agent away {times:?}) {what}",
            call.linked_id,
            call.played.kind,
            call.played.client,
            offset(call.played.ended),
        ));
    }
}

/// The calls of the exchange's list, each with what was played.
fn listed<'a>(cdrs: &[Cdr], played: &'a [Played]) -> Result<Vec<Call<'a>>, String> {
    let mut records: BTreeMap<(u64, u64), Vec<&Cdr>> = BTreeMap::new();
    for cdr in cdrs {
        records.entry(order(&cdr.linked_id)).or_default().push(cdr);
    }
    // One client makes one call after the other in each direction.
    let mut waiting: BTreeMap<(Direction, &str), Vec<&Played>> = BTreeMap::new();
    for call in played {
        waiting.entry((call.direction, call.client.as_str())).or_default().push(call);
    }
    waiting.values_mut().for_each(|calls| calls.sort_by_key(|call| std::cmp::Reverse(call.began)));
    let mut calls = Vec::new();
    for records in records.values() {
        let (direction, client) = whose(records).ok_or_else(|| format!("whose call is {records:?}?"))?;
        let next = waiting.get_mut(&(direction, client)).and_then(Vec::pop);
        let played = next.ok_or_else(|| format!("nobody played the {direction:?} call of {client}: {records:?}"))?;
        let linked_id = records.iter().map(|cdr| cdr.linked_id.clone()).next().unwrap_or_default();
        calls.push(Call { linked_id, played });
    }
    match waiting.values().flatten().next() {
        None => Ok(calls),
        Some(missing) => Err(format!("the exchange does not list {missing:?}")),
    }
}

/// `1795296729.6` by its two numbers.
fn order(id: &str) -> (u64, u64) {
    let (secs, number) = id.split_once('.').unwrap_or((id, ""));
    (secs.parse().unwrap_or(0), number.parse().unwrap_or(0))
}

/// Direction and client of a call, by its root's records.
fn whose<'a>(records: &[&'a Cdr]) -> Option<(Direction, &'a str)> {
    let is_trunk = |channel: &str| channel.contains("/trunk-");
    let root = records.iter().find(|cdr| cdr.unique_id == cdr.linked_id)?;
    if is_trunk(&root.channel) {
        return Some((Direction::Inbound, root.source.as_str()));
    }
    let dialled = records.iter().find(|cdr| cdr.destination.len() == 11);
    Some(match dialled {
        Some(cdr) => (Direction::Outbound, cdr.destination.as_str()),
        None => (Direction::Internal, root.source.as_str()),
    })
}

/// The absences that touch a time, with what each may have taken before it.
fn overlapping(from: Instant, until: Instant, absences: &[Absence]) -> impl Iterator<Item = &Absence> {
    absences.iter().filter(move |absence| from < absence.until && absence.from < until + BEHIND)
}

/// Whether the whole time lies in one absence.
fn is_within(from: Instant, until: Instant, absences: &[Absence]) -> bool {
    absences.iter().any(|absence| absence.from < from + BEHIND && until <= absence.until)
}

/// Whether no event and no list of channels can have told of it.
fn is_unheard(played: &Played, absences: &[Absence]) -> bool {
    is_within(played.began, played.ended, absences)
}

fn wrong_of_exact(played: &Played, found: &FinishedCall) -> Option<String> {
    let at = &found.registered;
    let talk = played.talk().as_secs_f64();
    let status = if played.talks.is_empty() { unanswered(played) } else { "200" };
    let last = played.talks.last().map(|talk| talk.user);
    if let Some(wrong) = wrong_of_any(played, found) {
        return Some(wrong);
    }
    if at.line != played.line {
        return Some(format!("another line than {}", played.line));
    }
    if found.status_code != status {
        return Some(format!("another status than {status}"));
    }
    if last.is_some_and(|user| user != found.user) {
        return Some(format!("{last:?} talked last"));
    }
    if (found.duration as f64 - talk).abs() > EXACT {
        return Some(format!("they talked {talk:.3} s"));
    }
    found.failed_reason.contains(MARK).then(|| "no kill disturbed it".to_owned())
}

/// Whoever was not heard all the time is told shorter than it was, but not longer, and not of anything that never was.
fn wrong_of_disturbed(played: &Played, found: &FinishedCall, absences: &[Absence]) -> Option<String> {
    let talk = played.talk().as_secs_f64();
    let away = |absence: &Absence| (absence.until - absence.from).as_secs_f64() + TALK_BEHIND;
    let away: f64 = overlapping(played.began, played.ended, absences).map(away).sum();
    let told = found.duration as f64;
    if let Some(wrong) = wrong_of_any(played, found) {
        return Some(wrong);
    }
    if told > talk + LISTED || told < talk - away - EXACT {
        return Some(format!("they talked {talk:.3} s and {away:.3} s may be unheard"));
    }
    if told < talk - EXACT && !found.failed_reason.contains(MARK) {
        return Some(format!("they talked {talk:.3} s, and nothing says that it is not all"));
    }
    let heard = played.talks.iter().any(|talk| !is_within(talk.from, talk.until, absences));
    match found.status_code.as_str() {
        "200" if talk == 0.0 => Some("nobody talked".to_owned()),
        "200" => None,
        _ if heard => Some("they talked, and it could be heard".to_owned()),
        _ => None,
    }
}

/// What holds whatever was not heard.
fn wrong_of_any(played: &Played, found: &FinishedCall) -> Option<String> {
    let kind = if played.direction == Direction::Inbound { 2 } else { 1 };
    let at = &found.registered;
    if at.kind != kind {
        return Some(format!("it was {:?}", played.direction));
    }
    (at.phone != played.client).then(|| format!("another client than {}", played.client))
}

/// The status of a call in which nobody talked.
fn unanswered(played: &Played) -> &'static str {
    match played.kind {
        Kind::OutboundBusy => "486",
        Kind::OutboundGivenUp => "603-S",
        _ => "304",
    }
}

/// One line of a delay: the middle, the longest of nineteen in twenty, the longest.
pub fn spread(delays: &[Duration]) -> String {
    let at =
        |share: f64| delays.get((delays.len() as f64 * share) as usize).or(delays.last()).copied().unwrap_or_default();
    let [middle, most, longest] = [0.5, 0.95, 1.0].map(|share| at(share).as_secs_f64());
    format!("{middle:.1} s in the middle, {most:.1} s for 19 of 20, {longest:.1} s at the longest")
}

/// A share that an office may lose to absences: calls no longer than a restart.
pub fn few(listed: usize) -> usize {
    listed / 20 + 1
}
