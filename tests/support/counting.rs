// The system's allocator, with what this thread does counted: other tests and the harness run on threads of their own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    /// Bytes that were asked for.
    static ASKED: Cell<usize> = const { Cell::new(0) };
    /// Bytes allocated and not freed: less than none where another thread's were freed. And the most there were.
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn signed(size: usize) -> isize {
    // A layout has no more.
    isize::try_from(size).unwrap_or(isize::MAX)
}

fn add(size: usize) {
    COUNT.with(|count| count.set(count.get() + 1));
    ASKED.with(|asked| asked.set(asked.get() + size));
    HELD.with(|held| held.set(held.get() + signed(size)));
    PEAK.with(|peak| peak.set(peak.get().max(in_use())));
}

fn take(size: usize) {
    HELD.with(|held| held.set(held.get() - signed(size)));
}

// Safety: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both exist while the one is copied to the other.
        add(size);
        take(layout.size());
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        take(layout.size());
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that this thread holds.
pub(crate) fn in_use() -> isize {
    HELD.with(Cell::get)
}

/// Bytes more than before.
pub(crate) fn held_since(before: isize) -> usize {
    usize::try_from(in_use() - before).unwrap()
}

/// What `work` gives, and how often it allocated.
pub(crate) fn allocations<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let before = COUNT.with(Cell::get);
    let result = black_box(work());
    (result, COUNT.with(Cell::get) - before)
}

/// What `work` gives, and the bytes that it asked for.
pub(crate) fn asked<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let before = ASKED.with(Cell::get);
    let result = black_box(work());
    (result, ASKED.with(Cell::get) - before)
}

/// The most bytes that `work` had at one time.
pub(crate) fn peak(work: impl FnOnce()) -> usize {
    let before = in_use();
    PEAK.with(|peak| peak.set(before));
    work();
    usize::try_from(PEAK.with(Cell::get) - before).unwrap()
}
