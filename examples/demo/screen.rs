//! What the terminal shows: one line per fact with its second, then the table.

use super::office::{EMPLOYEES, Employee, Office};
use super::story::Story;
use portal::{Card, Event, FinishedCall, HiddenBy, LiveCall, Recording};
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The terminal.
pub struct Screen {
    began: Instant,
    /// Who calls, by `CALL_ID`: a card alone does not tell.
    clients: RefCell<HashMap<String, String>>,
}

impl Screen {
    /// Counts seconds from `began`.
    pub fn new(began: Instant) -> Self {
        Self { began, clients: RefCell::default() }
    }

    /// What is about to be seen.
    pub fn head(&self, office: &Office) {
        println!(
            "A scripted PBX plays captured traffic of Asterisk 22 in real time; ringpost follows it and posts to a"
        );
        println!(
            "Bitrix24 portal over TLS (AMI {}, portal 127.0.0.1:{}).\n",
            office.pbx.address(),
            office.portal.port()
        );
    }

    /// One line for what happened, if it is worth one.
    pub fn show(&self, event: &Event) {
        match event {
            Event::Registered(call) => self.registered(call),
            Event::CardShown(card) => {
                self.line("card up", &self.client(&card.call_id), &format!("on the screen of {}", person(card.user)));
            }
            Event::CardHidden(card) => self.hidden(card),
            Event::Finished(call) => self.finished(call),
            Event::Recorded(file) => {
                let seconds = file.bytes.saturating_sub(44) as f64 / 16_000.0;
                let what = format!("{} ({seconds:.1} s of sound)", file.file_name);
                self.line("recording", &self.client(&file.call_id), &what);
            }
            Event::Created(entity) => self.line("new lead", &entity.phone, &entity.name),
            Event::Request(_) | Event::Up(_) => {}
        }
    }

    fn registered(&self, call: &LiveCall) {
        self.clients.borrow_mut().insert(call.call_id.clone(), call.phone.clone());
        let what = match call.kind {
            1 => format!("outbound call by {}", person(call.user)),
            _ => format!("inbound call on line {}", call.line),
        };
        self.line("CALL", &call.phone, &what);
    }

    fn hidden(&self, card: &Card) {
        let how = match card.hidden_by {
            Some(HiddenBy::Hide) => "not needed any more",
            _ => "the call is over",
        };
        self.line("card down", &self.client(&card.call_id), &format!("{}: {how}", person(card.user)));
    }

    fn finished(&self, call: &FinishedCall) {
        let what = match call.duration {
            0 => format!("status {}, nobody talked; left to {}", call.status_code, person(call.user)),
            secs => format!("status {}, {secs} s with {}", call.status_code, person(call.user)),
        };
        self.line("FINISHED", &call.registered.phone, &what);
    }

    fn client(&self, call_id: &str) -> String {
        self.clients.borrow().get(call_id).cloned().unwrap_or_default()
    }

    fn line(&self, what: &str, client: &str, rest: &str) {
        println!("{:>6.1} s  {what:<10} {client:<13} {rest}", self.began.elapsed().as_secs_f64());
    }

    /// What the portal holds against what the telephones did; whether they agree.
    pub fn table(&self, stories: &[Story], calls: &[FinishedCall], recordings: &[Recording]) -> bool {
        println!("\nWhat the telephones did, and what the portal holds:\n");
        println!(
            "{:<26} {:<8} {:<12} {:<12} {:<22} {:>6} {:>6}  {:<6} {:<9} same",
            "capture", "", "client", "line", "talked last", "phone", "portal", "status", "recording"
        );
        let mut left: Vec<&FinishedCall> = calls.iter().collect();
        let mut same = true;
        for story in stories {
            let found = left.iter().position(|call| best(story, call)).map(|at| left.remove(at));
            same &= row(story, found, recordings);
        }
        for call in &left {
            println!("not in any story: {call:?}");
        }
        same &= left.is_empty();
        let verdict = if same { "All calls arrived, each once." } else { "The portal differs from the telephones." };
        println!("\n{verdict} {} calls, {} recordings, {:.0} s.", calls.len(), recordings.len(), secs(self.began));
        same
    }
}

/// Whether `call` is the one that `story` tells; its talk time tells apart what else is alike.
fn best(story: &Story, call: &FinishedCall) -> bool {
    story.is_about(call) && (call.duration as f64 - story.talk_secs).abs() <= 1.0
}

fn row(story: &Story, call: Option<&FinishedCall>, recordings: &[Recording]) -> bool {
    let wrong = match call {
        Some(call) => story.differences(call, recordings),
        None => vec!["no such call at the portal".to_owned()],
    };
    let same = if wrong.is_empty() { "yes".to_owned() } else { format!("NO: {}", wrong.join("; ")) };
    println!(
        "{:<26} {:<8} {:<12} {:<12} {:<22} {:>4.1} s {:>4} s  {:<6} {:<9} {same}",
        story.scenario,
        if story.kind == 1 { "outbound" } else { "inbound" },
        story.client,
        story.line,
        call.map_or_else(String::new, |call| if call.duration > 0 { person(call.user) } else { "nobody".into() }),
        story.talk_secs,
        call.map_or_else(String::new, |call| call.duration.to_string()),
        call.map_or("", |call| &call.status_code),
        if call.is_some_and(|call| call.recording.is_some()) { "attached" } else { "" },
    );
    wrong.is_empty()
}

fn person(user: u64) -> String {
    let employee = EMPLOYEES.iter().find(|employee| employee.user == user);
    employee.map_or_else(
        || "the administrator".to_owned(),
        |Employee { extension, name: (first, last), .. }| format!("{first} {last} ({extension})"),
    )
}

fn secs(began: Instant) -> f64 {
    let took: Duration = began.elapsed();
    took.as_secs_f64()
}
