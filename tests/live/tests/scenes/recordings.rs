//! Recorders that come and go in mid-call.

use super::*;
use live::did;
use live::told::Call;

/// Starts a recorder into a new file, or stops it, on the client's channel.
fn record(office: &Office, channel: &str, file: Option<&str>) -> live::office::Verdict {
    let pbx = office.pbx()?;
    match file {
        Some(file) => pbx.act("MixMonitor", &[("Channel", channel), ("File", file)])?,
        None => pbx.act("StopMixMonitor", &[("Channel", channel)])?,
    };
    Ok(())
}

live::office! {
    fn begun_in_mid_call(office) {
        let caller = office.caller();
        let line = did::direct("101");
        let talk = Talk::begin(office, &caller, &line, "101")?;
        let channel = office.channel_of(caller.number())?;
        thread::sleep(secs(1.0));
        record(office, &channel, Some("late.wav"))?;
        thread::sleep(secs(2.0));
        let end = talk.client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, &line).rang("101", talk.rang).talked("101", end - talk.since).recordings(1)])
    }
}

live::office! {
    fn stopped_and_begun_again(office) {
        let caller = office.caller();
        let line = did::direct("101");
        let talk = Talk::begin(office, &caller, &line, "101")?;
        let channel = office.channel_of(caller.number())?;
        record(office, &channel, Some("first.wav"))?;
        thread::sleep(secs(1.0));
        record(office, &channel, None)?;
        thread::sleep(secs(1.0));
        record(office, &channel, Some("second.wav"))?;
        thread::sleep(secs(1.0));
        let end = talk.client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, &line).rang("101", talk.rang).talked("101", end - talk.since).recordings(2)])
    }
}
