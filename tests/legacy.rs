//! MQTT 3.1 at a server that is told to accept it: byte for byte, since no client here speaks it. Sections are those
//! of 3.1.

use std::time::Duration;

use sansio_mqtt::*;

const NOW: Instant = Instant::ZERO;

/// Server and the bytes that it has said.
struct Server {
    connection: ServerConnection,
    now: Instant,
}

/// What a 3.1 client sends.
fn connect(flags: u8, keep_alive: u16, client_id: &[u8]) -> Vec<u8> {
    let mut body = b"\x00\x06MQIsdp\x03".to_vec();
    body.push(flags);
    body.extend_from_slice(&keep_alive.to_be_bytes());
    body.extend_from_slice(&u16::try_from(client_id.len()).unwrap().to_be_bytes());
    body.extend_from_slice(client_id);
    let mut packet = vec![0x10, u8::try_from(body.len()).unwrap()];
    packet.extend_from_slice(&body);
    packet
}

const CLEAN: u8 = 0x02;

fn accepting() -> Options {
    Options::new().with_accept_v31(true)
}

fn message(payload: &str, qos: QoS) -> Message {
    Message::new("t", payload.as_bytes()).unwrap().with_qos(qos)
}

impl Server {
    fn new(options: Options) -> Self {
        Self {
            connection: ServerConnection::new(NOW, options),
            now: NOW,
        }
    }

    /// With CONNECT taken and CONNACK sent.
    fn connected(options: Options, flags: u8, session: Option<Session>) -> Self {
        let mut server = Self::new(options);
        let seen = server.take(&connect(flags, 60, b"x"));
        assert_eq!(seen.len(), 1, "{seen:?}");
        let connack = Connack::new(ReasonCode::Success);
        server
            .connection
            .accept(NOW, session, &connack)
            .expect("accepted");
        assert_eq!(server.said(), b"\x20\x02\x00\x00");
        assert_eq!(server.connection.version(), Version::V31);
        server
    }

    /// The text of each event; requests are answered, a filter that begins with `no` is refused.
    fn take(&mut self, mut input: &[u8]) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(event) = self.connection.receive(self.now, &mut input) {
            match event {
                ServerEvent::Connect(connect) => seen.push(format!("{connect}")),
                ServerEvent::Publish(incoming) => seen.push(format!("{}", incoming.publish)),
                ServerEvent::Published { ack, .. } => {
                    seen.push(format!("settled {}", ack.packet_id));
                }
                ServerEvent::Subscribe { subscribe, token } => {
                    seen.push(format!("{subscribe}"));
                    let codes: Vec<_> = subscribe
                        .subscriptions
                        .iter()
                        .map(|subscription| match subscription.filter.starts_with("no") {
                            true => ReasonCode::NotAuthorized,
                            false => ReasonCode::granted(subscription.options.qos),
                        })
                        .collect();
                    self.connection
                        .suback(token, &codes, Properties::new())
                        .unwrap();
                }
                ServerEvent::Unsubscribe { unsubscribe, token } => {
                    seen.push(format!("{unsubscribe}"));
                    let codes = vec![ReasonCode::NoSubscriptionExisted; unsubscribe.filters.len()];
                    self.connection
                        .unsuback(token, &codes, Properties::new())
                        .unwrap();
                }
                ServerEvent::Disconnect(_) => seen.push("DISCONNECT".into()),
                other => panic!("{other:?}"),
            }
        }
        assert!(
            input.is_empty() || !self.connection.wants_input(),
            "{input:?}"
        );
        seen
    }

    fn said(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.connection
            .poll_transmit(self.now, &mut out, usize::MAX);
        out
    }

    fn closed(&self) -> Closed {
        self.connection.closed().expect("closed")
    }
}

#[test]
fn it_is_refused_unless_asked_for() {
    for bytes in [connect(CLEAN, 60, b"x"), connect(0x00, 0, b"")] {
        let mut server = Server::new(Options::new());
        assert_eq!(server.take(&bytes), [] as [&str; 0]);
        assert_eq!(server.said(), b"\x20\x02\x00\x01");
        let CloseCause::Violation(error) = server.closed().cause else {
            panic!()
        };
        assert_eq!(error.violation(), Violation::ProtocolVersionLegacy);
    }
    // The option is for 3.1 alone: the name of one version with the level of another stays wrong.
    for (bytes, answer) in [
        (
            &b"\x10\x0D\x00\x04MQTT\x03\x02\x00\x3C\x00\x01x"[..],
            &b"\x20\x02\x00\x01"[..],
        ),
        (b"\x10\x0F\x00\x06MQIsdp\x04\x02\x00\x3C\x00\x01x", b""),
    ] {
        let mut server = Server::new(accepting());
        assert_eq!(server.take(bytes), [] as [&str; 0]);
        assert_eq!(server.said(), answer);
        server.closed();
    }
    // And it takes nothing from the others.
    for bytes in [
        &b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x3C\x00\x01x"[..],
        b"\x10\x0E\x00\x04MQTT\x05\x02\x00\x3C\x00\x00\x01x",
    ] {
        assert_eq!(Server::new(accepting()).take(bytes).len(), 1);
    }
}

/// Section 3.1: 1 to 23 characters, or CONNACK 0x02.
#[test]
fn client_identifiers() {
    let umlauts = "ü".repeat(23);
    for (client_id, good) in [
        (&b""[..], false),
        (b"x", true),
        (b"12345678901234567890123", true),
        (b"123456789012345678901234", false),
        (umlauts.as_bytes(), true),
    ] {
        for flags in [0, CLEAN] {
            let mut server = Server::new(accepting());
            let seen = server.take(&connect(flags, 60, client_id));
            assert_eq!(seen.len(), usize::from(good), "{client_id:?}");
            let answer: &[u8] = if good { b"" } else { b"\x20\x02\x00\x02" };
            assert_eq!(server.said(), answer, "{client_id:?}");
            assert_eq!(server.connection.closed().is_none(), good);
        }
    }
    let mut server = Server::new(accepting());
    server.take(&connect(CLEAN, 60, &[b'a'; 24]));
    let CloseCause::Violation(error) = server.closed().cause else {
        panic!()
    };
    assert_eq!(error.violation(), Violation::ClientIdTooLong);
    assert_eq!(error.statement(), "section 3.1");
}

/// Section 3.1: an invalid CONNECT closes the connection; there is no code for it.
#[test]
fn an_invalid_connect_has_no_answer() {
    let mut bytes = connect(CLEAN, 60, b"x");
    bytes.push(0);
    bytes[1] += 1;
    let mut server = Server::new(accepting());
    assert_eq!(server.take(&bytes), [] as [&str; 0]);
    assert_eq!(server.said(), b"");
    let CloseCause::Violation(error) = server.closed().cause else {
        panic!()
    };
    assert_eq!(error.version(), Version::V31);
    assert_eq!(error.violation(), Violation::TrailingBytes);
}

#[test]
fn refusals_have_the_codes_of_3_1() {
    for (reason, answer) in [
        (ReasonCode::ServerUnavailable, &b"\x20\x02\x00\x03"[..]),
        (ReasonCode::BadUserNameOrPassword, b"\x20\x02\x00\x04"),
        (ReasonCode::NotAuthorized, b"\x20\x02\x00\x05"),
        (ReasonCode::Banned, b""),
    ] {
        let mut server = Server::new(accepting());
        server.take(&connect(CLEAN, 60, b"x"));
        server
            .connection
            .refuse(NOW, &Connack::new(reason))
            .unwrap();
        assert_eq!(server.said(), answer);
        assert_eq!(server.closed().cause, CloseCause::Refused(reason));
    }
}

/// Sections 3.8 and 3.9: a refused filter has a positive answer; what is sent again with DUP is taken.
#[test]
fn requests() {
    let mut server = Server::connected(accepting(), CLEAN, None);
    let subscribe = b"\x82\x0B\x00\x07\x00\x01a\x02\x00\x02no\x01";
    assert_eq!(server.take(subscribe).len(), 1);
    assert_eq!(server.said(), b"\x90\x04\x00\x07\x02\x00");
    let again = [&[0x8A], &subscribe[1..]].concat();
    assert_eq!(server.take(&again).len(), 1);
    assert_eq!(server.said(), b"\x90\x04\x00\x07\x02\x00");
    for first in [0xA2, 0xAA] {
        let unsubscribe = [&[first], &b"\x05\x00\x08\x00\x01a"[..]].concat();
        assert_eq!(server.take(&unsubscribe).len(), 1);
        assert_eq!(server.said(), b"\xB0\x02\x00\x08");
    }
    assert_eq!(server.take(b"\xC0\x00"), [] as [&str; 0]);
    assert_eq!(server.said(), b"\xD0\x00");
    assert_eq!(server.take(b"\xE0\x00"), ["DISCONNECT"]);
    assert_eq!(server.said(), b"");
}

/// Both directions at each QoS (section 4.1), and what comes twice within the connection (section 4.2).
#[test]
fn messages() {
    let mut server = Server::connected(accepting(), CLEAN, None);
    assert_eq!(server.take(b"\x30\x04\x00\x01tx").len(), 1);
    assert_eq!(server.take(b"\x38\x04\x00\x01tx").len(), 1);
    assert_eq!(server.take(b"\x32\x06\x00\x01t\x00\x01x").len(), 1);
    assert_eq!(server.said(), b"\x40\x02\x00\x01");
    assert_eq!(server.take(b"\x34\x06\x00\x01t\x00\x02x").len(), 1);
    assert_eq!(server.said(), b"\x50\x02\x00\x02");
    // PUBREC was lost, says the client.
    assert_eq!(server.take(b"\x3C\x06\x00\x01t\x00\x02x"), [] as [&str; 0]);
    assert_eq!(server.said(), b"\x50\x02\x00\x02");
    // PUBCOMP was.
    for pubrel in [b"\x62\x02\x00\x02", b"\x6A\x02\x00\x02"] {
        assert_eq!(server.take(pubrel), [] as [&str; 0]);
        assert_eq!(server.said(), b"\x70\x02\x00\x02");
    }

    for (qos, first) in [
        (QoS::AtMostOnce, 0x30),
        (QoS::AtLeastOnce, 0x32),
        (QoS::ExactlyOnce, 0x34),
    ] {
        server.connection.publish(NOW, message("x", qos)).unwrap();
        let said = server.said();
        assert_eq!(said[0], first);
        let id = if qos == QoS::AtMostOnce {
            [0, 0]
        } else {
            [said[5], said[6]]
        };
        match qos {
            QoS::AtMostOnce => assert_eq!(said, b"\x30\x04\x00\x01tx"),
            QoS::AtLeastOnce => {
                let seen = server.take(&[0x40, 2, id[0], id[1]]);
                assert_eq!(seen.len(), 1);
            }
            QoS::ExactlyOnce => {
                assert_eq!(server.take(&[0x50, 2, id[0], id[1]]), [] as [&str; 0]);
                assert_eq!(server.said(), [0x62, 2, id[0], id[1]]);
                assert_eq!(server.take(&[0x70, 2, id[0], id[1]]).len(), 1);
            }
        }
    }
    // There is no way to say no to a message (section 3.3).
    let mut server = Server::connected(accepting().with_manual_acknowledgement(true), CLEAN, None);
    let mut input = &b"\x32\x06\x00\x01t\x00\x01x"[..];
    let Some(ServerEvent::Publish(incoming)) = server.connection.receive(NOW, &mut input) else {
        panic!()
    };
    let token = incoming.ack.unwrap();
    let reason = ReasonCode::NotAuthorized;
    assert_eq!(
        server.connection.acknowledge(&token, reason),
        Err(AcknowledgeError::ReasonCode(reason))
    );
    // Nor is the message that comes again meanwhile another one.
    assert_eq!(server.take(b"\x3A\x06\x00\x01t\x00\x01x"), [] as [&str; 0]);
    server
        .connection
        .acknowledge(&token, ReasonCode::Success)
        .unwrap();
    assert_eq!(server.said(), b"\x40\x02\x00\x01");
}

/// Section 4.2: on reconnect PUBLISH and PUBREL are sent again with DUP; CONNACK does not tell of the session.
#[test]
fn resume() {
    let mut server = Server::connected(accepting(), 0, None);
    for (payload, qos) in [
        ("1", QoS::AtLeastOnce),
        ("2", QoS::ExactlyOnce),
        ("3", QoS::ExactlyOnce),
    ] {
        server
            .connection
            .publish(NOW, message(payload, qos))
            .unwrap();
    }
    let said = server.said();
    assert_eq!(said.len(), 3 * 8);
    let ids: Vec<[u8; 2]> = said
        .chunks(8)
        .map(|packet| [packet[5], packet[6]])
        .collect();
    assert_eq!(
        server.take(&[0x50, 2, ids[1][0], ids[1][1]]),
        [] as [&str; 0]
    );
    assert_eq!(server.said(), [0x62, 2, ids[1][0], ids[1][1]]);
    // Taken, and not released.
    assert_eq!(server.take(b"\x34\x06\x00\x01t\x00\x09x").len(), 1);
    assert_eq!(server.said(), b"\x50\x02\x00\x09");
    server.connection.receive_eof(NOW);
    assert_eq!(server.closed().session_expiry_interval, u32::MAX);
    let session = server.connection.into_session();

    let mut server = Server::new(accepting());
    server.take(&connect(0, 60, b"x"));
    let connack = Connack::new(ReasonCode::Success);
    server
        .connection
        .accept(NOW, Some(session), &connack)
        .unwrap();
    let expected = [
        &b"\x20\x02\x00\x00"[..],
        &[0x6A, 2, ids[1][0], ids[1][1]],
        &[0x3A, 6, 0, 1, b't', ids[0][0], ids[0][1], b'1'],
        &[0x3C, 6, 0, 1, b't', ids[2][0], ids[2][1], b'3'],
    ]
    .concat();
    assert_eq!(server.said(), expected);
    assert_eq!(server.take(b"\x3C\x06\x00\x01t\x00\x09x"), [] as [&str; 0]);
    assert_eq!(server.said(), b"\x50\x02\x00\x09");
    let acks = [
        &[0x70, 2, ids[1][0], ids[1][1]][..],
        &[0x40, 2, ids[0][0], ids[0][1]],
        &[0x50, 2, ids[2][0], ids[2][1]],
    ]
    .concat();
    assert_eq!(server.take(&acks).len(), 2);
    // What is sent for the first time has no DUP.
    assert_eq!(server.said(), [0x62, 2, ids[2][0], ids[2][1]]);
    // A clean session is not resumed.
    let mut server = Server::new(accepting());
    server.take(&connect(CLEAN, 60, b"x"));
    let error = server
        .connection
        .accept(NOW, Some(Session::established()), &connack)
        .unwrap_err();
    assert_eq!(error.reason, AcceptErrorReason::CleanStart);
}

/// In 3.1.1 the same PUBREL has no DUP.
#[test]
fn a_session_goes_on_in_another_version() {
    let mut server = Server::connected(accepting(), 0, None);
    server
        .connection
        .publish(NOW, message("2", QoS::ExactlyOnce))
        .unwrap();
    let said = server.said();
    let (high, low) = (said[5], said[6]);
    server.take(&[0x50, 2, high, low]);
    let session = server.connection.into_session();
    let mut server = Server::new(accepting());
    server.take(b"\x10\x0D\x00\x04MQTT\x04\x00\x00\x3C\x00\x01x");
    let connack = Connack::new(ReasonCode::Success);
    server
        .connection
        .accept(NOW, Some(session), &connack)
        .unwrap();
    assert_eq!(server.said(), [0x20, 2, 1, 0, 0x62, 2, high, low]);
}

#[test]
fn will_and_keep_alive() {
    let mut bytes = connect(0x26, 10, b"x");
    bytes.extend_from_slice(b"\x00\x01w\x00\x04gone");
    bytes[1] += 9;
    let mut server = Server::new(accepting());
    let mut input = &bytes[..];
    let Some(ServerEvent::Connect(connect)) = server.connection.receive(NOW, &mut input) else {
        panic!()
    };
    let will = connect.will.unwrap();
    assert_eq!(
        (will.topic, will.payload, will.retain),
        ("w", &b"gone"[..], true)
    );
    let connack = Connack::new(ReasonCode::Success);
    server.connection.accept(NOW, None, &connack).unwrap();
    server.said();
    assert_eq!(
        server.connection.poll_timeout(),
        Some(NOW + Duration::from_secs(15))
    );
    server
        .connection
        .handle_timeout(NOW + Duration::from_secs(15));
    let closed = server.closed();
    assert_eq!(
        (closed.cause, closed.will_due),
        (CloseCause::KeepAliveTimeout, true)
    );
    assert_eq!(server.said(), b"");
}

/// What 3.1 has not: the connection closes without a word.
#[test]
fn violations() {
    for bytes in [
        &b"\xF0\x00"[..],
        b"\x36\x06\x00\x01t\x00\x01x",
        b"\x32\x06\x00\x01t\x00\x00x",
        b"\x30\x03\x00\x01+",
        b"\x82\x06\x00\x01\x00\x01a\x03",
        b"\x20\x02\x00\x00",
        b"\x90\x03\x00\x01\x00",
        &connect(CLEAN, 60, b"x"),
    ] {
        let mut server = Server::connected(accepting(), CLEAN, None);
        assert_eq!(server.take(bytes), [] as [&str; 0]);
        assert_eq!(server.said(), b"", "{bytes:?}");
        let CloseCause::Violation(error) = server.closed().cause else {
            panic!()
        };
        assert_eq!(error.version(), Version::V31);
        assert!(error.statement().starts_with("section "), "{error}");
    }
    let mut server = Server::connected(accepting(), CLEAN, None);
    let disconnect = Disconnect::new(ReasonCode::ServerShuttingDown);
    server.connection.disconnect(NOW, &disconnect).unwrap();
    assert_eq!(server.said(), b"");
}

#[test]
fn it_is_not_for_clients() {
    let connect = Connect::new(Version::V31, "x");
    let error = ClientConnection::new(NOW, &connect, Session::new(), accepting()).unwrap_err();
    assert_eq!(error.reason, RequestError::LegacyVersion);
}
