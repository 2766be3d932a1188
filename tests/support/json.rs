//! A decoded packet as JSON, in the form that `spec-vectors/README.md` describes: what the vectors say and what the
//! adapter answers.

use sansio_mqtt::{
    Ack, Connect, DecodeOptions, Packet, PacketId, Properties, Property, Publish, ReasonCode,
    ReasonCodes, Role, Subscription, Version, Will,
};
use serde_json::{Map, Value, json};

/// A version by its name, and what a receiver of it takes.
pub(crate) fn receiver(version: &str) -> Option<(Version, DecodeOptions)> {
    let options = DecodeOptions::new();
    match version {
        "3.1" => Some((Version::V31, options.with_accept_v31(true))),
        "3.1.1" => Some((Version::V311, options)),
        "5.0" => Some((Version::V5, options)),
        _ => None,
    }
}

/// The sender by its name: `any` for both sides or an unknown one.
pub(crate) fn sender(direction: &str) -> Option<Option<Role>> {
    match direction {
        "c2s" => Some(Some(Role::Client)),
        "s2c" => Some(Some(Role::Server)),
        "any" => Some(None),
        _ => None,
    }
}

/// A code as the byte that stands on the wire.
pub(crate) fn code(byte: u8) -> String {
    format!("0x{byte:02x}")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS[usize::from(nibble)];
    let mut text = Vec::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.extend_from_slice(&[digit(byte >> 4), digit(byte & 0x0F)]);
    }
    String::from_utf8(text).expect("digits")
}

/// The bytes; `None` unless all are pairs of hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |text: u8| match text {
        b'0'..=b'9' => Some(text - b'0'),
        b'a'..=b'f' => Some(text - b'a' + 10),
        b'A'..=b'F' => Some(text - b'A' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    bytes.collect()
}

/// The packet as it stands on a connection of this version.
pub(crate) fn packet(version: Version, packet: &Packet<'_>) -> Value {
    let object = Object {
        v5: version == Version::V5,
        map: Map::new(),
    };
    match packet {
        Packet::Connect(packet) => connect(packet),
        Packet::Connack(packet) => {
            let reason = match version {
                Version::V5 => Some(packet.reason.as_u8()),
                _ => packet.reason.connect_return_code(),
            };
            object
                .kind("CONNACK")
                .with("session_present", packet.session_present)
                .with("reason", reason.map(code))
                .properties(&packet.properties)
        }
        Packet::Publish(packet) => publish(object, packet),
        Packet::Puback(packet) => ack(object.kind("PUBACK"), packet),
        Packet::Pubrec(packet) => ack(object.kind("PUBREC"), packet),
        Packet::Pubrel(packet) => ack(object.kind("PUBREL"), packet),
        Packet::Pubcomp(packet) => ack(object.kind("PUBCOMP"), packet),
        Packet::Subscribe(packet) => {
            let one = |one: Subscription<'_>| subscription(version, &one);
            let list: Vec<Value> = packet.subscriptions.iter().map(one).collect();
            object
                .kind("SUBSCRIBE")
                .with("packet_id", packet.packet_id.get())
                .with("subscriptions", list)
                .properties(&packet.properties)
        }
        Packet::Suback(packet) => object
            .kind("SUBACK")
            .with("packet_id", packet.packet_id.get())
            .with("reasons", codes(&packet.reason_codes))
            .properties(&packet.properties),
        Packet::Unsubscribe(packet) => object
            .kind("UNSUBSCRIBE")
            .with("packet_id", packet.packet_id.get())
            .with("filters", packet.filters.iter().collect::<Vec<_>>())
            .properties(&packet.properties),
        Packet::Unsuback(packet) => object
            .kind("UNSUBACK")
            .with("packet_id", packet.packet_id.get())
            .with_v5("reasons", codes(&packet.reason_codes))
            .properties(&packet.properties),
        Packet::Pingreq => json!({"type": "PINGREQ"}),
        Packet::Pingresp => json!({"type": "PINGRESP"}),
        Packet::Disconnect(packet) => object
            .kind("DISCONNECT")
            .with_v5("reason", code(packet.reason.as_u8()))
            .properties(&packet.properties),
        Packet::Auth(packet) => object
            .kind("AUTH")
            .with("reason", code(packet.reason.as_u8()))
            .properties(&packet.properties),
    }
}

/// CONNECT names its version itself.
fn connect(packet: &Connect<'_>) -> Value {
    let object = Object {
        v5: packet.version == Version::V5,
        map: Map::new(),
    };
    let will = packet.will.map(|will| self::will(packet.version, &will));
    object
        .kind("CONNECT")
        .with("version", packet.version.to_string())
        .with("clean_start", packet.clean_start)
        .with("keep_alive", packet.keep_alive)
        .with("client_id", packet.client_id)
        .with_some("will", will)
        .with_some("user_name", packet.user_name)
        .with_some("password", packet.password.map(hex))
        .properties(&packet.properties)
}

fn will(version: Version, will: &Will<'_>) -> Value {
    let object = Object {
        v5: version == Version::V5,
        map: Map::new(),
    };
    object
        .with("qos", will.qos.as_u8())
        .with("retain", will.retain)
        .with("topic", will.topic)
        .with("payload", hex(will.payload))
        .properties(&will.properties)
}

/// The properties of the hop are fields of the struct; on the wire they stand among the others.
fn publish(object: Object, packet: &Publish<'_>) -> Value {
    let mut value = object
        .kind("PUBLISH")
        .with("dup", packet.dup)
        .with("qos", packet.qos.as_u8())
        .with("retain", packet.retain)
        .with("topic", packet.topic)
        .with_some("packet_id", packet.packet_id.map(PacketId::get))
        .with("payload", hex(packet.payload))
        .properties(&packet.properties);
    if let Some(Value::Object(properties)) = value.get_mut("properties") {
        let hop = [
            packet.topic_alias.map(Property::TopicAlias),
            packet
                .message_expiry_interval
                .map(Property::MessageExpiryInterval),
        ];
        let identifiers = packet.subscription_identifiers.iter();
        let identifiers = identifiers.map(Property::SubscriptionIdentifier);
        for property in hop.into_iter().flatten().chain(identifiers) {
            insert(properties, &property);
        }
    }
    value
}

fn ack(object: Object, packet: &Ack<'_>) -> Value {
    object
        .with("packet_id", packet.packet_id.get())
        .with_v5("reason", code(packet.reason.as_u8()))
        .properties(&packet.properties)
}

fn subscription(version: Version, subscription: &Subscription<'_>) -> Value {
    let (filter, options) = (subscription.filter, subscription.options);
    let mut value = json!({"filter": filter, "qos": options.qos.as_u8()});
    if version == Version::V5 {
        value["no_local"] = options.no_local.into();
        value["retain_as_published"] = options.retain_as_published.into();
        value["retain_handling"] = options.retain_handling.as_u8().into();
    }
    value
}

fn codes(codes: &ReasonCodes<'_>) -> Vec<String> {
    codes
        .iter()
        .map(ReasonCode::as_u8)
        .map(self::code)
        .collect()
}

fn properties(properties: &Properties<'_>) -> Map<String, Value> {
    let mut map = Map::new();
    for property in properties {
        insert(&mut map, &property);
    }
    map
}

/// Adds one property under its name in the standard; to a list, if a packet may have several of it.
fn insert(map: &mut Map<String, Value>, property: &Property<'_>) {
    let (name, value) = match *property {
        Property::PayloadFormatIndicator(flag) => ("payload_format_indicator", bit(flag)),
        Property::MessageExpiryInterval(seconds) => ("message_expiry_interval", json!(seconds)),
        Property::ContentType(text) => ("content_type", json!(text)),
        Property::ResponseTopic(text) => ("response_topic", json!(text)),
        Property::CorrelationData(bytes) => ("correlation_data", json!(hex(bytes))),
        Property::SubscriptionIdentifier(number) => {
            return push(map, "subscription_identifiers", json!(number));
        }
        Property::SessionExpiryInterval(seconds) => ("session_expiry_interval", json!(seconds)),
        Property::AssignedClientIdentifier(text) => ("assigned_client_identifier", json!(text)),
        Property::ServerKeepAlive(seconds) => ("server_keep_alive", json!(seconds)),
        Property::AuthenticationMethod(text) => ("authentication_method", json!(text)),
        Property::AuthenticationData(bytes) => ("authentication_data", json!(hex(bytes))),
        Property::RequestProblemInformation(flag) => ("request_problem_information", bit(flag)),
        Property::WillDelayInterval(seconds) => ("will_delay_interval", json!(seconds)),
        Property::RequestResponseInformation(flag) => ("request_response_information", bit(flag)),
        Property::ResponseInformation(text) => ("response_information", json!(text)),
        Property::ServerReference(text) => ("server_reference", json!(text)),
        Property::ReasonString(text) => ("reason_string", json!(text)),
        Property::ReceiveMaximum(number) => ("receive_maximum", json!(number)),
        Property::TopicAliasMaximum(number) => ("topic_alias_maximum", json!(number)),
        Property::TopicAlias(number) => ("topic_alias", json!(number)),
        Property::MaximumQos(qos) => ("maximum_qos", json!(qos.as_u8())),
        Property::RetainAvailable(flag) => ("retain_available", bit(flag)),
        Property::UserProperty(name, value) => {
            return push(map, "user_properties", json!([name, value]));
        }
        Property::MaximumPacketSize(bytes) => ("maximum_packet_size", json!(bytes)),
        Property::WildcardSubscriptionAvailable(flag) => {
            ("wildcard_subscription_available", bit(flag))
        }
        Property::SubscriptionIdentifierAvailable(flag) => {
            ("subscription_identifier_available", bit(flag))
        }
        Property::SharedSubscriptionAvailable(flag) => ("shared_subscription_available", bit(flag)),
        _ => unimplemented!("a property that the standard does not have: {property:?}"),
    };
    map.insert(name.into(), value);
}

fn bit(flag: bool) -> Value {
    json!(u8::from(flag))
}

fn push(map: &mut Map<String, Value>, name: &str, value: Value) {
    match map.entry(name).or_insert_with(|| json!([])) {
        Value::Array(list) => list.push(value),
        other => unimplemented!("{name} is a list, not {other}"),
    }
}

/// A JSON object that grows by fields, some of them in 5.0 only.
struct Object {
    v5: bool,
    map: Map<String, Value>,
}

impl Object {
    fn kind(self, name: &str) -> Self {
        self.with("type", name)
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.map.insert(name.into(), value.into());
        self
    }

    fn with_v5(self, name: &str, value: impl Into<Value>) -> Self {
        if self.v5 {
            self.with(name, value)
        } else {
            self
        }
    }

    fn with_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn properties(self, properties: &Properties<'_>) -> Value {
        let properties = self::properties(properties);
        self.with_v5("properties", properties).map.into()
    }
}
