//! An allocator that counts, to show what runs without allocating.
#![allow(unsafe_code)] // a global allocator cannot be written without; it only passes on
#![allow(dead_code)] // each crate uses its part

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting per thread.
pub struct Counting;

/// Allocations and growths of this thread so far.
pub fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

/// Bytes that this thread has asked for and not given back.
pub fn held() -> usize {
    HELD.with(Cell::get)
}

/// The most that were held at once since this was asked last.
pub fn peak() -> usize {
    PEAK.with(|peak| peak.replace(held()))
}

fn count() {
    // A thread that ends may free after its counter is gone.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

/// What one thread asks for another may give back, so these wrap.
fn hold(taken: usize, given: usize) {
    let _ = HELD.try_with(|held| {
        held.set(held.get().wrapping_add(taken).wrapping_sub(given));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        hold(layout.size(), 0);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        hold(0, layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        hold(size, layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
