//! A firmware image in small: its own allocator and panic handler, no `std`. If any dependency brought `std` in, the panic
//! handler would exist twice and this would not compile.
#![no_std]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

use sansio_mqtt::{DecodeOptions, Packet, Publish, TopicFilter, TopicName, Version};

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

/// Answers the packet at `packet` if it is a message for the device: writes a PUBLISH to `answer` and gives its length, or 0.
///
/// # Safety
///
/// `packet` is valid for reads of `length` bytes, and `answer` for writes of `room` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn answer(
    packet: *const u8,
    length: usize,
    answer: *mut u8,
    room: usize,
) -> usize {
    // Safety: the caller's promise.
    let (mut input, answer) = unsafe {
        (
            core::slice::from_raw_parts(packet, length),
            core::slice::from_raw_parts_mut(answer, room),
        )
    };
    let options = DecodeOptions::new();
    let Ok(Some(Packet::Publish(publish))) = Packet::decode(Version::V5, &options, &mut input)
    else {
        return 0;
    };
    let filter = TopicFilter::new(Version::V5, "device/#");
    let name = TopicName::new(publish.topic);
    if !matches!((filter, name), (Ok(filter), Ok(name)) if filter.matches(&name)) {
        return 0;
    }
    Publish::new("answers", publish.payload)
        .encode_to_slice(Version::V5, answer)
        .unwrap_or(0)
}
