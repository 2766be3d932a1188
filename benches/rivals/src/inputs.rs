//! The packets, put together byte by byte and by none of the crates.

pub(crate) const TOPIC: &str = "sensors/eu-west/device-0042/temperature";

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

/// How many packets the mixed stream has.
pub(crate) const MIXED: usize = 10_000;

pub(crate) fn varint(mut value: usize, out: &mut Vec<u8>) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(byte);
            break;
        }
        out.push(byte | 0x80);
    }
}

fn field(bytes: &[u8], out: &mut Vec<u8>) {
    let length = u16::try_from(bytes.len()).expect("a short field");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

fn block(bytes: &[u8], out: &mut Vec<u8>) {
    varint(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    block(body, &mut out);
    out
}

/// Bytes that are no text.
pub(crate) fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + 7) as u8).collect()
}

/// The input of a case, for the version with this level.
pub(crate) fn input(case: &str, version: u8) -> Vec<u8> {
    match case {
        "publish QoS 0, 64 B" => small_publish(version),
        "publish QoS 1, 1 KiB" => large_publish(version),
        "puback" => packet(0x40, &1234u16.to_be_bytes()),
        "connect, will" => connect(version),
        "subscribe, 8 filters" => subscribe(version),
        "mixed stream" => mixed(version),
        _ => unreachable!("{case}"),
    }
}

fn small_publish(version: u8) -> Vec<u8> {
    let mut body = vec![];
    field(TOPIC.as_bytes(), &mut body);
    if version == 5 {
        body.push(0);
    }
    body.extend_from_slice(&payload(64));
    packet(0x30, &body)
}

/// In 5.0 with five properties.
fn large_publish(version: u8) -> Vec<u8> {
    let mut body = vec![];
    field(TOPIC.as_bytes(), &mut body);
    body.extend_from_slice(&1234u16.to_be_bytes());
    if version == 5 {
        let mut properties = vec![0x02];
        properties.extend_from_slice(&3600u32.to_be_bytes());
        properties.push(0x03);
        field(b"application/json", &mut properties);
        properties.push(0x08);
        field(b"replies/eu-west/device-0042", &mut properties);
        properties.push(0x09);
        field(&payload(16), &mut properties);
        properties.push(0x26);
        field(b"trace-id", &mut properties);
        field(b"4bf92f3577b34da6a3ce929d0e0e4736", &mut properties);
        block(&properties, &mut body);
    }
    body.extend_from_slice(&payload(1024));
    packet(0x32, &body)
}

/// Clean, with a will of QoS 1, user name and password.
fn connect(version: u8) -> Vec<u8> {
    let mut body = vec![];
    field(b"MQTT", &mut body);
    body.extend_from_slice(&[version, 0b1100_1110]);
    body.extend_from_slice(&60u16.to_be_bytes());
    if version == 5 {
        let mut properties = vec![0x11];
        properties.extend_from_slice(&3600u32.to_be_bytes());
        properties.push(0x21);
        properties.extend_from_slice(&100u16.to_be_bytes());
        block(&properties, &mut body);
    }
    field(b"device-0042-eu-west", &mut body);
    if version == 5 {
        body.push(0);
    }
    field(b"sensors/eu-west/device-0042/status", &mut body);
    field(b"offline", &mut body);
    field(b"device-0042", &mut body);
    field(b"s3cr3t-password", &mut body);
    packet(0x10, &body)
}

fn subscribe(version: u8) -> Vec<u8> {
    let mut body = 77u16.to_be_bytes().to_vec();
    if version == 5 {
        body.push(0);
    }
    for filter in FILTERS {
        field(filter.as_bytes(), &mut body);
        body.push(1);
    }
    packet(0x82, &body)
}

/// Eight small PUBLISH, a large one and a PUBACK of ten, in an order that no branch predictor learns.
fn mixed(version: u8) -> Vec<u8> {
    let kinds = [
        small_publish(version),
        large_publish(version),
        input("puback", version),
    ];
    let mut order: Vec<usize> = (0..MIXED)
        .map(|i| match i % 10 {
            0 => 1,
            5 => 2,
            _ => 0,
        })
        .collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for i in (1..order.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(i, (state % (i as u64 + 1)) as usize);
    }
    order.iter().flat_map(|&kind| kinds[kind].clone()).collect()
}
