//! Checking and matching one Topic Name against one Topic Filter.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use sansio_mqtt::{TopicFilter, TopicName, Version};

/// 43 bytes, as are the multi-byte ones.
const NAME: &str = "sensors/eu-west/device-0042/temperature/raw";
const MULTIBYTE: &str = "capteurs/été-ouest/無線機/température/brut";

fn checks(c: &mut Criterion) {
    let mut group = c.benchmark_group("check");
    group.throughput(Throughput::Elements(1));
    for (label, text) in [("name", NAME), ("name, multibyte", MULTIBYTE)] {
        group.bench_function(label, |b| {
            b.iter(|| TopicName::new(black_box(text)).is_ok());
        });
        // As it comes off the wire.
        group.bench_function(format!("{label}, with UTF-8"), |b| {
            b.iter(|| {
                std::str::from_utf8(black_box(text.as_bytes()))
                    .is_ok_and(|text| TopicName::new(text).is_ok())
            });
        });
    }
    for (label, text) in [
        ("filter", NAME),
        ("filter, +", "sensors/+/device-0042/temperature/raw-value"),
        ("filter, multibyte", "capteurs/+/無線機/température/brut"),
        ("filter, shared", "$share/workers/sensors/+/device-0042/#"),
    ] {
        group.bench_function(label, |b| {
            b.iter(|| TopicFilter::new(Version::V5, black_box(text)).is_ok());
        });
        group.bench_function(format!("{label}, with UTF-8"), |b| {
            b.iter(|| {
                std::str::from_utf8(black_box(text.as_bytes()))
                    .is_ok_and(|text| TopicFilter::new(Version::V5, text).is_ok())
            });
        });
    }
    // The filters of one SUBSCRIBE.
    const FILTERS: [&str; 8] = [
        "sensors/eu-west/device-0042/temperature",
        "sensors/eu-west/+/humidity",
        "sensors/eu-west/device-0042/#",
        "commands/device-0042/+",
        "config/device-0042/#",
        "alerts/eu-west/+/critical",
        "firmware/device-0042/update",
        "broadcast/#",
    ];
    group.throughput(Throughput::Elements(8));
    group.bench_function("eight filters", |b| {
        b.iter(|| {
            let good = |filter| TopicFilter::new(Version::V5, filter).is_ok();
            black_box(&FILTERS).iter().all(|filter| good(*filter))
        });
    });
    group.finish();
}

fn matches(c: &mut Criterion) {
    let mut group = c.benchmark_group("match");
    group.throughput(Throughput::Elements(1));
    for (label, filter, name, expected) in [
        ("exact", NAME, NAME, true),
        ("one +", "sensors/eu-west/+/temperature/raw", NAME, true),
        ("three +", "sensors/+/+/+/raw", NAME, true),
        ("#", "sensors/#", NAME, true),
        ("shared", "$share/workers/sensors/#", NAME, true),
        ("none, at the start", "actuators/eu-west/#", NAME, false),
        (
            "none, at the end",
            "sensors/eu-west/+/temperature/row",
            NAME,
            false,
        ),
        ("exact, multibyte", MULTIBYTE, MULTIBYTE, true),
        (
            "one +, multibyte",
            "capteurs/été-ouest/+/température/brut",
            MULTIBYTE,
            true,
        ),
        ("three +, multibyte", "capteurs/+/+/+/brut", MULTIBYTE, true),
        ("#, multibyte", "capteurs/#", MULTIBYTE, true),
        ("none, multibyte", "capteurs/été-est/#", MULTIBYTE, false),
    ] {
        let filter = TopicFilter::new(Version::V5, filter).unwrap();
        let name = TopicName::new(name).unwrap();
        assert_eq!(filter.matches(&name), expected, "{label}");
        group.bench_function(label, |b| {
            b.iter(|| black_box(&filter).matches(black_box(&name)));
        });
    }
    group.finish();
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    checks(&mut c);
    matches(&mut c);
    c.final_summary();
}
