//! The channels that a played transcript has brought to life and not ended, for the list that a client asks for.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

/// What `CoreShowChannels` tells of a channel besides bridge and age, in its order.
const TOLD: [&str; 14] = [
    "Channel",
    "ChannelState",
    "ChannelStateDesc",
    "CallerIDNum",
    "CallerIDName",
    "ConnectedLineNum",
    "ConnectedLineName",
    "Language",
    "AccountCode",
    "Context",
    "Exten",
    "Priority",
    "Uniqueid",
    "Linkedid",
];

/// Channels by UniqueId.
#[derive(Default)]
pub(crate) struct Living(BTreeMap<String, Channel>);

struct Channel {
    since: Instant,
    headers: BTreeMap<&'static str, String>,
    bridge: String,
}

impl Living {
    /// Takes in an event of Asterisk 12 or later; older ones say too little of their channels.
    pub(crate) fn hear(&mut self, packet: &[u8]) {
        let text = String::from_utf8_lossy(packet);
        let header = |name: &str| {
            let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim().to_owned())
        };
        let (Some(event), Some(id)) = (header("Event"), header("Uniqueid")) else { return };
        match event.as_str() {
            "Newchannel" => {
                let channel = Channel { since: Instant::now(), headers: BTreeMap::new(), bridge: String::new() };
                self.0.insert(id.clone(), channel);
            }
            "Hangup" => {
                self.0.remove(&id);
            }
            _ => {}
        }
        let Some(channel) = self.0.get_mut(&id) else { return };
        match event.as_str() {
            "BridgeEnter" => channel.bridge = header("BridgeUniqueid").unwrap_or_default(),
            "BridgeLeave" => channel.bridge.clear(),
            _ => {}
        }
        channel.headers.extend(TOLD.iter().filter_map(|name| Some((*name, header(name)?))));
        if let Some(name) = header("Newname") {
            channel.headers.insert("Channel", name);
        }
    }

    /// The items of `CoreShowChannels`, without ActionID and closing empty line.
    pub(crate) fn items(&self) -> Vec<String> {
        self.0.values().map(Channel::item).collect()
    }
}

impl Channel {
    fn item(&self) -> String {
        let mut text = String::from("Event: CoreShowChannel");
        for name in TOLD {
            let value = self.headers.get(name).map_or("", String::as_str);
            let _ = write!(text, "\r\n{name}: {value}");
        }
        let secs = self.since.elapsed().as_secs();
        let (hours, minutes) = (secs / 3600, secs / 60 % 60);
        let _ = write!(text, "\r\nDuration: {hours:02}:{minutes:02}:{:02}\r\nBridgeId: {}", secs % 60, self.bridge);
        text
    }
}
