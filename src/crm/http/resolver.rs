//! A name cache in front of the system's resolver.
//!
//! ureq asks for the addresses before every request, also on a kept connection, and the system's resolver asks the
//! network each time: a card would wait for DNS. One entry, kept [`CRM_NAME_AGE`], forgotten at the first connection
//! that fails. The system is asked on the lane's own thread, within the system's own limits (resolv.conf: 5 s and two
//! tries for each server, unless said otherwise); ureq's way out is a thread for each question, which a lasting outage
//! of DNS would heap up.

use crate::limits::CRM_NAME_AGE;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::uri::Authority;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// The last name that was resolved.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Arc<Mutex<Option<Known>>>);

#[derive(Debug)]
struct Known {
    authority: Authority,
    addresses: ResolvedSocketAddrs,
    since: Instant,
}

impl Names {
    /// Forgets what is known: the next request asks again.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn known(&self, uri: &Uri) -> Option<ResolvedSocketAddrs> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref()?;
        (Some(&known.authority) == uri.authority() && known.since.elapsed() < CRM_NAME_AGE)
            .then(|| copied(self, &known.addresses))
    }

    fn keep(&self, uri: &Uri, addresses: &ResolvedSocketAddrs) {
        let Some(authority) = uri.authority().cloned() else { return };
        let addresses = copied(self, addresses);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Known { authority, addresses, since: Instant::now() });
    }
}

fn copied(names: &Names, addresses: &ResolvedSocketAddrs) -> ResolvedSocketAddrs {
    let mut copy = names.empty();
    for address in addresses.iter() {
        copy.push(*address);
    }
    copy
}

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, config: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        if let Some(addresses) = self.known(uri) {
            return Ok(addresses);
        }
        let found =
            DefaultResolver::default().resolve(uri, config, NextTimeout::default()).map_err(|error| match error {
                ureq::Error::Io(_) => ureq::Error::HostNotFound,
                other => other,
            })?;
        self.keep(uri, &found);
        Ok(found)
    }
}
