//! The PBX: calls as events of AMI, and its list of channels.

use super::world::Office;
use crate::ami::event::{Bridge, Channel, Event, Variable};

pub(super) const TRUNK: &str = "PJSIP/trunk-1";
pub(super) const PHONE: &str = "PJSIP/101-2";
pub(super) const BRIDGE: Bridge<'static> =
    Bridge { id: b"b-1", kind: b"basic", technology: b"simple_bridge", creator: b"" };

pub(super) fn channel<'a>(name: &'a str, unique: &'a str, linked: &'a str, state: u8) -> Channel<'a> {
    let is_trunk = name.contains("trunk");
    Channel {
        name: name.as_bytes(),
        unique_id: unique.as_bytes(),
        linked_id: linked.as_bytes(),
        state: Some(state),
        caller_num: if is_trunk { b"79161234567" } else { b"101" },
        context: if is_trunk { b"from-trunk" } else { b"from-internal" },
        exten: if is_trunk { b"74951110001" } else { b"" },
        ..Channel::default()
    }
}

fn file_of(linked: &str) -> String {
    format!("/var/spool/asterisk/monitor/{linked}.wav")
}

impl Office {
    pub(super) fn say(&mut self, event: Event<'_>) {
        self.hub.tracker().handle(&event, self.now);
        self.hub.drain(self.now);
        self.turn();
    }

    /// The call `linked` comes in and rings at 101.
    pub(super) fn ring(&mut self, linked: &str) {
        let phone = format!("{linked}0");
        self.say(Event::NewChannel { channel: channel(TRUNK, linked, linked, 4) });
        self.say(Event::NewChannel { channel: channel(PHONE, &phone, linked, 0) });
        let (caller, dest) = (Some(channel(TRUNK, linked, linked, 4)), channel(PHONE, &phone, linked, 0));
        self.say(Event::DialBegin { caller, dest, dial_string: b"" });
        self.say(Event::NewState { channel: channel(PHONE, &phone, linked, 5) });
    }

    pub(super) fn answer_call(&mut self, linked: &str) {
        let phone = format!("{linked}0");
        let (caller, dest) = (Some(channel(TRUNK, linked, linked, 6)), Some(channel(PHONE, &phone, linked, 6)));
        self.say(Event::DialEnd { caller, dest, status: b"ANSWER", forward: b"" });
        self.say(Event::BridgeEnter { bridge: BRIDGE, channel: channel(TRUNK, linked, linked, 6), swap: b"" });
        self.say(Event::BridgeEnter { bridge: BRIDGE, channel: channel(PHONE, &phone, linked, 6), swap: b"" });
    }

    pub(super) fn hang_up(&mut self, linked: &str) {
        let phone = format!("{linked}0");
        self.say(Event::Hangup { channel: channel(PHONE, &phone, linked, 6), cause: 16 });
        self.say(Event::Hangup { channel: channel(TRUNK, linked, linked, 6), cause: 16 });
    }

    /// A whole call of `secs` of talk.
    pub(super) fn call(&mut self, linked: &str, secs: u64) {
        self.ring(linked);
        self.secs(2);
        self.answer_call(linked);
        self.secs(secs);
        self.hang_up(linked);
    }

    /// The same with a recording, whose file is not there yet.
    pub(super) fn recorded_call(&mut self, linked: &str, secs: u64) {
        self.ring(linked);
        self.secs(2);
        self.answer_call(linked);
        let (channel, file) = (channel(TRUNK, linked, linked, 6), file_of(linked));
        self.say(Event::VarSet { channel, variable: Variable::MixMonitorFilename, value: file.as_bytes() });
        self.secs(secs);
        self.hang_up(linked);
    }

    /// The recording of this call is on the PBX's disk.
    pub(super) fn record_file(&mut self, linked: &str) {
        self.files.insert(file_of(linked));
    }

    /// The PBX's list of channels, in which this call talks or is not.
    pub(super) fn list(&mut self, linked: Option<&str>) {
        self.list_in_state(linked, 6);
    }

    pub(super) fn list_in_state(&mut self, linked: Option<&str>, state: u8) {
        self.hub.link_live();
        self.hub.tracker().snapshot_begin(self.now);
        if let Some(linked) = linked {
            let phone = format!("{linked}0");
            for (name, unique) in [(TRUNK, linked), (PHONE, &phone)] {
                let listed = Event::Listed {
                    action_id: b"",
                    channel: channel(name, unique, linked, state),
                    application: b"",
                    data: b"",
                    duration_secs: 1,
                    bridge: if state == 6 { b"b-1" } else { b"" },
                    bridged: b"",
                };
                self.hub.tracker().snapshot_channel(&listed, self.now);
            }
        }
        self.hub.tracker().snapshot_end(true, self.now);
        self.hub.drain(self.now);
        self.turn();
    }
}
