//! What kind of portal to start: its users, contacts, plan, wording and limits.
//!
//! Everything has a default that behaves like an ordinary cloud portal with one administrator and
//! nine employees, so a test names only what it is about.

use std::path::PathBuf;
use std::time::Duration;

use time::UtcOffset;

/// The settings of a portal. Start from [`PortalConfig::default`] and change what matters.
#[derive(Clone, Debug)]
pub struct PortalConfig {
    /// TCP port on loopback; 0 takes a free one below the ephemeral range, so that no outgoing
    /// connection can occupy it while the portal is down.
    pub port: u16,
    /// Host name in the webhook address. The certificate is good for it, `localhost` and 127.0.0.1.
    pub host: String,
    /// What is wrong with the certificate, if anything.
    pub certificate: Certificate,
    /// Directory for `ca.pem` and saved recordings; `None` makes one that goes away with the portal.
    pub dir: Option<PathBuf>,
    /// Whether recordings are saved in the directory.
    pub save_recordings: bool,
    /// Bytes of each recording kept in memory; of a longer one only the hash and size are kept.
    pub keep_bytes: u64,
    /// User who made the webhook.
    pub webhook_user: u64,
    /// Secret of the webhook.
    pub webhook_secret: String,
    /// Scopes of the webhook.
    pub scopes: Vec<String>,
    /// Whether `register`, `finish` and `externalLine.*` accept a webhook. The documentation says
    /// no (`WRONG_AUTH_TYPE`), the server's code says yes.
    pub webhook_may_register: bool,
    /// Whether the webhook's user has the right "Call statistics: View".
    pub statistics_allowed: bool,
    /// The users whose calls that right covers; `None` is everybody.
    pub statistics_of: Option<Vec<u64>>,
    /// How long a finished call is not told by the statistics yet, as when they are read from a copy of the database.
    pub statistics_lag: Duration,
    /// Whether the portal keeps and filters by `EXTERNAL_CALL_ID`; old ones drop the key.
    pub knows_external_ids: bool,
    /// Whose texts and codes errors carry.
    pub wording: Wording,
    /// The employees.
    pub users: Vec<User>,
    /// The contacts, companies and leads that exist already.
    pub entities: Vec<Entity>,
    /// What `CRM_CREATE` creates.
    pub crm_mode: CrmMode,
    /// Time zone in which a date without an offset is read.
    pub zone: UtcOffset,
    /// Seconds that the portal's clock is ahead of this machine's (for the clock check).
    pub clock_ahead: i64,
    /// The request limit of the plan; `None` switches it off.
    pub rate_limit: Option<RateLimit>,
    /// The operating time limit; `None` switches it off.
    pub operating_limit: Option<OperatingLimit>,
    /// How long an idle connection stays open.
    pub keep_alive: Duration,
    /// Requests after which the portal closes a connection; `None` is no limit.
    pub requests_per_connection: Option<u32>,
}

impl Default for PortalConfig {
    fn default() -> Self {
        Self {
            port: 0,
            host: "127.0.0.1".to_owned(),
            certificate: Certificate::Good,
            dir: None,
            save_recordings: false,
            keep_bytes: 1024 * 1024,
            webhook_user: 1,
            webhook_secret: "s3cr3tw3bh00k".to_owned(),
            scopes: ["telephony", "crm", "user", "im", "task", "disk"].map(str::to_owned).to_vec(),
            webhook_may_register: true,
            statistics_allowed: true,
            statistics_of: None,
            statistics_lag: Duration::ZERO,
            knows_external_ids: true,
            wording: Wording::Server,
            users: User::office(),
            entities: Vec::new(),
            crm_mode: CrmMode::Leads,
            zone: UtcOffset::from_hms(3, 0, 0).unwrap_or(UtcOffset::UTC),
            clock_ahead: 0,
            rate_limit: Some(RateLimit::default()),
            operating_limit: Some(OperatingLimit::default()),
            keep_alive: Duration::from_secs(60),
            requests_per_connection: None,
        }
    }
}

/// The certificate that the portal shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificate {
    /// Valid, signed by the CA.
    #[default]
    Good,
    /// Run out in 2001.
    Expired,
    /// Runs out in January 2039, a year after a time of 32 bits does.
    Until2039,
    /// Issued to another host.
    OtherHost,
    /// Signed by a CA that is not in `ca.pem`.
    OtherCa,
}

/// Whose texts and codes the errors of the telephony methods carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wording {
    /// As the server's code has it: an empty `error`.
    #[default]
    Server,
    /// As the REST documentation prints it: `ERROR_CORE`, and 403 where the server says 401.
    Documentation,
}

/// An employee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Id at the portal.
    pub id: u64,
    /// `UF_PHONE_INNER`, if the employee has one.
    pub extension: Option<String>,
    /// First name.
    pub name: String,
    /// Last name.
    pub last_name: String,
    /// False once dismissed.
    pub active: bool,
    /// Whether the employee administers the portal.
    pub admin: bool,
    /// Whether `USER_PHONE_INNER` finds the extension. The table behind it is filled when a profile
    /// is saved again, so a new employee's extension may be in `user.get` and unknown here.
    pub extension_indexed: bool,
}

impl User {
    /// An active employee with an extension.
    pub fn new(id: u64, extension: &str) -> Self {
        Self {
            id,
            extension: (!extension.is_empty()).then(|| extension.to_owned()),
            name: format!("Employee{id}"),
            last_name: if extension.is_empty() { String::new() } else { format!("Extension{extension}") },
            active: true,
            admin: false,
            extension_indexed: true,
        }
    }

    /// The default set: administrator 1 without an extension, users 11 to 19 with the extensions
    /// 101 to 109, and the dismissed user 20 who had 110.
    pub fn office() -> Vec<Self> {
        let mut users = vec![Self { admin: true, ..Self::new(1, "") }];
        users.extend((1..=9).map(|n| Self::new(10 + n, &format!("10{n}"))));
        users.push(Self { active: false, ..Self::new(20, "110") });
        users
    }
}

/// The kind of a CRM record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntityType {
    /// A person.
    Contact,
    /// An unqualified enquiry.
    Lead,
    /// A firm.
    Company,
    /// A deal; created beside a contact when the portal works without leads.
    Deal,
}

impl EntityType {
    /// The name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Contact => "CONTACT",
            Self::Lead => "LEAD",
            Self::Company => "COMPANY",
            Self::Deal => "DEAL",
        }
    }
}

/// A record of the CRM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Its kind.
    pub kind: EntityType,
    /// Its id; ids are unique per kind.
    pub id: u64,
    /// Name or title.
    pub name: String,
    /// Phone number; compared by digits, with a leading Russian 8 read as 7.
    pub phone: String,
    /// The responsible employee.
    pub assigned_to: u64,
    /// `CRM_SOURCE` of the call that created it.
    pub source: Option<String>,
}

/// What `CRM_CREATE` creates when the number is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CrmMode {
    /// A lead.
    #[default]
    Leads,
    /// A contact and a deal ("simple CRM").
    ContactAndDeal,
    /// Nothing: `register` succeeds with this `LEAD_CREATION_ERROR`.
    Fails(String),
}

/// The leaky bucket of requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// Level at which requests are refused.
    pub blocked_at: f64,
    /// Requests that leak away each second.
    pub leak_per_second: f64,
}

impl Default for RateLimit {
    /// The ordinary plans: blocked at 50, 2 a second.
    fn default() -> Self {
        Self { blocked_at: 50.0, leak_per_second: 2.0 }
    }
}

/// The limit of processing time per method.
#[derive(Clone, Debug, PartialEq)]
pub struct OperatingLimit {
    /// Processing time allowed in one window.
    pub limit: Duration,
    /// Length of the window; it moves in tenths.
    pub window: Duration,
    /// Runs shorter than this are free.
    pub free_below: Duration,
    /// Time each run of a method is charged beyond what it really took, by lower-case name.
    pub charged: Vec<(String, Duration)>,
}

impl Default for OperatingLimit {
    /// 420 s in 10 minutes, runs under 0.1 s free, nothing charged beyond the truth.
    fn default() -> Self {
        Self {
            limit: Duration::from_secs(420),
            window: Duration::from_secs(600),
            free_below: Duration::from_millis(100),
            charged: Vec::new(),
        }
    }
}
