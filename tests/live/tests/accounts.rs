//! Accounts with less than all rights, and a PBX that is not there: what ringpost says and what it still does.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Output, Stdio};
use std::thread;

use live::office::{DELIVERY, Verdict, Wish};
use live::{Account, Agent, Exchange, Office, Plan, Version, did, secs};
use serde_json::Value;

/// What `doctor` said line by line; it never says a secret.
fn doctor(agent: &Agent) -> Result<(Option<i32>, Vec<String>), live::Trouble> {
    let Output { status, stdout, stderr } = agent.ask(&["doctor"])?;
    let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    assert_eq!(agent.secret_in(&said), None, "{said}");
    Ok((status.code(), said.lines().map(str::to_owned).collect()))
}

/// Whether a line begins with `verdict` and `name` and holds `words`.
fn says(lines: &[String], verdict: &str, name: &str, words: &str) -> bool {
    lines.iter().any(|line| {
        let mut parts = line.split_whitespace();
        (parts.next(), parts.next()) == (Some(verdict), Some(name)) && line.contains(words)
    })
}

fn with_account(version: Version, account: Account, live: bool, test: fn(&Office) -> Verdict) -> Verdict {
    Office::play_with(version, live, |_| Ok(Wish { account, ..Wish::default() }), test)
}

live::office! {
    fn a_doctor_who_finds_nothing(office) {
        // An office has recorded before; a directory with nothing in it is warned of, for it may not be mounted.
        std::fs::write(office.recordings().join("earlier.wav"), b"")?;
        let (code, lines) = doctor(&office.agent)?;
        assert_eq!(code, Some(0), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.starts_with("FAIL") || line.starts_with("warn")), "{lines:#?}");
        assert!(says(&lines, "ok", "pbx", "logged in as ringpost"), "{lines:#?}");
        assert!(says(&lines, "ok", "recordings", ""), "{lines:#?}");
        Ok(())
    }
}

live::office! {
    fn the_doctor_tells_whom_it_takes_for_whom(office) {
        let (code, lines) = doctor(&office.agent)?;
        assert_eq!(code, Some(0), "{lines:#?}");
        let extensions: Vec<_> = (101..=109).chain(111..=118).chain([121, 122, 131]).map(|n: u32| n.to_string()).collect();
        let words = format!("20 by profile auto: {}", extensions.join(", "));
        assert!(lines.iter().any(|line| line.starts_with("ok    extensions") && line.ends_with(&words)), "{lines:#?}");
        let trunk = |line: &&String| line.starts_with("ok    trunks");
        let [line]: [_; 1] = lines.iter().filter(trunk).collect::<Vec<_>>().try_into().map_err(|_| format!("{lines:#?}"))?;
        // Asterisk 16 has one for each of its drivers.
        let (how, names) = line.rsplit_once(": ").ok_or("no names")?;
        let is_known = |name: &str| name.ends_with("/trunk") || name.ends_with("/mtt");
        assert!(how.ends_with(" by profile auto") && names.split(", ").all(is_known), "{line}");
        assert!(says(&lines, "ok", "contexts", "from-internal: internal by profile auto"), "{lines:#?}");
        assert!(says(&lines, "ok", "contexts", "from-trunk: from outside by profile auto"), "{lines:#?}");
        Ok(())
    }
}

/// Fewer rights: the same call, and advice.
fn a_call_with_fewer_rights(office: &Office) -> Verdict {
    let caller = office.caller();
    office.plan_for(&caller, "101", Plan::manual())?;
    let call = office.inbound(&caller, did::RECORDED)?;
    let phone = office.ringing("101", caller.number(), secs(10.0))?;
    office.await_cards(caller.number(), &[11])?;
    let answered = phone.answer()?;
    thread::sleep(secs(2.0));
    let talk = (call.hang_up()?.at - answered).as_secs_f64();
    let finished = office.only_call(caller.number(), DELIVERY)?;
    assert_eq!((finished.user, finished.status_code.as_str()), (11, "200"));
    assert!((finished.duration as f64 - talk).abs() <= 1.0, "{} s of {talk}", finished.duration);
    assert_eq!(finished.registered.line, did::RECORDED);
    Ok(())
}

fn without_system(office: &Office) -> Verdict {
    let (code, lines) = doctor(&office.agent)?;
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(says(&lines, "warn", "pbx", "event filters"), "{lines:#?}");
    a_call_with_fewer_rights(office)
}

fn without_dialplan(office: &Office) -> Verdict {
    assert_eq!(doctor(&office.agent)?.0, Some(0));
    a_call_with_fewer_rights(office)
}

/// The daemon and the doctor say the same of a PBX that cannot be used, and the daemon goes on trying.
fn assert_unusable(office: &Office, words: &str, remedy: &str) -> Verdict {
    let (code, lines) = doctor(&office.agent)?;
    assert_eq!(code, Some(1), "{lines:#?}");
    assert!(says(&lines, "FAIL", "pbx", words) && says(&lines, "FAIL", "pbx", remedy), "{lines:#?}");
    office.agent.start()?;
    let told = |status: &Value| status["pbx"]["state"].as_str().is_some_and(|state| state.contains(words));
    let status = office.agent.await_status(words, secs(20.0), told)?;
    assert_eq!(status["pbx"]["live"], false);
    assert!(office.agent.is_running());
    // The log is written by a thread of its own. Told once, however often it is tried.
    let told = || office.agent.log().matches(words).count();
    live::wait_until("a line in the log", secs(5.0), || (told() > 0).then_some(()))?;
    thread::sleep(secs(3.0));
    assert_eq!(told(), 1, "{}", office.agent.log());
    Ok(())
}

/// Nothing in AMI tells what an account may read: that it is nothing comes out when the PBX lists a channel of which
/// nothing was heard, first with event filters (which might be the reason) and then without.
fn without_call(office: &Office) -> Verdict {
    let words = "gets no call events";
    let down = |status: &Value| status["pbx"]["live"] == false;
    let unheard = |status: &Value| status["pbx"]["state"].as_str().is_some_and(|state| state.contains(words));
    for _ in 0..2 {
        office.agent.await_live()?;
        // A channel as old as the connection proves nothing.
        thread::sleep(secs(4.0));
        let call = office.inbound(&office.caller(), did::RECORDED)?;
        call.await_answer(secs(10.0))?;
        let status = office.agent.await_status("the silence is noticed", secs(150.0), down)?;
        call.hang_up()?;
        if unheard(&status) {
            break;
        }
    }
    office.agent.await_status(words, secs(10.0), unheard)?;
    let advice = || office.agent.log().contains("give it read permission for call").then_some(());
    live::wait_until("advice in the log", secs(5.0), advice)?;
    assert!(office.agent.is_running());
    Ok(())
}

fn from_elsewhere(office: &Office) -> Verdict {
    assert_unusable(office, "refuses the account \"elsewhere\"", "permitted address")
}

/// A configuration that is wrong in one place.
fn misled(
    version: Version,
    mislead: impl FnOnce(&Exchange, &mut Agent) -> Verdict,
    words: &str,
    remedy: &str,
) -> Verdict {
    Office::play_misled(version, mislead, |office| assert_unusable(office, words, remedy))
}

macro_rules! on_both {
    ($($name:ident: $play:expr;)+) => {$(
        mod $name {
            use super::*;

            #[test]
            fn asterisk_22() -> Verdict {
                ($play)(Version::Asterisk22)
            }

            #[test]
            fn asterisk_16() -> Verdict {
                ($play)(Version::Asterisk16)
            }
        }
    )+};
}

on_both! {
    an_account_without_system: |version| with_account(version, Account::NoSystem, true, without_system);
    an_account_without_dialplan: |version| with_account(version, Account::NoDialplan, true, without_dialplan);
    an_account_without_call: |version| with_account(version, Account::NoCall, true, without_call);
    an_account_that_may_not_come_from_here: |version| with_account(version, Account::Elsewhere, false, from_elsewhere);
    a_wrong_secret: |version| misled(
        version,
        |_, agent| Ok(agent.reconfigure(|settings| settings.secret = "not-the-secret".to_owned())?),
        "refuses the account \"ringpost\"",
        "check username, secret",
    );
    a_pbx_that_is_away: |version| misled(
        version,
        |exchange, agent| {
            // An address of the exchange's own network at which nobody listens.
            let (net, _) = exchange.host().rsplit_once('.').ok_or("no address")?;
            let nobody = format!("{net}.254");
            Ok(agent.reconfigure(|settings| settings.host = nobody)?)
        },
        "nothing listens at",
        "switch AMI on",
    );
}

/// A port that speaks something else.
#[test]
fn a_port_that_is_not_ami() -> Verdict {
    use std::io::Write as _;
    Office::play_misled(
        Version::Asterisk22,
        |exchange, agent| {
            let (net, _) = exchange.host().rsplit_once('.').ok_or("no address")?;
            let host = format!("{net}.253");
            let listener = TcpListener::bind((host.as_str(), 5038))?;
            thread::spawn(move || {
                for client in listener.incoming() {
                    let Ok(mut client) = client else { return };
                    let _ = client.write_all(b"SSH-2.0-OpenSSH_9.9\r\n");
                    thread::sleep(secs(2.0));
                }
            });
            Ok(agent.reconfigure(|settings| settings.host = host)?)
        },
        |office| assert_unusable(office, "is not an AMI port", "[pbx] port"),
    )
}

live::office! {
    pjsip fn what_is_recorded_is_replayed(office) {
        let file = office.agent.dir().join("trace.txt");
        let name = file.to_string_lossy().into_owned();
        let mut capture = office.agent.command(&["record", &name])?.stderr(Stdio::piped()).spawn()?;
        let said = BufReader::new(capture.stderr.take().ok_or("no stderr")?);
        let connected = said.lines().map_while(Result::ok).find(|line| line == "connected");
        let caller = office.caller();
        office.plan_for(&caller, "101", Plan::manual())?;
        let call = office.inbound(&caller, did::RECORDED)?;
        let phone = office.ringing("101", caller.number(), secs(10.0))?;
        thread::sleep(secs(1.0));
        let answered = phone.answer()?;
        thread::sleep(secs(3.0));
        let talk = (call.hang_up()?.at - answered).as_secs_f64();
        let finished = office.only_call(caller.number(), DELIVERY)?;
        live::agent::terminate(&mut capture)?;
        connected.ok_or("it never said that it is connected")?;
        let trace = String::from_utf8_lossy(&std::fs::read(&file)?).into_owned();
        assert_eq!(office.agent.secret_in(&trace), None);
        let replayed = office.agent.ask(&["replay", "--json", &name])?;
        assert_eq!(replayed.status.code(), Some(0), "{replayed:?}");
        let [told] = live::agent::lines(&replayed.stdout)?.try_into().map_err(|all| format!("one call: {all:?}"))?;
        let [kept] = office.agent.calls()?.try_into().map_err(|all| format!("one call: {all:?}"))?;
        for key in ["id", "direction", "client", "line", "trunk", "answered_by", "talked_last", "disposition", "status",
            "recordings", "exact"]
        {
            assert_eq!(told[key], kept[key], "{key}: {told} and {kept}");
        }
        let replayed_talk = told["talk_secs"].as_f64().ok_or("talk_secs")?;
        assert!((replayed_talk - talk).abs() < 1.0, "{replayed_talk} of {talk}");
        assert_eq!(told["id"].as_str(), finished.registered.external_call_id.as_deref());
        Ok(())
    }
}
