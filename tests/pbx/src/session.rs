//! One connection to the scripted PBX: actions in, answers out.

use crate::trouble::Trouble;
use crate::{SECRET, Shared, USERNAME};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

const CHALLENGE: &str = "188788592";

pub(crate) struct Session {
    stream: TcpStream,
    shared: Arc<Shared>,
    logged_in: bool,
}

impl Session {
    pub(crate) fn new(stream: TcpStream, shared: Arc<Shared>) -> Self {
        let _ = stream.set_nodelay(true);
        Self { stream, shared, logged_in: false }
    }

    pub(crate) fn serve(mut self) {
        let banner = self.shared.state().banner.clone();
        let Ok(reader) = self.stream.try_clone() else { return };
        if self.stream.write_all(format!("{banner}\r\n").as_bytes()).is_err() {
            return;
        }
        let mut headers = Vec::new();
        for line in BufReader::new(reader).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            if !line.is_empty() {
                headers.push(line);
            } else if !headers.is_empty() && !self.act(&Action(core::mem::take(&mut headers))) {
                return;
            }
        }
    }

    /// Answers one action; false ends the session.
    fn act(&mut self, action: &Action) -> bool {
        let name = action.header("Action").to_owned();
        let going_on = self.answer(&name, action);
        self.shared.state().actions.push(name);
        self.shared.changed.notify_all();
        going_on
    }

    fn answer(&mut self, name: &str, action: &Action) -> bool {
        let denied = self.shared.state().trouble == Trouble::Denied;
        match name {
            "Challenge" => self.respond(action, "Success", &format!("Challenge: {CHALLENGE}\r\n")),
            "Login" => return self.login(action),
            _ if !self.logged_in => self.respond(action, "Error", "Message: Permission denied\r\n"),
            "Ping" => self.respond(action, "Success", "Ping: Pong\r\nTimestamp: 1795293703.000000\r\n"),
            "Events" => self.respond(action, "Success", "Events: On\r\n"),
            "ListCommands" => self.respond(action, "Success", LIST_COMMANDS),
            "Filter" | "PJSIPShowEndpoints" | "PJSIPShowEndpoint" | "CoreShowChannels" | "Status" | "CoreSettings"
            | "CoreStatus"
                if denied =>
            {
                self.respond(action, "Error", "Message: Permission denied\r\n");
            }
            "Filter" => self.respond(action, "Success", "Message: Filter added\r\n"),
            "CoreSettings" => self.respond(action, "Success", "AMIversion: 11.0.0\r\nAsteriskVersion: 22.10.1\r\n"),
            "CoreStatus" => {
                self.respond(action, "Success", "CoreStartupDate: 2026-11-21\r\nCoreStartupTime: 20:00:00\r\n")
            }
            "PJSIPShowEndpoints" => {
                let names = self.shared.state().endpoints.clone();
                let items = names
                    .iter()
                    .map(|name| format!("Event: EndpointList\r\nObjectType: endpoint\r\nObjectName: {name}"));
                self.list(action, items.collect(), "EndpointListComplete");
            }
            "PJSIPShowEndpoint" => {
                let name = action.header("Endpoint");
                let context = if name.starts_with("trunk") { "from-trunk" } else { "from-internal" };
                let item = format!("Event: EndpointDetail\r\nObjectName: {name}\r\nContext: {context}");
                self.list(action, vec![item], "EndpointDetailComplete");
            }
            "CoreShowChannels" | "Status" => {
                let complete = if name == "Status" { "StatusComplete" } else { "CoreShowChannelsComplete" };
                let shared = Arc::clone(&self.shared);
                // Held until the list is written, so that no event stands before an older list.
                let state = shared.state();
                let items = state.channels.iter().cloned().chain(state.living.items());
                self.list(action, items.collect(), complete);
            }
            "Logoff" => {
                self.respond(action, "Goodbye", "Message: Thanks for all the fish.\r\n");
                return false;
            }
            _ => self.respond(
                action,
                "Error",
                &format!(
                    "Message: Invalid/unknown command: {name}. Use Action: ListCommands to show available commands.\r\n"
                ),
            ),
        }
        true
    }

    fn login(&mut self, action: &Action) -> bool {
        let trouble = self.shared.state().trouble;
        let key = format!("{:x}", md5::compute(format!("{CHALLENGE}{SECRET}")));
        if trouble == Trouble::AlreadyInUse {
            self.respond(action, "Error", "Message: Login Already In Use\r\n");
            return false;
        }
        if trouble == Trouble::WrongSecret || action.header("Username") != USERNAME || action.header("Key") != key {
            // Asterisk takes its time before it refuses.
            thread::sleep(Duration::from_millis(300));
            self.respond(action, "Error", "Message: Authentication failed\r\n");
            return false;
        }
        self.respond(action, "Success", "Message: Authentication accepted\r\n");
        let booted = "Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 240\r\nLastReload: 240\r\nStatus: Fully Booted\r\n\r\n";
        let _ = self.stream.write_all(booted.as_bytes());
        self.logged_in = true;
        self.shared.logins.fetch_add(1, Ordering::SeqCst);
        if let Ok(stream) = self.stream.try_clone() {
            self.shared.state().live.push(stream);
        }
        true
    }

    fn list(&mut self, action: &Action, items: Vec<String>, complete: &str) {
        self.respond(action, "Success", "EventList: start\r\nMessage: A listing follows\r\n");
        let id = action.header("ActionID");
        let mut text = String::new();
        for item in &items {
            text.push_str(&format!("{item}\r\nActionID: {id}\r\n\r\n"));
        }
        text.push_str(&format!(
            "Event: {complete}\r\nActionID: {id}\r\nEventList: Complete\r\nListItems: {}\r\n\r\n",
            items.len()
        ));
        let _ = self.stream.write_all(text.as_bytes());
    }

    fn respond(&mut self, action: &Action, response: &str, rest: &str) {
        let id = action.header("ActionID");
        let text = format!("Response: {response}\r\nActionID: {id}\r\n{rest}\r\n");
        let _ = self.stream.write_all(text.as_bytes());
    }
}

const LIST_COMMANDS: &str = "Ping: Keepalive command. (Priv: <none>)\r\n\
    CoreShowChannels: List currently active channels. (Priv: system,reporting,all)\r\n\
    CoreSettings: Show PBX core settings. (Priv: system,reporting,all)\r\n\
    CoreStatus: Show PBX core status variables. (Priv: system,reporting,all)\r\n\
    Filter: Dynamically add filters. (Priv: system,all)\r\n\
    Status: List channel status. (Priv: system,call,reporting,all)\r\n\
    PJSIPShowEndpoints: Lists PJSIP endpoints. (Priv: system,all)\r\n";

struct Action(Vec<String>);

impl Action {
    fn header(&self, name: &str) -> &str {
        let values = self.0.iter().filter_map(|line| line.split_once(':'));
        values.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next().unwrap_or("")
    }
}
