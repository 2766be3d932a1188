//! Any bytes, to a client and to a server, in every phase: no panic, and whatever comes out is
//! legal.
#![no_main]

use sansio_mqtt::*;

const LIMIT: usize = 100;

/// Takes and checks what a connection has to send.
fn check(version: Version, sender: Role, bytes: &[u8]) {
    let decode = DecodeOptions::new().with_sender(Some(sender));
    let mut rest = bytes;
    let mut last = None;
    while !rest.is_empty() {
        assert_ne!(
            last,
            Some(PacketType::Disconnect),
            "behind DISCONNECT: {bytes:02x?}"
        );
        let packet = Packet::decode(version, &decode, &mut rest)
            .expect("legal")
            .expect("whole");
        last = Some(packet.packet_type());
    }
}

fn publish_all(mut publish: impl FnMut(Message) -> bool) {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let message = Message::new("t/opic", b"payload")
            .expect("topic")
            .with_qos(qos);
        publish(message);
    }
}

fn client(version: Version, flags: u8, parts: &[&[u8]], mut now: Instant) {
    let method = [Property::AuthenticationMethod("M")];
    let mut connect = Connect {
        clean_start: flags & 1 != 0,
        ..Connect::new(version, "c")
    };
    if flags & 2 != 0 && version == Version::V5 {
        connect.properties = Properties::from(&method[..]);
    }
    let options = Options::new()
        .with_manual_acknowledgement(flags & 4 != 0)
        .with_receive_maximum(3)
        .with_topic_alias_maximum(2)
        .with_automatic_topic_aliases(2);
    let session = Session::established();
    let mut client = ClientConnection::new(now, &connect, session, options).expect("CONNECT");
    let (mut out, mut buffer, mut sent) = (Vec::new(), Vec::new(), Vec::new());
    client.poll_transmit(now, &mut sent, LIMIT);
    if flags & 8 != 0 {
        // Past the opening: 3.1.1 and 5.0 differ by the empty property block.
        let connack = [0x20, if version == Version::V5 { 3 } else { 2 }, 0, 0, 0];
        let mut input = &connack[..2 + usize::from(connack[1])];
        client.receive(now, &mut input);
    }
    for part in parts {
        publish_all(|message| client.publish(now, message).is_ok());
        let _ = client.subscribe(
            &[Subscription::new("a/+", QoS::AtLeastOnce)],
            Properties::new(),
        );
        buffer.extend_from_slice(part);
        let mut input = &buffer[..];
        loop {
            while let Some(event) = client.receive(now, &mut input) {
                if let ClientEvent::Publish(incoming) = event {
                    assert!(!incoming.topic().is_empty());
                    assert_eq!(incoming.to_message().topic(), incoming.topic());
                    if let Some(token) = incoming.ack {
                        client
                            .acknowledge(&token, ReasonCode::Success)
                            .expect("fresh");
                    }
                }
            }
            out.clear();
            if client.poll_transmit(now, &mut out, LIMIT) == 0 {
                break;
            }
            sent.extend_from_slice(&out);
        }
        assert!(client.closed().is_none() || input.is_empty());
        let taken = buffer.len() - input.len();
        buffer.drain(..taken);
        now = client.poll_timeout().unwrap_or(now);
        client.handle_timeout(now);
        assert!(client.poll_timeout().is_none_or(|at| at > now));
    }
    client.poll_transmit(now, &mut sent, usize::MAX);
    check(version, Role::Client, &sent);
    let _ = client.into_session();
}

fn server(version: Version, flags: u8, parts: &[&[u8]], mut now: Instant) {
    let options = Options::new()
        .with_manual_acknowledgement(flags & 4 != 0)
        .with_answer_invalid_filters(flags & 1 != 0)
        .with_accept_v31(true)
        .with_receive_maximum(3)
        .with_topic_alias_maximum(2)
        .with_automatic_topic_aliases(2);
    let mut server = ServerConnection::new(now, options);
    let (mut out, mut buffer, mut sent) = (Vec::new(), Vec::new(), Vec::new());
    if flags & 8 != 0 {
        Packet::from(Connect::new(version, "c"))
            .encode(version, &mut buffer)
            .expect("CONNECT");
    }
    for part in parts {
        publish_all(|message| server.publish(now, message).is_ok());
        buffer.extend_from_slice(part);
        let mut input = &buffer[..];
        loop {
            while let Some(event) = server.receive(now, &mut input) {
                match event {
                    ServerEvent::Connect(connect) => {
                        let method = connect.properties.authentication_method();
                        let method = method.map(Property::AuthenticationMethod);
                        let id = connect.client_id.is_empty() && connect.version == Version::V5;
                        let id = id.then_some(Property::AssignedClientIdentifier("assigned"));
                        let list: Vec<_> = method.into_iter().chain(id).collect();
                        let connack = Connack {
                            properties: Properties::from(&list[..]),
                            ..Connack::new(ReasonCode::Success)
                        };
                        let session = (!connect.clean_start).then(Session::established);
                        if flags & 2 == 0 {
                            // Fails where the client takes no packet of that size.
                            let _ = server.accept(now, session, &connack);
                        }
                    }
                    ServerEvent::Publish(incoming) => {
                        assert!(!incoming.topic().is_empty());
                        assert_eq!(incoming.to_message().topic(), incoming.topic());
                        if let Some(token) = incoming.ack {
                            server
                                .acknowledge(&token, ReasonCode::Success)
                                .expect("fresh");
                        }
                    }
                    ServerEvent::Subscribe { subscribe, token } => {
                        let codes = vec![ReasonCode::Success; subscribe.subscriptions.len()];
                        let _ = server.suback(token, &codes, Properties::new());
                    }
                    ServerEvent::Unsubscribe { unsubscribe, token } => {
                        let codes = vec![ReasonCode::Success; unsubscribe.filters.len()];
                        let _ = server.unsuback(token, &codes, Properties::new());
                    }
                    _ => {}
                }
            }
            out.clear();
            if server.poll_transmit(now, &mut out, LIMIT) == 0 {
                break;
            }
            sent.extend_from_slice(&out);
        }
        assert!(server.closed().is_none() || input.is_empty());
        let taken = buffer.len() - input.len();
        buffer.drain(..taken);
    }
    now = server.poll_timeout().unwrap_or(now);
    server.handle_timeout(now);
    assert!(server.poll_timeout().is_none_or(|at| at > now));
    server.poll_transmit(now, &mut sent, usize::MAX);
    check(server.version(), Role::Server, &sent);
    let _ = server.into_session();
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&[flags, cut], bytes)) = data.split_first_chunk::<2>() else {
        return;
    };
    let version = if flags & 0x10 == 0 {
        Version::V5
    } else {
        Version::V311
    };
    let (first, second) = bytes.split_at(usize::from(cut).min(bytes.len()));
    let now = Instant::from_millis(1_000_000);
    if flags & 0x20 == 0 {
        let version = if flags & 0x40 == 0 {
            version
        } else {
            Version::V31
        };
        server(version, flags, &[first, second], now);
    } else {
        client(version, flags, &[first, second], now);
    }
});
