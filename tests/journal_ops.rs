//! Lives of the ring out of random bytes, and of the seeds that fuzzing found worth keeping: see
//! `fuzz_targets/journal_ops.rs`.

mod journal_queue;

#[test]
fn random_lives_keep_what_they_promise() {
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..60 {
        let length = random.usize(0..500);
        let input: Vec<u8> = core::iter::repeat_with(|| random.u8(..)).take(length).collect();
        journal_queue::live(&input);
    }
}
