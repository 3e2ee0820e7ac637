//! What a call costs on flash, and how many calls fit.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test may panic

mod journal_mix;

use journal_mix::{Mix, Office, after_call, mix_settings, ticket};
use ringpost::journal::simulated::SimulatedMedium;
use ringpost::journal::{Crm, Mark, Part, Ring, Seq};

/// Lives `calls` calls of the office in a ring of the default size: append, sync, delivered, recording attached.
fn bytes_of_calls(mix: &Mix, office: Office, calls: u64) -> Vec<u64> {
    let (mut ring, _) = Ring::open(SimulatedMedium::new(512 * 1024), mix_settings(office.crms));
    let mut costs = Vec::new();
    for number in 0..calls {
        let before = ring.storage().bytes_written;
        let entry = mix.entry(number, office);
        let now = after_call(number);
        let seq = ring.append(&entry, now).unwrap().seq;
        ring.sync().unwrap();
        for addressee in &entry.addressees {
            let has_recording = !entry.call.recordings.is_empty();
            let name = (has_recording && !office.with_cards).then(|| ticket(number, addressee.crm.0));
            ring.mark(seq, addressee.crm, Mark::Delivered { ticket: name }, now);
            if has_recording {
                ring.mark(seq, addressee.crm, Mark::Attached { recording: 0 }, now);
            }
        }
        costs.push(ring.storage().bytes_written - before);
    }
    assert!(ring.pending(Crm(0), Part::Call, Seq(0), 1).is_empty());
    costs
}

#[test]
fn measure() {
    let mix = Mix::new();
    println!("{} scenes", mix.scenes());
    for crms in [1, 2] {
        for with_cards in [false, true] {
            let costs = bytes_of_calls(&mix, Office { crms, with_cards }, 5000);
            let sum: u64 = costs.iter().sum();
            println!("{crms} {with_cards}: mean {} worst {}", sum / costs.len() as u64, costs.iter().max().unwrap());
        }
    }
}
