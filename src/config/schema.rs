//! Every table and key of the configuration file, as data.
//!
//! One list serves the reader (what is known, what to add when it is missing), the suggestions (what was probably
//! meant) and the test that keeps `docs/config.md` in step. What the values mean is told in `docs/config.md` and by the
//! types; what they may be is checked in `read`.

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What kind of value it takes, in an operator's words.
    pub kind: &'static str,
    /// Its default as written in the file; or in words.
    pub default: &'static str,
    /// An example of a value, as written in the file.
    pub example: &'static str,
    /// What people call it elsewhere: for suggestions.
    pub also: &'static [&'static str],
}

/// One table.
#[derive(Debug)]
pub struct Table {
    /// Its name as written in the file, brackets included.
    pub title: &'static str,
    /// Its keys.
    pub keys: &'static [&'static Key],
}

/// `default` of a key that must be there.
pub const REQUIRED: &str = "required";

/// Makes keys: `NAME: "name", "kind", "default", "example", ["also"];`
macro_rules! keys {
    ($($id:ident: $name:literal, $kind:expr, $default:expr, $example:literal, [$($also:literal),*];)*) => {$(
        #[doc = concat!("`", $name, "`.")]
        pub const $id: Key =
            Key { name: $name, kind: $kind, default: $default, example: $example, also: &[$($also),*] };
    )*};
}

const TEXT: &str = "text";
const NUMBER: &str = "whole number";
const TEXTS: &str = "list of texts";
const TABLES_KIND: &str = "list of tables";

/// `[pbx]`.
pub mod pbx {
    use super::{Key, NUMBER, REQUIRED, TEXT};
    keys! {
        NAME: "name", TEXT, "the host's name", "\"office\"", ["id", "office"];
        PROFILE: "profile", TEXT, "\"auto\"", "\"freepbx\"", ["type", "kind", "vendor", "model"];
        HOST: "host", TEXT, REQUIRED, "\"192.168.1.10\"", ["address", "ip", "server", "hostname"];
        PORT: "port", NUMBER, "from the profile", "5038", ["ami_port"];
        USERNAME: "username", TEXT, REQUIRED, "\"ringpost\"", ["user", "login", "account"];
        SECRET: "secret", TEXT, "required, or `secret_file`", "\"the AMI secret\"", ["password", "pass", "passwd"];
        SECRET_FILE: "secret_file", TEXT, "required, or `secret`", "\"/etc/ringpost/pbx.secret\"", ["password_file"];
    }
    /// Holds the table `[pbx.contexts]`.
    pub const CONTEXTS: Key = Key {
        name: "contexts",
        kind: "table",
        default: "none",
        example: "{ external = [\"from-pstn*\"] }",
        also: &["context"],
    };
}

/// `[pbx.contexts]`.
pub mod contexts {
    use super::{Key, TEXTS};
    keys! {
        EXTERNAL: "external", TEXTS, "[]", "[\"from-pstn*\"]", ["inbound", "trunk", "trunks", "outside"];
        INTERNAL: "internal", TEXTS, "[]", "[\"from-internal*\"]", ["outbound", "extensions", "inside"];
        IGNORED: "ignored", TEXTS, "[]", "[\"door-phone\"]", ["ignore", "exclude"];
    }
}

/// `[numbers]`.
pub mod numbers {
    use super::{Key, TABLES_KIND, TEXT, TEXTS};
    keys! {
        COUNTRY: "country", TEXT, "none", "\"7\"", ["country_code", "e164"];
        TRUNK_PREFIX: "trunk_prefix", TEXT, "by `country`", "\"8\"", ["national_prefix"];
        INTERNATIONAL_PREFIX: "international_prefix", TEXT, "by `country`", "\"810\"", ["idd"];
        AREA: "area", TEXT, "none", "\"495\"", ["area_code", "city_code"];
        OWN: "own", TEXTS, "[]", "[\"7495111*\", \"79160000001\"]", ["ours", "internal"];
        ONLY_CLIENTS: "only_clients", TEXTS, "[]", "[\"7495*\"]", ["whitelist", "allow"];
        NOT_CLIENTS: "not_clients", TEXTS, "[]", "[\"7800*\"]", ["blacklist", "deny"];
        ONLY_LINES: "only_lines", TEXTS, "[]", "[\"74951110001\"]", ["lines", "dids"];
        NOT_LINES: "not_lines", TEXTS, "[]", "[\"fax\"]", ["not_dids"];
        REWRITE: "rewrite", TABLES_KIND, "none", "[{ from = \"98XXXXXXXXXX\", to = \"+7*\" }]", ["rules"];
    }
}

/// `[[numbers.rewrite]]`.
pub mod rewrite {
    use super::{Key, REQUIRED, TEXT};
    keys! {
        DIRECTION: "direction", TEXT, "both", "\"inbound\"", [];
        FROM: "from", TEXT, REQUIRED, "\"98XXXXXXXXXX\"", ["pattern", "match"];
        TO: "to", TEXT, REQUIRED, "\"+7*\"", ["replacement", "replace"];
    }
}

/// `[journal]`.
pub mod journal {
    use super::{Key, NUMBER, TEXT};
    keys! {
        PATH: "path", TEXT, "\"/etc/ringpost/journal\"", "\"/etc/ringpost/journal\"", ["dir", "directory", "file"];
        SIZE_KIB: "size_kib", NUMBER, "512", "512", ["size", "size_kb", "max_size"];
        WHEN_FULL: "when_full", TEXT, "\"drop-oldest\"", "\"drop-oldest\"", ["on_full", "full"];
        MEDIUM: "medium", TEXT, "\"auto\"", "\"nor\"", ["flash", "storage", "device"];
    }
}

/// `[recordings]`.
pub mod recordings {
    use super::{Key, NUMBER, REQUIRED, TEXT};
    keys! {
        SOURCE: "source", TEXT, REQUIRED, "\"path:/var/spool/asterisk/monitor\"", ["path", "dir", "url", "from"];
        PBX_PATH: "pbx_path", TEXT, "\"/var/spool/asterisk/monitor\"", "\"/var/spool/asterisk/monitor\"",
            ["strip", "prefix", "remote_path"];
        GIVE_UP_HOURS: "give_up_hours", NUMBER, "72", "72", ["timeout", "give_up", "wait_hours"];
    }
}

/// `[[crm]]`.
pub mod crm {
    use super::{Key, NUMBER, REQUIRED, TEXT};
    keys! {
        KIND: "kind", TEXT, REQUIRED, "\"bitrix24\"", ["type", "name"];
        WEBHOOK: "webhook", TEXT, REQUIRED, "\"https://example.bitrix24.ru/rest/1/secret/\"", ["url", "address", "hook"];
        DEFAULT_USER: "default_user", NUMBER, REQUIRED, "1", ["user", "user_id", "responsible"];
        SHOW_CARD: "show_card", TEXT, "\"on-ring\"", "\"on-ring\"", ["card", "show", "popup"];
        CREATE: "create", TEXT, "\"always\"", "\"inbound\"", ["crm_create", "create_lead"];
        CA_FILE: "ca_file", TEXT, "the system's bundle", "\"/etc/ringpost/ca.pem\"", ["ca", "cacert", "certificate"];
        ANONYMOUS: "anonymous", TEXT, "\"000\"", "\"000\"", ["hidden", "placeholder"];
    }
    /// Holds the table `[crm.users]`.
    pub const USERS: Key = Key {
        name: "users",
        kind: "table",
        default: "none",
        example: "{ 101 = 7 }",
        also: &["extensions", "employees"],
    };
}

/// `[log]`.
pub mod log {
    use super::{Key, TEXT};
    keys! {
        LEVEL: "level", TEXT, "\"info\"", "\"info\"", ["loglevel", "verbosity", "log_level"];
    }
}

/// `[run]`.
pub mod run {
    use super::{Key, TEXT};
    keys! {
        STATE_DIR: "state_dir", TEXT, "\"/var/run/ringpost\"", "\"/var/run/ringpost\"", ["dir", "run_dir", "state"];
    }
}

/// The tables of the file.
pub mod root {
    use super::Key;
    macro_rules! tables {
        ($($id:ident: $name:literal, $kind:literal, [$($also:literal),*];)*) => {$(
            #[doc = concat!("`", $name, "`.")]
            pub const $id: Key =
                Key { name: $name, kind: $kind, default: "", example: "", also: &[$($also),*] };
        )*};
    }
    tables! {
        PBX: "pbx", "table", ["ami", "asterisk"];
        NUMBERS: "numbers", "table", ["phones"];
        JOURNAL: "journal", "table", ["queue", "storage"];
        RECORDINGS: "recordings", "table", ["recording", "records", "record"];
        CRM: "crm", "list of tables", ["bitrix24", "bitrix", "crms"];
        LOG: "log", "table", ["logging", "logs"];
        RUN: "run", "table", ["daemon", "state"];
    }
}

/// The file itself.
pub const ROOT: Table = Table {
    title: "the file",
    keys: &[&root::PBX, &root::NUMBERS, &root::JOURNAL, &root::RECORDINGS, &root::CRM, &root::LOG, &root::RUN],
};

/// `[pbx]`.
pub const PBX: Table = Table {
    title: "[pbx]",
    keys: &[
        &pbx::NAME,
        &pbx::PROFILE,
        &pbx::HOST,
        &pbx::PORT,
        &pbx::USERNAME,
        &pbx::SECRET,
        &pbx::SECRET_FILE,
        &pbx::CONTEXTS,
    ],
};

/// `[pbx.contexts]`.
pub const CONTEXTS: Table =
    Table { title: "[pbx.contexts]", keys: &[&contexts::EXTERNAL, &contexts::INTERNAL, &contexts::IGNORED] };

/// `[numbers]`.
pub const NUMBERS: Table = Table {
    title: "[numbers]",
    keys: &[
        &numbers::COUNTRY,
        &numbers::TRUNK_PREFIX,
        &numbers::INTERNATIONAL_PREFIX,
        &numbers::AREA,
        &numbers::OWN,
        &numbers::ONLY_CLIENTS,
        &numbers::NOT_CLIENTS,
        &numbers::ONLY_LINES,
        &numbers::NOT_LINES,
        &numbers::REWRITE,
    ],
};

/// `[[numbers.rewrite]]`.
pub const REWRITE: Table =
    Table { title: "[[numbers.rewrite]]", keys: &[&rewrite::DIRECTION, &rewrite::FROM, &rewrite::TO] };

/// `[journal]`.
pub const JOURNAL: Table =
    Table { title: "[journal]", keys: &[&journal::PATH, &journal::SIZE_KIB, &journal::WHEN_FULL, &journal::MEDIUM] };

/// `[recordings]`.
pub const RECORDINGS: Table =
    Table { title: "[recordings]", keys: &[&recordings::SOURCE, &recordings::PBX_PATH, &recordings::GIVE_UP_HOURS] };

/// `[[crm]]`.
pub const CRM: Table = Table {
    title: "[[crm]]",
    keys: &[
        &crm::KIND,
        &crm::WEBHOOK,
        &crm::DEFAULT_USER,
        &crm::SHOW_CARD,
        &crm::CREATE,
        &crm::CA_FILE,
        &crm::ANONYMOUS,
        &crm::USERS,
    ],
};

/// `[log]`.
pub const LOG: Table = Table { title: "[log]", keys: &[&log::LEVEL] };

/// `[run]`.
pub const RUN: Table = Table { title: "[run]", keys: &[&run::STATE_DIR] };

/// Every table that has keys of its own, in the order of the documentation.
pub const TABLES: [&Table; 9] = [&PBX, &CONTEXTS, &NUMBERS, &REWRITE, &JOURNAL, &RECORDINGS, &CRM, &LOG, &RUN];

/// What the design has and this version does not: table, key, and what to do meanwhile.
pub const LATER: [(&str, &str, &str); 2] = [
    ("the file", "control", "remove the table and write a webhook in [[crm]]"),
    ("[[crm]]", "app", "remove the table and write a webhook"),
];
