//! The portal by hand: starts one, says where it is, and tells what happens to it.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use portal::{Event, Fault, Portal, PortalConfig, User};

const USAGE: &str = "\
usage: portal [--port N] [--users EXTENSION=ID,…] [--dir D] [--no-limit]

  --port N      listen on 127.0.0.1:N (default: a free port)
  --users LIST  employees beside administrator 1, for example 101=11,102=12
                (default: users 11 to 19 with the extensions 101 to 109)
  --dir D       directory for ca.pem and the recordings (default: a temporary one)
  --no-limit    no request limit

Commands on the standard input: down, up, silent, drop, clear, calls, cards, quit, and
  fault KIND [METHOD [TIMES]]    KIND: cut lost slow 503 429 500 html invalid huge endless drip half";

fn main() -> ExitCode {
    let config = match arguments() {
        Ok(Some(config)) => config,
        Ok(None) => return say(USAGE),
        Err(error) => {
            eprintln!("portal: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match Portal::start(config) {
        Ok(portal) => run(&portal),
        Err(error) => {
            eprintln!("portal: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Option<PortalConfig>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut config = PortalConfig::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("port") => config.port = parser.value()?.parse()?,
            Long("users") => config.users = users(&parser.value()?.string()?)?,
            Long("dir") => {
                config.dir = Some(parser.value()?.into());
                config.save_recordings = true;
            }
            Long("no-limit") => config.rate_limit = None,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(config))
}

/// `101=11`: extension 101 belongs to user 11.
fn users(list: &str) -> Result<Vec<User>, lexopt::Error> {
    let mut users = vec![User { admin: true, ..User::new(1, "") }];
    for pair in list.split(',').filter(|pair| !pair.is_empty()) {
        let (extension, id) = pair.split_once('=').ok_or_else(|| format!("not EXTENSION=ID: {pair}"))?;
        let id = id.trim().parse().map_err(|_| format!("not a number: {id}"))?;
        users.push(User::new(id, extension.trim()));
    }
    Ok(users)
}

fn run(portal: &Portal) -> ExitCode {
    let events = portal.subscribe();
    println!("webhook   {}", portal.webhook_url());
    println!("ca_file   {}", portal.ca_file().display());
    let printer = thread::spawn(move || print(&events));
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        match obey(portal, line.trim()) {
            Some(answer) if answer.is_empty() => {}
            Some(answer) => drop(say(&answer)),
            None => return ExitCode::SUCCESS,
        }
    }
    // Without a terminal the portal runs until it is killed.
    let _ = printer.join();
    ExitCode::SUCCESS
}

fn print(events: &Receiver<Event>) {
    let started = Instant::now();
    for event in events {
        let mut out = io::stdout().lock();
        if writeln!(out, "{:9.3} {event}", started.elapsed().as_secs_f64()).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

/// Does a command; `None` ends the program.
fn obey(portal: &Portal, line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["quit" | "exit"] => return None,
        [] => {}
        ["down"] => portal.go_down(),
        ["silent"] => portal.go_silent(),
        ["drop"] => portal.drop_connections(),
        ["clear"] => portal.clear_faults(),
        ["up"] => return Some(portal.come_up().map_or_else(|error| error.to_string(), |()| String::new())),
        ["calls"] => return Some(lines(portal.calls().into_iter().map(Event::Finished))),
        ["cards"] => {
            let event = |card: portal::Card| {
                if card.hidden.is_some() { Event::CardHidden(card) } else { Event::CardShown(card) }
            };
            return Some(lines(portal.cards().into_iter().map(event)));
        }
        ["fault", kind, rest @ ..] => return Some(plan(portal, kind, rest)),
        _ => return Some(USAGE.to_owned()),
    }
    Some(String::new())
}

fn plan(portal: &Portal, kind: &str, rest: &[&str]) -> String {
    let fault = match kind {
        "cut" => Fault::lost_answer(),
        "lost" => Fault::lost_request(),
        "slow" => Fault::slow_before(Duration::from_secs(10)),
        "503" => Fault::rate_limited(),
        "429" => Fault::operation_limited(),
        "500" => Fault::internal_error(true),
        "html" => Fault::html(502, true),
        "invalid" => Fault::invalid_json(),
        "huge" => Fault::huge(100 * 1024 * 1024),
        "endless" => Fault::endless(),
        "drip" => Fault::drip(Duration::from_secs(1)),
        "half" => Fault::half_answer(),
        other => return format!("no such fault: {other}"),
    };
    let fault = match rest.first() {
        Some(method) => fault.on(method),
        None => fault,
    };
    let times = rest.get(1).map_or(Ok(1), |times| times.parse());
    match times {
        Ok(times) => portal.fault(fault.times(times)),
        Err(_) => return "TIMES is a number".to_owned(),
    }
    format!("{} faults planned", portal.faults_left())
}

fn lines(events: impl Iterator<Item = Event>) -> String {
    events.map(|event| event.to_string()).collect::<Vec<_>>().join("\n")
}

fn say(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    if writeln!(out, "{text}").is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
