//! From packets to bytes, every field checked, into a buffer that is there already.

#[path = "support/inputs.rs"]
#[allow(dead_code)]
mod inputs;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use sansio_mqtt::{Publish, QoS};

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

        for (name, packet) in inputs::packets(version) {
            group.bench_function(name, |b| {
                b.iter(|| {
                    out.clear();
                    black_box(&packet).encode(version, &mut out).unwrap();
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
