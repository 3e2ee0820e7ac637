//! The exchange itself: does it play what the scenarios rely on?

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use live::{Account, Ami, Caller, Cdr, Cutter, Exchange, Plan, Trouble, Version, did, secs};

/// Everything under `dir` whose path holds `part`.
fn files(dir: &Path, part: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, part));
        } else if path.to_string_lossy().contains(part) {
            found.push(path);
        }
    }
    found
}

/// Seconds of sound in a WAV of 8 kHz, 16 bit, mono.
fn sound(path: &Path) -> f64 {
    let bytes = fs::metadata(path).map_or(0, |meta| meta.len());
    bytes.saturating_sub(44) as f64 / 16_000.0
}

live::scenario! {
    fn an_answered_call_is_bridged_and_recorded(exchange) {
        let pbx = exchange.pbx()?;
        let caller = exchange.caller();
        exchange.plan_for(&caller, "101", Plan::manual())?;
        let call = exchange.inbound(&caller, did::RECORDED)?;
        let phone = exchange.ringing("101", caller.number(), secs(10.0))?;
        call.await_ringing(secs(5.0))?;
        phone.answer()?;
        call.await_answer(secs(5.0))?;
        let device = exchange.version().device("101");
        let bridged = pbx.await_packet("101 in a bridge", 0, secs(5.0), |packet| {
            packet.is("BridgeEnter")
                && packet.field("Channel").starts_with(&device)
                && packet.field("ConnectedLineNum") == caller.number()
        })?;
        thread::sleep(secs(2.0));
        assert_eq!(call.hang_up()?.cause, 16);
        assert_eq!(phone.await_end(secs(5.0))?.cause, 16);
        pbx.await_packet("hang-up of 101", 0, secs(5.0), |packet| {
            packet.is("Hangup") && packet.field("Channel") == bridged.field("Channel")
        })?;
        let recordings = files(&exchange.recordings(), caller.number());
        let [recording] = recordings.as_slice() else {
            return Err(format!("one recording wanted: {recordings:?}").into());
        };
        let seconds = live::wait_until("two seconds of sound", secs(5.0), || {
            Some(sound(recording)).filter(|seconds| *seconds > 1.5)
        })?;
        assert!(seconds < 2.6, "{seconds}");
        Ok(())
    }
}

live::scenario! {
    fn a_group_rings_together_and_one_answers(exchange) {
        let caller = exchange.caller();
        for phone in ["101", "102", "104"] {
            exchange.plan_for(&caller, phone, Plan::manual())?;
        }
        let call = exchange.inbound(&caller, did::RING_GROUP)?;
        let first = exchange.ringing("101", caller.number(), secs(10.0))?;
        let second = exchange.ringing("102", caller.number(), secs(10.0))?;
        exchange.ringing("104", caller.number(), secs(10.0))?.answer()?;
        call.await_answer(secs(5.0))?;
        first.await_end(secs(5.0))?;
        second.await_end(secs(5.0))?;
        call.hang_up()?;
        Ok(())
    }
}

live::scenario! {
    fn a_caller_hears_why_nobody_answered(exchange) {
        let busy = exchange.caller();
        let silent = exchange.caller();
        for phone in ["101", "102", "104"] {
            exchange.plan_for(&busy, phone, Plan::busy_after(secs(0.0)))?;
            exchange.plan_for(&silent, phone, Plan::manual())?;
        }
        let refused = exchange.inbound(&busy, did::RING_GROUP_BRIEF)?;
        let unheard = exchange.inbound(&silent, did::RING_GROUP_BRIEF)?;
        assert_eq!(refused.await_end(secs(10.0))?.cause, 17);
        let end = unheard.await_end(secs(15.0))?;
        assert!(matches!(end.cause, 18..=20), "{end:?}");
        Ok(())
    }
}

live::scenario! {
    fn an_outbound_call_ends_as_the_carrier_says(exchange) {
        for (plan, device, cause) in [
            (Plan::busy_after(secs(0.3)), "102", 17),
            (Plan::answer_after(secs(0.3)).talk(secs(1.0)), "103", 16),
        ] {
            let mobile = exchange.caller();
            exchange.plan(mobile.number(), plan)?;
            let call = exchange.dial(device, mobile.number())?;
            assert_eq!(call.await_end(secs(10.0))?.cause, cause, "{device}");
        }
        let mobile = exchange.caller();
        exchange.plan(mobile.number(), Plan::manual())?;
        let call = exchange.dial("101", mobile.number())?;
        exchange.mobile_ringing(mobile.number(), secs(10.0))?.reject()?;
        call.await_end(secs(10.0))?;
        Ok(())
    }
}

live::scenario! {
    fn a_menu_understands_keys(exchange) {
        let caller = exchange.caller();
        exchange.plan_for(&caller, "102", Plan::manual())?;
        let call = exchange.inbound(&caller, did::MENU)?;
        call.await_answer(secs(5.0))?;
        call.press("2")?;
        exchange.ringing("102", caller.number(), secs(10.0))?.answer()?;
        call.hang_up()?;
        Ok(())
    }
}

live::scenario! {
    fn a_greeting_leads_to_101_without_a_key(exchange) {
        let caller = exchange.caller();
        exchange.plan_for(&caller, "101", Plan::manual())?;
        let call = exchange.inbound(&caller, did::GREETING)?;
        let answered = call.await_answer(secs(5.0))?;
        let phone = exchange.ringing("101", caller.number(), secs(15.0))?;
        assert!(phone.since.duration_since(answered) > secs(1.9));
        phone.answer()?;
        call.hang_up()?;
        Ok(())
    }
}

live::scenario! {
    fn a_hidden_caller_is_anonymous(exchange) {
        let pbx = exchange.pbx()?;
        let caller = Caller::hidden();
        exchange.plan_for(&caller, "108", Plan::manual())?;
        let call = exchange.inbound(&caller, &did::direct("108"))?;
        exchange.ringing("108", "anonymous", secs(10.0))?.answer()?;
        let device = exchange.version().device("trunk");
        pbx.await_packet("an anonymous channel", 0, secs(5.0), |packet| {
            packet.is("Newchannel")
                && packet.field("Channel").starts_with(&device)
                && packet.field("CallerIDNum") == "anonymous"
        })?;
        call.hang_up()?;
        Ok(())
    }
}

live::scenario! {
    fn feature_codes_transfer_a_call(exchange) {
        let caller = exchange.caller();
        exchange.plan_for(&caller, "105", Plan::manual())?;
        exchange.plan_for(&caller, "107", Plan::manual())?;
        let call = exchange.inbound(&caller, &did::direct("105"))?;
        let desk = exchange.ringing("105", caller.number(), secs(10.0))?;
        desk.answer()?;
        call.await_answer(secs(5.0))?;
        desk.press("##,107")?;
        exchange.ringing("107", caller.number(), secs(15.0))?.answer()?;
        desk.await_end(secs(5.0))?;
        call.hang_up()?;
        Ok(())
    }
}

live::scenario! {
    fn an_accounts_classes_are_those_of_a_real_box(exchange) {
        let open = |account: Account| {
            Ami::login((exchange.host(), exchange.port()), account.user(), exchange.secret())
        };
        let filter = [("Operation", "Add"), ("Filter", "Event: Hangup")];
        open(Account::Ringpost)?.act("Filter", &filter)?;
        for (account, action) in [(Account::NoSystem, "Filter"), (Account::NoCall, "Originate")] {
            let refused = open(account)?.act(action, &filter);
            assert!(
                matches!(&refused, Err(Trouble::Refused { message, .. }) if message.contains("Permission denied")),
                "{account:?}: {refused:?}"
            );
        }
        assert!(matches!(open(Account::Elsewhere), Err(Trouble::Refused { .. })));
        Ok(())
    }
}

live::scenario! {
    fn a_cut_cable_hides_the_pbx_until_it_is_mended(exchange) {
        let cable = Cutter::new(exchange)?;
        let host = cable.host();
        let login = || Ami::login((&host, cable.port()), "harness", exchange.secret());
        let ami = login()?;
        ami.act("Ping", &[])?;
        cable.cut();
        assert!(ami.await_packet("nothing", ami.now(), secs(5.0), |_| false).is_err_and(
            |trouble| matches!(trouble, Trouble::Gone)
        ));
        live::wait_until("a refusal", secs(5.0), || login().err())?;
        cable.restore();
        let again = live::wait_until("a new login", secs(5.0), || login().ok())?;
        cable.silence();
        // What was under way when the silence began still arrives.
        thread::sleep(secs(0.2));
        assert!(again.await_packet("nothing", again.now(), secs(0.3), |_| true).is_err());
        cable.restore();
        again.act("Ping", &[])?;
        Ok(())
    }
}

#[test]
fn a_killed_pbx_comes_back_with_its_phones() -> Result<(), Trouble> {
    for version in Version::ALL {
        let exchange = Exchange::up(version)?;
        let caller = exchange.caller();
        let call = exchange.inbound(&caller, did::RECORDED)?;
        call.await_answer(secs(10.0))?;
        exchange.kill_pbx()?;
        assert!(exchange.pbx().is_err(), "{version}: still there");
        call.hang_up()?;
        exchange.start_pbx()?;
        let again = exchange.inbound(&exchange.caller(), did::RECORDED)?;
        again.await_answer(secs(10.0))?;
        let pbx = exchange.pbx()?;
        exchange.stop_pbx()?;
        let ended = pbx.await_packet("nothing more", pbx.now(), secs(5.0), |_| false);
        assert!(matches!(ended, Err(Trouble::Gone)), "{version}: {ended:?}");
        again.await_end(secs(10.0))?;
    }
    Ok(())
}

#[test]
fn the_exchange_keeps_its_own_list_of_calls() -> Result<(), Trouble> {
    let exchange = Exchange::shared(Version::Asterisk22);
    let caller = exchange.caller();
    exchange.plan_for(&caller, "102", Plan::answer_after(secs(0.5)).talk(secs(1.0)))?;
    let call = exchange.inbound(&caller, did::SECOND_LINE)?;
    call.await_end(secs(10.0))?;
    let cdr = live::wait_until("the call in the list", secs(5.0), || {
        let list = exchange.cdrs().ok()?;
        list.into_iter().find(|cdr| cdr.source == caller.number())
    })?;
    assert_eq!(cdr.disposition, "ANSWERED");
    assert_eq!(cdr.destination, did::SECOND_LINE);
    Ok(())
}

live::scenario! {
    fn a_phone_forwards_and_transfers_by_itself(exchange) {
        let caller = exchange.caller();
        exchange.plan_for(&caller, "111", Plan::forward_to("112"))?;
        exchange.plan_for(&caller, "112", Plan::manual())?;
        exchange.plan_for(&caller, "113", Plan::manual())?;
        let call = exchange.inbound(&caller, &did::direct("111"))?;
        let desk = exchange.ringing("112", caller.number(), secs(10.0))?;
        desk.answer()?;
        call.await_answer(secs(5.0))?;
        desk.transfer("113")?;
        exchange.ringing("113", caller.number(), secs(10.0))?.answer()?;
        desk.await_end(secs(10.0))?;
        call.hang_up()?;
        Ok(())
    }
}

live::scenario! {
    fn a_colleague_asks_before_handing_over(exchange) {
        let caller = exchange.caller();
        exchange.plan_for(&caller, "114", Plan::manual())?;
        exchange.plan_inside("114", "115", Plan::manual())?;
        let call = exchange.inbound(&caller, &did::direct("114"))?;
        let desk = exchange.ringing("114", caller.number(), secs(10.0))?;
        desk.answer()?;
        call.await_answer(secs(5.0))?;
        desk.press("*2,115")?;
        let colleague = exchange.ringing("115", "114", secs(15.0))?;
        colleague.answer()?;
        // They talk. Who hangs up in the moment of the answer can crash an Asterisk 16 (bridge_basic.c, "Unexpected
        // stimulus").
        thread::sleep(secs(1.0));
        desk.hang_up()?;
        assert!(colleague.await_end(secs(1.0)).is_err(), "the colleague lost the call");
        call.hang_up()?;
        colleague.await_end(secs(5.0))?;
        Ok(())
    }
}

live::scenario! {
    fn a_colleague_picks_up_a_ringing_phone(exchange) {
        let caller = exchange.caller();
        exchange.plan_for(&caller, "116", Plan::manual())?;
        let call = exchange.inbound(&caller, &did::direct("116"))?;
        let desk = exchange.ringing("116", caller.number(), secs(10.0))?;
        let colleague = exchange.dial("117", "*75116")?;
        colleague.await_answer(secs(5.0))?;
        call.await_answer(secs(5.0))?;
        desk.await_end(secs(5.0))?;
        call.hang_up()?;
        Ok(())
    }
}

live::scenario! {
    fn a_parked_call_is_fetched(exchange) {
        let pbx = exchange.pbx()?;
        let caller = exchange.caller();
        exchange.plan_for(&caller, "118", Plan::manual())?;
        let call = exchange.inbound(&caller, &did::direct("118"))?;
        let desk = exchange.ringing("118", caller.number(), secs(10.0))?;
        desk.answer()?;
        call.await_answer(secs(5.0))?;
        desk.press("##,800")?;
        let parked = pbx.await_packet("the call parked", 0, secs(10.0), |packet| {
            packet.is("ParkedCall") && packet.field("ParkeeCallerIDNum") == caller.number()
        })?;
        let fetched = exchange.dial("117", parked.field("ParkingSpace"))?;
        fetched.await_answer(secs(5.0))?;
        desk.hang_up()?;
        assert!(call.await_end(secs(1.0)).is_err(), "the caller was lost");
        fetched.hang_up()?;
        call.await_end(secs(5.0))?;
        Ok(())
    }
}

live::scenario! {
    fn a_queue_rings_its_members(exchange) {
        let caller = exchange.caller();
        exchange.plan_for(&caller, "101", Plan::manual())?;
        exchange.plan_for(&caller, "102", Plan::manual())?;
        let call = exchange.inbound(&caller, did::QUEUE)?;
        let first = exchange.ringing("101", caller.number(), secs(10.0))?;
        exchange.ringing("102", caller.number(), secs(10.0))?.answer()?;
        first.await_end(secs(5.0))?;
        call.hang_up()?;
        Ok(())
    }
}

live::scenario! {
    fn a_message_is_left(exchange) {
        let pbx = exchange.pbx()?;
        let caller = exchange.caller();
        exchange.plan_for(&caller, "101", Plan::manual())?;
        let call = exchange.inbound(&caller, did::VOICEMAIL)?;
        call.await_answer(secs(10.0))?;
        call.press(",#")?; // past the greeting
        thread::sleep(secs(2.0));
        call.hang_up()?;
        let left = pbx.await_packet("the message file", 0, secs(15.0), |packet| {
            packet.is("VarSet")
                && packet.field("CallerIDNum") == caller.number()
                && packet.field("Variable") == "VM_MESSAGEFILE"
        })?;
        let name = left.field("Value").rsplit('/').next().unwrap_or_default().to_owned();
        assert!(!files(&exchange.voicemail(), &name).is_empty(), "{name}");
        Ok(())
    }
}

/// `tests/exchange` as a developer types it, in a directory of its own, which ends with the test.
struct ByHand(PathBuf);

impl ByHand {
    fn new() -> Self {
        ByHand(std::env::temp_dir().join(format!("ringpost-by-hand-{}", std::process::id())))
    }

    fn type_in(&self, line: &str) -> Result<String, Trouble> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../exchange");
        let output =
            Command::new(script).args(line.split(' ')).arg("--dir").arg(&self.0).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            return Err(Trouble::Script(format!("{line}: {}", String::from_utf8_lossy(&output.stderr))));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Processes that belong to it.
    fn processes(&self) -> Vec<String> {
        let mark = format!("RINGPOST_EXCHANGE={}", self.0.display());
        let environment = |pid: &str| fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = all.map(|entry| entry.file_name().to_string_lossy().into_owned());
        pids.filter(|pid| String::from_utf8_lossy(&environment(pid)).contains(&mark)).collect()
    }

    fn is_mounted(&self) -> bool {
        let place = self.0.display().to_string();
        fs::read_to_string("/proc/self/mounts").unwrap_or_default().contains(&place)
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        if self.0.exists() {
            let _ = self.type_in("down");
        }
    }
}

#[test]
fn a_developer_starts_it_plays_two_calls_and_ends_it() -> Result<(), Box<dyn std::error::Error>> {
    let exchange = ByHand::new();
    let said = exchange.type_in("up")?;
    assert!(said.contains("[pbx]\nhost     = \"127.") && said.contains("username = \"ringpost\""), "{said}");
    assert_eq!(exchange.processes().len(), 2, "a PBX and a far side");
    exchange.type_in(&format!("call 79160000001 {} --talk 1", did::direct("101")))?;
    exchange.type_in("dial 102 79165550001 --talk 1")?;
    let list = exchange.0.join("pbx/log/cdr-csv/Master.csv");
    let cdrs = live::wait_until("two calls in the list of the PBX", secs(30.0), || {
        let cdrs = Cdr::list(&fs::read_to_string(&list).ok()?);
        (cdrs.len() >= 2).then_some(cdrs)
    })?;
    let mut calls: Vec<_> =
        cdrs.iter().map(|cdr| (cdr.source.as_str(), cdr.destination.as_str(), cdr.disposition.as_str())).collect();
    calls.sort_unstable();
    let inbound = ("79160000001", "74951110101", "ANSWERED");
    assert_eq!(calls, [("102", "79165550001", "ANSWERED"), inbound]);
    let said = exchange.type_in("status")?;
    for side in ["pbx: pid ", "far: pid ", "0 active calls"] {
        assert!(said.contains(side), "no {side:?}: {said}");
    }
    assert!(exchange.type_in("up").is_err(), "two exchanges in one place");
    exchange.type_in("down")?;
    assert_eq!(exchange.processes(), [""; 0], "left running");
    assert!(!exchange.is_mounted() && !exchange.0.exists(), "left behind in {}", exchange.0.display());
    // And again, on what is left of the first.
    exchange.type_in("up")?;
    exchange.type_in("down")?;
    Ok(())
}
