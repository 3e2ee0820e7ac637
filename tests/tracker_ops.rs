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

#[test]
fn inputs_that_earlier_fuzzing_kept() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/tracker_ops");
    let seeds: Vec<_> = std::fs::read_dir(folder).expect("seeds are part of the tree").collect();
    assert!(seeds.len() > 50, "only {} seeds", seeds.len());
    for seed in seeds {
        let path = seed.expect("readable").path();
        let bytes = std::fs::read(&path).expect("readable");
        let outcome = std::panic::catch_unwind(|| ops::live(&bytes));
        assert!(outcome.is_ok(), "{}", path.display());
    }
}
