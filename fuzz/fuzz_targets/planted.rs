//! A planted crash, three bytes deep: a fuzzer that does not find it within seconds has no coverage, and what it says
//! of the other targets proves nothing. `fuzz/run` looks for it first.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::hint::black_box;

fuzz_target!(|input: &[u8]| {
    if input.first() == Some(&b'#') && black_box(true) {
        if input.get(1) == Some(&b'!') && black_box(true) {
            if input.get(2) == Some(&b'%') && black_box(true) {
                panic!("planted");
            }
        }
    }
});
