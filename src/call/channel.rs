//! The grammar of Asterisk's channel names.
//!
//! `TECH/resource-suffix`, with `;1` and `;2` on the halves of a Local channel, `<ZOMBIE>` and `<MASQ>` on what a
//! masquerade (Asterisk 11 and older) leaves behind, and a handful of technologies that are plumbing and nobody's
//! telephone. Takes names apart; what a name means for a call is `classify`'s question.

/// What a name says at first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something that can be a telephone or a trunk.
    Device,
    /// One half of a Local channel.
    Local,
    /// Plumbing: never a party of a call.
    Helper,
}

/// A channel name taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelName<'a> {
    /// Before the first `/`.
    pub technology: &'a [u8],
    /// The resource: peer, endpoint, span.
    pub peer: &'a [u8],
    /// What it is.
    pub kind: Kind,
}

/// Technologies that carry no party: redirects and transfers of Asterisk 11 and older (`AsyncGoto`, `Transfered`,
/// `Parking`, `SIPPeer`), conference and announcement plumbing, spies.
const HELPERS: [&[u8]; 15] = [
    b"AsyncGoto",
    b"Transfered",
    b"Parking",
    b"SIPPeer",
    b"Bridge",
    b"MeetMe",
    b"Surrogate",
    b"CBAnn",
    b"CBRec",
    b"ConfBridgeRecorder",
    b"Announcer",
    b"Recorder",
    b"Snoop",
    b"UnicastRTP",
    b"Message",
];

impl<'a> ChannelName<'a> {
    /// Takes a name apart. Every byte string is some name.
    pub fn parse(name: &'a [u8]) -> Self {
        let bare = name.strip_suffix(b"<MASQ>").unwrap_or(name);
        let (technology, rest) = split_at_byte(bare, b'/');
        let is_zombie = bare.ends_with(b"<ZOMBIE>");
        if is_zombie || HELPERS.iter().any(|helper| technology.eq_ignore_ascii_case(helper)) {
            return Self { technology, peer: rest, kind: Kind::Helper };
        }
        if technology.eq_ignore_ascii_case(b"Local") {
            return Self { technology, peer: without_half(rest), kind: Kind::Local };
        }
        Self { technology, peer: resource(rest), kind: Kind::Device }
    }
}

/// The name of the other half of a Local channel, as (stem, half); none if this is not one.
pub fn other_half(name: &[u8]) -> Option<(&[u8], &'static [u8])> {
    if !name.get(..6)?.eq_ignore_ascii_case(b"Local/") {
        return None;
    }
    match name.strip_suffix(b";1") {
        Some(stem) => Some((stem, b";2")),
        None => name.strip_suffix(b";2").map(|stem| (stem, b";1" as &[u8])),
    }
}

/// `101-0000001f` is `101`; `i1/74951234567-3` is `i1`; `trunk-a-endpoint-00000002` is `trunk-a-endpoint`.
fn resource(rest: &[u8]) -> &[u8] {
    let head = match memchr::memrchr(b'-', rest) {
        Some(at) => rest.get(..at).unwrap_or(rest),
        None => rest,
    };
    split_at_byte(head, b'/').0
}

fn without_half(rest: &[u8]) -> &[u8] {
    rest.strip_suffix(b";1").or_else(|| rest.strip_suffix(b";2")).unwrap_or(rest)
}

fn split_at_byte(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    match memchr::memchr(byte, text) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
        None => (text, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str) -> (String, String, Kind) {
        let name = ChannelName::parse(name.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(name.technology), text(name.peer), name.kind)
    }

    #[test]
    fn names_seen_in_the_wild() {
        for (name, technology, peer, kind) in [
            ("PJSIP/1000-0000001f", "PJSIP", "1000", Kind::Device),
            ("SIP/trunk-00000062", "SIP", "trunk", Kind::Device),
            ("PJSIP/trunk-siptrunk-endpoint-00000002", "PJSIP", "trunk-siptrunk-endpoint", Kind::Device),
            ("PJSIP/T2_103_1-0000000a", "PJSIP", "T2_103_1", Kind::Device),
            ("DAHDI/i1/74951234567-3", "DAHDI", "i1", Kind::Device),
            ("DAHDI/132-1", "DAHDI", "132", Kind::Device),
            ("YSGSM/11-1", "YSGSM", "11", Kind::Device),
            ("IAX2/trunk_2-5", "IAX2", "trunk_2", Kind::Device),
            ("Local/101@from-internal-00000006;1", "Local", "101@from-internal-00000006", Kind::Local),
            ("Local/@from-internal-0006;2", "Local", "@from-internal-0006", Kind::Local),
            ("SIP/101-00000033<ZOMBIE>", "SIP", "101-00000033<ZOMBIE>", Kind::Helper),
            ("SIP/trunk-00000031<MASQ>", "SIP", "trunk", Kind::Device),
            ("AsyncGoto/SIP/trunk-00000041", "AsyncGoto", "SIP/trunk-00000041", Kind::Helper),
            ("Bridge/0x7f7e-input", "Bridge", "0x7f7e-input", Kind::Helper),
            ("", "", "", Kind::Device),
        ] {
            assert_eq!(told(name), (technology.to_owned(), peer.to_owned(), kind), "{name}");
        }
    }

    #[test]
    fn halves_of_local_channels() {
        assert_eq!(other_half(b"Local/101@x-1;1"), Some((b"Local/101@x-1" as &[u8], b";2" as &[u8])));
        assert_eq!(other_half(b"Local/101@x-1;2"), Some((b"Local/101@x-1" as &[u8], b";1" as &[u8])));
        assert_eq!(other_half(b"SIP/101-1;1"), None);
        assert_eq!(other_half(b"Loc"), None);
    }
}
