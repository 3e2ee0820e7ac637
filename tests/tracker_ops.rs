//! The tracker under arbitrary events: it never panics, its tables stay bounded, every call ends once. The fuzz target
//! of the same name goes further.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod ops;

#[test]
fn arbitrary_lives_of_many_lengths() {
    let rounds = std::env::var("RINGPOST_ROUNDS").ok().and_then(|word| word.parse().ok()).unwrap_or(150_u64);
    for seed in 0..rounds {
        let mut random = fastrand::Rng::with_seed(seed);
        let length = random.usize(10..4000);
        let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
        let outcome = std::panic::catch_unwind(|| ops::live(&bytes));
        assert!(outcome.is_ok(), "seed {seed}, {length} bytes");
    }
}
