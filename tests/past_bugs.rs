//! Bugs that other implementations had, where only memory or every state shows them.
#![allow(unsafe_code)] // a global allocator cannot be written without

#[allow(dead_code)] // what only other tests use
#[path = "support/counting.rs"]
mod counting;
#[path = "support/samples.rs"]
mod samples;

use std::time::Duration;

use counting::{held_since, in_use};
use samples::samples;
use sansio_mqtt::*;

const VERSIONS: [Version; 2] = [Version::V311, Version::V5];
const NOW: Instant = Instant::ZERO;

fn encoded<'a>(version: Version, packet: impl Into<Packet<'a>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.into().encode(version, &mut bytes).unwrap();
    bytes
}

fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

fn publish(version: Version, qos: QoS, packet_id: u16) -> Vec<u8> {
    encoded(
        version,
        Publish {
            qos,
            packet_id: Some(id(packet_id)),
            ..Publish::new("t", b"x")
        },
    )
}

/// Either role, opened; the properties go into CONNECT and CONNACK alike.
enum End {
    Client(Box<ClientConnection>),
    Server(Box<ServerConnection>),
}

impl End {
    fn opened(role: Role, version: Version, options: Options, both: &[Property<'_>]) -> Self {
        let properties = match version {
            Version::V5 => Properties::from(both),
            _ => Properties::new(),
        };
        let connect = Connect {
            properties,
            ..Connect::new(version, "c")
        };
        let connack = Connack {
            properties,
            ..Connack::new(ReasonCode::Success)
        };
        let mut end = match role {
            Role::Client => End::Client(Box::new(
                ClientConnection::new(NOW, &connect, Session::new(), options).unwrap(),
            )),
            Role::Server => End::Server(Box::new(ServerConnection::new(NOW, options))),
        };
        match &mut end {
            End::Client(_) => {
                end.transmit();
                assert_eq!(end.give(&mut &encoded(version, connack)[..]), 1);
            }
            End::Server(server) => {
                let connect = encoded(version, connect);
                assert!(server.receive(NOW, &mut &connect[..]).is_some());
                server.accept(NOW, None, &connack).unwrap();
                end.transmit();
            }
        }
        end
    }

    fn transmit(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            End::Client(client) => client.poll_transmit(NOW, &mut out, usize::MAX),
            End::Server(server) => server.poll_transmit(NOW, &mut out, usize::MAX),
        };
        out
    }

    /// How many events these bytes cause.
    fn give(&mut self, input: &mut &[u8]) -> usize {
        let mut events = 0;
        loop {
            let event = match self {
                End::Client(client) => client.receive(NOW, input).is_some(),
                End::Server(server) => server.receive(NOW, input).is_some(),
            };
            if !event {
                return events;
            }
            events += 1;
        }
    }

    fn closed(&self) -> Option<Closed> {
        match self {
            End::Client(client) => client.closed(),
            End::Server(server) => server.closed(),
        }
    }
}

const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// mosquitto CVE-2023-28366: the same identifier a thousand times before PUBREL.
#[test]
fn qos_2_receiver() {
    for version in VERSIONS {
        for role in ROLES {
            let options = Options::new().with_receive_maximum(1);
            let mut end = End::opened(role, version, options, &[]);
            let one = publish(version, QoS::ExactlyOnce, 7);
            let mut before = 0;
            let (mut events, mut pubrecs) = (0, 0);
            for n in 0..1_000 {
                events += end.give(&mut &one[..]);
                let sent = end.transmit();
                assert_eq!(sent[0] >> 4, 5, "PUBREC");
                pubrecs += 1;
                drop(sent);
                // The second comes into a list, which is there from then on.
                if n == 1 {
                    before = in_use();
                }
            }
            assert_eq!((events, pubrecs), (1, 1_000));
            assert_eq!(held_since(before), 0, "{version} {role:?}");
            // A PUBREL of another: an answer, and nothing else.
            end.give(&mut &encoded(version, Packet::Pubrel(Ack::new(id(8))))[..]);
            let code = end.transmit().get(4).copied();
            assert_eq!(code, (version == Version::V5).then_some(0x92));
            assert_eq!(end.give(&mut &one[..]), 0, "still not released");
            end.transmit();
            end.give(&mut &encoded(version, Packet::Pubrel(Ack::new(id(7))))[..]);
            let released = end.transmit();
            assert_eq!(released[0] >> 4, 7, "PUBCOMP");
            assert_ne!(released.get(4), Some(&0x92));
            assert_eq!(end.give(&mut &one[..]), 1, "a new message");
        }
    }
}

/// A peer that sends what has to be answered and reads nothing: what is held does not grow with what it sends.
#[test]
fn flood_without_reading() {
    for version in VERSIONS {
        for role in ROLES {
            let asked = [Subscription::new("a", QoS::AtMostOnce)];
            let mut kinds = vec![
                publish(version, QoS::AtLeastOnce, 7),
                publish(version, QoS::ExactlyOnce, 7),
                encoded(version, Packet::Pubrel(Ack::new(id(7)))),
                encoded(version, Packet::Pubrec(Ack::new(id(7)))),
            ];
            if role == Role::Server {
                kinds.push(encoded(version, Packet::Pingreq));
                kinds.push(encoded(version, Subscribe::new(id(7), &asked)));
            }
            for kind in kinds {
                let limit = 1_000;
                let options = Options::new().with_maximum_reply_bytes(limit);
                let mut end = End::opened(role, version, options, &[]);
                let flood = kind.repeat(100_000);
                let before = in_use();
                let mut input = &flood[..];
                end.give(&mut input);
                assert!(!input.is_empty());
                let held = held_since(before);
                // A vector may have twice the room it needs; and what is open.
                assert!(held < 4_000, "{version} {role:?} {:02x}: {held}", kind[0]);
                assert!(end.closed().is_none());
                // It goes on where it stopped, and holds no more.
                for _ in 0..20 {
                    let rest = input.len();
                    let sent = end.transmit();
                    assert!(sent.len() < 1_010);
                    drop(sent);
                    end.give(&mut input);
                    assert!(input.len() < rest || kind[0] >> 4 == 8);
                    assert!(held_since(before) < 4_000);
                }
            }
        }
    }
}

/// mosquitto CVE-2023-0809, `tinyMQTT` CVE-2025-56352: a stranger gets a moment and little room; each refusing
/// CONNACK closes, and nothing is kept.
#[test]
fn before_connect() {
    let options = Options::new()
        .with_maximum_connect_size(100)
        .with_connect_timeout(Duration::from_secs(5));
    for version in VERSIONS {
        // One byte at a time, and none of them buys time.
        let connect = encoded(version, Connect::new(version, "client"));
        let mut server = ServerConnection::new(NOW, options.clone());
        let before = in_use();
        for have in 0..connect.len() {
            let at = Instant::from_millis(have as u64 * 100);
            let mut input = &connect[..have];
            assert!(server.receive(at, &mut input).is_none());
            assert_eq!(input.len(), have, "left with the caller");
            assert_eq!(server.poll_timeout(), Some(Instant::from_millis(5_000)));
            assert!(server.wants_input());
        }
        assert_eq!(held_since(before), 0);
        server.handle_timeout(Instant::from_millis(5_000));
        assert_eq!(server.closed().unwrap().cause, CloseCause::ConnectTimeout);
        // What comes late is thrown away.
        let mut input = &connect[..];
        assert!(server.receive(NOW, &mut input).is_none());
        assert!(input.is_empty());
        // Every reason, each with or without something to carry.
        for code in 0..=u8::MAX {
            let Some(reason) = ReasonCode::from_u8(code) else {
                continue;
            };
            let before = in_use();
            let mut server = ServerConnection::new(NOW, options.clone());
            assert!(server.receive(NOW, &mut &connect[..]).is_some());
            let refused = server.refuse(NOW, &Connack::new(reason));
            let allowed =
                reason.is_error() && reason.allowed_in(PacketType::Connack, Some(Role::Server));
            assert_eq!(refused.is_ok(), allowed, "{reason}");
            if !allowed {
                assert_eq!(server.closed(), None);
                continue;
            }
            let closed = server.closed().unwrap();
            assert_eq!(closed.cause, CloseCause::Refused(reason));
            assert_eq!(
                (closed.will_due, closed.session_expiry_interval),
                (false, 0)
            );
            assert_eq!(server.poll_timeout(), None);
            let mut out = Vec::new();
            server.poll_transmit(NOW, &mut out, usize::MAX);
            if version == Version::V5 {
                assert_eq!(out, [0x20, 3, 0, code, 0]);
            } else {
                assert!(out.is_empty() || out.len() == 4);
            }
            assert_eq!(server.poll_transmit(NOW, &mut out, usize::MAX), 0);
            let mut input = &connect[..];
            assert!(server.receive(NOW, &mut input).is_none());
            assert!(input.is_empty());
            drop((out, server));
            assert_eq!(held_since(before), 0);
        }
    }
}

/// mosquitto CVE-2021-28166, rumqttd #812: every packet to either role while an authentication is under way, the
/// first or a later one: an answer or the end, and never AUTH's neighbour taken for it.
#[test]
fn wrong_state_in_authentication() {
    use PacketType as P;
    let method = [Property::AuthenticationMethod("M")];
    let auth = Auth::new(ReasonCode::ContinueAuthentication, &method);
    for packet in samples(Version::V5) {
        let bytes = encoded(Version::V5, packet);
        let kind = packet.packet_type();
        // The first authentication.
        let connect = Connect {
            properties: Properties::from(&method[..]),
            ..Connect::new(Version::V5, "c")
        };
        let connect_bytes = encoded(Version::V5, connect);
        let mut server = ServerConnection::new(NOW, Options::new());
        assert!(server.receive(NOW, &mut &connect_bytes[..]).is_some());
        server.auth(NOW, &auth).unwrap();
        let mut server = End::Server(Box::new(server));
        server.transmit();
        let events = server.give(&mut &bytes[..]);
        if !matches!(kind, P::Auth | P::Disconnect) {
            assert_eq!(events, 0, "{packet}");
            let cause = server.closed().map(|closed| closed.cause);
            assert!(matches!(cause, Some(CloseCause::Violation(_))), "{packet}");
            // CONNACK, never DISCONNECT (MQTT-3.14.0-1).
            assert_eq!(server.transmit().first(), Some(&0x20), "{packet}");
        }
        let client = ClientConnection::new(NOW, &connect, Session::new(), Options::new()).unwrap();
        let mut client = End::Client(Box::new(client));
        client.transmit();
        assert_eq!(client.give(&mut &encoded(Version::V5, auth)[..]), 1);
        let events = client.give(&mut &bytes[..]);
        if !matches!(kind, P::Auth | P::Connack) {
            assert_eq!(events, 0, "{packet}");
            assert!(client.closed().is_some(), "{packet}");
        }
        // A later one: it changes nothing for the rest.
        for role in ROLES {
            let mut plain = End::opened(role, Version::V5, Options::new(), &method);
            let mut amid = End::opened(role, Version::V5, Options::new(), &method);
            let begin = Auth::new(ReasonCode::ReAuthenticate, &method);
            match &mut amid {
                End::Client(client) => client.auth(NOW, &begin).unwrap(),
                End::Server(_) => {
                    let begin = encoded(Version::V5, begin);
                    assert_eq!(amid.give(&mut &begin[..]), 1);
                }
            }
            amid.transmit();
            if kind == P::Auth {
                continue;
            }
            let events = (plain.give(&mut &bytes[..]), amid.give(&mut &bytes[..]));
            assert_eq!(events.0, events.1, "{packet} to {role:?}");
            assert_eq!(plain.closed(), amid.closed(), "{packet} to {role:?}");
            assert_eq!(plain.transmit(), amid.transmit(), "{packet} to {role:?}");
        }
    }
}

/// `FlashMQ` CVE-2026-42209: every interval that divides or multiplies something, at its ends.
#[test]
fn timers() {
    for version in VERSIONS {
        for keep_alive in [0, 1, 2, 3, 32_767, 32_768, 65_534, 65_535] {
            for start in [
                0,
                1,
                u64::MAX / 2,
                u64::MAX - 98_302_500,
                u64::MAX - 1,
                u64::MAX,
            ] {
                let now = Instant::from_millis(start);
                let connect = encoded(
                    version,
                    Connect {
                        keep_alive,
                        ..Connect::new(version, "c")
                    },
                );
                let mut server = ServerConnection::new(now, Options::new());
                assert!(server.receive(now, &mut &connect[..]).is_some());
                let connack = Connack::new(ReasonCode::Success);
                server.accept(now, None, &connack).unwrap();
                server.poll_transmit(now, &mut Vec::new(), usize::MAX);
                let at = start.saturating_add(u64::from(keep_alive) * 1_500);
                // The end of time itself is no moment that could come.
                let expected = (keep_alive > 0 && at < u64::MAX).then(|| Instant::from_millis(at));
                assert_eq!(server.poll_timeout(), expected, "{keep_alive} at {start}");
                if let Some(at) = expected {
                    server.handle_timeout(at);
                    let cause = server.closed().unwrap().cause;
                    assert_eq!(cause, CloseCause::KeepAliveTimeout);
                }
            }
        }
    }
}
