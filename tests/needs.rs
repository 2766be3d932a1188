//! What users of MQTT libraries ask for, row by row, where the tests of each topic do not go through every
//! state.

#[path = "support/pair.rs"]
mod pair;

use std::collections::BTreeMap;
use std::time::Duration;

use pair::*;
use sansio_mqtt::*;

/// One message of each kind of exchange, and one more.
const KINDS: [QoS; 3] = [QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn publishes(pair: &mut Pair, from_client: bool, message: Message) -> PublishHandle {
    let now = pair.now;
    if from_client {
        pair.client().publish(now, message).unwrap()
    } else {
        pair.server().publish(now, message).unwrap()
    }
}

fn wire(pair: &mut Pair, to_server: bool) -> &mut Wire {
    match to_server {
        true => &mut pair.to_server,
        false => &mut pair.to_client,
    }
}

/// Cuts the link once, after so many bytes in one direction. True: that was late enough to see everything
/// settled.
fn cut_after(pair: &mut Pair, to_server: bool, bytes: usize) -> bool {
    wire(pair, to_server).budget = Some(bytes);
    pair.drive();
    let too_late = wire(pair, to_server).budget != Some(0);
    pair.cut();
    too_late
}

/// How often each message was reported, and that the last report was the only one.
fn reports(seen: &[Seen]) -> BTreeMap<PublishHandle, usize> {
    let mut reports = BTreeMap::new();
    for seen in seen {
        if let Seen::Published(handle, _) | Seen::Dropped(handle, _) = seen {
            *reports.entry(*handle).or_default() += 1;
        }
    }
    reports
}

fn assert_reported_once(seen: &[Seen], handles: &[PublishHandle], what: &str) {
    let reports = reports(seen);
    assert!(
        handles.iter().all(|handle| reports.get(handle) == Some(&1)),
        "{what}: {seen:#?}"
    );
}

/// Nothing is open, all of the quota is there, and the connection works.
fn assert_whole(pair: &mut Pair, quota: u16, what: &str) {
    for from_client in [true, false] {
        // Under each identifier that was used, and each kind.
        for n in 0..6 {
            let qos = ALL_QOS[1 + usize::from(n > 0)];
            publishes(pair, from_client, message("t", "after", qos));
        }
    }
    pair.drive();
    let after = |seen: &[Seen]| payloads(seen).iter().filter(|one| *one == "after").count();
    assert_eq!(after(&pair.server.seen), 6, "{what}");
    assert_eq!(after(&pair.client.seen), 6, "{what}");
    for (in_flight, queued) in [
        (
            pair.client().session().in_flight(),
            pair.client().session().queued(),
        ),
        (
            pair.server().session().in_flight(),
            pair.server().session().queued(),
        ),
    ] {
        assert_eq!((in_flight, queued), (0, 0), "{what}");
    }
    assert_eq!(pair.client().send_quota(), quota, "{what}");
}

/// The server loses the session at every byte of every exchange: what is not settled is reported, once; the
/// identifiers and the quota come back; what the server sends under an old identifier is new.
#[test]
fn resume_only_what_the_peer_resumed() {
    for version in VERSIONS {
        for to_server in [true, false] {
            for clean_start in [false, true] {
                for bytes in 0.. {
                    let mut pair = Pair::connected(Setup {
                        server: Options::new().with_receive_maximum(3),
                        ..Setup::persistent(version)
                    });
                    let what = format!("{version} {to_server} {clean_start} {bytes}");
                    let mut handles = Vec::new();
                    for (n, qos) in KINDS.into_iter().enumerate() {
                        let text = n.to_string();
                        handles.push(publishes(&mut pair, true, message("t", &text, qos)));
                        publishes(&mut pair, false, message("t", &text, qos));
                    }
                    let too_late = cut_after(&mut pair, to_server, bytes);
                    // Forgotten, or ended by the client.
                    if clean_start {
                        pair.setup.clean_start = true;
                    } else {
                        pair.stored = None;
                    }
                    pair.connect();
                    pair.drive();
                    let quota = if version == Version::V5 { 3 } else { u16::MAX };
                    assert!(pair.client().is_connected(), "{what}");
                    assert_eq!(pair.client().send_quota(), quota, "{what}");
                    assert_reported_once(&pair.client.seen, &handles, &what);
                    assert_whole(&mut pair, quota, &what);
                    // And no word of it later.
                    pair.setup.clean_start = false;
                    pair.reconnect();
                    assert_reported_once(&pair.client.seen, &handles, &what);
                    if too_late {
                        break;
                    }
                }
            }
        }
    }
}

/// The link is cut at every byte, and once more while the session is resumed; at the end everything has come,
/// QoS 2 once, and is reported once.
#[test]
fn order_and_duplicates_on_resume() {
    for version in VERSIONS {
        for from_client in [true, false] {
            for to_server in [true, false] {
                for bytes in 0.. {
                    let mut too_late = false;
                    for again in 0.. {
                        let mut pair = Pair::connected(Setup::persistent(version));
                        let what = format!("{version} {from_client} {to_server} {bytes} {again}");
                        let handles = KINDS.map(|qos| {
                            let text = if qos == QoS::ExactlyOnce { "2" } else { "1" };
                            publishes(&mut pair, from_client, message("t", text, qos))
                        });
                        too_late = cut_after(&mut pair, to_server, bytes);
                        pair.connect();
                        let ends = cut_after(&mut pair, again % 2 == 0, again / 2);
                        pair.connect();
                        pair.drive();
                        assert!(pair.client().is_connected(), "{what}");
                        let (sender, receiver) = match from_client {
                            true => (&pair.client.seen, &pair.server.seen),
                            false => (&pair.server.seen, &pair.client.seen),
                        };
                        assert_reported_once(sender, &handles, &what);
                        let seen = payloads(receiver);
                        let count = |text| seen.iter().filter(|one| *one == text).count();
                        assert_eq!(count("2"), 2, "{what}");
                        assert!((1..=3).contains(&count("1")), "{what}");
                        if too_late || ends && again % 2 == 0 {
                            assert_whole(
                                &mut pair,
                                if version == Version::V5 {
                                    1024
                                } else {
                                    u16::MAX
                                },
                                &what,
                            );
                        }
                        // Both directions have had their last byte.
                        if ends && again > 100 {
                            break;
                        }
                    }
                    if too_late {
                        break;
                    }
                }
            }
        }
    }
}

/// A session of one version goes on in the other, with every exchange in every state.
#[test]
fn resume_in_the_other_version() {
    for (first, second) in [(Version::V311, Version::V5), (Version::V5, Version::V311)] {
        for from_client in [true, false] {
            for to_server in [true, false] {
                for bytes in 0.. {
                    let mut pair = Pair::connected(Setup::persistent(first));
                    let what = format!("{first} {from_client} {to_server} {bytes}");
                    let handles = KINDS.map(|qos| {
                        let text = if qos == QoS::ExactlyOnce { "2" } else { "1" };
                        publishes(&mut pair, from_client, message("t", text, qos))
                    });
                    let too_late = cut_after(&mut pair, to_server, bytes);
                    pair.setup = Setup::persistent(second);
                    pair.connect();
                    pair.drive();
                    assert!(pair.client().is_connected(), "{what}");
                    let (sender, receiver) = match from_client {
                        true => (&pair.client.seen, &pair.server.seen),
                        false => (&pair.server.seen, &pair.client.seen),
                    };
                    assert_reported_once(sender, &handles, &what);
                    let seen = payloads(receiver);
                    let count = |text| seen.iter().filter(|one| *one == text).count();
                    assert_eq!(count("2"), 2, "{what}");
                    assert!((1..=2).contains(&count("1")), "{what}");
                    let quota = match second {
                        Version::V5 => 1024,
                        _ => u16::MAX,
                    };
                    assert_whole(&mut pair, quota, &what);
                    if too_late {
                        break;
                    }
                }
            }
        }
    }
}

/// The server comes back with less, whatever state the exchanges were in: what it does not take is dropped
/// and released, and it never has to complain.
#[test]
fn resume_within_the_new_limits() {
    for limit in 0..4 {
        for to_server in [true, false] {
            for bytes in 0.. {
                let mut pair = Pair::connected(Setup::persistent(Version::V5));
                let what = format!("{limit} {to_server} {bytes}");
                let long = "x".repeat(60);
                let handles = KINDS.map(|qos| {
                    let sent = message("t", &long, qos).with_retain(qos == QoS::AtLeastOnce);
                    publishes(&mut pair, true, sent)
                });
                let small = publishes(&mut pair, true, message("t", "small", QoS::AtLeastOnce));
                let too_late = cut_after(&mut pair, to_server, bytes);
                match limit {
                    0 => pair.setup.server = Options::new().with_receive_maximum(1),
                    1 => pair.setup.server = Options::new().with_maximum_packet_size(60),
                    2 => pair
                        .setup
                        .connack
                        .push(Property::MaximumQos(QoS::AtLeastOnce)),
                    _ => pair.setup.connack.push(Property::RetainAvailable(false)),
                }
                pair.connect();
                pair.drive();
                assert_eq!(pair.server.closed, None, "{what}");
                assert_eq!(pair.client.closed, None, "{what}");
                assert_reported_once(&pair.client.seen, &handles, &what);
                assert_reported_once(&pair.client.seen, &[small], &what);
                assert_eq!(pair.client().session().in_flight(), 0, "{what}");
                let quota = if limit == 0 { 1 } else { 1024 };
                assert_eq!(pair.client().send_quota(), quota, "{what}");
                // The identifiers of what was dropped serve new messages.
                pair.server.seen.clear();
                for _ in 0..3 {
                    publishes(&mut pair, true, message("t", "new", QoS::AtLeastOnce));
                }
                pair.drive();
                assert_eq!(payloads(&pair.server.seen), ["new"; 3], "{what}");
                if too_late {
                    break;
                }
            }
        }
    }
}

/// A driver stops between any two calls, having written any part of what it was given, and goes on with a new
/// transport.
#[test]
fn cancel_safety() {
    for version in VERSIONS {
        for written in [0, 1, 3, usize::MAX] {
            for calls in 0.. {
                let mut pair = Pair::connected(Setup::persistent(version));
                let what = format!("{version} {calls} {written}");
                let mut handles = [Vec::new(), Vec::new()];
                for (n, qos) in KINDS.into_iter().enumerate() {
                    let text = n.to_string();
                    handles[0].push(publishes(&mut pair, true, message("t", &text, qos)));
                    handles[1].push(publishes(&mut pair, false, message("t", &text, qos)));
                }
                let done = stop_after(&mut pair, calls, written);
                pair.cut();
                pair.connect();
                pair.drive();
                assert!(pair.client().is_connected(), "{what}");
                assert_reported_once(&pair.client.seen, &handles[0], &what);
                assert_reported_once(&pair.server.seen, &handles[1], &what);
                for seen in [&pair.server.seen, &pair.client.seen] {
                    let mut seen = payloads(seen);
                    seen.sort();
                    let first = seen.iter().filter(|one| *one == "1").count();
                    assert!((1..=2).contains(&first), "{what}: {seen:?}");
                    seen.dedup_by(|one, other| one == "1" && other == "1");
                    assert_eq!(seen, ["0", "1", "2"], "{what}");
                }
                let quota = match version {
                    Version::V5 => 1024,
                    _ => u16::MAX,
                };
                assert_whole(&mut pair, quota, &what);
                if done {
                    break;
                }
            }
        }
    }
}

/// Calls the six methods one by one, a packet at a time; after the last, so many bytes of what was given are
/// written. True: there was nothing left to do.
fn stop_after(pair: &mut Pair, calls: usize, written: usize) -> bool {
    let now = pair.now;
    // To the server, to the client.
    let mut wires = [Vec::new(), Vec::new()];
    let mut idle = 0;
    for call in 0..=calls {
        let last = call == calls;
        let busy = match call % 4 {
            0 | 2 => {
                let mut out = Vec::new();
                if call % 4 == 0 {
                    pair.client().poll_transmit(now, &mut out, 1);
                } else {
                    pair.server().poll_transmit(now, &mut out, 1);
                }
                let kept = if last {
                    out.len().min(written)
                } else {
                    out.len()
                };
                wires[call % 4 / 2].extend_from_slice(&out[..kept]);
                !out.is_empty()
            }
            1 => {
                let bytes = std::mem::take(&mut wires[0]);
                let mut input = &bytes[..];
                let event = match pair.server().receive(now, &mut input) {
                    Some(ServerEvent::Publish(incoming)) => Some(seen(&incoming)),
                    Some(ServerEvent::Published { handle, ack }) => {
                        Some(Seen::Published(handle, ack.reason))
                    }
                    None => None,
                    other => panic!("{other:?}"),
                };
                let busy = event.is_some() || input.len() < bytes.len();
                wires[0] = input.to_vec();
                pair.server.seen.extend(event);
                busy
            }
            _ => {
                let bytes = std::mem::take(&mut wires[1]);
                let mut input = &bytes[..];
                let event = match pair.client().receive(now, &mut input) {
                    Some(ClientEvent::Publish(incoming)) => Some(seen(&incoming)),
                    Some(ClientEvent::Published { handle, ack }) => {
                        Some(Seen::Published(handle, ack.reason))
                    }
                    None => None,
                    other => panic!("{other:?}"),
                };
                let busy = event.is_some() || input.len() < bytes.len();
                wires[1] = input.to_vec();
                pair.client.seen.extend(event);
                busy
            }
        };
        idle = if busy { 0 } else { idle + 1 };
    }
    // What is written arrives before the end does.
    for to_server in [true, false] {
        let bytes = std::mem::take(&mut wires[usize::from(!to_server)]);
        let mut input = &bytes[..];
        loop {
            let event = if to_server {
                match pair.server().receive(now, &mut input) {
                    Some(ServerEvent::Publish(incoming)) => seen(&incoming),
                    Some(ServerEvent::Published { handle, ack }) => {
                        Seen::Published(handle, ack.reason)
                    }
                    _ => break,
                }
            } else {
                match pair.client().receive(now, &mut input) {
                    Some(ClientEvent::Publish(incoming)) => seen(&incoming),
                    Some(ClientEvent::Published { handle, ack }) => {
                        Seen::Published(handle, ack.reason)
                    }
                    _ => break,
                }
            };
            match to_server {
                true => pair.server.seen.push(event),
                false => pair.client.seen.push(event),
            }
        }
    }
    idle >= 4
}

fn seen(incoming: &Incoming<'_>) -> Seen {
    Seen::Publish {
        message: incoming.to_message(),
        dup: incoming.publish.dup,
        alias: None,
        ids: Vec::new(),
    }
}

fn permutations(items: &[usize]) -> Vec<Vec<usize>> {
    let Some((&first, rest)) = items.split_first() else {
        return vec![vec![]];
    };
    let mut all = Vec::new();
    for shorter in permutations(rest) {
        for place in 0..=shorter.len() {
            let mut one = shorter.clone();
            one.insert(place, first);
            all.push(one);
        }
    }
    all
}

/// Every order of acknowledging up to five messages, of every mix of QoS 1 and 2, some of them refused in 5.0.
#[test]
fn manual_acks() {
    for version in VERSIONS {
        for count in 1..=5 {
            let indices: Vec<usize> = (0..count).collect();
            for (number, order) in permutations(&indices).iter().enumerate() {
                for mix in 0..1usize << count {
                    let mut pair = Pair::connected(Setup {
                        server: Options::new().with_manual_acknowledgement(true),
                        ..Setup::new(version)
                    });
                    // Which are refused differs with the order.
                    let refuses = if version == Version::V5 { number } else { 0 };
                    let qos = |n: usize| match mix >> n & 1 {
                        0 => QoS::AtLeastOnce,
                        _ => QoS::ExactlyOnce,
                    };
                    let reason = |n: usize| match refuses >> n & 1 {
                        0 => ReasonCode::Success,
                        _ => ReasonCode::QuotaExceeded,
                    };
                    let handles: Vec<_> = (0..count)
                        .map(|n| publishes(&mut pair, true, message("t", &n.to_string(), qos(n))))
                        .collect();
                    pair.drive();
                    let tokens = std::mem::take(&mut pair.server.acks);
                    let mut given = Vec::new();
                    for &n in order {
                        pair.server().acknowledge(&tokens[n], reason(n)).unwrap();
                        let again = pair.server().acknowledge(&tokens[n], ReasonCode::Success);
                        assert_eq!(again, Err(AcknowledgeError::StaleToken));
                        given.push(n);
                        pair.drive();
                        // Gone out: those that have no gap before them.
                        let out = (0..count).take_while(|n| given.contains(n)).count();
                        let acks = pair.types_to_client();
                        let acks: Vec<_> = acks
                            .into_iter()
                            .filter(|one| *one != PacketType::Pubcomp)
                            .collect();
                        let expected: Vec<_> = (0..out)
                            .map(|n| match qos(n) {
                                QoS::AtLeastOnce => PacketType::Puback,
                                _ => PacketType::Pubrec,
                            })
                            .collect();
                        assert_eq!(acks, expected, "{order:?} {mix:b}");
                    }
                    let mut settled = pair.client.seen.clone();
                    // PUBCOMP may come behind the PUBACK of a later message.
                    settled.sort_by_key(|seen| match seen {
                        Seen::Published(handle, _) => *handle,
                        other => panic!("{other:?}"),
                    });
                    let expected: Vec<_> = (0..count)
                        .map(|n| Seen::Published(handles[n], reason(n)))
                        .collect();
                    assert_eq!(settled, expected, "{order:?} {mix:b}");
                }
            }
        }
    }
}

/// A client alone, after CONNACK with these properties; the test is the server.
fn client(connack: &[Property<'_>], session: Session, options: Options) -> ClientConnection {
    let expiry = [Property::SessionExpiryInterval(3600)];
    let connect = Connect {
        clean_start: false,
        properties: Properties::from(&expiry[..]),
        ..Connect::new(Version::V5, "c")
    };
    let present = session.is_established();
    let mut client = ClientConnection::new(Instant::ZERO, &connect, session, options).unwrap();
    transmit(&mut client);
    let connack = Connack {
        session_present: present,
        properties: Properties::from(connack),
        ..Connack::new(ReasonCode::Success)
    };
    give(&mut client, connack);
    client
}

fn transmit(client: &mut ClientConnection) -> Vec<u8> {
    let mut out = Vec::new();
    client.poll_transmit(Instant::ZERO, &mut out, usize::MAX);
    out
}

/// The events that a packet from the server causes; handles of settled messages.
fn give<'a>(client: &mut ClientConnection, packet: impl Into<Packet<'a>>) -> Vec<PublishHandle> {
    let mut bytes = Vec::new();
    packet.into().encode(Version::V5, &mut bytes).unwrap();
    let mut input = &bytes[..];
    let mut settled = Vec::new();
    while let Some(event) = client.receive(Instant::ZERO, &mut input) {
        if let ClientEvent::Published { handle, .. } = event {
            settled.push(handle);
        }
    }
    settled
}

/// Identifiers of the messages that were sent.
fn ids(mut sent: &[u8]) -> Vec<u16> {
    let mut ids = Vec::new();
    while let Some(packet) = Packet::decode(Version::V5, &DecodeOptions::new(), &mut sent).unwrap()
    {
        if let Packet::Publish(Publish {
            packet_id: Some(id),
            ..
        }) = packet
        {
            ids.push(id.get());
        }
    }
    ids
}

fn ack(id: u16, reason: ReasonCode) -> Ack<'static> {
    Ack {
        reason,
        ..Ack::new(PacketId::new(id).unwrap())
    }
}

/// All 65,535 identifiers with messages and requests: an error without side effect; each kind that is freed
/// serves again.
#[test]
fn packet_ids_exhaustion() {
    let options = Options::new()
        .with_maximum_kept_messages(u32::MAX)
        .with_maximum_kept_bytes(u32::MAX)
        .with_maximum_reply_bytes(u32::MAX);
    let mut client = client(&[], Session::new(), options);
    let now = Instant::ZERO;
    let asked = [Subscription::new("a", QoS::AtMostOnce)];
    let one = |qos| message("t", "x", qos);
    for n in 0..65_535 {
        match n % 4 {
            0 => drop(client.publish(now, one(QoS::AtLeastOnce)).unwrap()),
            1 => drop(client.publish(now, one(QoS::ExactlyOnce)).unwrap()),
            2 => drop(client.subscribe(&asked, Properties::new()).unwrap()),
            _ => drop(client.unsubscribe(&["a"], Properties::new()).unwrap()),
        }
        transmit(&mut client);
    }
    let state = |client: &ClientConnection| {
        let session = client.session();
        let counts = (session.queued(), session.in_flight(), client.send_quota());
        (format!("{client:?}"), counts, client.poll_timeout())
    };
    let before = state(&client);
    assert_eq!((before.1).1, 65_535);
    for _ in 0..3 {
        let subscribed = client.subscribe(&asked, Properties::new());
        assert_eq!(subscribed, Err(RequestError::NoPacketId));
        let unsubscribed = client.unsubscribe(&["a"], Properties::new());
        assert_eq!(unsubscribed, Err(RequestError::NoPacketId));
        assert!(transmit(&mut client).is_empty());
        assert_eq!(state(&client), before);
    }
    // A message waits, and asks for no more until there is one.
    client.publish(now, one(QoS::AtLeastOnce)).unwrap();
    assert!(transmit(&mut client).is_empty());
    assert_eq!(client.session().queued(), 1);
    // A PUBREC is no end.
    give(&mut client, Packet::Pubrec(ack(2, ReasonCode::Success)));
    assert_eq!(transmit(&mut client)[0] >> 4, 6);
    let codes = [ReasonCode::Success];
    let freed = [
        Packet::Puback(ack(1, ReasonCode::Success)),
        Packet::Pubcomp(ack(2, ReasonCode::Success)),
        Packet::from(Suback {
            packet_id: PacketId::new(3).unwrap(),
            reason_codes: codes[..].into(),
            properties: Properties::new(),
        }),
        Packet::from(Unsuback {
            packet_id: PacketId::new(4).unwrap(),
            reason_codes: codes[..].into(),
            properties: Properties::new(),
        }),
    ];
    for (id, packet) in (1u16..).zip(freed) {
        give(&mut client, packet);
        if id % 2 == 0 {
            client.subscribe(&asked, Properties::new()).unwrap();
        } else if id == 3 {
            client.publish(now, one(QoS::ExactlyOnce)).unwrap();
        }
        let sent = transmit(&mut client);
        let packet = Packet::decode(Version::V5, &DecodeOptions::new(), &mut &sent[..]).unwrap();
        let used = match packet {
            Some(Packet::Publish(publish)) => publish.packet_id,
            Some(Packet::Subscribe(subscribe)) => Some(subscribe.packet_id),
            other => panic!("{other:?}"),
        };
        assert_eq!(used, PacketId::new(id));
        let refused = client.subscribe(&asked, Properties::new());
        assert_eq!(refused, Err(RequestError::NoPacketId));
    }
}

/// What frees a place in the quota and what does not, step by step; and a resumed session, where what is
/// released costs nothing.
#[test]
fn receive_maximum_as_back_pressure() {
    let limit = [Property::ReceiveMaximum(3)];
    let mut connection = client(&limit, Session::new(), Options::new());
    assert_eq!(connection.send_quota(), 3);
    let now = Instant::ZERO;
    let mut handles = Vec::new();
    for (n, qos) in [1u8, 2, 2, 1, 2].into_iter().enumerate() {
        let one = message("t", "x", QoS::from_u8(qos).unwrap());
        handles.push(connection.publish(now, one).unwrap());
        transmit(&mut connection);
        assert_eq!(
            usize::from(connection.send_quota()),
            2usize.saturating_sub(n)
        );
    }
    // Ids 1 (QoS 1), 2 and 3 (QoS 2) are out; two wait, for 4 (QoS 1) and 6 (QoS 2).
    assert_eq!(connection.session().queued(), 2);
    use Packet::{Puback, Pubcomp, Pubrec};
    use ReasonCode::{QuotaExceeded, Success};
    // Each packet, which message it settles, how many are queued after it and the quota then.
    for (step, (packet, settles, queued, quota)) in [
        // Of nothing.
        (Puback(ack(9, Success)), None, 2, 0),
        (Pubcomp(ack(9, Success)), None, 2, 0),
        (Pubrec(ack(9, QuotaExceeded)), None, 2, 0),
        (Pubrec(ack(9, Success)), None, 2, 0),
        (Pubrec(ack(2, Success)), None, 2, 0),
        // Again: no more than the first time.
        (Pubrec(ack(2, Success)), None, 2, 0),
        // A place, which the next message takes.
        (Pubcomp(ack(2, Success)), Some(1), 1, 0),
        (Pubcomp(ack(2, Success)), None, 1, 0),
        (Pubrec(ack(3, QuotaExceeded)), Some(2), 0, 0),
        (Pubrec(ack(3, QuotaExceeded)), None, 0, 0),
        (Puback(ack(1, Success)), Some(0), 0, 1),
        (Puback(ack(1, Success)), None, 0, 1),
        (Puback(ack(4, QuotaExceeded)), Some(3), 0, 2),
        (Puback(ack(4, QuotaExceeded)), None, 0, 2),
        (Pubrec(ack(6, Success)), None, 0, 2),
        (Pubcomp(ack(6, Success)), Some(4), 0, 3),
        (Pubcomp(ack(6, Success)), None, 0, 3),
        (Puback(ack(6, Success)), None, 0, 3),
    ]
    .into_iter()
    .enumerate()
    {
        let settled = give(&mut connection, packet);
        let expected: Vec<_> = settles.map(|n: usize| handles[n]).into_iter().collect();
        assert_eq!(settled, expected, "step {step}");
        transmit(&mut connection);
        assert_eq!(connection.session().queued(), queued, "step {step}");
        assert_eq!(connection.send_quota(), quota, "step {step}");
        assert!(connection.is_connected(), "step {step}");
    }
    // Three are open, one of them released. On the next connection it is free, the others count when they go
    // out, and settling it gives nothing back.
    for _ in 0..3 {
        let one = message("t", "x", QoS::ExactlyOnce);
        connection.publish(now, one).unwrap();
    }
    let ids = ids(&transmit(&mut connection));
    give(&mut connection, Pubrec(ack(ids[0], Success)));
    let limit = [Property::ReceiveMaximum(3)];
    let mut connection = client(&limit, connection.into_session(), Options::new());
    assert_eq!(connection.send_quota(), 3);
    let sent = transmit(&mut connection);
    use PacketType::{Publish, Pubrel};
    assert_eq!(types(Version::V5, &sent), [Pubrel, Publish, Publish]);
    assert_eq!(connection.send_quota(), 1);
    give(&mut connection, Pubcomp(ack(ids[0], Success)));
    assert_eq!(connection.send_quota(), 1);
    give(&mut connection, Pubrec(ack(ids[1], QuotaExceeded)));
    assert_eq!(connection.send_quota(), 2);
    give(&mut connection, Pubrec(ack(ids[2], Success)));
    assert_eq!(connection.send_quota(), 2);
    give(&mut connection, Pubcomp(ack(ids[2], Success)));
    assert_eq!(connection.send_quota(), 3);
}

/// A message that is settled before its turn to be sent again came is not sent, though its identifier serves
/// another by then.
#[test]
fn packet_ids_collision_on_resume() {
    let mut connection = client(&[], Session::new(), Options::new());
    let now = Instant::ZERO;
    for _ in 0..3 {
        connection
            .publish(now, message("t", "old", QoS::AtLeastOnce))
            .unwrap();
    }
    transmit(&mut connection);
    let limit = [Property::ReceiveMaximum(1)];
    let mut connection = client(&limit, connection.into_session(), Options::new());
    let sent = transmit(&mut connection);
    assert_eq!(types(Version::V5, &sent), [PacketType::Publish]);
    // The server has had them all; an answer that crosses settles the second, too.
    give(&mut connection, Packet::Puback(ack(2, ReasonCode::Success)));
    assert_eq!(connection.send_quota(), 0);
    let asked = [Subscription::new("a", QoS::AtMostOnce)];
    connection.subscribe(&asked, Properties::new()).unwrap();
    give(&mut connection, Packet::Puback(ack(1, ReasonCode::Success)));
    let sent = transmit(&mut connection);
    use PacketType::{Publish, Subscribe};
    assert_eq!(types(Version::V5, &sent), [Subscribe, Publish]);
    assert_eq!(connection.send_quota(), 0);
    assert_eq!(connection.session().in_flight(), 2);
    give(&mut connection, Packet::Puback(ack(3, ReasonCode::Success)));
    assert_eq!(connection.send_quota(), 1);
    assert!(transmit(&mut connection).is_empty());
}

/// Every interval at 0, at 1 and at its most, and a clock that goes as it likes.
#[test]
fn keep_alive() {
    let far = Duration::from_millis(u32::MAX.into());
    for version in VERSIONS {
        for connect_timeout in [Duration::ZERO, Duration::from_millis(1), far, Duration::MAX] {
            let options = Options::new().with_connect_timeout(connect_timeout);
            let at = Instant::ZERO + connect_timeout.min(far);
            let connect = Connect::new(version, "c");
            let mut client =
                ClientConnection::new(Instant::ZERO, &connect, Session::new(), options.clone())
                    .unwrap();
            let mut server = ServerConnection::new(Instant::ZERO, options);
            assert_eq!(client.poll_timeout(), Some(at));
            assert_eq!(server.poll_timeout(), Some(at));
            if at > Instant::ZERO {
                let before = Instant::from_millis(at.as_millis() - 1);
                client.handle_timeout(before);
                server.handle_timeout(before);
                assert_eq!((client.closed(), server.closed()), (None, None));
            }
            client.handle_timeout(at);
            server.handle_timeout(at);
            for closed in [client.closed(), server.closed()] {
                assert_eq!(closed.unwrap().cause, CloseCause::ConnectTimeout);
            }
            assert_eq!((client.poll_timeout(), server.poll_timeout()), (None, None));
        }
        for keep_alive in [0, 1, 2, u16::MAX] {
            for ping_timeout in [Duration::ZERO, Duration::from_millis(1), far] {
                let mut pair = Pair::connected(Setup {
                    keep_alive,
                    client: Options::new().with_ping_timeout(ping_timeout),
                    ..Setup::new(version)
                });
                let start = pair.now;
                let period = Duration::from_millis(u64::from(keep_alive) * 1000);
                if keep_alive == 0 {
                    assert_eq!(pair.next_timeout(), None);
                    pair.client().handle_timeout(Instant::from_millis(u64::MAX));
                    pair.server().handle_timeout(Instant::from_millis(u64::MAX));
                    assert!(pair.client().is_connected() && pair.server().is_connected());
                    continue;
                }
                // Within the Keep Alive, and not before three quarters of it.
                let ping = pair.client().poll_timeout().unwrap();
                assert!(ping <= start + period && ping >= start + period * 3 / 4);
                assert_eq!(pair.server().poll_timeout(), Some(start + period * 3 / 2));
                // A clock that stands still, or goes back, fires nothing.
                for now in [
                    start,
                    Instant::ZERO,
                    Instant::from_millis(ping.as_millis() - 1),
                ] {
                    pair.client().handle_timeout(now);
                    pair.server().handle_timeout(now);
                    let nothing = pair.client().poll_transmit(now, &mut Vec::new(), 10);
                    assert_eq!((nothing, pair.client().poll_timeout()), (0, Some(ping)));
                }
                pair.client().handle_timeout(ping);
                assert_eq!(pair.client().poll_timeout(), Some(ping + ping_timeout));
                let mut out = Vec::new();
                pair.client().poll_transmit(ping, &mut out, 10);
                assert_eq!(out, [0xc0, 0]);
                // The next PINGREQ or the end, whichever is first.
                let next = pair.client().poll_timeout().unwrap();
                assert!(next <= ping + ping_timeout && next > start);
                // The answer comes at the last moment, and is looked at before the time is.
                if ping_timeout > Duration::ZERO {
                    let last = ping + ping_timeout.min(Duration::from_millis(1));
                    assert!(pair.client().receive(last, &mut &[0xd0, 0][..]).is_none());
                    pair.client().handle_timeout(last);
                    assert!(pair.client().is_connected());
                } else {
                    pair.client().handle_timeout(ping);
                    let cause = pair.client().closed().unwrap().cause;
                    assert_eq!(cause, CloseCause::PingTimeout);
                }
                // Far ahead: once, and it does not spin.
                let end = Instant::from_millis(u64::MAX - 1);
                pair.server().handle_timeout(end);
                let cause = pair.server().closed().unwrap().cause;
                assert_eq!(cause, CloseCause::KeepAliveTimeout);
                assert_eq!(pair.server().poll_timeout(), None);
                if pair.client().closed().is_none() {
                    for _ in 0..2 {
                        pair.client().handle_timeout(end);
                        pair.client().poll_transmit(end, &mut Vec::new(), 10);
                    }
                    assert!(pair.client().poll_timeout().is_none_or(|at| at > end));
                }
            }
        }
    }
}

/// The server names no more than is in the table and the client asks for no more, call by call.
#[test]
fn features_of_the_server() {
    let filter = |filter| [Subscription::new(filter, QoS::ExactlyOnce)];
    let now = Instant::ZERO;
    for unavailable in 0..32u8 {
        let has = |bit: u8| unavailable >> bit & 1 == 0;
        let mut connack = Vec::new();
        if !has(0) {
            connack.push(Property::MaximumQos(QoS::AtLeastOnce));
        }
        if !has(1) {
            connack.push(Property::RetainAvailable(false));
        }
        if !has(2) {
            connack.push(Property::WildcardSubscriptionAvailable(false));
        }
        if !has(3) {
            connack.push(Property::SharedSubscriptionAvailable(false));
        }
        if !has(4) {
            connack.push(Property::SubscriptionIdentifierAvailable(false));
        }
        let mut client = client(&connack, Session::new(), Options::new());
        let ids = [Property::SubscriptionIdentifier(7)];
        for (wanted, property, reason) in [
            ("a", &[][..], None),
            (
                "a/#",
                &[],
                Some((2, ReasonCode::WildcardSubscriptionsNotSupported)),
            ),
            (
                "+",
                &[],
                Some((2, ReasonCode::WildcardSubscriptionsNotSupported)),
            ),
            (
                "$share/g/a",
                &[],
                Some((3, ReasonCode::SharedSubscriptionsNotSupported)),
            ),
            (
                "a",
                &ids[..],
                Some((4, ReasonCode::SubscriptionIdentifiersNotSupported)),
            ),
        ] {
            let result = client.subscribe(&filter(wanted), Properties::from(property));
            let expected = reason.filter(|&(bit, _)| !has(bit));
            match expected {
                Some((_, reason)) => {
                    assert_eq!(result, Err(RequestError::NotSupported(reason)), "{wanted}");
                    assert!(transmit(&mut client).is_empty());
                }
                None => {
                    result.unwrap();
                    assert!(!transmit(&mut client).is_empty());
                }
            }
        }
        for (qos, retain) in [(1, false), (1, true), (2, false), (2, true)] {
            let one = message("t", "x", QoS::from_u8(qos).unwrap()).with_retain(retain);
            let expected = match (qos, retain) {
                (2, _) if !has(0) => Some(PublishErrorReason::QosNotSupported),
                (_, true) if !has(1) => Some(PublishErrorReason::RetainNotSupported),
                _ => None,
            };
            let error = client.publish(now, one.clone()).err();
            assert_eq!(error.as_ref().map(|error| error.reason), expected);
            assert!(error.is_none_or(|error| error.message == one));
            assert_eq!(transmit(&mut client).is_empty(), expected.is_some());
        }
    }
}

/// What does not fit is refused before it takes an identifier, where the limit is known; else when it gets
/// known.
#[test]
fn maximum_packet_size() {
    let now = Instant::ZERO;
    let long = "x".repeat(60);
    let limit = [Property::MaximumPacketSize(50)];
    let mut connection = client(&limit, Session::new(), Options::new());
    for n in 1..=4 {
        let asked = [Subscription::new(&long, QoS::AtMostOnce)];
        for result in [
            connection.subscribe(&asked, Properties::new()).map(|_| ()),
            connection
                .unsubscribe(&[&long], Properties::new())
                .map(|_| ()),
        ] {
            assert!(
                matches!(
                    result,
                    Err(RequestError::TooLarge {
                        size: 65..,
                        maximum: 50
                    })
                ),
                "{result:?}"
            );
        }
        let error = connection
            .publish(now, message("t", &long, QoS::AtLeastOnce))
            .unwrap_err();
        assert_eq!(
            error.reason,
            PublishErrorReason::TooLarge {
                size: 68,
                maximum: 50
            }
        );
        assert_eq!(error.message.payload(), long.as_bytes());
        assert!(transmit(&mut connection).is_empty());
        assert_eq!(connection.session().in_flight(), usize::from(n - 1));
        connection
            .publish(now, message("t", "x", QoS::AtLeastOnce))
            .unwrap();
        let sent = transmit(&mut connection);
        let packet = Packet::decode(Version::V5, &DecodeOptions::new(), &mut &sent[..]).unwrap();
        let Some(Packet::Publish(publish)) = packet else {
            panic!("{packet:?}")
        };
        assert_eq!(
            publish.packet_id,
            PacketId::new(n),
            "no identifier was taken"
        );
    }
    // Queued while the limit is not known, and while there is no connection.
    let mut session = connection.into_session();
    let options = Options::new();
    let away = session
        .enqueue(now, message("t", &long, QoS::ExactlyOnce), &options)
        .unwrap();
    let expiry = [Property::SessionExpiryInterval(3600)];
    let connect = Connect {
        clean_start: false,
        properties: Properties::from(&expiry[..]),
        ..Connect::new(Version::V5, "c")
    };
    let mut connection = ClientConnection::new(now, &connect, session, options).unwrap();
    transmit(&mut connection);
    let early = connection
        .publish(now, message("t", &long, QoS::ExactlyOnce))
        .unwrap();
    let mut bytes = Vec::new();
    let limits = [Property::MaximumPacketSize(50)];
    Packet::from(Connack {
        session_present: true,
        properties: Properties::from(&limits[..]),
        ..Connack::new(ReasonCode::Success)
    })
    .encode(Version::V5, &mut bytes)
    .unwrap();
    let mut input = &bytes[..];
    let mut dropped = Vec::new();
    while let Some(event) = connection.receive(now, &mut input) {
        if let ClientEvent::Dropped(one) = event {
            assert_eq!(one.reason, DropReason::PacketTooLarge);
            dropped.push(one.handle);
        }
    }
    assert_eq!(dropped, [away, early]);
    let sent = transmit(&mut connection);
    assert_eq!(types(Version::V5, &sent), [PacketType::Publish; 4]);
}

/// 0, 1 and the largest interval, while waiting and while away; what was begun is finished.
#[test]
fn message_expiry() {
    let mut pair = Pair::connected(Setup::persistent(Version::V5));
    let expiring =
        |seconds| message("t", "x", QoS::AtLeastOnce).with_message_expiry_interval(seconds);
    pair.cut();
    let mut stored = pair.stored.take().unwrap();
    let intervals = [Some(0), Some(1), Some(2), Some(3), Some(u32::MAX), None];
    let handles = intervals.map(|seconds| {
        stored
            .enqueue(pair.now, expiring(seconds), &Options::new())
            .unwrap()
    });
    // Two and a half seconds in two absences, and a connection between them that sends nothing.
    pair.advance(Duration::from_millis(1_250));
    let connect = Connect {
        clean_start: false,
        ..Connect::new(Version::V5, "c")
    };
    let mut bytes = Vec::new();
    Packet::from(connect)
        .encode(Version::V5, &mut bytes)
        .unwrap();
    let mut server = ServerConnection::new(pair.now, Options::new());
    assert!(server.receive(pair.now, &mut &bytes[..]).is_some());
    let connack = Connack::new(ReasonCode::Success);
    server.accept(pair.now, Some(stored), &connack).unwrap();
    pair.stored = Some(server.into_session());
    pair.advance(Duration::from_millis(1_250));
    pair.connect();
    pair.drive();
    let left: Vec<_> = pair
        .client
        .seen
        .iter()
        .filter_map(|seen| match seen {
            Seen::Publish { message, .. } => Some(message.message_expiry_interval()),
            _ => None,
        })
        .collect();
    assert_eq!(left, [Some(1), Some(u32::MAX - 2), None]);
    for (n, handle) in handles.into_iter().enumerate() {
        let expected = match n {
            0..3 => Seen::Dropped(handle, DropReason::Expired),
            _ => Seen::Published(handle, ReasonCode::Success),
        };
        let count = pair
            .server
            .seen
            .iter()
            .filter(|seen| **seen == expected)
            .count();
        assert_eq!(count, 1, "{n}: {:?}", pair.server.seen);
    }
    assert_reported_once(&pair.server.seen, &handles, "all");
    // Sent at the moment it was published, 0 is in time.
    pair.clear();
    publishes(&mut pair, false, expiring(Some(0)));
    pair.drive();
    assert_eq!(payloads(&pair.client.seen), ["x"]);
}

/// What is left of will and session: by version, how the connection ended, the code and the expiry said.
#[test]
fn will_and_session_at_the_end() {
    use ReasonCode as R;
    for version in VERSIONS {
        for brief in [false, true] {
            for end in 0..5 {
                for reason in [
                    R::Success,
                    R::DisconnectWithWillMessage,
                    R::UnspecifiedError,
                    R::AdministrativeAction,
                ] {
                    for expiry in [None, Some(0), Some(5), Some(u32::MAX)] {
                        let what = format!("{version} {brief} {end} {reason} {expiry:?}");
                        let mut setup = match brief {
                            true => Setup::new(version),
                            false => Setup::persistent(version),
                        };
                        (setup.will, setup.keep_alive) = (true, 10);
                        let mut pair = Pair::connected(setup);
                        let now = pair.now;
                        let kept = match (version, brief) {
                            (_, true) => 0,
                            (Version::V5, _) => 3600,
                            _ => u32::MAX,
                        };
                        let list: Vec<_> = expiry
                            .map(Property::SessionExpiryInterval)
                            .into_iter()
                            .collect();
                        let disconnect = Disconnect {
                            properties: Properties::from(&list[..]),
                            ..Disconnect::new(reason)
                        };
                        let (mut will_due, mut expected) = (true, kept);
                        match end {
                            // By the client.
                            0 => {
                                let result = pair.client().disconnect(now, &disconnect);
                                let allowed = match version {
                                    Version::V5 => !(brief && expiry.is_some_and(|s| s > 0)),
                                    _ => reason == R::Success && expiry.is_none(),
                                };
                                assert_eq!(result.is_ok(), allowed, "{what}");
                                if result.is_err() {
                                    assert_eq!(pair.client().closed(), None, "{what}");
                                    continue;
                                }
                                will_due = reason != R::Success;
                                expected = expiry.unwrap_or(kept);
                                pair.drive();
                            }
                            // By the server, which says nothing of the expiry (MQTT-3.14.2-2).
                            1 => {
                                let result = pair.server().disconnect(now, &disconnect);
                                if reason == R::DisconnectWithWillMessage || expiry.is_some() {
                                    assert!(result.is_err(), "{what}");
                                    assert_eq!(pair.server().closed(), None, "{what}");
                                    continue;
                                }
                                result.unwrap();
                                pair.drive();
                            }
                            // Without a word; the table does not depend on the rest.
                            2 => pair.cut(),
                            3 => {
                                pair.inject_to_server(&[0x62, 2, 0, 0]);
                                pair.drive();
                            }
                            _ => {
                                pair.client.connection = None;
                                pair.advance(Duration::from_secs(15));
                            }
                        }
                        if pair.server.connection.is_some() {
                            pair.server.closed = pair.server().closed();
                        }
                        let closed = pair.server.closed.unwrap();
                        assert_eq!(closed.will_due, will_due, "{what}");
                        assert_eq!(closed.session_expiry_interval, expected, "{what}");
                        // The client knows the same, where it was told.
                        if end == 0 {
                            let closed = pair.client.closed.unwrap();
                            assert_eq!(closed.will_due, will_due, "{what}");
                            assert_eq!(closed.session_expiry_interval, expected, "{what}");
                        }
                    }
                }
            }
        }
    }
}

/// A DISCONNECT that the server does not take, however short, tells it nothing: will and session are what they
/// were.
#[test]
fn a_disconnect_that_does_not_fit_says_nothing() {
    for maximum in [2, 8, 9] {
        let limit = [Property::MaximumPacketSize(maximum)];
        let expiry = [Property::SessionExpiryInterval(3600)];
        let connect = Connect {
            will: Some(Will::new("will", b"")),
            properties: Properties::from(&expiry[..]),
            ..Connect::new(Version::V5, "c")
        };
        let mut client =
            ClientConnection::new(Instant::ZERO, &connect, Session::new(), Options::new()).unwrap();
        transmit(&mut client);
        let connack = Connack {
            properties: Properties::from(&limit[..]),
            ..Connack::new(ReasonCode::Success)
        };
        give(&mut client, connack);
        let ends = [Property::SessionExpiryInterval(0)];
        let disconnect = Disconnect {
            properties: Properties::from(&ends[..]),
            ..Disconnect::default()
        };
        client.disconnect(Instant::ZERO, &disconnect).unwrap();
        let told = !transmit(&mut client).is_empty();
        assert_eq!(told, maximum == 9);
        let closed = client.closed().unwrap();
        assert_eq!(closed.will_due, !told, "{maximum}");
        assert_eq!(closed.session_expiry_interval, if told { 0 } else { 3600 });
        assert_eq!(client.into_session().is_established(), !told);
    }
}

/// A clean start that the server has accepted ends the old session, even where something else in CONNACK ends
/// the connection (MQTT-3.1.2-4 of 5.0).
#[test]
fn an_accepted_clean_start_ends_the_old_session_whatever_follows() {
    let mut connection = client(&[], Session::new(), Options::new());
    let now = Instant::ZERO;
    let old = connection
        .publish(now, message("t", "old", QoS::ExactlyOnce))
        .unwrap();
    transmit(&mut connection);
    let expiry = [Property::SessionExpiryInterval(3600)];
    let connect = Connect {
        properties: Properties::from(&expiry[..]),
        ..Connect::new(Version::V5, "c")
    };
    let session = connection.into_session();
    let mut connection = ClientConnection::new(now, &connect, session, Options::new()).unwrap();
    transmit(&mut connection);
    let method = [Property::AuthenticationMethod("nobody asked")];
    let connack = Connack {
        properties: Properties::from(&method[..]),
        ..Connack::new(ReasonCode::Success)
    };
    give(&mut connection, connack);
    let cause = connection.closed().unwrap().cause;
    assert!(matches!(cause, CloseCause::Violation(_)), "{cause:?}");
    // The new session may be there, and the old message is no part of it: so a new one is asked for again.
    let session = connection.into_session();
    assert!(session.is_established());
    let connect = Connect {
        clean_start: false,
        ..connect
    };
    let mut connection = ClientConnection::new(now, &connect, session, Options::new()).unwrap();
    let sent = transmit(&mut connection);
    assert_eq!(sent[9] & 0x02, 0x02, "Clean Start in {sent:02x?}");
    let connack = Connack::new(ReasonCode::Success);
    let mut bytes = Vec::new();
    Packet::from(connack)
        .encode(Version::V5, &mut bytes)
        .unwrap();
    let mut input = &bytes[..];
    let mut lost = Vec::new();
    while let Some(event) = connection.receive(now, &mut input) {
        if let ClientEvent::Dropped(dropped) = event {
            lost.push((dropped.handle, dropped.reason));
        }
    }
    assert_eq!(lost, [(old, DropReason::SessionLost)]);
    assert!(transmit(&mut connection).is_empty());
}
