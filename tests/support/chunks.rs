// A transport may give its bytes in any pieces: what comes out of them is the same.

use sansio_mqtt::*;

/// What came of the pieces: packets or events as text, the bytes sent in answer, and the end.
type Outcome = (Vec<String>, Vec<u8>, String);

/// `bytes` in pieces of these lengths, in turn; at once if there are none.
pub(crate) fn pieces<'a>(bytes: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    let (mut rest, mut pieces) = (bytes, Vec::new());
    for length in lengths.iter().cycle() {
        if rest.is_empty() || pieces.len() == 64 {
            break;
        }
        let (piece, behind) = rest.split_at(rest.len().min(1 + usize::from(*length)));
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

/// Everything that takes a stream, at once and in pieces.
pub(crate) fn check_chunks(
    version: Version,
    options: &DecodeOptions,
    bytes: &[u8],
    lengths: &[u8],
) {
    let pieces = pieces(bytes, lengths);
    let whole = [bytes];
    let packets = |pieces: &[&[u8]]| decode(version, options, pieces);
    let at_once = packets(&whole);
    assert_eq!(packets(&pieces), at_once, "{pieces:02x?}");
    for limit in [0, 20, MAXIMUM_PACKET_SIZE] {
        let starts = |pieces: &[&[u8]]| start(version, options, limit, pieces);
        let (starts, (heads, error)) = (starts(&pieces), starts(&whole));
        assert_eq!(starts, (heads.clone(), error.clone()), "{pieces:02x?}");
        assert_eq!(heads, at_once.0, "{pieces:02x?}");
        // A head may be refused while the payload is not yet there.
        assert!(
            error == at_once.2 || at_once.2.is_empty(),
            "{error:?} {pieces:02x?}"
        );
    }
    match options.sender() {
        Some(Role::Server) if version != Version::V31 => {
            let client = |pieces: &[&[u8]]| client(version, options, pieces);
            assert_eq!(client(&pieces), client(&whole), "{pieces:02x?}");
        }
        Some(Role::Client) => {
            let server = |pieces: &[&[u8]]| server(options, pieces);
            assert_eq!(server(&pieces), server(&whole), "{pieces:02x?}");
        }
        _ => {}
    }
}

fn decode(version: Version, options: &DecodeOptions, pieces: &[&[u8]]) -> Outcome {
    let (mut packets, mut buffer) = (Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        let mut input = &buffer[..];
        loop {
            match Packet::decode(version, options, &mut input) {
                Ok(Some(packet)) => packets.push(format!("{packet:?}")),
                Ok(None) => break,
                Err(error) => return (packets, Vec::new(), error.to_string()),
            }
        }
        let taken = buffer.len() - input.len();
        buffer.drain(..taken);
    }
    (packets, buffer, String::new())
}

/// Messages above `limit` as head and chunks. What comes out are whole messages and the error.
fn start(
    version: Version,
    options: &DecodeOptions,
    limit: u32,
    pieces: &[&[u8]],
) -> (Vec<String>, String) {
    let options = options
        .with_whole_publish_limit(limit)
        .with_maximum_publish_head(MAXIMUM_PACKET_SIZE);
    let (mut packets, mut buffer) = (Vec::new(), Vec::new());
    // The head as bytes, the payload so far, and what is to come of it.
    let mut open: Option<(Vec<u8>, Vec<u8>, PayloadChunks)> = None;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        let mut input = &buffer[..];
        loop {
            if let Some((head, mut payload, mut chunks)) = open.take() {
                payload.extend_from_slice(chunks.take(&mut input));
                if !chunks.is_done() {
                    assert!(input.is_empty());
                    open = Some((head, payload, chunks));
                    break;
                }
                packets.push(joined(version, &options, &head, &payload));
            }
            match PacketStart::decode(version, &options, &mut input) {
                Ok(Some(PacketStart::Whole(packet))) => packets.push(format!("{packet:?}")),
                Ok(Some(PacketStart::Head(head))) => {
                    let mut bytes = Vec::new();
                    head.encode(version, &mut bytes).expect("was received");
                    assert_eq!(bytes.len(), head.encoded_len(version));
                    open = Some((bytes, Vec::new(), head.payload()));
                }
                Ok(None) => break,
                Err(error) => return (packets, error.to_string()),
            }
        }
        let taken = buffer.len() - input.len();
        buffer.drain(..taken);
    }
    (packets, String::new())
}

/// Head and payload are the bytes of a PUBLISH.
fn joined(version: Version, options: &DecodeOptions, head: &[u8], payload: &[u8]) -> String {
    let bytes = [head, payload].concat();
    let packet = Packet::decode(version, options, &mut &bytes[..]);
    let packet = packet.expect("a head and its payload are right");
    format!("{:?}", packet.expect("and they are all of it"))
}

const NOW: Instant = Instant::from_millis(1_000);

fn connection_options(options: &DecodeOptions) -> Options {
    // From what a decoder can be told: a few ways to be a connection.
    let open = options.maximum_packet_size() == MAXIMUM_PACKET_SIZE;
    Options::new()
        .with_maximum_packet_size(options.maximum_packet_size().max(20))
        .with_accept_v31(options.accept_v31())
        .with_answer_invalid_filters(options.unchecked_filters())
        .with_receive_maximum(if open { 10 } else { 1 })
        .with_topic_alias_maximum(3)
}

fn server(options: &DecodeOptions, pieces: &[&[u8]]) -> Outcome {
    let mut server = ServerConnection::new(NOW, connection_options(options));
    let (mut events, mut out, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        let mut input = &buffer[..];
        loop {
            while let Some(event) = server.receive(NOW, &mut input) {
                events.push(server_event(&event));
                answer(&mut server, event);
            }
            if server.poll_transmit(NOW, &mut out, usize::MAX) == 0 {
                break;
            }
        }
        let taken = buffer.len() - input.len();
        buffer.drain(..taken);
    }
    (events, out, format!("{:?}", server.closed()))
}

/// Without the tokens, which tell one connection from another.
fn server_event(event: &ServerEvent<'_>) -> String {
    match event {
        ServerEvent::Publish(incoming) => incoming_text(incoming),
        ServerEvent::Subscribe { subscribe, .. } => format!("{subscribe:?}"),
        ServerEvent::Unsubscribe { unsubscribe, .. } => format!("{unsubscribe:?}"),
        other => format!("{other:?}"),
    }
}

fn client_event(event: &ClientEvent<'_>) -> String {
    match event {
        ClientEvent::Publish(incoming) => incoming_text(incoming),
        ClientEvent::Published { ack, .. } => format!("{ack:?}"),
        ClientEvent::Subscribed { suback, .. } => format!("{suback:?}"),
        ClientEvent::Unsubscribed { unsuback, .. } => format!("{unsuback:?}"),
        other => format!("{other:?}"),
    }
}

fn incoming_text(incoming: &Incoming<'_>) -> String {
    format!("{:?} {:?}", incoming.topic(), incoming.publish)
}

/// As an application does that takes everything. What is refused is refused in either case.
fn answer(server: &mut ServerConnection, event: ServerEvent<'_>) {
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
            let _ = server.accept(NOW, None, &connack);
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

fn client(version: Version, options: &DecodeOptions, pieces: &[&[u8]]) -> Outcome {
    let connect = Connect {
        clean_start: false,
        ..Connect::new(version, "c")
    };
    let options = connection_options(options);
    let client = ClientConnection::new(NOW, &connect, Session::established(), options);
    let mut client = client.expect("a CONNECT that is right");
    let (mut events, mut out, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
    client.poll_transmit(NOW, &mut out, usize::MAX);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        let mut input = &buffer[..];
        loop {
            while let Some(event) = client.receive(NOW, &mut input) {
                events.push(client_event(&event));
            }
            if client.poll_transmit(NOW, &mut out, usize::MAX) == 0 {
                break;
            }
        }
        let taken = buffer.len() - input.len();
        buffer.drain(..taken);
    }
    (events, out, format!("{:?}", client.closed()))
}
