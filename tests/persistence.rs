//! Sessions that are stored: snapshots, logs of changes, machines that stop at any moment.

#[path = "support/crash.rs"]
mod crash;

use crash::*;
use proptest::prelude::*;
use sansio_mqtt::*;

const NOW: Instant = Instant::from_millis(1_000);

fn message(payload: &[u8], qos: QoS) -> Message {
    Message::new("t", payload).unwrap().with_qos(qos)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whichever machine stops and whenever the link is cut: what was accepted at QoS 1 is delivered at least once, at
    /// QoS 2 exactly once, and QoS 0 at most once.
    #[test]
    fn guarantees_hold_across_restarts(
        seed in any::<u64>(),
        version in prop_oneof![Just(Version::V311), Just(Version::V5)],
        manual in any::<bool>(),
        receive_maximum in 1u16..5,
    ) {
        let mut world = World::new(version, manual, receive_maximum);
        let mut dice = Dice::new(seed);
        for _ in 0..1_500 {
            world.step(&mut dice);
        }
        world.settle();
        let [client, server] = &world.sides;
        for (from, to) in [(client, server), (server, client)] {
            for &number in &from.accepted {
                let count = to.taken.get(&number).copied().unwrap_or(0);
                match number % 3 {
                    0 => {}
                    1 => prop_assert!(count >= 1, "{} is lost", number),
                    _ => prop_assert_eq!(count, 1, "{}", number),
                }
            }
            for (&number, &count) in &to.taken {
                prop_assert!(number % 3 == 1 || count == 1, "{} came {} times", number, count);
            }
        }
    }
}

/// The histories above are not idle: messages of every QoS arrive, machines stop.
#[test]
fn histories_are_full() {
    let mut world = World::new(Version::V5, false, 3);
    let mut dice = Dice::new(1);
    for _ in 0..5_000 {
        world.step(&mut dice);
    }
    world.settle();
    for side in &world.sides {
        eprintln!(
            "{} {:?} {}",
            side.accepted.len(),
            [0, 1, 2].map(|q| side.taken.keys().filter(|n| *n % 3 == q).count()),
            world.stops
        );
    }
    assert!(world.stops > 20, "{}", world.stops);
    for side in &world.sides {
        for qos in 0..3 {
            let taken = side
                .taken
                .keys()
                .filter(|number| *number % 3 == qos)
                .count();
            assert!(taken > 20, "{taken} of QoS {qos}");
        }
    }
}

/// The bytes of a snapshot of nothing and these changes.
fn log(changes: &[Change]) -> Vec<u8> {
    let mut bytes = snapshot(&Session::new());
    for change in changes {
        change.encode(&mut bytes);
    }
    bytes
}

fn handle(number: u64) -> PublishHandle {
    PublishHandle::from_u64(number)
}

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

fn queued(number: u64, message: Message) -> Change {
    Change::Queued {
        handle: handle(number),
        message,
        since: NOW,
    }
}

fn sent(number: u64, packet_id: u16) -> Change {
    Change::Sent {
        handle: handle(number),
        packet_id: PacketId::new(packet_id),
    }
}

/// A message with all that one can have.
fn full() -> Message {
    let properties = [
        Property::ContentType("text/plain"),
        Property::CorrelationData(&[0, 1]),
        Property::UserProperty("a", "b"),
        Property::UserProperty("a", "c"),
    ];
    message(b"payload", QoS::ExactlyOnce)
        .with_properties(Properties::from(&properties[..]))
        .unwrap()
        .with_retain(true)
        .with_message_expiry_interval(Some(60))
        .with_subscription_identifiers(&[1, 268_435_455])
        .unwrap()
}

/// Everything that a session can hold.
fn everything() -> Vec<Change> {
    let streamed = Message::with_streamed_payload("s", 1 << 27).unwrap();
    vec![
        Change::Standing {
            established: true,
            ended: false,
        },
        Change::Begun,
        queued(1, full()),
        queued(3, message(b"", QoS::AtLeastOnce)),
        queued(4, message(b"4", QoS::ExactlyOnce)),
        queued(5, message(b"5", QoS::ExactlyOnce)),
        queued(6, message(b"6", QoS::AtLeastOnce)),
        queued(7, message(b"7", QoS::AtLeastOnce)),
        queued(200, streamed.with_qos(QoS::AtLeastOnce)),
        queued(201, full().with_qos(QoS::AtMostOnce)),
        sent(1, 65_535),
        sent(3, 1),
        sent(4, 2),
        sent(5, 3),
        sent(6, 32_769),
        Change::Released { packet_id: id(2) },
        Change::Dropped {
            handle: handle(5),
            packet_id: Some(id(3)),
            reason: DropReason::PacketTooLarge,
        },
        Change::Discarded {
            handle: handle(6),
            packet_id: Some(id(32_769)),
        },
        Change::Dropped {
            handle: handle(7),
            packet_id: None,
            reason: DropReason::Expired,
        },
        Change::Received { packet_id: id(9) },
        Change::Received {
            packet_id: id(65_535),
        },
        Change::Received { packet_id: id(3) },
    ]
}

/// The format of version 1, byte for byte: what is stored today is read tomorrow.
#[test]
fn the_format() {
    let mut session = restored(&log(&[
        queued(1, message(b"ab", QoS::ExactlyOnce)),
        queued(2, message(b"c", QoS::AtLeastOnce).with_retain(true)),
        queued(3, message(b"", QoS::AtMostOnce)),
        sent(1, 0x0102),
        Change::Received { packet_id: id(7) },
        Change::Standing {
            established: true,
            ended: true,
        },
    ]));
    let expected: &[&[u8]] = &[
        b"MQTS\x01\0\0\0\0\0\0\0\x2f",
        b"\x03\x01\x03\0\0\0\0\0\0\0\x03",
        b"\x0c\x11\x01\x02\x01\xe8\x07\x02\x01t\0ab",
        b"\x09\x01\x02\xe8\x07\x05\x01t\0c",
        b"\x08\x01\x03\xe8\x07\0\x01t\0",
        b"\x03\x14\0\x07",
    ];
    let mut bytes = snapshot(&session);
    assert_eq!(bytes, expected.concat());
    assert!(session.is_established());
    let changes = [
        Change::Released {
            packet_id: id(0x0102),
        },
        Change::Settled {
            packet_id: id(0x0102),
        },
        sent(2, 0x0103),
        sent(3, 0),
        Change::Discarded {
            handle: handle(2),
            packet_id: Some(id(0x0103)),
        },
        queued(
            300,
            Message::with_streamed_payload("s", 300)
                .unwrap()
                .with_message_expiry_interval(Some(5)),
        ),
        Change::Dropped {
            handle: handle(300),
            packet_id: None,
            reason: DropReason::Expired,
        },
        Change::Reported {
            handle: handle(300),
        },
        Change::Forgotten { packet_id: id(7) },
        Change::Received { packet_id: id(8) },
        Change::Begun,
        Change::Standing {
            established: false,
            ended: false,
        },
    ];
    let expected: &[&[u8]] = &[
        b"\x03\x03\x01\x02",
        b"\x03\x04\x01\x02",
        b"\x04\x02\x02\x01\x03",
        b"\x04\x02\x03\0\0",
        b"\x04\x0b\x02\x01\x03",
        b"\x0f\x01\xac\x02\xe8\x07\x28\x01s\0\0\0\x05\0\xac\x02",
        b"\x06\x05\xac\x02\0\0\x02",
        b"\x03\x06\xac\x02",
        b"\x03\x08\0\x07",
        b"\x03\x07\0\x08",
        b"\x01\x09",
        b"\x02\x0a\0",
    ];
    for (change, &expected) in changes.iter().zip(expected) {
        let mut encoded = Vec::new();
        change.encode(&mut encoded);
        assert_eq!(encoded, expected, "{change:?}");
        bytes.extend_from_slice(expected);
        session.apply(change.clone()).unwrap();
    }
    assert_eq!(changes.len(), expected.len());
    assert_eq!(snapshot(&restored(&bytes)), snapshot(&session));
    assert!(!session.is_established());
}

#[test]
fn all_that_a_session_holds_comes_back() {
    let session = restored(&log(&everything()));
    let bytes = snapshot(&session);
    let mut again = restored(&bytes);
    assert_eq!(snapshot(&again), bytes);
    assert_eq!((again.queued(), again.in_flight()), (2, 4));
    let dropped: Vec<_> = std::iter::from_fn(|| again.take_dropped()).collect();
    assert_eq!(dropped.len(), 2);
    assert_eq!(dropped[0].message, Some(message(b"5", QoS::ExactlyOnce)));
    assert_eq!(dropped[1].reason, DropReason::Expired);

    // And goes out as it came in: PUBREL first, then PUBLISH, then what waited.
    let mut server = ServerConnection::new(NOW, Options::new());
    let connect = Connect {
        clean_start: false,
        ..Connect::new(Version::V5, "c")
    };
    let mut bytes = Vec::new();
    Packet::from(connect)
        .encode(Version::V5, &mut bytes)
        .unwrap();
    assert!(server.receive(NOW, &mut &bytes[..]).is_some());
    let connack = Connack::new(ReasonCode::Success);
    server.accept(NOW, Some(again), &connack).unwrap();
    let mut out = Vec::new();
    server.poll_transmit(NOW, &mut out, usize::MAX);
    let mut sent = Vec::new();
    let mut input = &out[..];
    let mut rest = Vec::new();
    while let Ok(Some(packet)) = Packet::decode(Version::V5, &DecodeOptions::new(), &mut input) {
        match packet {
            Packet::Connack(connack) => assert!(connack.session_present),
            Packet::Pubrel(ack) => sent.push(ack.packet_id.get()),
            Packet::Publish(publish) => {
                assert!(publish.dup);
                sent.push(publish.packet_id.unwrap().get());
                if publish.packet_id == Some(id(65_535)) {
                    let restored = Message::from_publish(publish.topic, &publish).unwrap();
                    let identifiers: Vec<u32> = publish.subscription_identifiers.iter().collect();
                    let restored = restored
                        .with_subscription_identifiers(&identifiers)
                        .unwrap();
                    assert_eq!(restored, full());
                }
            }
            other => panic!("{other}"),
        }
        rest = input.to_vec();
    }
    assert_eq!(sent, [2, 3, 65_535, 1]);
    // The head of the streamed one.
    assert_eq!(rest[0], 0x32);
}

/// A log that was cut tells where; what is before is whole, and is a session.
#[test]
fn a_cut_log() {
    let bytes = log(&everything());
    let head = snapshot(&Session::new()).len();
    let mut ends = vec![head];
    for change in everything() {
        let mut record = Vec::new();
        change.encode(&mut record);
        ends.push(ends.last().unwrap() + record.len());
    }
    for cut in 0..=bytes.len() {
        let restored = Session::restore(&bytes[..cut]);
        match ends.iter().rposition(|&end| end <= cut) {
            Some(at) if ends[at] == cut => assert!(restored.is_ok(), "{cut}"),
            at => {
                let offset = at.map_or(0, |at| ends[at]);
                let kind = SnapshotErrorKind::Truncated;
                assert_eq!(
                    restored.unwrap_err(),
                    SnapshotError { offset, kind },
                    "{cut}"
                );
            }
        }
    }
    // A snapshot that was cut is none: what follows might be all that makes it right.
    let whole = snapshot(&restored(&bytes));
    for cut in 0..whole.len() {
        let error = Session::restore(&whole[..cut]).unwrap_err();
        assert_eq!(
            (error.offset, error.kind),
            (0, SnapshotErrorKind::Truncated)
        );
    }
}

/// Whatever byte is altered: an error, or another session that is one.
#[test]
fn altered_bytes() {
    let snapshot_bytes = snapshot(&restored(&log(&everything())));
    for bytes in [log(&everything()), snapshot_bytes] {
        let mut kinds = std::collections::BTreeSet::new();
        for at in 0..bytes.len() {
            for flip in [1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0xFF] {
                let mut altered = bytes.clone();
                altered[at] ^= flip;
                match Session::restore(&altered) {
                    Ok(session) => {
                        let again = snapshot(&session);
                        assert_eq!(snapshot(&restored(&again)), again);
                    }
                    Err(error) => {
                        if error.kind == SnapshotErrorKind::Truncated && error.offset > 0 {
                            restored(&altered[..error.offset]);
                        }
                        kinds.insert(
                            format!("{:?}", error.kind)
                                .split('(')
                                .next()
                                .map(str::to_owned),
                        );
                    }
                }
            }
        }
        assert_eq!(kinds.len(), 5, "{kinds:?}");
    }
}

/// Changes that do not follow, each with the log that it does not follow from.
#[test]
fn changes_out_of_order() {
    let dropped = |number, packet_id| Change::Dropped {
        handle: handle(number),
        packet_id,
        reason: DropReason::Expired,
    };
    let discarded = |number, packet_id| Change::Discarded {
        handle: handle(number),
        packet_id,
    };
    let one = || queued(1, message(b"", QoS::AtLeastOnce));
    let two = || queued(2, message(b"", QoS::ExactlyOnce));
    let none = || queued(1, message(b"", QoS::AtMostOnce));
    let (released, settled) = (
        || Change::Released { packet_id: id(5) },
        || Change::Settled { packet_id: id(5) },
    );
    let (received, forgotten) = (
        || Change::Received { packet_id: id(5) },
        || Change::Forgotten { packet_id: id(5) },
    );
    let reported = |number| Change::Reported {
        handle: handle(number),
    };
    let cases: Vec<Vec<Change>> = vec![
        vec![one(), one()],
        vec![two(), one()],
        vec![queued(u64::MAX, message(b"", QoS::AtMostOnce))],
        vec![sent(1, 5)],
        vec![one(), two(), sent(2, 5)],
        vec![one(), sent(1, 0)],
        vec![none(), sent(1, 5)],
        vec![one(), two(), sent(1, 5), sent(2, 5)],
        vec![released()],
        vec![one(), sent(1, 5), released()],
        vec![two(), sent(2, 5), released(), released()],
        vec![settled()],
        vec![one(), sent(1, 5), settled(), settled()],
        vec![dropped(1, None)],
        vec![one(), dropped(1, None), dropped(1, None)],
        vec![one(), sent(1, 5), dropped(1, None)],
        vec![one(), sent(1, 5), dropped(2, Some(id(5)))],
        vec![two(), sent(2, 5), released(), dropped(2, Some(id(5)))],
        vec![one(), dropped(1, Some(id(5)))],
        vec![
            one(),
            sent(1, 5),
            Change::Dropped {
                handle: handle(1),
                packet_id: Some(id(5)),
                reason: DropReason::QueueFull,
            },
        ],
        vec![discarded(1, None)],
        vec![one(), sent(1, 5), discarded(1, None)],
        vec![two(), sent(2, 5), released(), discarded(2, Some(id(5)))],
        vec![reported(1)],
        vec![
            one(),
            two(),
            dropped(2, None),
            dropped(1, None),
            reported(1),
        ],
        vec![received(), received()],
        vec![forgotten()],
        vec![received(), Change::Begun, forgotten()],
        vec![one(), sent(1, 5), Change::Begun, settled()],
    ];
    for case in cases {
        let (last, before) = case.split_last().unwrap();
        let before = log(before);
        let mut session = restored(&before);
        let inconsistent = SnapshotErrorKind::Inconsistent;
        let known = snapshot(&session);
        assert_eq!(session.apply(last.clone()), Err(inconsistent), "{case:?}");
        assert_eq!(snapshot(&session), known, "{case:?}");
        let error = Session::restore(&log(&case)).map(|_| ()).unwrap_err();
        let is_read = !matches!(last, Change::Queued { handle, .. } if handle.as_u64() == u64::MAX);
        assert_eq!(error.offset, before.len(), "{case:?}");
        assert_eq!(error.kind == inconsistent, is_read, "{case:?}");
    }
}

/// Snapshots that no session makes: the parts of one, in an order or with values that cannot be.
#[test]
fn snapshots_that_cannot_be() {
    let publish: &[u8] = b"\x0b\x11\0\x05\x02\xe8\x07\x01\x01t\0x";
    let release: &[u8] = b"\x05\x12\0\x06\x03\0";
    let waiting: &[u8] = b"\x08\x01\x04\xe8\x07\0\x01t\0";
    let unreported: &[u8] = b"\x03\x13\x05\x02";
    let received: &[u8] = b"\x05\x14\0\x01\0\x02";
    let restore = |flags: u8, next_handle: u64, parts: &[&[u8]]| {
        let parts = parts.concat();
        let mut bytes = b"MQTS\x01".to_vec();
        bytes.extend_from_slice(&(parts.len() as u64 + 11).to_be_bytes());
        bytes.extend_from_slice(&[flags, 0, 1]);
        bytes.extend_from_slice(&next_handle.to_be_bytes());
        bytes.extend_from_slice(&parts);
        let restored = Session::restore(&bytes);
        if let Ok(session) = &restored {
            assert_eq!(snapshot(session), bytes);
        }
        restored.map(|_| ()).map_err(|error| error.kind)
    };
    let all = [publish, release, waiting, unreported, received];
    assert_eq!(restore(3, 9, &all), Ok(()));
    let malformed = Err(SnapshotErrorKind::Malformed);
    let inconsistent = Err(SnapshotErrorKind::Inconsistent);
    for first in 0..all.len() {
        for second in first..all.len() {
            let (a, b) = (all[second], all[first]);
            assert_eq!(restore(0, 9, &[a, b]), inconsistent, "{first} {second}");
        }
    }
    assert_eq!(restore(4, 9, &[]), malformed);
    assert_eq!(restore(0, u64::MAX, &[]), inconsistent);
    // Handles above the last one that was given.
    assert_eq!(restore(0, 1, &[publish]), inconsistent);
    assert_eq!(restore(0, 3, &[waiting]), inconsistent);
    assert_eq!(restore(0, 4, &[unreported]), inconsistent);
    let cases: &[(&[u8], Result<(), SnapshotErrorKind>)] = &[
        // Of QoS 0, 3; a flag that does not exist; identifier 0; handle 0.
        (b"\x0b\x11\0\x05\x02\xe8\x07\0\x01t\0x", inconsistent),
        (b"\x0b\x11\0\x05\x02\xe8\x07\x03\x01t\0x", malformed),
        (b"\x0b\x11\0\x05\x02\xe8\x07\x41\x01t\0x", malformed),
        (b"\x0b\x11\0\0\x02\xe8\x07\x01\x01t\0x", malformed),
        (b"\x0b\x11\0\x05\0\xe8\x07\x01\x01t\0x", malformed),
        // Topics: empty, with a wildcard, no UTF-8, longer than the record.
        (b"\x07\x01\x04\x01\0\0\0x", malformed),
        (b"\x08\x01\x04\x01\0\x01#\0x", malformed),
        (b"\x08\x01\x04\x01\0\x01\xff\0x", malformed),
        (b"\x08\x01\x04\x01\0\x7ft\0x", malformed),
        // Properties: not forwarded (Topic Alias, Message Expiry Interval), twice, longer than the record.
        (b"\x0a\x01\x04\x01\0\x01t\x03\x23\0\x01", malformed),
        (b"\x0c\x01\x04\x01\0\x01t\x05\x02\0\0\0\x01", malformed),
        (b"\x0b\x01\x04\x01\0\x01t\x04\x01\0\x01\0", malformed),
        (b"\x08\x01\x04\x01\0\x01t\x05\x01", malformed),
        // Subscription Identifiers: none, 0, more than the record has.
        (b"\x08\x01\x04\x01\x10\x01t\0\0", malformed),
        (b"\x09\x01\x04\x01\x10\x01t\x01\0\0", malformed),
        (
            b"\x0e\x01\x04\x01\x10\x01t\xff\xff\xff\xff\xff\x0f\x01",
            malformed,
        ),
        // A streamed payload with bytes, or without a length.
        (b"\x09\x01\x04\x01\x20\x01t\0\x05x", malformed),
        (b"\x07\x01\x04\x01\x20\x01t\0", malformed),
        // Integers that are longer than needed, or than 64 bits.
        (b"\x09\x01\x84\0\xe8\x07\0\x01t\0", malformed),
        (b"\x87\0\x01\x04\x01\0\x01t\0", malformed),
        (
            b"\x10\x01\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\0\x01t\0",
            malformed,
        ),
        // A PUBREL that was reported twice over.
        (b"\x05\x12\0\x06\x03\x02", malformed),
        // A reason that does not exist; a message where there is none.
        (b"\x03\x13\x05\x05", malformed),
        (b"\x07\x13\x05\x04\0\x01t\0", inconsistent),
        // Identifiers: falling, twice, 0, half of one, none.
        (b"\x05\x14\0\x02\0\x01", inconsistent),
        (b"\x05\x14\0\x02\0\x02", inconsistent),
        (b"\x03\x14\0\0", malformed),
        (b"\x04\x14\0\x01\0", malformed),
        (b"\x01\x14", inconsistent),
        // What is no part of a snapshot; nothing; one byte too many.
        (b"\x01\x09", malformed),
        (b"\0", malformed),
        (b"\x06\x12\0\x06\x03\0\0", malformed),
        (b"\x7f\x01", malformed),
    ];
    for (part, expected) in cases {
        assert_eq!(restore(0, 9, &[part]), *expected, "{part:x?}");
    }
    // Dropped twice, or dropped and waiting.
    assert_eq!(restore(0, 9, &[unreported, unreported]), inconsistent);
    assert_eq!(restore(0, 9, &[waiting, b"\x03\x13\x04\x02"]), inconsistent);
    for (bytes, kind) in [
        (&b"MQTT\x01"[..], SnapshotErrorKind::NotASnapshot),
        (b"X", SnapshotErrorKind::NotASnapshot),
        (b"", SnapshotErrorKind::Truncated),
        (b"MQTS\x02", SnapshotErrorKind::Version(2)),
        (
            b"MQTS\x01\xff\xff\xff\xff\xff\xff\xff\xff",
            SnapshotErrorKind::Truncated,
        ),
    ] {
        assert_eq!(Session::restore(bytes).map(|_| ()).unwrap_err().kind, kind);
    }
}

fn client(session: Session, options: &Options, clean_start: bool) -> ClientConnection {
    let connect = Connect {
        clean_start,
        ..Connect::new(Version::V311, "c")
    };
    ClientConnection::new(NOW, &connect, session, options.clone()).unwrap()
}

const CONNACK: &[u8] = &[0x20, 2, 0, 0];

/// Records that nobody takes hold up messages and input, and are not more than the bound and what the last call added.
#[test]
fn records_that_are_not_taken() {
    let options = Options::new()
        .with_change_records(true)
        .with_maximum_kept_messages(4);
    let mut client = client(Session::new(), &options, false);
    let mut out = Vec::new();
    client.poll_transmit(NOW, &mut out, usize::MAX);
    assert!(client.receive(NOW, &mut &CONNACK[..]).is_some());
    // `Standing` with CONNECT, `Begun` with CONNACK; a third and a fourth.
    for _ in 0..2 {
        client
            .publish(NOW, message(b"x", QoS::ExactlyOnce))
            .unwrap();
    }
    let refused = client.publish(NOW, message(b"x", QoS::ExactlyOnce));
    assert_eq!(refused.unwrap_err().reason, PublishErrorReason::QueueFull);
    assert!(!client.wants_input());
    out.clear();
    assert_eq!(client.poll_transmit(NOW, &mut out, usize::MAX), 0);
    let mut input = &[0xd0, 0][..];
    assert!(client.receive(NOW, &mut input).is_none());
    assert_eq!(input.len(), 2);
    assert_eq!(std::iter::from_fn(|| client.poll_change()).count(), 4);
    assert!(client.wants_input());
    client.poll_transmit(NOW, &mut out, usize::MAX);
    assert_eq!(std::iter::from_fn(|| client.poll_change()).count(), 2);
}

/// Unless asked for there are none, in a connection or without.
#[test]
fn nothing_is_recorded_by_itself() {
    let mut session = Session::new();
    let options = Options::new();
    session
        .enqueue(NOW, message(b"x", QoS::ExactlyOnce), &options)
        .unwrap();
    assert_eq!(session.poll_change(), None);
    let mut client = client(session, &options, false);
    client.poll_transmit(NOW, &mut Vec::new(), usize::MAX);
    assert!(client.receive(NOW, &mut &CONNACK[..]).is_some());
    client.poll_transmit(NOW, &mut Vec::new(), usize::MAX);
    assert_eq!(client.poll_change(), None);
}

/// What a restart thinks of the server's session is what `into_session` says, at each step of the opening and after it.
#[test]
fn a_restart_knows_what_the_server_may_have() {
    let recorded = Options::new().with_change_records(true);
    for clean_start in [false, true] {
        for steps in 0..4 {
            let mut log = snapshot(&Session::established());
            let mut client = client(Session::established(), &recorded, clean_start);
            if steps > 0 {
                client.poll_transmit(NOW, &mut Vec::new(), usize::MAX);
            }
            if steps > 1 {
                let code = if steps == 2 { 5 } else { 0 };
                assert!(client.receive(NOW, &mut &[0x20, 2, 0, code][..]).is_some());
            }
            while let Some(change) = client.poll_change() {
                change.encode(&mut log);
            }
            let of_connection = snapshot(client.session());
            let session = client.into_session();
            assert_eq!(snapshot(&session), of_connection, "{clean_start} {steps}");
            assert_eq!(
                canonical(&restored(&log)),
                canonical(&session),
                "{clean_start} {steps}"
            );
            // 3.1.1: a clean session ends with its connection.
            assert_eq!(session.is_established(), !clean_start || steps < 3);
        }
    }
}
