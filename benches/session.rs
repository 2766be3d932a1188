//! Whole exchanges through a client and a server connection, in memory, and what a resumed session costs.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use sansio_mqtt::{
    ClientConnection, ClientEvent, Connack, Connect, Instant, Message, Options, Properties,
    Property, Publish, QoS, ReasonCode, ServerConnection, ServerEvent, Session, Version,
};

const NOW: Instant = Instant::ZERO;
const TOPIC: &str = "sensors/eu-west/device-0042/temperature";
const PAYLOAD: [u8; 64] = [0x2a; 64];
const VERSIONS: [Version; 2] = [Version::V311, Version::V5];
const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn options() -> Options {
    Options::new()
        .with_receive_maximum(u16::MAX)
        .with_maximum_kept_messages(100_000)
}

/// Two connections, and the bytes of each direction.
struct Pair {
    client: ClientConnection,
    server: ServerConnection,
    up: Vec<u8>,
    down: Vec<u8>,
}

impl Pair {
    fn new(version: Version, session: Session, stored: Option<Session>) -> Self {
        let expiry = [Property::SessionExpiryInterval(u32::MAX)];
        let connect = Connect {
            clean_start: false,
            properties: match version {
                Version::V5 => Properties::from(&expiry[..]),
                _ => Properties::new(),
            },
            ..Connect::new(version, "c")
        };
        let client = ClientConnection::new(NOW, &connect, session, options()).unwrap();
        let mut pair = Self {
            client,
            server: ServerConnection::new(NOW, options()),
            up: Vec::with_capacity(4096),
            down: Vec::with_capacity(4096),
        };
        pair.client.poll_transmit(NOW, &mut pair.up, usize::MAX);
        let mut input = &pair.up[..];
        let event = pair.server.receive(NOW, &mut input);
        assert!(matches!(event, Some(ServerEvent::Connect(_))));
        let connack = Connack::new(ReasonCode::Success);
        pair.server.accept(NOW, stored, &connack).unwrap();
        pair.up.clear();
        pair
    }

    /// Until nothing is under way; the number of events on both sides.
    fn settle(&mut self) -> usize {
        let mut events = 0;
        loop {
            let mut input = &self.up[..];
            while let Some(event) = self.server.receive(NOW, &mut input) {
                black_box(&event);
                events += 1;
            }
            self.down.clear();
            self.server.poll_transmit(NOW, &mut self.down, usize::MAX);
            let mut input = &self.down[..];
            while let Some(event) = self.client.receive(NOW, &mut input) {
                black_box(&event);
                events += 1;
            }
            self.up.clear();
            if self.client.poll_transmit(NOW, &mut self.up, usize::MAX) == 0 {
                return events;
            }
        }
    }

    fn connected(version: Version) -> Self {
        let mut pair = Self::new(version, Session::new(), None);
        pair.settle();
        pair
    }
}

fn publish(qos: QoS) -> Publish<'static> {
    Publish {
        qos,
        ..Publish::new(TOPIC, &PAYLOAD)
    }
}

fn exchanges(c: &mut Criterion) {
    for version in VERSIONS {
        let mut group = c.benchmark_group(format!("exchange {version}"));
        group.throughput(Throughput::Elements(1));
        for qos in QOS {
            let mut pair = Pair::connected(version);
            let expected = if qos == QoS::AtMostOnce { 1 } else { 2 };
            group.bench_function(format!("publish_into, QoS {}", qos.as_u8()), |b| {
                b.iter(|| {
                    let publish = black_box(publish(qos));
                    pair.client
                        .publish_into(NOW, &publish, &mut pair.up)
                        .unwrap();
                    assert_eq!(pair.settle(), expected);
                });
            });
            let message = Message::new(TOPIC, &PAYLOAD).unwrap().with_qos(qos);
            group.bench_function(format!("a shared message, QoS {}", qos.as_u8()), |b| {
                b.iter(|| {
                    pair.client
                        .publish(NOW, black_box(&message).clone())
                        .unwrap();
                    pair.client.poll_transmit(NOW, &mut pair.up, usize::MAX);
                    assert_eq!(pair.settle(), expected);
                });
            });
        }
        group.finish();
    }
}

/// One message out and the oldest acknowledged, with so many more under way.
fn windows(c: &mut Criterion) {
    let mut group = c.benchmark_group("client's half, QoS 1, in flight");
    group.throughput(Throughput::Elements(1));
    for window in [0u16, 10, 10_000, 60_000] {
        let mut client = Pair::connected(Version::V5).client;
        let mut out = Vec::with_capacity(4096);
        for _ in 0..window {
            client
                .publish_into(NOW, &publish(QoS::AtLeastOnce), &mut out)
                .unwrap();
            out.clear();
        }
        let mut oldest = 1u16;
        group.bench_function(window.to_string(), |b| {
            b.iter(|| {
                out.clear();
                client
                    .publish_into(NOW, &publish(QoS::AtLeastOnce), &mut out)
                    .unwrap();
                let [high, low] = oldest.to_be_bytes();
                let ack = [0x40, 2, high, low];
                let event = client.receive(NOW, &mut &ack[..]);
                assert!(matches!(event, Some(ClientEvent::Published { .. })));
                oldest = oldest.checked_add(1).unwrap_or(1);
            });
        });
    }
    group.finish();
}

/// A new transport for a session of both sides with so many messages under way.
fn resume(c: &mut Criterion) {
    let mut group = c.benchmark_group("resume and finish, QoS 2, in flight");
    for count in [0usize, 1_000] {
        group.throughput(Throughput::Elements(count.max(1) as u64));
        group.bench_function(count.to_string(), |b| {
            b.iter_batched(
                || {
                    let mut pair = Pair::connected(Version::V5);
                    for _ in 0..count {
                        pair.client
                            .publish_into(NOW, &publish(QoS::ExactlyOnce), &mut pair.up)
                            .unwrap();
                    }
                    (pair.client.into_session(), pair.server.into_session())
                },
                |(ours, theirs)| {
                    let mut pair = Pair::new(Version::V5, ours, Some(theirs));
                    assert_eq!(pair.settle(), 1 + 2 * count);
                    pair
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    exchanges(&mut c);
    windows(&mut c);
    resume(&mut c);
    c.final_summary();
}
