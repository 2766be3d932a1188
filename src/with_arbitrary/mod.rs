//! Feature `arbitrary`: packets and what they are made of, out of the bytes of a fuzzer.
//!
//! A packet borrows the bytes it is made of, so its strings are parts of them, and its lists are blocks as a decoder makes
//! them: the longest legal beginning of a part. Where no legal one is found, and the packet needs one, a constant stands
//! in. `text` has the parts, `packets` and `values` what is made of them.

mod packets;
mod text;
mod values;
