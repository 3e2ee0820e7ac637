//! The PBX's own list of channels, kept from what it says.

use ringpost::ami::event::{Bridge, Channel, Event};
use ringpost::call::tracker::Tracker;
use ringpost::clock::Stamp;

struct Line {
    channel: Channel<'static>,
    application: &'static str,
    bridge: &'static [u8],
    bridged: &'static [u8],
    made: u64,
}

/// Channels that are there at this moment.
#[derive(Default)]
pub struct Switchboard(Vec<Line>);

impl Switchboard {
    fn line(&mut self, channel: &Channel<'static>) -> Option<&mut Line> {
        self.0.iter_mut().find(|line| line.channel.unique_id == channel.unique_id)
    }

    fn runs(&mut self, channel: &Channel<'static>, application: &'static str) {
        if let Some(line) = self.line(channel) {
            line.application = application;
        }
    }

    /// The PBX says this.
    pub fn hear(&mut self, event: &Event<'static>, at: u64) {
        match *event {
            Event::NewChannel { channel } => {
                self.0.push(Line { channel, application: "", bridge: b"", bridged: b"", made: at });
            }
            Event::NewState { channel } => {
                if let Some(line) = self.line(&channel) {
                    line.channel = channel;
                }
            }
            Event::Hangup { channel, .. } => self.0.retain(|line| line.channel.unique_id != channel.unique_id),
            Event::Masquerade { clone, original } => self.swap_states(clone, original),
            Event::Rename { channel, new_name } => {
                if let Some(line) = self.line(&channel) {
                    line.channel.name = new_name;
                }
            }
            Event::DialBegin { caller, dest, .. } => {
                if let Some(caller) = caller {
                    self.runs(&caller, "Dial");
                }
                self.runs(&dest, "AppDial");
            }
            Event::AgentCalled { caller, dest, .. } => {
                self.runs(&caller, "Queue");
                self.runs(&dest, "AppQueue");
            }
            Event::BridgeEnter { bridge, channel, .. } => self.enter(&bridge, &channel),
            Event::BridgeLeave { channel, .. } => {
                if let Some(line) = self.line(&channel) {
                    line.bridge = b"";
                }
            }
            Event::Link { one, two } => self.link(&one, &two, true),
            Event::Unlink { one, two } => self.link(&one, &two, false),
            _ => {}
        }
    }

    fn enter(&mut self, bridge: &Bridge<'static>, channel: &Channel<'static>) {
        let Some(line) = self.line(channel) else { return };
        line.bridge = bridge.id;
        line.channel.state = Some(6);
        match bridge.kind {
            b"base" => line.application = "ConfBridge",
            b"parking" => line.application = "Park",
            _ => {}
        }
    }

    /// A swap gives each channel the other's state.
    fn swap_states(&mut self, clone: &[u8], original: &[u8]) {
        let state = |name: &[u8]| self.0.iter().find(|line| line.channel.name == name).map(|line| line.channel.state);
        let (Some(one), Some(two)) = (state(clone), state(original)) else { return };
        for line in &mut self.0 {
            if line.channel.name == clone {
                line.channel.state = two;
            } else if line.channel.name == original {
                line.channel.state = one;
            }
        }
    }

    fn link(&mut self, one: &Channel<'static>, two: &Channel<'static>, is_linked: bool) {
        for (channel, other) in [(one, two), (two, one)] {
            if let Some(line) = self.line(channel) {
                line.bridged = if is_linked { other.unique_id } else { b"" };
                line.channel.state = Some(6);
            }
        }
    }

    /// Answers `CoreShowChannels`.
    pub fn list(&self, tracker: &mut Tracker, at: u64, now: Stamp) {
        tracker.snapshot_begin(now);
        for line in &self.0 {
            let listed = Event::Listed {
                action_id: b"1",
                channel: line.channel,
                application: line.application.as_bytes(),
                data: b"",
                duration_secs: ((at - line.made) / 1000) as u32,
                bridge: line.bridge,
                bridged: line.bridged,
            };
            tracker.snapshot_channel(&listed, now);
        }
        tracker.snapshot_end(true, now);
    }
}
