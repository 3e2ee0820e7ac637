//! The binary: what a developer sees and can say.
#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A portal in its own process; killed by its own id should the test fail.
struct ByHand {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl ByHand {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portal"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the portal starts");
        let lines = BufReader::new(child.stdout.take().expect("an output")).lines();
        Self { input: child.stdin.take(), child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("a line").expect("a text")
    }

    fn say(&mut self, command: &str) {
        writeln!(self.input.as_mut().expect("an input"), "{command}").expect("said");
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_tells_where_it_is_and_what_happens_and_obeys() {
    let mut portal = ByHand::start(&["--users", "201=31,202=32"]);
    let webhook = portal.line();
    assert!(webhook.starts_with("webhook   https://127.0.0.1:"), "{webhook}");
    let ca_file = portal.line().split_whitespace().last().expect("a path").to_owned();
    assert!(std::fs::read_to_string(&ca_file).expect("a file").starts_with("-----BEGIN CERTIFICATE"));
    portal.say("fault cut telephony.externalCall.register 3");
    assert_eq!(portal.line(), "3 faults planned");
    portal.say("down");
    assert!(portal.line().ends_with("portal    down"));
    portal.say("up");
    assert!(portal.line().ends_with("portal    up"));
    portal.say("quit");
    assert!(portal.child.wait().expect("an end").success());
    assert!(!std::path::Path::new(&ca_file).exists(), "its directory goes with it");
}

#[test]
fn a_wrong_argument_is_refused_with_the_usage() {
    let output = Command::new(env!("CARGO_BIN_EXE_portal")).args(["--users", "201"]).output().expect("an end");
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).expect("a text");
    assert!(text.contains("EXTENSION=ID") && text.contains("usage: portal"), "{text}");
}
