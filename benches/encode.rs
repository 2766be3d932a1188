//! From packets to bytes, every field checked, into a buffer that is there already: a `Vec` or a slice.

#[path = "support/inputs.rs"]
#[allow(dead_code)]
mod inputs;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use sansio_mqtt::{DecodeOptions, Packet, Publish, QoS};

fn encode(c: &mut Criterion) {
    for version in inputs::VERSIONS {
        let mut group = c.benchmark_group(format!("encode {version}"));
        let mut out = Vec::with_capacity(16 * 1024 * 1024);
        group.throughput(Throughput::Elements(1));

        // From its parts, as an application has them.
        let Publish { topic, payload, .. } = inputs::small_publish();
        group.bench_function("PUBLISH from topic and payload", |b| {
            b.iter(|| {
                out.clear();
                let publish = Publish {
                    qos: black_box(QoS::AtMostOnce),
                    ..Publish::new(black_box(topic), black_box(payload))
                };
                publish.encode(version, &mut out).unwrap();
                black_box(out.len())
            });
        });

        let mut slice = [0; 2048];
        for (name, packet) in inputs::packets(version) {
            group.bench_function(name, |b| {
                b.iter(|| {
                    out.clear();
                    black_box(&packet).encode(version, &mut out).unwrap();
                    black_box(out.len())
                });
            });
            group.bench_function(format!("{name}, slice"), |b| {
                b.iter(|| {
                    let length = black_box(&packet).encode_to_slice(version, &mut slice);
                    black_box(&slice);
                    length.unwrap()
                });
            });
            // As it is sent on: its properties and lists are those of the bytes that it was decoded from.
            let mut bytes = Vec::new();
            packet.encode(version, &mut bytes).unwrap();
            let options = DecodeOptions::new();
            let decoded = Packet::decode(version, &options, &mut bytes.as_slice());
            let decoded = decoded.unwrap().unwrap();
            group.bench_function(format!("{name}, decoded"), |b| {
                b.iter(|| {
                    out.clear();
                    black_box(&decoded).encode(version, &mut out).unwrap();
                    black_box(out.len())
                });
            });
        }

        let packets = inputs::mixed(version);
        group.throughput(Throughput::Elements(packets.len().try_into().unwrap()));
        group.bench_function("mixed stream", |b| {
            b.iter(|| {
                out.clear();
                for packet in black_box(&packets) {
                    packet.encode(version, &mut out).unwrap();
                }
                black_box(out.len())
            });
        });
        group.finish();
    }
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    encode(&mut c);
    c.final_summary();
}
