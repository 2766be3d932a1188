//! The broker as its clients see it: who gets which message, from whom, and when.

mod admin;
mod aliases;
mod authentication;
mod features;
mod groups;
mod legacy;
mod limits;
mod messages;
#[path = "../support/net.rs"]
mod net;
mod questions;
mod raw;
mod records;
mod replay;
mod retained;
mod sessions;
mod shutdown;
mod slow;
mod subscriptions;
mod sys;
mod verdicts;
mod wills;

use std::time::Duration;

use net::Net;
use sansio_mqtt::*;

const SECOND: Duration = Duration::from_secs(1);

fn net() -> Net {
    Net::new(BrokerOptions::new().with_connection(Options::new().with_accept_v31(true)))
}

const VERSIONS: [Version; 2] = [Version::V311, Version::V5];

/// A session that lives on.
fn lasting(version: Version, name: &str) -> Connect<'_> {
    const FOR_EVER: &[Property<'static>] = &[Property::SessionExpiryInterval(u32::MAX)];
    Connect {
        clean_start: false,
        properties: match version {
            Version::V5 => Properties::from(FOR_EVER),
            _ => Properties::new(),
        },
        ..Connect::new(version, name)
    }
}
