//! What ringpost knows about each family of PBX, so that a user types host, name and secret only.
//!
//! A profile is data: ports to try, the names of contexts and of trunk peers, the way to ring an extension. It holds
//! no configuration and decides nothing; `call::classify` and the link read it, `call::family` picks one. Sources, told
//! at each: the vendors' documentation, the open source of Asterisk, of Digium's GUI and of FreePBX, public captures.

/// A family of PBX.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// The word in the configuration.
    pub name: &'static str,
    /// AMI ports in the order to try; the first is the default.
    pub ports: &'static [u16],
    /// Contexts in which calls from outside start; `*` matches any run.
    pub external: &'static [&'static str],
    /// Contexts in which telephones of the office start calls; `*` matches any run.
    pub internal: &'static [&'static str],
    /// Peer names of trunks; `*` matches any run.
    pub trunks: &'static [&'static str],
    /// Contexts in which a ring group dials its members, where the family has such contexts; `*` matches any run. A
    /// context in which single extensions are dialled too is not among them. Empty: none is known.
    pub groups: &'static [&'static str],
    /// How to ring an extension by Originate; `{ext}` is its number.
    pub ring: &'static str,
    /// Context from which an extension dials outside; `{ext}` is its number.
    pub dial_context: &'static str,
}

/// Contexts of FreePBX and what is made of it. Source: the open source of FreePBX's core, did-routing, ringgroups,
/// findmefollow and queues modules.
const FREEPBX_EXTERNAL: &[&str] = &["from-trunk*", "from-pstn*", "from-did*", "ext-did*", "from-sip-external*"];
const FREEPBX_INTERNAL: &[&str] = &["from-internal*", "ext-local*", "from-queue*"];
/// The numbers of ring groups. What dials for them, `macro-dial`, has none; there the variable `NODEST` names the
/// group.
const FREEPBX_GROUPS: &[&str] = &["ext-group*"];

/// Names that Yeastar has from Digium's GUI of Asterisk. Source: that GUI's own source, the vendor's documentation of
/// the channel ids in its API's events, and public captures.
const YEASTAR_EXTERNAL: &[&str] = &["DID_*", "callin*"];
const YEASTAR_INTERNAL: &[&str] = &["DLPN_*", "CallingRule_*"];
/// `ringgroups` is where their numbers are, `ringroups-custom-N` (with that spelling) where they dial.
const YEASTAR_GROUPS: &[&str] = &["ringgroups*", "ringroups-custom-*"];

/// Every family, `auto` first.
pub const PROFILES: &[Profile] = &[
    // All that any family knows, and names that integrators give contexts of their own. Stands behind every other
    // profile, so that naming one, or recognising one, never loses a pattern.
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
            "from-sip-external*",
            "from-dahdi*",
            "from-gsm*",
            "DID_*",
            "callin*",
            "trk-*-in",
            "T*_trk-*-in",
            "default-trunk*",
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
            "T*_cos-*",
            "internal*",
        ],
        trunks: &["trunk*"],
        groups: &["ext-group*", "ringgroups*", "ringroups-custom-*"],
        ring: "Local/{ext}@from-internal",
        dial_context: "from-internal",
    },
    // S20 to S300, K2 and Yeastar's cloud of that line. Vendor's documentation: a trunk is `trunk-NAME-endpoint`;
    // public code: an extension is PJSIP, its context DLPN_DialPlan and its number. Inbound contexts as in MyPBX.
    Profile {
        name: "yeastar-s",
        ports: &[5038],
        external: YEASTAR_EXTERNAL,
        internal: YEASTAR_INTERNAL,
        trunks: &["trunk-*-endpoint"],
        groups: YEASTAR_GROUPS,
        ring: "PJSIP/{ext}",
        dial_context: "DLPN_DialPlan{ext}",
    },
    // P550 to P570 and the software edition. Public captures have DLPN_DialPlan1010; inbound contexts and names of
    // trunks are told by nobody and taken to be those of the S series.
    Profile {
        name: "yeastar-p",
        ports: &[5038],
        external: YEASTAR_EXTERNAL,
        internal: YEASTAR_INTERNAL,
        trunks: &["trunk-*-endpoint"],
        groups: YEASTAR_GROUPS,
        ring: "PJSIP/{ext}",
        dial_context: "DLPN_DialPlan{ext}",
    },
    // Standard, SOHO, U series: AMI 1.1. Public captures: SIP/269 in DLPN_DialPlan269, YSGSM/11-1 in DID_trunk_11 with
    // the extension `s`.
    Profile {
        name: "yeastar-mypbx",
        ports: &[5038],
        external: YEASTAR_EXTERNAL,
        internal: YEASTAR_INTERNAL,
        trunks: &["trunk*"],
        groups: YEASTAR_GROUPS,
        ring: "SIP/{ext}",
        dial_context: "DLPN_DialPlan{ext}",
    },
    // UCM61xx to UCM63xx. Public captures: a trunk is trunk_ and its index and comes in by ext-did- and an index. Its
    // groups dial by macro-dial like everything else there, so no context tells them.
    Profile {
        name: "grandstream-ucm",
        ports: &[7777, 5038],
        external: &["ext-did-*"],
        internal: &["from-internal*"],
        trunks: &["trunk_*"],
        groups: &[],
        ring: "Local/{ext}@from-internal",
        dial_context: "from-internal",
    },
    // UC300 to UC501: the words of its pages are FreePBX's, so its contexts are taken to be too. GSM cards are
    // `extra/`, which is a line by its technology.
    Profile {
        name: "openvox",
        ports: &[5038],
        external: FREEPBX_EXTERNAL,
        internal: FREEPBX_INTERNAL,
        trunks: &["trunk*"],
        groups: FREEPBX_GROUPS,
        ring: "Local/{ext}@from-internal/n",
        dial_context: "from-internal",
    },
    Profile {
        name: "freepbx",
        ports: &[5038],
        external: FREEPBX_EXTERNAL,
        internal: FREEPBX_INTERNAL,
        trunks: &[],
        groups: FREEPBX_GROUPS,
        ring: "Local/{ext}@from-internal/n",
        dial_context: "from-internal",
    },
    // Made of FreePBX, with its contexts.
    Profile {
        name: "issabel",
        ports: &[5038],
        external: FREEPBX_EXTERNAL,
        internal: FREEPBX_INTERNAL,
        trunks: &[],
        groups: FREEPBX_GROUPS,
        ring: "Local/{ext}@from-internal/n",
        dial_context: "from-internal",
    },
    // Public captures: telephones are T2_103 in T2_cos-all (103 in cos-all before tenants), a trunk comes in by
    // trk-N-in. A call that goes out is in trk-N-dial, telephone and trunk alike, so that context tells neither.
    Profile {
        name: "vitalpbx",
        ports: &[5038],
        external: &["trk-*-in", "T*_trk-*-in", "default-trunk*"],
        internal: &["cos-*", "T*_cos-*"],
        trunks: &[],
        groups: &[],
        ring: "Local/{ext}@cos-all",
        dial_context: "cos-all",
    },
    // Contexts are what somebody wrote into extensions.conf: those of the samples and of most guides.
    Profile {
        name: "asterisk",
        ports: &[5038],
        external: &[
            "from-trunk*",
            "from-pstn*",
            "from-did*",
            "ext-did*",
            "from-outside*",
            "from-provider*",
            "from-external*",
        ],
        internal: &["from-internal*", "ext-local*", "from-queue*", "cos-*", "from-phones*"],
        trunks: &["trunk*"],
        groups: &[],
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
    use crate::call::classify::matches;

    #[test]
    fn every_profile_is_found_by_its_name_and_can_ring() {
        for profile in PROFILES {
            assert_eq!(named(profile.name), Some(profile));
            assert!(profile.ring.contains("{ext}") && !profile.ports.is_empty(), "{}", profile.name);
        }
        assert_eq!(named("auto"), Some(AUTO));
        assert_eq!(named("nortel"), None);
    }

    #[test]
    fn the_generic_profile_knows_what_every_family_knows() {
        let knows = |patterns: &[&str], one: &str| {
            ["", "1", "7-x"].iter().all(|run| {
                let text = one.replace('*', run);
                patterns.iter().any(|pattern| matches(pattern, text.as_bytes()))
            })
        };
        for profile in PROFILES {
            for one in profile.external {
                assert!(knows(AUTO.external, one) && !knows(AUTO.internal, one), "{}: {one}", profile.name);
            }
            for one in profile.internal {
                assert!(knows(AUTO.internal, one) && !knows(AUTO.external, one), "{}: {one}", profile.name);
            }
            for one in profile.trunks {
                assert!(knows(AUTO.trunks, one), "{}: {one}", profile.name);
            }
        }
    }
}
