//! Control characters at a connection: taken by default, refused by a connection that is told to.

use sansio_mqtt::*;

const NOW: Instant = Instant::ZERO;

fn server(version: Version, options: Options) -> ServerConnection {
    let mut server = ServerConnection::new(NOW, options);
    let mut bytes = Vec::new();
    Connect::new(version, "c").encode(&mut bytes).unwrap();
    let event = server.receive(NOW, &mut &bytes[..]);
    assert!(matches!(event, Some(ServerEvent::Connect(_))));
    let connack = Connack::new(ReasonCode::Success);
    server.accept(NOW, None, &connack).unwrap();
    server.poll_transmit(NOW, &mut Vec::new(), usize::MAX);
    server
}

fn encoded(packet: Packet<'_>, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_server_refuses_them_if_it_is_told_to() {
    let strict = Options::new().with_control_characters_refused(true);
    for version in [Version::V311, Version::V5] {
        let publish = encoded(Publish::new("a\nb", b"").into(), version);
        let mut lenient = server(version, Options::new());
        let event = lenient.receive(NOW, &mut &publish[..]);
        assert!(matches!(event, Some(ServerEvent::Publish(_))));
        assert_eq!(lenient.closed(), None);

        let mut strict = server(version, strict.clone());
        assert!(strict.receive(NOW, &mut &publish[..]).is_none());
        let Some(CloseCause::Violation(error)) = strict.closed().map(|closed| closed.cause) else {
            panic!("{:?}", strict.closed());
        };
        assert_eq!(error.violation(), Violation::DisallowedCharacter);
        let mut answer = Vec::new();
        strict.poll_transmit(NOW, &mut answer, usize::MAX);
        let disconnect: &[u8] = match version {
            Version::V5 => b"\xE0\x01\x81",
            _ => b"",
        };
        assert_eq!(answer, disconnect);
    }
}

#[test]
fn before_the_connection_is_accepted_too() {
    let strict = Options::new().with_control_characters_refused(true);
    let mut server = ServerConnection::new(NOW, strict.clone());
    let connect = encoded(Connect::new(Version::V5, "c\u{7F}").into(), Version::V5);
    assert!(server.receive(NOW, &mut &connect[..]).is_none());
    let mut answer = Vec::new();
    server.poll_transmit(NOW, &mut answer, usize::MAX);
    assert_eq!(answer, b"\x20\x03\x00\x81\x00");

    let connect = Connect::new(Version::V5, "c");
    let mut client = ClientConnection::new(NOW, &connect, Session::new(), strict).unwrap();
    client.poll_transmit(NOW, &mut Vec::new(), usize::MAX);
    let list = [Property::ReasonString("\u{1b}[2J")];
    let connack = Connack {
        properties: (&list).into(),
        ..Connack::new(ReasonCode::Success)
    };
    let connack = encoded(connack.into(), Version::V5);
    assert!(client.receive(NOW, &mut &connack[..]).is_none());
    let cause = client.closed().map(|closed| closed.cause);
    let refused = |error: DecodeError| error.violation() == Violation::DisallowedCharacter;
    assert!(matches!(cause, Some(CloseCause::Violation(error)) if refused(error)));
}
