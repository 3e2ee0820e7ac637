//! Every cap and timeout of ringpost in one place: value, unit, why, and what happens when it is reached.
//!
//! Stands alone so that an operator's question "how much can this grow?" has one page as its answer. Holds constants
//! only, no code.

use core::time::Duration;

// ---- AMI: bytes -----------------------------------------------------------------------------------------------------

/// Longest AMI line kept, in bytes. Asterisk sends single lines over 4 KiB (AppData, CEL extra). A longer line is cut
/// off: its head is kept, the rest is skipped and `oversize_lines` rises.
pub const AMI_LINE_BYTES: usize = 64 * 1024;

/// Largest AMI packet kept, in bytes. The rest of a larger packet is skipped up to its empty line and
/// `oversize_packets` rises.
pub const AMI_PACKET_BYTES: usize = 128 * 1024;

/// Most lines of one AMI packet, empty ones of command output included (the longest packet that is read, the answer to
/// ListCommands, has about 250). The rest is skipped and `oversize_packets` rises.
pub const AMI_PACKET_LINES: usize = 1024;

/// What the reader's buffer starts with and shrinks back to, in bytes: one read of a busy PBX. It grows only for a
/// packet that does not fit.
pub const AMI_BUFFER_BYTES: usize = 16 * 1024;

/// Room beyond [`AMI_PACKET_BYTES`] in which the rest of an oversize packet is skipped, in bytes. The reader's buffer
/// never grows past the two together.
pub const AMI_SKIP_BYTES: usize = 8 * 1024;

/// Longest line of an action, line end included, in bytes: Asterisk refuses a longer one (`line too long`), so it is
/// refused here before it is sent.
pub const AMI_ACTION_LINE_BYTES: usize = 1024;

/// Actions written and not yet taken by the socket, in bytes: all filters at once are under 3 KiB. At the cap an action
/// is refused and the caller told.
pub const AMI_SEND_BYTES: usize = 16 * 1024;

// ---- AMI: times of a connection -------------------------------------------------------------------------------------

/// Time allowed for a connection to the PBX, name look-up included. Then it counts as not answering.
pub const AMI_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time allowed for the banner. After it the login is tried without.
pub const AMI_BANNER_TIMEOUT: Duration = Duration::from_secs(5);
/// Time allowed from the connection to the accepted login; Asterisk itself gives 30 s. Then the connection is dropped.
pub const AMI_LOGIN_TIMEOUT: Duration = Duration::from_secs(60);
/// A PBX that is starting is given this long to say that it has (`FullyBooted`). Then it is asked all the same.
pub const AMI_BOOT_TIMEOUT: Duration = Duration::from_secs(60);
/// Time allowed for an answer, and between two items of a list. Then the step is given up; an unfinished list counts as
/// incomplete.
pub const AMI_ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Time allowed from the first byte of a packet to its empty line. Then the connection is dropped.
pub const AMI_PACKET_TIMEOUT: Duration = Duration::from_secs(30);
/// A Ping is sent this often: AMI is silent while no calls run, and a dead box or NAT would not be noticed.
pub const AMI_PING_INTERVAL: Duration = Duration::from_secs(25);
/// Without a byte, or without the answer to a Ping, for this long the connection is dropped: three intervals.
pub const AMI_SILENCE_TIMEOUT: Duration = Duration::from_secs(75);
/// After `Shutdown` the PBX closes the connection by itself within this time, or it is closed for it.
pub const AMI_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);
/// First wait before connecting again; doubled with each further failure, and varied by a quarter, so that many boxes
/// do not come at once.
pub const RECONNECT_FIRST: Duration = Duration::from_secs(1);
/// Longest wait before connecting again.
pub const RECONNECT_LONGEST: Duration = Duration::from_secs(60);
/// A connection that was live for this long begins anew with [`RECONNECT_FIRST`].
pub const RECONNECT_PROVEN: Duration = Duration::from_secs(60);
/// Waits after a refused secret: boxes ban an address after three to five of them.
pub const LOGIN_REFUSED_WAITS: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(900)];
/// Waits after `Login Already In Use`: after a power cut the PBX holds the old session until TCP gives it up.
pub const LOGIN_IN_USE_WAITS: [Duration; 3] =
    [Duration::from_secs(30), Duration::from_secs(60), Duration::from_secs(300)];
/// Waits after an answer that is not AMI's, or an account without call events: a person must act first.
pub const NOT_USABLE_WAITS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(300)];

// ---- AMI: what is asked ---------------------------------------------------------------------------------------------

/// The list of channels is asked for a second time this long after login: it closes the races of the first.
pub const RESYNC_SECOND: Duration = Duration::from_secs(60);
/// The list of channels is asked for this often, to find hangups that were never told.
pub const RESYNC_INTERVAL: Duration = Duration::from_secs(300);
/// While filters are set and no call event has come yet, the list of channels is asked for this often, to find out
/// whether the filters let anything pass.
pub const RESYNC_PROBE: Duration = Duration::from_secs(20);
/// A list of channels that the tracker wants is asked for at most this often.
pub const RESYNC_LEAST: Duration = Duration::from_secs(10);
/// Time that the lists of peers may keep the first call events of a process waiting. What is not told by then is asked
/// again after them.
pub const AMI_PEERS_FIRST: Duration = Duration::from_secs(5);
/// Lists of peers are asked for this often.
pub const PEERS_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// Steps of a session that wait for their turn. A further one is not taken; all of them are queued again by time.
pub const AMI_STEPS: usize = 16;
/// Outputs of the link that wait to be taken. One packet makes four at most, and they are drained before the next.
pub const AMI_OUTPUTS: usize = 16;

// ---- the family of PBX ----------------------------------------------------------------------------------------------

/// Channels after which a family that was not recognised is looked for no more: an office has used all its contexts by
/// then. The generic profile stays.
pub const FAMILY_CHANNELS: u32 = 1000;
/// After this long, and [`FAMILY_FEW_CHANNELS`] channels, a family is recognised by fewer of its words.
pub const FAMILY_TIME: Duration = Duration::from_secs(600);
/// Channels without which time alone tells nothing of the family: a dozen calls. Until then only clear words count.
pub const FAMILY_FEW_CHANNELS: u32 = 16;

// ---- texts of a call ------------------------------------------------------------------------------------------------

/// Identity of a call in the CRM, in bytes: Bitrix24 takes at most 64 in EXTERNAL_CALL_ID. Longer ones keep their tail.
pub const CALL_ID_BYTES: usize = 64;
/// UniqueId or LinkedId of a channel, in bytes (Asterisk's own limit is 150 with a system name). Longer ones are cut.
pub const UNIQUE_ID_BYTES: usize = 96;
/// Channel name, in bytes (Asterisk's own limit is 80 before suffixes). Longer ones are cut.
pub const CHANNEL_NAME_BYTES: usize = 96;
/// A telephone number as the PBX tells it, in bytes. Longer ones are cut.
pub const NUMBER_BYTES: usize = 32;
/// An extension's number, in bytes. Longer ones are cut.
pub const EXTENSION_BYTES: usize = 24;
/// A line (DID), in bytes: Bitrix24 takes at most 50 in LINE_NUMBER. Longer ones are cut.
pub const LINE_BYTES: usize = 50;
/// A trunk's peer name, in bytes. Longer ones are cut.
pub const TRUNK_BYTES: usize = 40;
/// A queue's or group's name, in bytes. Longer ones are cut.
pub const QUEUE_BYTES: usize = 32;
/// A recording's path on the PBX, in bytes. A longer one cannot be used and is dropped; `dropped_recordings` rises.
pub const RECORDING_PATH_BYTES: usize = 160;

// ---- lists of a call ------------------------------------------------------------------------------------------------

/// Extensions that rang in one call. Further ones are not listed and the record says so.
pub const RANG_PER_CALL: usize = 16;
/// Extensions that talked in one call. Further ones count in the total only and the record says so.
pub const TALKERS_PER_CALL: usize = 8;
/// Transfers noted in one call. Further ones are not listed and the record says so.
pub const TRANSFERS_PER_CALL: usize = 6;
/// Recording files of one call. Further ones are dropped; `dropped_recordings` rises.
pub const RECORDINGS_PER_CALL: usize = 3;

// ---- tracker tables -------------------------------------------------------------------------------------------------

/// Channels followed at once. At the cap the one unheard of for longest goes (hung up ones first, those in a talk
/// last), its call is marked inexact, a resync is asked for. A list of channels pushes none out: what it has beyond the
/// cap is not followed.
pub const CHANNELS: usize = 4096;
/// Calls followed at once. At the cap the oldest is ended as inexact and handed out.
pub const CALLS: usize = 2048;

/// Channels (living and hung up) remembered of one call. At the cap the longest dead goes; when none is dead the new
/// channel is not followed, the call is marked inexact.
pub const LEGS_PER_CALL: usize = 256;
/// Linked ids remembered of one call (each merge of calls adds one). Further ones are not remembered: a later channel
/// that names one starts a call of its own.
pub const LINKS_PER_CALL: usize = 16;
/// UniqueIds remembered after their call ended, so that a late or doubled event does not raise the dead; and as many
/// identities of calls, so that none is given twice. The oldest goes.
pub const ENDED_IDS: usize = 512;
/// Peers learned from lists of the PBX. Further ones are not learned: their channels are classed by context and name.
/// `doctor` shows as many at most.
pub const PEERS: usize = 4096;
/// Peers that `doctor` asks for their context, one at a time. Further ones are shown without it.
pub const PEER_DETAILS: usize = 256;
/// Contexts that `doctor` takes in. Further ones are left out.
pub const CONTEXTS_SEEN: usize = 512;
/// Names that `doctor` writes into one line. Of further ones it writes how many.
pub const NAMES_SHOWN: usize = 20;
/// Patterns of one list of contexts. A configuration with more is refused.
pub const CONTEXT_PATTERNS: usize = 64;
/// How long a call whose last telephone is gone waits for its Local channels to dial another, before it is ended.
pub const SETTLE: Duration = Duration::from_secs(2);
/// While calls are in progress the PBX is asked for its list of channels so often, to find calls whose end was missed.
pub const RESYNC_EVERY: Duration = Duration::from_secs(45);
/// A call of which nothing is heard for so long, no list included, is ended as inexact: its end was lost.
pub const CALL_SILENCE: Duration = Duration::from_secs(24 * 3600);

// ---- the CRM side ---------------------------------------------------------------------------------------------------

/// Largest answer of a CRM read, in bytes. The rest is cut and the answer counts as unreadable (in doubt).
pub const CRM_ANSWER_BYTES: u64 = 256 * 1024;
/// Items kept of a list in an answer: a page has 50, lists that come whole (scopes, lines) may have some more. An item
/// of two bytes may cost a hundred in memory, so further ones are read over.
pub const CRM_LIST_ITEMS: usize = 256;
/// What a CRM calls the call (Bitrix24: CALL_ID, 55 bytes seen), in bytes. A longer one is refused as unreadable.
pub const TICKET_BYTES: usize = 96;
/// Time allowed for connecting to a CRM, TLS included.
pub const CRM_CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Time allowed for one whole request but uploads. Bitrix24's cloud ends a request at 60 s by itself.
pub const CRM_REQUEST_TIMEOUT: Duration = Duration::from_secs(70);

/// Time allowed for one request about a card: a card is worth something only while the phone rings. Later the request
/// counts as in doubt and the next one says what came of it.
pub const CRM_CARD_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a resolved name is believed while connections to it work. The resolver of a small system has no memory of
/// its own, and a card should not wait for DNS.
pub const CRM_NAME_AGE: Duration = Duration::from_secs(3600);
/// How long a request's body may stand still on its way out. Then the connection is given up (in doubt).
pub const CRM_STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an idle connection is kept: shortly less than web servers do (60 to 75 s).
pub const CRM_IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// Connections kept open to one CRM: one for each lane. Further ones are closed after their request.
pub const CRM_CONNECTIONS: usize = 3;
/// Buffer for each direction of one connection, in bytes: one TLS record. Larger ones would only hold memory.
pub const HTTP_BUFFER_BYTES: usize = 16 * 1024;
/// Largest head of an answer, in bytes; at most [`HTTP_BUFFER_BYTES`]. A larger one counts as an answer that is too
/// large (in doubt).
pub const HTTP_HEAD_BYTES: usize = 12 * 1024;
/// Roots taken from one bundle (Debian's has 140). Further ones are not trusted.
pub const CA_CERTIFICATES: usize = 400;

/// Requests to one CRM in 1000 seconds when there is much to do. Bitrix24 lets 2 a second leak away and counts all
/// devices behind one address together, so we take three quarters of it. Beyond it requests wait.
pub const CRM_RATE_PER_1000_SECS: u64 = 1500;
/// Requests to one CRM in one burst; Bitrix24 blocks at 50.
pub const CRM_BURST: u32 = 20;
/// Requests of the burst that finished calls leave to live cards.
pub const CRM_RESERVE_CALLS: u32 = 8;
/// Requests of the burst that recordings and lists leave to cards and finished calls.
pub const CRM_RESERVE_RECORDINGS: u32 = 12;
/// How long a card waits for its turn. Then it is dropped: the phone has stopped ringing.
pub const CRM_CARD_PATIENCE: Duration = Duration::from_secs(3);
/// How long other requests wait for their turn at a time. Then the schedule repeats the work later.
pub const CRM_PATIENCE: Duration = Duration::from_secs(5);
/// Longest back-off after the CRM said "too many requests", jitter (up to half) not counted.
pub const CRM_BACKOFF_MAX: Duration = Duration::from_secs(60);
/// How long a method rests after "operation time limit" when the CRM does not say.
pub const CRM_METHOD_BLOCK: Duration = Duration::from_secs(60);
/// Longest rest of a method, whatever the CRM says: its window is ten minutes, and its clock may be wrong.
pub const CRM_METHOD_BLOCK_MAX: Duration = Duration::from_secs(600);
/// Calls registered and finished with one request, at most: three commands each, and a portal takes 50.
pub const CRM_BATCH_CALLS: usize = 16;
/// Calls in the first such request to a portal.
pub const CRM_BATCH_FIRST: usize = 4;
/// What such a request may take, in time of the portal: half of what Bitrix24's cloud lets a request run. Calls that
/// end meanwhile wait so long at most; cards have a lane of their own.
pub const CRM_BATCH_TIME: Duration = Duration::from_secs(30);
/// What a portal takes to register and finish a call, until it was measured (1.1 and 2.3 s in the documentation's
/// samples).
pub const CRM_CALL_TIME: Duration = Duration::from_millis(3400);
/// Of the time that a method may take at a portal in ten minutes (420 to 480 s), what a backlog uses up. Beyond it the
/// backlog rests until some is given back; the remainder is for cards and calls of the moment.
pub const CRM_OPERATING_SHARE: Duration = Duration::from_secs(300);
/// Employees of one portal with an extension. Further ones are not known by their extension; `default_user` gets their
/// calls unless the configuration names them.
pub const CRM_USERS: usize = 2000;
/// Pages read of one list (Bitrix24: 50 entries each). Further ones are not read.
pub const CRM_LIST_PAGES: u32 = 100;
/// Methods of a CRM blocked at once by its operating time limit. At the cap the whole CRM waits.
pub const BLOCKED_METHODS: usize = 8;

/// How long a call waits after a crash whose card may have been under way to the CRM, or which may have been delivered:
/// the request that the crash cut off may still be running there.
pub const AFTER_CRASH: Duration = Duration::from_secs(10);
/// Bytes read of a recording to know what it is: room for the chunks that stand before a WAV's sound.
pub const RECORDING_HEAD_BYTES: u64 = 4096;
/// How long a recording must stand still to count as complete.
pub const RECORDING_SETTLE: Duration = Duration::from_secs(3);
/// Recordings watched at once until they stand still. At the cap the one not looked at for longest starts anew.
pub const RECORDINGS_WATCHED: usize = 64;
/// Where a CRM keeps one recording of a call and a call has several, the longest is wanted: so long after the end of
/// the call the others are waited for, then it is chosen among those that are there.
pub const RECORDING_OTHERS_WAIT: Duration = Duration::from_secs(10 * 60);
/// Largest recording uploaded, in bytes: nine hours of uncompressed telephone speech. A larger one is refused.
pub const RECORDING_BYTES: u64 = 512 * 1024 * 1024;
/// Slowest line that recordings are uploaded over, in bytes a second. Below it the upload is given up (in doubt).
pub const UPLOAD_MIN_BYTES_PER_SEC: u64 = 16 * 1024;

// ---- the configuration file -----------------------------------------------------------------------------------------

/// Largest configuration file read, in bytes: a hundred times a full one. A larger one is refused.
pub const CONFIG_BYTES: u64 = 64 * 1024;
/// Largest secret file read, in bytes. A larger one is refused: it is not a secret.
pub const SECRET_FILE_BYTES: u64 = 1024;
/// Mistakes and warnings told of one configuration file. Further ones are counted only.
pub const CONFIG_FINDINGS: usize = 20;
/// Syntax mistakes told of one configuration file: one slip makes the parser see several. Further ones wait until these
/// are mended.
pub const SYNTAX_ERRORS: usize = 3;
/// Name of a PBX, in bytes: it leads every call identity of [`CALL_ID_BYTES`] and has to leave room for the LinkedId. A
/// longer one is refused; a host's name used in its place is cut.
pub const PBX_NAME_BYTES: usize = 24;
/// A dialplan context, in bytes (Asterisk's own limit is 79). A longer pattern is refused.
pub const CONTEXT_BYTES: usize = 79;
/// Smallest journal, in KiB: some hundred calls. A smaller one is refused.
pub const JOURNAL_KIB_MIN: u32 = 64;
/// Largest journal, in KiB: more would not fit a router's flash, and its index takes up to half a KiB of memory for
/// each KiB (an entry of 120 bytes or more costs 63 bytes there). A larger one is refused.
pub const JOURNAL_KIB_MAX: u32 = 16 * 1024;
/// Longest wait for a recording, in hours. A longer one is refused.
pub const GIVE_UP_HOURS_MAX: u32 = 720;
/// A pattern of numbers, or a name in a list of numbers, in bytes: twice the longest number. A longer one is refused.
pub const NUMBER_PATTERN_BYTES: usize = 64;
/// Digits of a prefix or of an area: the longest known have five. A longer one is refused.
pub const NUMBER_PREFIX_DIGITS: usize = 6;
/// Rewrite rules, tried one after the other for each hint of a call. More are refused.
pub const NUMBER_REWRITES: usize = 64;
/// Entries in each list of numbers or lines, tried one after the other for each hint of a call. More are refused.
pub const NUMBER_LIST: usize = 512;
/// CRMs posted to at once: each has three lanes of its own. More are refused.
pub const CRMS: usize = 4;
/// Extensions in one CRM's table of users. More are refused.
pub const USER_OVERRIDES: usize = 512;
/// AMI username or secret, in bytes. Asterisk cuts an action's lines at 1024; a longer one is refused.
pub const CREDENTIAL_BYTES: usize = 256;
/// Name or address of a host, in bytes (RFC 1035 allows 253). A longer one is refused.
pub const HOST_BYTES: usize = 253;
/// Largest file of trusted roots, named by the configuration or the system's own, in bytes (Debian's has 220 KiB). It
/// is read whole. A larger one is refused.
pub const CA_FILE_BYTES: u64 = 1024 * 1024;

// ---- the process ----------------------------------------------------------------------------------------------------

/// How long a reload waits for the old journal's thread to let go of its file, which a flash that is slow holds up.
/// Then the process ends, and the service manager starts the next one.
pub const RELOAD_JOURNAL_PATIENCE: Duration = Duration::from_secs(60);
/// How often it looks.
pub const RELOAD_JOURNAL_RETRY: Duration = Duration::from_millis(500);
/// A reload that waits for requests under way tells in the log for which, once, after this time. `status` tells it at
/// once. From then on it does not wait for calls on their way into a journal that is slow; it takes them along.
pub const RELOAD_TELL: Duration = Duration::from_secs(10);
/// Most memory that may be allocated, in bytes (`RLIMIT_DATA`: heap and stacks): ten times the budget of 6 MiB, for a
/// journal of 16 MiB and several CRMs need more than the usual office. Past it an allocation fails, the process ends,
/// and the next one goes on from journal and mirror.
pub const MEMORY_BYTES: u64 = 64 * 1024 * 1024;
/// How much sooner than others the kernel ends this process when memory is short, in its own unit (-1000 to 1000).
pub const OOM_SCORE: i32 = 200;

// ---- the log --------------------------------------------------------------------------------------------------------

/// One line of the log, in bytes. The rest is cut.
pub const LOG_LINE_BYTES: usize = 1024;
/// Secrets that are starred wherever they appear. More come only where the configuration is read anew again and again
/// with others; the oldest is then forgotten.
pub const HIDDEN_SECRETS: usize = 64;
/// Lines that wait for a slow stderr. At the cap lines are lost and their number is told when stderr moves on.
pub const LOG_LINES: usize = 256;
/// Time allowed at the end of the process for lines that still wait.
pub const LOG_FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// Faults of one thing that are kept apart while it is down. At the cap the oldest is forgotten, and told anew if it
/// comes back.
pub const REPEATED_FAULTS: usize = 4;
/// A fault that lasts is told again, with its count, after this long.
pub const REPEATED_FAULT_INTERVAL: Duration = Duration::from_secs(3600);

// ---- delivery -------------------------------------------------------------------------------------------------------

/// Cards of live calls kept for one CRM. A further call gets no card (`cards_dropped` rises); its record is delivered
/// all the same.
pub const CARDS: usize = 128;
/// Finished calls of one CRM in memory at once. The rest waits in the journal and is read when there is room.
pub const CALLS_IN_HAND: usize = 32;
/// Recordings of one CRM in memory at once, waiting for their file or their turn. The rest waits in the journal.
pub const RECORDINGS_IN_HAND: usize = 16;
/// Calls of one CRM that the journal could not take and whose recordings wait. Further recordings are given up, with a
/// line in the log (`recordings_given_up` rises).
pub const UNJOURNALLED_RECORDINGS: usize = 64;
/// Finished calls handed to the journal and not yet answered for. At the cap further calls are delivered from memory,
/// unjournalled, and `unjournalled` rises.
pub const APPENDS_IN_FLIGHT: usize = 64;
/// Calls of one CRM that the journal could not take and that wait in memory for their delivery. At the cap a further
/// one is lost, with a line in the log.
pub const UNJOURNALLED_CALLS: usize = 128;
/// Changes of a card are gathered this long before the second and any later request for it. The first goes at once.
pub const CARD_DEBOUNCE: Duration = Duration::from_millis(300);
/// A card that could not be shown within this time of its change is not shown any more.
pub const CARD_WORTH: Duration = Duration::from_secs(60);
/// Calls of the backlog handed to a CRM at once; it takes as many of them as one request can hold, and looks them all
/// up with one. Fewer than [`CALLS_IN_HAND`], so that a call which ends meanwhile finds a place.
pub const CALLS_TOGETHER: usize = 24;
/// Failures in a row that make an outage: when the portal answers again the backlog waits for a random time, at most
/// [`SLOW_START`], for it is not the only office that was cut off.
pub const OUTAGE_FAILURES: u32 = 4;
/// Longest wait of the backlog after an outage. Cards and calls of the moment go at once.
pub const SLOW_START: Duration = Duration::from_secs(60);
/// First wait after a failed request; doubled with each further failure in a row.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(2);
/// Longest wait after failed requests.
pub const BACKOFF_LONGEST: Duration = Duration::from_secs(60);
/// A call that has met a portal out of use twice in a row lets others go first for this long when the portal is tried
/// again.
pub const SUSPENDED_AGAIN: Duration = Duration::from_secs(60);
/// Longest wait of the cards lane, whose work is worth something only now.
pub const CARD_BACKOFF_LONGEST: Duration = Duration::from_secs(5);
/// A refused or in-doubt call that keeps failing by itself is tried again after at most this long.
pub const CALL_RETRY_LONGEST: Duration = Duration::from_secs(15 * 60);
/// Users and extensions are asked anew after this time.
pub const USERS_REFRESH: Duration = Duration::from_secs(3600);
/// The journal is looked through again for recordings that were put back this long after the last look.
pub const RECORDINGS_RESCAN: Duration = Duration::from_secs(60);
/// A recording that is not there this long after its call is asked for by its age: the interval is a quarter of the
/// age, within these two.
pub const RECORDING_RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(15 * 60));
/// A call that ended this recently goes before the backlog and may show up in the portal's chat.
pub const FRESH_CALL: Duration = Duration::from_secs(120);
/// After users could not be read they are asked again after this time.
pub const USERS_REFRESH_RETRY: Duration = Duration::from_secs(30);
/// A delivery that met a user who is not known rightly has the users asked anew, but not sooner than this after they
/// were asked last: where the configuration names a wrong user every call meets him.
pub const USERS_REFRESH_WISH: Duration = Duration::from_secs(300);
/// A request whose answer was lost runs at the CRM for at most about this long (Bitrix24's cloud ends one after 60 s).
/// Not even the user's wish (SIGUSR1) has its call looked at before.
pub const DOUBT_SETTLE_LONGEST: Duration = Duration::from_secs(75);
/// Stack of a lane's thread, in bytes. rustls and ureq want about 100 KiB at the deepest (a handshake); only touched
/// pages cost memory.
pub const LANE_STACK_BYTES: usize = 256 * 1024;

// ---- clocks ---------------------------------------------------------------------------------------------------------

/// The wall clock counts as set when it moved so far against the monotonic one between two looks. Below it, it drifts
/// or is drawn along; what that adds up to is not told.
pub const CLOCK_STEP: Duration = Duration::from_secs(3);
/// How long a machine whose clock cannot be true may take to find a time server before somebody is told what to do.
/// From then on requests go all the same: TLS refuses what it cannot check, so nothing is lost by trying, and it
/// succeeds where only the date of our own build is wrong, or where the portal's certificate is older than this clock.
pub const CLOCK_PATIENCE: Duration = Duration::from_secs(10 * 60);
/// A portal whose clock differs from ours by more is believed: it was checked by its certificate, and ours may not have
/// been set yet.
pub const CLOCK_DISAGREEMENT: Duration = Duration::from_secs(5 * 60);

// ---- status ---------------------------------------------------------------------------------------------------------

/// Time a client of the status socket has to take its report. Then it is hung up on.
pub const STATUS_CLIENT_TIMEOUT: Duration = Duration::from_millis(500);
/// Largest report that `ringpost status` reads, in bytes. A larger one is no report.
pub const STATUS_BYTES: u64 = 64 * 1024;
/// What may be asked of the daemon in one line, in bytes, line end included: a word and the identity of a call. Whoever
/// says more is hung up on.
pub const INBOX_LINE_BYTES: usize = 128;
/// Time a client of the inbox has to say its line, and again to take its answer. Then it is hung up on.
pub const INBOX_CLIENT_TIMEOUT: Duration = Duration::from_secs(1);
/// Time the daemon has to answer a client of the inbox: flash may stall for seconds. Then the client is hung up on;
/// what it asked for happens all the same.
pub const INBOX_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

// ---- the journal ----------------------------------------------------------------------------------------------------

/// A page of the journal, in bytes: what JFFS2, UBIFS, ext4 and f2fs write as one. No record crosses one. Part of the
/// format: never changes.
pub const JOURNAL_PAGE_BYTES: usize = 4096;
/// CRMs that one journal keeps apart. Part of the format: never changes.
pub const JOURNAL_CRMS: usize = 8;
/// Why a CRM refused a call, in bytes. The rest is cut.
pub const JOURNAL_REASON_BYTES: usize = 96;
/// Wrong checksums after which recovery gives a page up, so that no file makes it slow. What lies behind is lost.
pub const JOURNAL_BAD_FRAMES_PER_PAGE: u32 = 64;
/// Boots whose clock was set after calls were journalled. At the cap the oldest is forgotten and its calls get the date
/// of the present boot.
pub const JOURNAL_BOOTS: usize = 8;
/// A wall clock that moves by more than this against the monotonic one was set: calls of this boot get the dates that
/// it tells from then on. Less is what reading two clocks takes.
pub const JOURNAL_CLOCK_STEP: Duration = Duration::from_secs(2);
/// Bytes written since the last sync, kept in memory: a failed sync may have thrown them away on the way to the medium,
/// and they are written again. At the cap the journal is synced, and refuses what is new if that fails.
pub const JOURNAL_UNSYNCED_BYTES: usize = 32 * 1024;
/// Delivery marks that wait in memory for the next append. At the cap they are written at once.
pub const JOURNAL_MARKS: usize = 128;
/// Bytes of marks in one record. Further marks go into another record.
pub const JOURNAL_MARKS_BYTES: usize = 1024;
/// Delivery marks that found no append to ride with are written after this long, without a sync. Losing them costs one
/// look-up each.
pub const JOURNAL_MARK_DELAY: Duration = Duration::from_secs(30);
/// How often a waiting call that the medium does not give is read before it is given up and counted as lost: once or
/// twice with each call that comes, so for a quarter of a day in a busy office. The calls that come meanwhile are not
/// kept, for its page cannot be overwritten.
pub const JOURNAL_READ_TRIES: u32 = 1000;
/// Undelivered calls, or calls of the history, handed out per request: what a reader holds in memory does not grow
/// with the backlog.
pub const JOURNAL_WINDOW: usize = 64;
/// What is read of the kernel's list of mounts, in bytes: some hundred. Beyond it the medium may not be told.
pub const MOUNTS_BYTES: u64 = 256 * 1024;
/// A journal of at least so many bytes is exported with its progress told, where somebody watches: some thousand calls.
pub const EXPORT_PROGRESS_BYTES: u64 = 1024 * 1024;
/// Two records of one identity whose starts are no further apart are one call: more than the rounding of a list of
/// channels and the time it takes, less than a PBX needs to start and to take a call. Beyond it they are two calls, and
/// the second gets an identity of its own.
pub const JOURNAL_START_TOLERANCE: Duration = Duration::from_secs(20);
/// Requests that wait for the journal's thread. At the cap the asker gets its request back.
pub const JOURNAL_REQUESTS: usize = 256;
/// Requests that share one sync when they have piled up.
pub const JOURNAL_BATCH: usize = 64;
/// A journal that could not be opened is tried again after this long.
pub const JOURNAL_REOPEN_INTERVAL: Duration = Duration::from_secs(60);

// ---- the mirror -----------------------------------------------------------------------------------------------------

/// Largest state of calls in progress, in bytes: [`CALLS`] at once with their tickets, at 2 KiB each; two of them are
/// in memory at most, one that waits and one that is being written. A larger one is not written and the one before it
/// taken away; a killed agent then joins the calls half-way.
pub const MIRROR_BYTES: usize = 4 * 1024 * 1024;
/// A spare buffer for the mirror's state up to this size, in bytes, is kept in any case; a larger one that was not a
/// quarter full is given back to the system.
pub const MIRROR_SPARE_BYTES: usize = 64 * 1024;

/// While calls are in progress the mirror is written at least this often, so that a kill costs no more of a talk.
pub const MIRROR_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes of AMI taken in one turn of the loop before its other duties get a turn.
pub const AMI_TURN_BYTES: usize = 256 * 1024;
/// Time that the end of the daemon waits for the journal before it leaves.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time that a client of the status socket waits for fresh numbers of the journal before it gets the last known ones.
pub const STATUS_JOURNAL_TIMEOUT: Duration = Duration::from_millis(300);
/// Clients of the status socket at once. A further one is hung up on.
pub const STATUS_CLIENTS: usize = 4;
/// Replies of the journal that may wait for the loop; the journal's thread waits when it is full.
pub const JOURNAL_REPLIES: usize = 32;
/// Largest transcript that `ringpost replay` reads and `ringpost record` writes, in bytes. The rest is left out, and
/// `record` ends.
pub const TRANSCRIPT_BYTES: u64 = 256 * 1024 * 1024;
/// Time that `doctor` gives the PBX to answer all its questions: [`PEER_DETAILS`] one by one over a slow VPN.
pub const DOCTOR_PBX_TIMEOUT: Duration = Duration::from_secs(60);
/// Changes of calls in progress that nobody waits for are gathered this long before the mirror is written.
pub const MIRROR_GATHER: Duration = Duration::from_millis(100);
/// Calls of one CRM that wait longer and make room for others: only their tickets are in memory. At the cap the one
/// that is due first is forgotten and met again when the journal is read anew; one that the CRM may know is looked up
/// then.
pub const CALLS_ASIDE: usize = 256;
/// The journal is read anew for calls that found no place aside, at most this often.
pub const CALLS_RESCAN: Duration = Duration::from_secs(300);
/// Attempts of calls that failed by themselves are this far apart, so that a thousand of them leave the portal's limit
/// (2 requests a second) to those that can be delivered.
pub const CALL_STUCK_PACE: Duration = Duration::from_secs(5);
/// A call that has to wait longer than this makes room for others in a crowded hand.
pub const CALL_ASIDE_WAIT: Duration = Duration::from_secs(60);
/// So often the portal may refuse to tell its users in words that are not known, a quarter of an hour apart. Then calls
/// go to the users of the configuration.
pub const USERS_REFUSALS: u8 = 2;
/// The users could not be read so often, although the portal may be well: calls go without them.
pub const USERS_PATIENCE: u32 = 5;
/// Calls that go without the users known after each failed reading of them; the first failure ends it.
pub const CALLS_WITHOUT_USERS: u32 = 16;
/// A recording is looked for at least so often before it is given up.
pub const RECORDING_LOOKS: u8 = 3;
/// A recording that is there is given up in its time only when a CRM that does other things has failed to take it so
/// often.
pub const RECORDING_REBUFFS: u8 = 8;
