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
