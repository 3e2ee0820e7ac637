//! The office's numbers, see `tests/README.md`.

/// 101, recorded, 25 s.
pub const RECORDED: &str = "74951110001";
/// 101, 102 and 103 in one Dial.
pub const GROUP: &str = "74951110002";
/// 101, 102 and 103 as Local channels.
pub const GROUP_LOCAL: &str = "74951110003";
/// 101 for 5 s, then a hang-up with the cause of the dialling.
pub const FIVE_SECONDS: &str = "74951110004";
/// 101 for 3 s, then voicemail.
pub const VOICEMAIL: &str = "74951110005";
/// A menu that answers: key 1 is 101, key 2 is 102, silence ends the call.
pub const MENU: &str = "74951110006";
/// Queue 700, ringall, 101 and 102.
pub const QUEUE: &str = "74951110007";
/// Queue 701, rrmemory, Local members.
pub const QUEUE_LOCAL: &str = "74951110008";
/// 109, which never registers.
pub const UNREGISTERED: &str = "74951110009";
/// 101 for 4 s, then the mobile [`FORWARD_MOBILE`] through the trunk.
pub const THEN_MOBILE: &str = "74951110010";
/// 101 for 4 s, then 102.
pub const THEN_COLLEAGUE: &str = "74951110011";
/// Rings for 6 s with nobody dialled, then 101.
pub const SLOW_START: &str = "74951110012";
/// 101, 102 and 104 in one Dial, recorded.
pub const RING_GROUP: &str = "74951110021";
/// 101, 102 and 104 for 5 s, then a hang-up with the cause of the dialling.
pub const RING_GROUP_BRIEF: &str = "74951110022";
/// A greeting that answers, 2 s of silence, then 101, recorded.
pub const GREETING: &str = "74951110023";
/// A greeting that answers and dials nobody.
pub const GREETING_ONLY: &str = "74951110024";
/// The second line: 102, recorded into a folder by date.
pub const SECOND_LINE: &str = "74951110025";
/// The mobile behind [`THEN_MOBILE`].
pub const FORWARD_MOBILE: &str = "79165550077";

/// The line that rings `extension` alone (101–108, 111–118), unrecorded, 25 s.
#[must_use]
pub fn direct(extension: &str) -> String {
    format!("7495111{:0>4}", extension)
}
/// Ring group 600 of FreePBX's kind: 101 and 102 as Local channels.
pub const GROUP_600: &str = "74951110026";
/// Follow-me of FreePBX's kind: 101 and the mobile [`FORWARD_MOBILE`].
pub const FOLLOW_ME: &str = "74951110027";
/// Queue 702, linear, 101, 102 and 103 for 3 s each, 9 s in all.
pub const QUEUE_LINEAR: &str = "74951110031";
/// 118, whose sound goes past the PBX.
pub const DIRECT_MEDIA: &str = "74951110032";
/// 101 by a Local channel that is taken out after the answer.
pub const OPTIMISED: &str = "74951110033";
/// The dialplan changes the caller's number and name, then 101.
pub const OTHER_CALLER_ID: &str = "74951110034";
/// Queue 703, announcements to caller and member, 101 and 102.
pub const QUEUE_ANNOUNCED: &str = "74951110035";
/// Extension 121: the peers 121 and 121_1.
pub const TWO_PEERS: &str = "74951110036";
/// Extension 122: two contacts of one peer.
pub const TWO_CONTACTS: &str = "74951110037";
/// Do not disturb: busy, and nobody is dialled.
pub const DO_NOT_DISTURB: &str = "74951110038";
/// An announcement without an answer, then the end.
pub const ANNOUNCEMENT: &str = "74951110039";
/// 131, registered and silent, 5 s.
pub const SILENT: &str = "74951110042";
/// Queue 704, which has no members, 5 s.
pub const QUEUE_EMPTY: &str = "74951110041";
/// A fax machine.
pub const FAX: &str = "74951110040";
