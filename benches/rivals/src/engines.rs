//! Whole exchanges through the state machines, in memory: what a message costs beyond its bytes.
//!
//! Each runs as its own API asks for it, with acknowledgements by itself, and nothing is taken out of it but the bytes
//! and what an application has to see. *By hand* has tables of fixed size and no events: it is what the bytes alone cost.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use bytes::BytesMut;

use crate::alloc;
use crate::inputs::{TOPIC, payload, varint};

/// One way to do one case, all made ready.
struct Run {
    case: &'static str,
    name: &'static str,
    /// Does so many messages.
    step: Box<dyn FnMut(usize)>,
    messages: usize,
    best: f64,
    allocations: f64,
}

const OURS: &str = crate::table::OURS;
const HAND: &str = crate::table::HAND;
const CORE: &str = "mqtt-protocol-core";

/// Messages between two looks at the clock.
const BATCH: usize = 500;
const LARGE: usize = 1 << 20;
/// What a segment of TCP carries.
const PIECE: usize = 1460;

const EXCHANGES: [&str; 3] = ["exchange, QoS 0", "exchange, QoS 1", "exchange, QoS 2"];
const HALF: &str = "client's half, QoS 1";
const WINDOWS: [(usize, &str); 2] = [
    (10, "the same with 10 in flight"),
    (10_000, "the same with 10,000 in flight"),
];
const PIECES: &str = "receive 1 MiB in 1,460 byte pieces";

/// The table of all of them, in 5.0 where they have it.
pub(crate) fn table(rounds: usize) -> String {
    let mut runs = runs();
    for run in &mut runs {
        (run.step)(run.messages);
        let allocations = alloc::count(|| (run.step)(run.messages));
        run.allocations = allocations as f64 / run.messages as f64;
    }
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        for run in &mut runs {
            for _ in 0..20 {
                let start = Instant::now();
                (run.step)(run.messages);
                let time = start.elapsed().as_nanos() as f64 / run.messages as f64;
                run.best = run.best.min(time);
            }
        }
    }
    let mut out =
        String::from("| case | crate | ns | × ours | allocations |\n|---|---|---|---|---|\n");
    for run in &runs {
        let ours = runs
            .iter()
            .find(|other| other.case == run.case && other.name == OURS)
            .map_or(f64::NAN, |ours| ours.best);
        let _ = writeln!(
            out,
            "| {} | {} | {:.1} | {:.2} | {:.2} |",
            run.case,
            run.name,
            run.best,
            run.best / ours,
            run.allocations,
        );
    }
    out
}

fn runs() -> Vec<Run> {
    let mut runs = Vec::new();
    let mut add = |case, name, messages, step: Box<dyn FnMut(usize)>| {
        runs.push(Run {
            case,
            name,
            step,
            messages,
            best: f64::INFINITY,
            allocations: 0.0,
        });
    };
    for (qos, case) in EXCHANGES.into_iter().enumerate() {
        add(case, OURS, BATCH, ours::exchange(qos));
        add(case, HAND, BATCH, by_hand::exchange(qos));
        add(case, CORE, BATCH, core::exchange(qos));
    }
    add(HALF, OURS, BATCH, ours::half(0));
    add(HALF, CORE, BATCH, core::half(0));
    add(HALF, "flowsdk", BATCH, flowsdk_client(0));
    add(HALF, "rumqttc (3.1.1)", BATCH, rumqttc_state(0));
    for (window, case) in WINDOWS {
        add(case, OURS, BATCH, ours::half(window));
        add(case, CORE, BATCH, core::half(window));
        add(case, "flowsdk", BATCH, flowsdk_client(window));
        add(case, "rumqttc (3.1.1)", BATCH, rumqttc_state(window));
    }
    add(PIECES, OURS, 4, ours::pieces());
    add(PIECES, CORE, 4, core::pieces());
    runs
}

/// Publishes and has the oldest message acknowledged, with so many more in flight. `publish` gives the identifier.
fn windowed(
    window: usize,
    mut publish: impl FnMut() -> [u8; 2] + 'static,
    mut acknowledge: impl FnMut([u8; 4]) + 'static,
) -> impl FnMut(usize) + 'static {
    let mut open: VecDeque<[u8; 2]> = VecDeque::with_capacity(window + 2);
    move |count| {
        while open.len() < window {
            open.push_back(publish());
        }
        for _ in 0..count {
            open.push_back(publish());
            let [high, low] = open.pop_front().unwrap_or_default();
            acknowledge([0x40, 2, high, low]);
        }
    }
}

/// The identifier in a PUBLISH with [`TOPIC`] and a length of two bytes at most.
fn identifier(packet: &[u8]) -> [u8; 2] {
    let behind_length = if packet[1] < 0x80 { 2 } else { 3 };
    let at = behind_length + 2 + TOPIC.len();
    [packet[at], packet[at + 1]]
}

/// A PUBLISH of QoS 0 in 5.0 with this payload.
fn publish_packet(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x30];
    varint(2 + TOPIC.len() + 1 + payload.len(), &mut out);
    out.extend_from_slice(&(TOPIC.len() as u16).to_be_bytes());
    out.extend_from_slice(TOPIC.as_bytes());
    out.push(0);
    out.extend_from_slice(payload);
    out
}

mod ours {
    use std::cell::RefCell;
    use std::rc::Rc;

    use sansio_mqtt::{
        ClientConnection, ClientEvent, Connack, Connect, Instant, Options, Publish, QoS,
        ReasonCode, ServerConnection, ServerEvent, Session, Version,
    };

    use super::{LARGE, PIECE, TOPIC, black_box, identifier, payload, publish_packet, windowed};

    const NOW: Instant = Instant::ZERO;

    fn pair(options: Options) -> (ClientConnection, ServerConnection) {
        let options = options
            .with_receive_maximum(u16::MAX)
            .with_maximum_kept_messages(100_000);
        let connect = Connect::new(Version::V5, "c");
        let client = ClientConnection::new(NOW, &connect, Session::new(), options.clone());
        let mut client = client.expect("CONNECT");
        let mut server = ServerConnection::new(NOW, options);
        let mut bytes = vec![];
        client.poll_transmit(NOW, &mut bytes, usize::MAX);
        let mut input = &bytes[..];
        while let Some(event) = server.receive(NOW, &mut input) {
            if let ServerEvent::Connect(_) = event {
                let connack = Connack::new(ReasonCode::Success);
                server.accept(NOW, None, &connack).expect("CONNACK");
            }
        }
        let mut bytes = vec![];
        server.poll_transmit(NOW, &mut bytes, usize::MAX);
        let mut input = &bytes[..];
        while client.receive(NOW, &mut input).is_some() {}
        assert!(client.is_connected());
        (client, server)
    }

    pub(super) fn exchange(qos: usize) -> Box<dyn FnMut(usize)> {
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][qos];
        let (mut client, mut server) = pair(Options::new());
        let payload = payload(64);
        let (mut up, mut down) = (Vec::with_capacity(4096), Vec::with_capacity(4096));
        Box::new(move |count| {
            let (mut received, mut settled) = (0, 0);
            for _ in 0..count {
                up.clear();
                let publish = Publish {
                    qos,
                    ..Publish::new(black_box(TOPIC), black_box(&payload))
                };
                client
                    .publish_into(NOW, &publish, &mut up)
                    .expect("room for it");
                while !up.is_empty() {
                    let mut input = &up[..];
                    while let Some(event) = server.receive(NOW, &mut input) {
                        black_box(&event);
                        received += 1;
                    }
                    down.clear();
                    server.poll_transmit(NOW, &mut down, usize::MAX);
                    let mut input = &down[..];
                    while let Some(event) = client.receive(NOW, &mut input) {
                        black_box(&event);
                        settled += 1;
                    }
                    up.clear();
                    client.poll_transmit(NOW, &mut up, usize::MAX);
                }
            }
            assert_eq!(received, count);
            assert_eq!(settled, if qos == QoS::AtMostOnce { 0 } else { count });
        })
    }

    pub(super) fn half(window: usize) -> Box<dyn FnMut(usize)> {
        let (client, _) = pair(Options::new());
        let client = Rc::new(RefCell::new(client));
        let same = Rc::clone(&client);
        let payload = payload(64);
        let mut out = Vec::with_capacity(4096);
        let publish = move || {
            out.clear();
            let publish = Publish {
                qos: QoS::AtLeastOnce,
                ..Publish::new(black_box(TOPIC), black_box(&payload))
            };
            let mut client = client.borrow_mut();
            client
                .publish_into(NOW, &publish, &mut out)
                .expect("room for it");
            identifier(&out)
        };
        let acknowledge = move |packet: [u8; 4]| {
            let mut input = &packet[..];
            let mut client = same.borrow_mut();
            let event = client.receive(NOW, &mut input);
            assert!(matches!(event, Some(ClientEvent::Published { .. })));
        };
        Box::new(windowed(window, publish, acknowledge))
    }

    /// As a driver does: it keeps what was not taken and offers it again with what has come.
    pub(super) fn pieces() -> Box<dyn FnMut(usize)> {
        let (_, mut server) = pair(Options::new());
        let packet = publish_packet(&payload(LARGE));
        let mut buffer = Vec::with_capacity(packet.len() + PIECE);
        Box::new(move |count| {
            for _ in 0..count {
                let mut received = 0;
                for piece in packet.chunks(PIECE) {
                    buffer.extend_from_slice(piece);
                    let mut input = &buffer[..];
                    while let Some(event) = server.receive(NOW, &mut input) {
                        black_box(&event);
                        received += 1;
                    }
                    let taken = buffer.len() - input.len();
                    buffer.drain(..taken);
                }
                assert_eq!(received, 1);
            }
        })
    }
}

mod by_hand {
    use super::{TOPIC, black_box, payload};
    use crate::peers::hand::{Packet, Publish, parse, write_publish};

    /// Client: what is due for each identifier; server: which it has. Nothing else is kept.
    pub(super) fn exchange(qos: usize) -> Box<dyn FnMut(usize)> {
        let mut due = vec![0u8; 1 << 16];
        let mut held = vec![false; 1 << 16];
        let mut next = 0u16;
        let payload = payload(64);
        let (mut up, mut down) = (Vec::with_capacity(4096), Vec::with_capacity(4096));
        Box::new(move |count| {
            for _ in 0..count {
                if qos > 0 {
                    loop {
                        next = next.wrapping_add(1);
                        if next != 0 && due[usize::from(next)] == 0 {
                            break;
                        }
                    }
                    due[usize::from(next)] = qos as u8;
                }
                up.clear();
                let publish = Publish {
                    topic: black_box(TOPIC),
                    packet_id: next,
                    flags: (qos as u8) << 1,
                    properties: &[],
                    payload: black_box(&payload),
                };
                write_publish::<5>(&mut up, &publish);
                let Ok(Some((Packet::Publish(received), _))) = parse::<5>(black_box(&up)) else {
                    panic!("no PUBLISH");
                };
                black_box(received.payload);
                if qos == 0 {
                    continue;
                }
                let id = usize::from(received.packet_id);
                let [high, low] = received.packet_id.to_be_bytes();
                let answer = |to: &mut Vec<u8>, first| {
                    to.clear();
                    to.extend_from_slice(&[first, 2, high, low]);
                    black_box(&*to);
                    assert!(to[0] == first && to[1] == 2);
                };
                if qos == 1 {
                    answer(&mut down, 0x40);
                    assert_eq!(due[id], 1);
                } else {
                    held[id] = true;
                    answer(&mut down, 0x50);
                    assert_eq!(due[id], 2);
                    due[id] = 3;
                    answer(&mut up, 0x62);
                    assert!(std::mem::take(&mut held[id]));
                    answer(&mut down, 0x70);
                }
                due[id] = 0;
            }
        })
    }
}

mod core {
    use std::cell::RefCell;
    use std::rc::Rc;

    use mqtt_protocol_core::mqtt::Version;
    use mqtt_protocol_core::mqtt::common::Cursor;
    use mqtt_protocol_core::mqtt::connection::{Connection, Event, role};
    use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait as _, Packet, Qos, v5_0};
    use mqtt_protocol_core::mqtt::result_code::ConnectReasonCode;

    use super::{LARGE, PIECE, TOPIC, black_box, identifier, payload, publish_packet, windowed};

    type Client = Connection<role::Client>;
    type Server = Connection<role::Server>;

    /// The bytes that the events ask to be sent, and how many packets came in.
    fn handle(events: Vec<Event>, out: &mut Vec<Vec<u8>>) -> usize {
        let mut received = 0;
        for event in events {
            match event {
                Event::RequestSendPacket { packet, .. } => out.push(packet.to_continuous_buffer()),
                Event::NotifyPacketReceived(packet) => {
                    black_box(&packet);
                    received += 1;
                }
                Event::NotifyError(error) => panic!("{error:?}"),
                _ => {}
            }
        }
        received
    }

    fn pair() -> (Client, Server) {
        let (mut client, mut server) = (Client::new(Version::V5_0), Server::new(Version::V5_0));
        client.set_auto_pub_response(true);
        server.set_auto_pub_response(true);
        let connect = v5_0::Connect::builder()
            .client_id("c")
            .expect("an identifier")
            .clean_start(true)
            .build()
            .expect("CONNECT");
        let connack = v5_0::Connack::builder()
            .session_present(false)
            .reason_code(ConnectReasonCode::Success)
            .build()
            .expect("CONNACK");
        let mut out = vec![];
        handle(client.send(connect.into()), &mut out);
        for bytes in out.drain(..) {
            handle(server.recv(&mut Cursor::new(&bytes[..])), &mut vec![]);
        }
        handle(server.send(connack.into()), &mut out);
        for bytes in out.drain(..) {
            handle(client.recv(&mut Cursor::new(&bytes[..])), &mut vec![]);
        }
        (client, server)
    }

    fn publish(qos: Qos, id: Option<u16>, payload: &[u8]) -> Packet {
        v5_0::Publish::builder()
            .topic_name(black_box(TOPIC))
            .expect("a topic")
            .qos(qos)
            .packet_id(id)
            .payload(black_box(payload))
            .build()
            .expect("PUBLISH")
            .into()
    }

    pub(super) fn exchange(qos: usize) -> Box<dyn FnMut(usize)> {
        let level = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce][qos];
        let (mut client, mut server) = pair();
        let payload = payload(64);
        let (mut up, mut down) = (vec![], vec![]);
        Box::new(move |count| {
            let (mut received, mut answers) = (0, 0);
            for _ in 0..count {
                let id = (qos > 0).then(|| client.acquire_packet_id().expect("an identifier"));
                handle(client.send(publish(level, id, &payload)), &mut up);
                while !up.is_empty() {
                    for bytes in up.drain(..) {
                        received += handle(server.recv(&mut Cursor::new(&bytes[..])), &mut down);
                    }
                    for bytes in down.drain(..) {
                        answers += handle(client.recv(&mut Cursor::new(&bytes[..])), &mut up);
                    }
                }
            }
            assert_eq!(received, count * [1, 1, 2][qos]);
            assert_eq!(answers, count * qos);
        })
    }

    pub(super) fn half(window: usize) -> Box<dyn FnMut(usize)> {
        let (client, _) = pair();
        let client = Rc::new(RefCell::new(client));
        let same = Rc::clone(&client);
        let payload = payload(64);
        let mut out = vec![];
        let publish = move || {
            out.clear();
            let mut client = client.borrow_mut();
            let id = client.acquire_packet_id().expect("an identifier");
            handle(
                client.send(publish(Qos::AtLeastOnce, Some(id), &payload)),
                &mut out,
            );
            identifier(&out[0])
        };
        let acknowledge = move |packet: [u8; 4]| {
            let mut client = same.borrow_mut();
            let received = handle(client.recv(&mut Cursor::new(&packet[..])), &mut vec![]);
            assert_eq!(received, 1);
        };
        Box::new(windowed(window, publish, acknowledge))
    }

    pub(super) fn pieces() -> Box<dyn FnMut(usize)> {
        let (_, mut server) = pair();
        let packet = publish_packet(&payload(LARGE));
        Box::new(move |count| {
            for _ in 0..count {
                let mut received = 0;
                for piece in packet.chunks(PIECE) {
                    let mut cursor = Cursor::new(piece);
                    while (cursor.position() as usize) < piece.len() {
                        received += handle(server.recv(&mut cursor), &mut vec![]);
                    }
                }
                assert_eq!(received, 1);
            }
        })
    }
}

fn flowsdk_client(window: usize) -> Box<dyn FnMut(usize)> {
    use std::cell::RefCell;
    use std::rc::Rc;

    use flowsdk::mqtt_client::commands::PublishCommand;
    use flowsdk::mqtt_client::{MqttClientOptions, PortableNoIoMqttClient};
    use flowsdk::time::Timestamp;

    let options = MqttClientOptions::builder()
        .client_id("c")
        .clean_start(true)
        .mqtt_version(5)
        .keep_alive(0)
        .receive_maximum(65_535)
        .max_outgoing_packet_count(20_000)
        .build();
    let mut client = PortableNoIoMqttClient::new_at(options, Timestamp::ZERO);
    client.connect_at(Timestamp::ZERO).expect("CONNECT");
    client.take_outgoing_at(Timestamp::ZERO).expect("bytes");
    client
        .handle_incoming_at(&[0x20, 3, 0, 0, 0], Timestamp::ZERO)
        .expect("CONNACK");
    assert!(client.is_connected());
    let client = Rc::new(RefCell::new(client));
    let same = Rc::clone(&client);
    let payload = payload(64);
    let publish = move || {
        let (topic, payload) = (TOPIC.to_string(), payload.clone());
        let command = PublishCommand::new(topic, payload, 1, false, false, None, vec![], 128);
        let mut client = client.borrow_mut();
        client.publish_at(command, Timestamp::ZERO).expect("room");
        let out = client.take_outgoing_at(Timestamp::ZERO).expect("bytes");
        identifier(&out)
    };
    let acknowledge = move |packet: [u8; 4]| {
        let mut client = same.borrow_mut();
        let events = client.handle_incoming_at(&packet, Timestamp::ZERO);
        assert!(!events.expect("PUBACK").is_empty());
        black_box(client.take_events());
    };
    Box::new(windowed(window, publish, acknowledge))
}

fn rumqttc_state(window: usize) -> Box<dyn FnMut(usize)> {
    use std::cell::RefCell;
    use std::rc::Rc;

    use rumqttc::mqttbytes::QoS;
    use rumqttc::mqttbytes::v4::{Packet, Publish};
    use rumqttc::{MqttState, Request};

    let state = Rc::new(RefCell::new(MqttState::new(20_000, false)));
    let same = Rc::clone(&state);
    let payload = payload(64);
    let mut out = BytesMut::with_capacity(8192);
    let publish = move || {
        let publish = Publish::new(TOPIC, QoS::AtLeastOnce, payload.clone());
        out.clear();
        let mut state = state.borrow_mut();
        let packet = state.handle_outgoing_packet(Request::Publish(publish));
        let Ok(Some(Packet::Publish(publish))) = packet else {
            panic!("no packet");
        };
        publish.write(&mut out).expect("room");
        black_box(&out);
        publish.pkid.to_be_bytes()
    };
    let acknowledge = move |packet: [u8; 4]| {
        let ack = Packet::read(&mut BytesMut::from(&packet[..]), 1 << 20).expect("PUBACK");
        let mut state = same.borrow_mut();
        black_box(state.handle_incoming_packet(ack).expect("PUBACK"));
        state.events.clear();
    };
    Box::new(windowed(window, publish, acknowledge))
}
