//! Plays calls on the exchange for tests.
//!
//! [`Exchange`] starts an office (a real Asterisk as PBX, a second one as
//! carrier and desk phones) through `tests/exchange` and ends it when dropped or
//! when the test process dies. [`Exchange::inbound`] and [`Exchange::dial`] begin
//! calls, [`Exchange::plan`] says what a called phone or mobile does by itself, and
//! [`Exchange::ringing`] hands a ringing phone to the test. [`Cutter`] is a
//! cable to the PBX's AMI that a test can cut.
//!
//! The office itself (extensions, DIDs, feature codes) is described in
//! `tests/README.md`. [`Agent`] is the real `ringpost` as a process, and [`Office`] lends a test an exchange of its own
//! with an agent and a portal beside it; nothing else here knows ringpost.
//!
//! ```no_run
//! use live::{Exchange, Plan, Version, did, secs};
//! # fn main() -> Result<(), live::Trouble> {
//! let exchange = Exchange::shared(Version::Asterisk22);
//! let caller = exchange.caller();
//! exchange.plan_for(&caller, "101", Plan::answer_after(secs(2.0)))?;
//! let call = exchange.inbound(&caller, did::RECORDED)?;
//! call.await_answer(secs(10.0))?;
//! std::thread::sleep(secs(3.0));
//! call.hang_up()?;
//! # Ok(()) }
//! ```

pub mod agent;
mod ami;
mod call;
mod cdr;
mod cutter;
pub mod did;
mod exchange;
pub mod office;
mod plan;
mod recorder;
pub mod told;
mod trouble;
mod wait;

pub use agent::Agent;
pub use ami::{Ami, Packet};
pub use call::{Caller, End, Near, Ringing};
pub use cdr::Cdr;
pub use cutter::Cutter;
pub use exchange::{Account, Exchange, Version};
pub use office::Office;
pub use plan::Plan;
pub use trouble::Trouble;
pub use wait::{Until, secs, wait_until};

/// Makes one test per flavour of the PBX out of one scenario.
///
/// ```no_run
/// live::scenario! {
///     fn nobody_answers(exchange) {
///         exchange.inbound(&exchange.caller(), live::did::FIVE_SECONDS)?;
///         Ok(())
///     }
/// }
/// ```
///
/// gives `nobody_answers::asterisk_22`, `::asterisk_16` and `::asterisk_16_sip`, all
/// on the exchanges that this test binary shares. The body returns
/// `Result<(), E>` of any printable `E` by ending in `Ok(())`.
#[macro_export]
macro_rules! scenario {
    ($(#[$meta:meta])* fn $name:ident($exchange:ident) $body:block) => {
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn play($exchange: &'static $crate::Exchange) -> Result<(), Box<dyn std::error::Error>> $body

            #[test]
            fn asterisk_22() -> Result<(), Box<dyn std::error::Error>> {
                play($crate::Exchange::shared($crate::Version::Asterisk22))
            }

            #[test]
            fn asterisk_16() -> Result<(), Box<dyn std::error::Error>> {
                play($crate::Exchange::shared($crate::Version::Asterisk16))
            }

            #[test]
            fn asterisk_16_sip() -> Result<(), Box<dyn std::error::Error>> {
                play($crate::Exchange::shared($crate::Version::Asterisk16Sip))
            }
        }
    };
}

/// Makes one test per flavour of the PBX out of one scenario in an [`Office`]: `NAME::asterisk_22`, `::asterisk_16` and
/// `::asterisk_16_sip`. With `pjsip` before `fn` the last one is left out: for what does not depend on the channels'
/// technology.
#[macro_export]
macro_rules! office {
    ($(#[$meta:meta])* fn $name:ident($office:ident) $body:block) => {
        $crate::office! { @ $(#[$meta])* $name, $office, $body,
            (asterisk_22, Asterisk22) (asterisk_16, Asterisk16) (asterisk_16_sip, Asterisk16Sip) }
    };
    ($(#[$meta:meta])* pjsip fn $name:ident($office:ident) $body:block) => {
        $crate::office! { @ $(#[$meta])* $name, $office, $body, (asterisk_22, Asterisk22) (asterisk_16, Asterisk16) }
    };
    (@ $(#[$meta:meta])* $name:ident, $office:ident, $body:block, $(($test:ident, $version:ident))+) => {
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn play($office: &$crate::Office) -> $crate::office::Verdict $body

            $(
                #[test]
                fn $test() -> $crate::office::Verdict {
                    $crate::Office::play($crate::Version::$version, play)
                }
            )+
        }
    };
}
