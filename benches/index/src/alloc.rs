//! The system's allocator, counting the bytes that are in use.
#![allow(unsafe_code)] // a global allocator cannot be written without

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Of this thread, so that counting costs a rival next to nothing. A thread that frees what another one allocated
    /// goes below zero.
    static IN_USE: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    IN_USE.with(|in_use| in_use.set(in_use.get().wrapping_add(bytes)));
}

// A `Layout` is never larger than `isize::MAX`.
#[allow(clippy::cast_possible_wrap)]
fn size(layout: Layout) -> isize {
    layout.size() as isize
}

// SAFETY: every call is the system allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-size(layout));
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        count(new as isize - size(layout));
        unsafe { System.realloc(memory, layout, new) }
    }
}

/// Bytes that this thread has asked for and not freed, without what the allocator adds to them.
pub(crate) fn in_use() -> isize {
    IN_USE.with(Cell::get)
}
