//! What clients can make a broker hold, however they behave: counted at the allocator, held to what the options allow, given
//! back when they are gone, and nobody else notices.
#![allow(unsafe_code)] // a global allocator cannot be written without

#[allow(dead_code)] // what only other tests use
#[path = "../support/counting.rs"]
mod counting;

mod crowds;
mod floods;
mod readers;
mod rig;
