//! A firmware image in small: its own allocator and panic handler, no `std`. If any dependency brought `std` in, the panic
//! handler would exist twice and this would not compile.
#![no_std]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

use sansio_mqtt::{TopicFilter, TopicName, Version};

const HEAP: usize = 64 * 1024;

/// Hands out memory from front to back and takes none back.
struct Bump {
    heap: UnsafeCell<[u8; HEAP]>,
    used: AtomicUsize,
}

// Safety: every byte is handed out once, as `used` only grows.
unsafe impl Sync for Bump {}

// Safety: what is handed out lies inside the heap, is aligned and never overlaps.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.heap.get().cast::<u8>();
        let size = layout.size() + layout.align();
        let start = self.used.fetch_add(size, Ordering::Relaxed);
        if start.saturating_add(size) > HEAP {
            return null_mut();
        }
        let free = base.wrapping_add(start);
        free.wrapping_add(free.align_offset(layout.align()))
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump {
    heap: UnsafeCell::new([0; HEAP]),
    used: AtomicUsize::new(0),
};

#[panic_handler]
fn halt(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Whether the topic of `length` bytes at `topic` is one of the device's.
///
/// # Safety
///
/// `topic` is valid for reads of `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn is_mine(topic: *const u8, length: usize) -> bool {
    // Safety: the caller's promise.
    let topic = unsafe { core::slice::from_raw_parts(topic, length) };
    let Ok(Ok(name)) = core::str::from_utf8(topic).map(TopicName::new) else {
        return false;
    };
    TopicFilter::new(Version::V5, "device/#").is_ok_and(|filter| filter.matches(&name))
}
