//! SIGUSR1, as WAN up and a clock that was set send it: what waits is tried at once.

use crate::backlog::{REGISTER, SOON, missed, office};
use pbx::Pbx;
use portal::{Fault, Portal, PortalConfig, State};
use rustix::process::Signal;

/// By itself the daemon would look again after fifteen minutes.
#[test]
fn a_call_that_waits_for_a_portal_out_of_use_goes_when_the_daemon_is_kicked() {
    let (pbx, portal) = (Pbx::start(), Portal::start(PortalConfig::default()).expect("a portal"));
    let mut agent = office(&pbx, &portal);
    portal.fault(Fault::error(401, "INVALID_CREDENTIALS", "Invalid request credentials").on(REGISTER));
    pbx.play(&missed(1), 1000.0);
    agent.wait_status("a call that waits for a portal out of use", SOON, |report| {
        report["journal"]["waiting"] == 1 && report["crm"][0]["fault"].as_str().is_some_and(|fault| !fault.is_empty())
    });
    assert!(portal.calls().is_empty());
    agent.signal(Signal::USR1);
    let arrived = |state: &State| state.calls().first().map(drop);
    portal.wait_for(SOON, arrived).unwrap_or_else(|| panic!("a kick moves nothing:\n{}", agent.log()));
}
