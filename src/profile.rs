//! What ringpost knows about each family of PBX, so that a user types host, name and secret only.
//!
//! A profile is data: ports to try, the names of contexts and of trunk peers, the way to ring an extension. It holds
//! no configuration and decides nothing; `call::classify` and the link read it. Sources: the vendors' documentation
//! and the open source of Asterisk and FreePBX.

/// A family of PBX.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// The word in the configuration.
    pub name: &'static str,
    /// AMI ports in the order to try; the first is the default.
    pub ports: &'static [u16],
    /// Contexts in which calls from outside start; `*` at the end matches any tail.
    pub external: &'static [&'static str],
    /// Contexts in which telephones of the office start calls; `*` at the end matches any tail.
    pub internal: &'static [&'static str],
    /// Peer names of trunks; `*` at the end matches any tail.
    pub trunks: &'static [&'static str],
    /// How to ring an extension by Originate; `{ext}` is its number.
    pub ring: &'static str,
    /// Context from which an extension dials outside; `{ext}` is its number.
    pub dial_context: &'static str,
}

const ASTERISK_EXTERNAL: &[&str] =
    &["from-trunk*", "from-pstn*", "from-did*", "ext-did*", "from-outside*", "from-provider*", "from-external*"];
const ASTERISK_INTERNAL: &[&str] = &["from-internal*", "ext-local*", "from-queue*", "cos-*", "from-phones*"];

/// Every family, `auto` first.
pub const PROFILES: &[Profile] = &[
    Profile {
        name: "auto",
        ports: &[5038, 7777],
        external: &[
            "from-trunk*",
            "from-pstn*",
            "from-did*",
            "ext-did*",
            "from-outside*",
            "from-provider*",
            "from-external*",
            "from-dahdi*",
            "from-gsm*",
            "DID_*",
            "callin*",
            "trk-*",
            "incoming*",
            "inbound*",
        ],
        internal: &[
            "from-internal*",
            "ext-local*",
            "from-queue*",
            "from-phones*",
            "DLPN_*",
            "CallingRule_*",
            "cos-*",
            "internal*",
        ],
        trunks: &["trunk*"],
        ring: "Local/{ext}@from-internal",
        dial_context: "from-internal",
    },
    Profile {
        name: "yeastar-s",
        ports: &[5038],
        external: &["DID_*", "callin*"],
        internal: &["DLPN_*", "CallingRule_*"],
        trunks: &["trunk*"],
        ring: "PJSIP/{ext}",
        dial_context: "DLPN_DialPlan{ext}",
    },
    Profile {
        name: "yeastar-p",
        ports: &[5038],
        external: &["DID_*", "callin*"],
        internal: &["DLPN_*", "CallingRule_*"],
        trunks: &["trunk*"],
        ring: "PJSIP/{ext}",
        dial_context: "DLPN_DialPlan{ext}",
    },
    Profile {
        name: "yeastar-mypbx",
        ports: &[5038],
        external: &["DID_*", "callin*"],
        internal: &["DLPN_*", "CallingRule_*"],
        trunks: &["trunk*"],
        ring: "SIP/{ext}",
        dial_context: "DLPN_DialPlan{ext}",
    },
    Profile {
        name: "grandstream-ucm",
        ports: &[7777, 5038],
        external: &["ext-did-*"],
        internal: &["from-internal*"],
        trunks: &["trunk_*"],
        ring: "Local/{ext}@from-internal",
        dial_context: "from-internal",
    },
    Profile {
        name: "openvox",
        ports: &[5038],
        external: ASTERISK_EXTERNAL,
        internal: ASTERISK_INTERNAL,
        trunks: &["trunk*"],
        ring: "Local/{ext}@from-internal/n",
        dial_context: "from-internal",
    },
    Profile {
        name: "freepbx",
        ports: &[5038],
        external: ASTERISK_EXTERNAL,
        internal: ASTERISK_INTERNAL,
        trunks: &[],
        ring: "Local/{ext}@from-internal/n",
        dial_context: "from-internal",
    },
    Profile {
        name: "issabel",
        ports: &[5038],
        external: ASTERISK_EXTERNAL,
        internal: ASTERISK_INTERNAL,
        trunks: &[],
        ring: "Local/{ext}@from-internal/n",
        dial_context: "from-internal",
    },
    Profile {
        name: "vitalpbx",
        ports: &[5038],
        external: &["trk-*", "T*_trk-*", "from-trunk*", "from-pstn*"],
        internal: &["cos-*", "T*_cos-*"],
        trunks: &[],
        ring: "Local/{ext}@cos-all",
        dial_context: "cos-all",
    },
    Profile {
        name: "asterisk",
        ports: &[5038],
        external: ASTERISK_EXTERNAL,
        internal: ASTERISK_INTERNAL,
        trunks: &["trunk*"],
        ring: "Local/{ext}@from-internal/n",
        dial_context: "from-internal",
    },
];

/// The profile that is used when none is named.
pub const AUTO: &Profile = match PROFILES {
    [auto, ..] => auto,
    [] => panic!("no profiles"),
};

/// The profile of this name.
pub fn named(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_found_by_its_name_and_can_ring() {
        for profile in PROFILES {
            assert_eq!(named(profile.name), Some(profile));
            assert!(profile.ring.contains("{ext}") && !profile.ports.is_empty(), "{}", profile.name);
        }
        assert_eq!(named("auto"), Some(AUTO));
        assert_eq!(named("nortel"), None);
    }
}
