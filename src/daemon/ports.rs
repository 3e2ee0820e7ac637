//! Which port of the PBX is tried next, and what was told of each.
//!
//! Profiles know several AMI ports. They are tried in turn until something speaks AMI at one; from then on it is the
//! port, also when it refuses the account. Stands alone to be tested without sockets. Bounds: as many lasting faults as
//! the profile has ports. It logs nothing itself.

use crate::ami::link::FaultKind;
use crate::clock::Monotonic;
use crate::log::Repeated;

/// The ports of one PBX.
#[derive(Debug)]
pub struct Ports {
    ports: Vec<u16>,
    attempt: usize,
    is_found: bool,
    faults: Vec<Repeated>,
}

impl Ports {
    /// Begins with the first one. Without any it is Asterisk's 5038.
    pub fn new(ports: Vec<u16>) -> Self {
        let faults = ports.iter().map(|_| Repeated::new()).collect();
        Self { ports, attempt: 0, is_found: false, faults }
    }

    /// The port of the present attempt.
    pub fn present(&self) -> u16 {
        self.ports.get(self.place()).copied().unwrap_or(5038)
    }

    /// The attempt, or what came of it, failed. Chooses the port of the next one and gives the line to log, if any.
    pub fn failed(&mut self, kind: &FaultKind, text: &str, now: Monotonic) -> Option<String> {
        let place = self.faults.iter().position(|lasting| lasting.is_told(text)).unwrap_or_else(|| self.place());
        let line = self.faults.get_mut(place).and_then(|lasting| lasting.fault(text, now));
        self.is_found |= speaks_ami(kind);
        if !self.is_found {
            self.attempt = self.attempt.wrapping_add(1);
        }
        line
    }

    /// The login succeeded here.
    pub fn found(&mut self) {
        self.is_found = true;
    }

    /// It works. Gives the line to log if it had failed before.
    pub fn well(&mut self) -> Option<String> {
        self.faults.iter_mut().filter_map(Repeated::well).last()
    }

    fn place(&self) -> usize {
        self.attempt.checked_rem(self.ports.len()).unwrap_or(0)
    }
}

/// Whether only an AMI server can have caused it.
fn speaks_ami(kind: &FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::AuthenticationFailed
            | FaultKind::AlreadyInUse
            | FaultKind::LoginRefused(_)
            | FaultKind::LoginTimeout
            | FaultKind::NoCallEvents
            | FaultKind::FiltersMute
            | FaultKind::ShutDown { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ami::link::Said;

    fn at(secs: u64) -> Monotonic {
        Monotonic::from_millis(secs * 1000)
    }

    #[test]
    fn a_port_that_refuses_the_account_is_the_port() {
        let mut ports = Ports::new(vec![5038, 7777]);
        let text = "refuses the account";
        assert_eq!(ports.failed(&FaultKind::AuthenticationFailed, text, at(0)).as_deref(), Some(text));
        for secs in 1..60 {
            assert_eq!(ports.present(), 5038);
            assert_eq!(ports.failed(&FaultKind::AuthenticationFailed, text, at(secs)), None);
        }
        assert_eq!(ports.well().as_deref(), Some("well again after 60 times: refuses the account"));
    }

    #[test]
    fn a_pbx_that_is_away_is_looked_for_at_each_port_and_told_once() {
        let mut ports = Ports::new(vec![5038, 7777]);
        let tried: Vec<u16> = (0..4)
            .map(|secs| {
                let port = ports.present();
                let line = ports.failed(&FaultKind::Refused, "nothing listens", at(secs));
                assert_eq!(line.is_some(), secs == 0);
                port
            })
            .collect();
        assert_eq!(tried, [5038, 7777, 5038, 7777]);
        ports.found();
        ports.failed(&FaultKind::Closed, "closed", at(9));
        assert_eq!(ports.present(), 5038);
    }

    #[test]
    fn different_faults_of_the_ports_in_turn_are_told_once_each() {
        let mut ports = Ports::new(vec![5038, 7777]);
        let faults = [(FaultKind::NotAmi(Said::new()), "not AMI"), (FaultKind::Refused, "nothing listens")];
        let told = (0..20).filter(|turn| {
            let (kind, text) = &faults[turn % 2];
            ports.failed(kind, text, at(*turn as u64)).is_some()
        });
        assert_eq!(told.count(), 2);
        assert!(ports.well().is_some() && ports.well().is_none());
    }
}
