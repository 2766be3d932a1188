//! From bytes to packets, every field checked.

#[path = "support/inputs.rs"]
#[allow(dead_code)]
mod inputs;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use sansio_mqtt::{DecodeOptions, Packet, Version};

fn decode_all(version: Version, options: &DecodeOptions, mut bytes: &[u8]) -> u64 {
    let mut count = 0;
    while let Some(packet) = Packet::decode(version, options, &mut bytes).unwrap() {
        black_box(&packet);
        count += 1;
    }
    count
}

fn decode(c: &mut Criterion) {
    let options = DecodeOptions::new();
    for version in inputs::VERSIONS {
        let mut group = c.benchmark_group(format!("decode {version}"));
        group.throughput(Throughput::Elements(1));
        for (name, packet) in inputs::packets(version) {
            let mut bytes = Vec::new();
            packet.encode(version, &mut bytes).unwrap();
            group.bench_function(name, |b| {
                b.iter(|| {
                    let mut input = black_box(bytes.as_slice());
                    if let Ok(Some(packet)) = Packet::decode(version, &options, &mut input) {
                        black_box(&packet);
                    }
                });
            });
        }

        let mut stream = Vec::new();
        for packet in inputs::mixed(version) {
            packet.encode(version, &mut stream).unwrap();
        }
        let count = decode_all(version, &options, &stream);
        group.throughput(Throughput::Elements(count));
        group.bench_function("mixed stream", |b| {
            b.iter(|| decode_all(version, &options, black_box(&stream)));
        });
        group.finish();
    }
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    decode(&mut c);
    c.final_summary();
}
