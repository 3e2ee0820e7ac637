//! What may be asked of the running daemon: one short line in, one line of JSON out, through a socket of its own.
//!
//! Stands apart from the status socket, which reads nothing and which a whole group may open. This one changes
//! something, so it is for root and for the daemon's own user alone: its file is theirs (mode 600), and the kernel is
//! asked who is at the other end before a byte is read. A socket rather than a file of requests dropped beside it: a
//! file needs a signal to be noticed and so the daemon's number, can be left over from another day, can be a link, a
//! pipe or somebody else's, and gives no answer.
//!
//! Bounds: one client at a time, [`INBOX_LINE_BYTES`] and [`INBOX_CLIENT_TIMEOUT`] for its line,
//! [`INBOX_ANSWER_TIMEOUT`] for the daemon's answer; whoever says anything else is hung up on. Does nothing itself: the
//! daemon's loop takes each [`Asked`].

use crate::limits::{INBOX_ANSWER_TIMEOUT, INBOX_CLIENT_TIMEOUT, INBOX_LINE_BYTES};
use crate::status;
use core::fmt;
use serde::{Deserialize, Serialize};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Try the refused call of this identity again; none: all refused calls.
    Retry(Option<String>),
}

impl Wish {
    /// As it goes over the socket, without its line end.
    fn line(&self) -> String {
        match self {
            Self::Retry(None) => String::from("retry-all"),
            Self::Retry(Some(id)) => format!("retry {id}"),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            None => (line == "retry-all").then_some(Self::Retry(None)),
            Some(("retry", id)) => {
                (!id.is_empty() && !id.chars().any(char::is_control)).then(|| Self::Retry(Some(id.to_owned())))
            }
            Some(_) => None,
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// Calls that are tried again.
    pub calls: u32,
    /// Why not, or what is wrong although; empty: nothing.
    pub fault: String,
}

/// A wish and where its answer goes.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub wish: Wish,
    /// Who asks, and waits no longer than [`INBOX_ANSWER_TIMEOUT`].
    pub answer: oneshot::Sender<Answer>,
}

/// Where the socket is.
pub fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("inbox.sock")
}

/// The bound socket.
#[derive(Debug)]
pub struct Inbox {
    listener: UnixListener,
    /// The daemon's user.
    owner: u32,
}

impl Inbox {
    /// Binds the socket, for the daemon's user alone.
    ///
    /// # Errors
    /// When something that is no socket is in the way, or the directory cannot be written.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let listener = status::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        let owner = std::fs::symlink_metadata(path)?.uid();
        Ok(Self { listener, owner })
    }

    /// Hears one client after the other, until nobody takes what is asked.
    pub async fn serve(self, asked: mpsc::Sender<Asked>) {
        loop {
            let accepted = tokio::select! {
                () = asked.closed() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((client, _)) if self.may_ask(&client) => hear(client, &asked).await,
                Ok(_) => {}
                // A shortage of descriptors passes.
                Err(_) => tokio::time::sleep(INBOX_CLIENT_TIMEOUT).await,
            }
        }
    }

    fn may_ask(&self, client: &tokio::net::UnixStream) -> bool {
        client.peer_cred().is_ok_and(|peer| peer.uid() == 0 || peer.uid() == self.owner)
    }
}

/// Whatever goes wrong here is the client's own affair.
async fn hear(mut client: tokio::net::UnixStream, asked: &mpsc::Sender<Asked>) {
    let Ok(Some(wish)) = timeout(INBOX_CLIENT_TIMEOUT, wish_of(&mut client)).await else { return };
    let (answer, answered) = oneshot::channel();
    if asked.try_send(Asked { wish, answer }).is_err() {
        return;
    }
    let Ok(Ok(answer)) = timeout(INBOX_ANSWER_TIMEOUT, answered).await else { return };
    let Ok(mut text) = serde_json::to_string(&answer) else { return };
    text.push('\n');
    let _ = timeout(INBOX_CLIENT_TIMEOUT, client.write_all(text.as_bytes())).await;
}

/// Reads one line.
async fn wish_of(client: &mut tokio::net::UnixStream) -> Option<Wish> {
    let mut line = Vec::with_capacity(INBOX_LINE_BYTES);
    while line.last() != Some(&b'\n') {
        let room = INBOX_LINE_BYTES.checked_sub(line.len()).filter(|room| *room > 0)?;
        let mut some = [0; INBOX_LINE_BYTES];
        let read = client.read(some.get_mut(..room)?).await.ok().filter(|read| *read > 0)?;
        line.extend_from_slice(some.get(..read)?);
    }
    Wish::parse(core::str::from_utf8(&line).ok()?.strip_suffix('\n')?)
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InboxError {
    /// Nobody listens there.
    NotRunning,
    /// The socket may not be opened.
    Denied(PathBuf),
    /// What is asked cannot be said in a line.
    NoWish,
    /// It was heard, or not, and nothing came back.
    NoAnswer,
}

impl fmt::Display for InboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning => write!(f, "no ringpost is running here"),
            Self::Denied(path) => {
                write!(f, "{} may not be opened: run this as root or as ringpost's user", path.display())
            }
            Self::NoWish => write!(f, "that is no identity of a call: `ringpost calls --dead` lists them"),
            Self::NoAnswer => write!(
                f,
                "the running ringpost does not answer: run this as root or as its user, and see with `ringpost status` what it does"
            ),
        }
    }
}

impl std::error::Error for InboxError {}

/// Asks the running daemon.
///
/// # Errors
/// [`InboxError`], whose text tells the remedy.
pub fn ask(path: &Path, wish: &Wish) -> Result<Answer, InboxError> {
    let line = wish.line() + "\n";
    if line.len() > INBOX_LINE_BYTES || Wish::parse(line.trim_end_matches('\n')).as_ref() != Some(wish) {
        return Err(InboxError::NoWish);
    }
    let mut stream = UnixStream::connect(path).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => InboxError::Denied(path.to_owned()),
        _ => InboxError::NotRunning,
    })?;
    let _ = stream.set_write_timeout(Some(INBOX_CLIENT_TIMEOUT));
    let _ = stream.set_read_timeout(Some(INBOX_ANSWER_TIMEOUT + INBOX_CLIENT_TIMEOUT));
    stream.write_all(line.as_bytes()).map_err(|_| InboxError::NoAnswer)?;
    let mut text = Vec::new();
    let most = u64::try_from(INBOX_LINE_BYTES).unwrap_or(u64::MAX).saturating_mul(4);
    stream.take(most).read_to_end(&mut text).map_err(|_| InboxError::NoAnswer)?;
    serde_json::from_str(&String::from_utf8_lossy(&text)).map_err(|_| InboxError::NoAnswer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use std::time::Instant;

    /// A daemon that answers every wish with the length of its line, and its place.
    struct Daemon {
        directory: PathBuf,
        stop: Option<oneshot::Sender<()>>,
        thread: Option<std::thread::JoinHandle<()>>,
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    impl Daemon {
        fn start(name: &str) -> Self {
            let directory = std::env::temp_dir().join(format!("ringpost-inbox-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&directory).unwrap();
            let (stop, stopped) = oneshot::channel::<()>();
            let (bound, is_bound) = std::sync::mpsc::channel();
            let path = socket_path(&directory);
            let thread = std::thread::spawn(move || {
                runtime().block_on(async {
                    let inbox = Inbox::bind(&path).unwrap();
                    bound.send(()).unwrap();
                    let (sender, mut wishes) = mpsc::channel::<Asked>(1);
                    let answering = async {
                        while let Some(Asked { wish, answer }) = wishes.recv().await {
                            let calls = u32::try_from(wish.line().len()).unwrap_or_default();
                            let _ = answer.send(Answer { calls, fault: String::new() });
                        }
                    };
                    tokio::select! {
                        () = inbox.serve(sender) => {}
                        () = answering => {}
                        _ = stopped => {}
                    }
                });
            });
            is_bound.recv().unwrap();
            Self { directory, stop: Some(stop), thread: Some(thread) }
        }

        fn path(&self) -> PathBuf {
            socket_path(&self.directory)
        }
    }

    impl Drop for Daemon {
        fn drop(&mut self) {
            drop(self.stop.take());
            let _ = self.thread.take().map(std::thread::JoinHandle::join);
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }

    #[test]
    fn a_wish_is_heard_and_answered() {
        let daemon = Daemon::start("heard");
        for wish in [Wish::Retry(None), Wish::Retry(Some("office-1763761303.42-r69208a17".into()))] {
            let calls = u32::try_from(wish.line().len()).unwrap();
            assert_eq!(ask(&daemon.path(), &wish), Ok(Answer { calls, fault: String::new() }), "{wish:?}");
        }
        let mode = std::fs::metadata(daemon.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "nobody else may ask");
    }

    #[test]
    fn what_is_no_wish_is_not_sent() {
        let nowhere = Path::new("/nonexistent/inbox.sock");
        for id in ["", "two\nlines", &"x".repeat(INBOX_LINE_BYTES)] {
            assert_eq!(ask(nowhere, &Wish::Retry(Some(id.into()))), Err(InboxError::NoWish), "{id:?}");
        }
        assert_eq!(ask(nowhere, &Wish::Retry(None)), Err(InboxError::NotRunning));
    }

    #[test]
    fn whoever_says_anything_else_is_hung_up_on_and_others_are_heard() {
        let daemon = Daemon::start("hostile");
        let endless = vec![b'x'; 1 << 20];
        for noise in [b"retry\n".as_slice(), b"\n", b"retry-all now\n", b"\xff\xfe\n", b"retry \x00\n", &endless] {
            let mut stream = UnixStream::connect(daemon.path()).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let _ = stream.write_all(noise); // it may be hung up on before all is said
            let mut said = Vec::new();
            let _ = stream.read_to_end(&mut said); // or a reset
            assert_eq!(said, b"", "{:?}", &noise[..noise.len().min(20)]);
        }
        let silent = UnixStream::connect(daemon.path()).unwrap();
        let began = Instant::now();
        assert_eq!(ask(&daemon.path(), &Wish::Retry(None)).map(|answer| answer.calls), Ok(9));
        assert!(began.elapsed() < INBOX_CLIENT_TIMEOUT * 3, "{:?}", began.elapsed());
        drop(silent);
    }

    #[test]
    fn a_stranger_is_not_heard() {
        let directory = std::env::temp_dir().join(format!("ringpost-inbox-stranger-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        runtime().block_on(async {
            let inbox = Inbox::bind(&socket_path(&directory)).unwrap();
            let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
            let user = theirs.peer_cred().unwrap().uid();
            assert!(inbox.may_ask(&ours), "the daemon's own user");
            let inbox = Inbox { owner: user.wrapping_add(1), ..inbox };
            assert_eq!(inbox.may_ask(&ours), user == 0, "root may, others may not");
        });
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
