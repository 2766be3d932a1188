//! Misbehaviours, to test those who test brokers (the feature `faults`): between the machine and the transports. What comes
//! from a client is decoded, changed and given to the machine, and so is what goes to it.

mod list;
mod outgoing;

use std::collections::{HashMap, HashSet, VecDeque};
use std::mem;
use std::time::Duration;

use sansio_mqtt::{
    Ack, Connect, ConnectionId, DecodeOptions, Instant, MAXIMUM_PACKET_SIZE, Packet, PacketId,
    Properties, Property, Publish, QoS, ReasonCode, RetainHandling, Role, Subscribe, Subscription,
    Unsubscribe, Version,
};

pub(crate) use list::{Fault, list};

/// How long a message waits for the next one, so that they can change places.
const HOLD: Duration = Duration::from_millis(200);
/// Messages of which the lifetime is remembered, at most.
const LIFETIMES: usize = 10_000;
/// Instead of `$` where wildcards are to match it, and of `+` where it is to be no wildcard.
const DOLLAR: char = '\u{E000}';
const PLUS: char = '\u{E001}';
/// A filter that nothing matches, to be put before another.
const NOTHING: char = '\u{E002}';

#[derive(Default)]
pub(crate) struct Faults {
    active: Vec<Fault>,
    connections: HashMap<ConnectionId, Connection>,
    /// Of clients that have been here: their topic aliases.
    clients: HashMap<String, HashMap<u16, String>>,
    /// The Message Expiry Interval of each topic and payload.
    lifetimes: HashMap<(String, Vec<u8>), u32>,
    renamed: u32,
}

#[derive(Default)]
struct Connection {
    /// That of its CONNECT.
    version: Option<Version>,
    client_id: String,
    is_returning: bool,
    /// Beginnings of packets, from the client and to it.
    input: Vec<u8>,
    output: Vec<u8>,
    /// For the machine, which did not want it yet.
    ready: Vec<u8>,
    held: Option<(Instant, Vec<u8>)>,
    /// What SUBSCRIBE asked for.
    asked: HashMap<PacketId, Vec<QoS>>,
    /// What it has subscribed to, and whether that is what UNSUBSCRIBE is about.
    filters: HashSet<String>,
    ended: HashMap<PacketId, Vec<bool>>,
    /// The machine is to take it for closed.
    is_cut_off: bool,
    /// The packet identifiers that the machine gave, in the order of the messages.
    ids: VecDeque<PacketId>,
    /// QoS 2 messages before PUBREL.
    open: HashSet<PacketId>,
}

impl Faults {
    pub(crate) fn new(active: Vec<Fault>) -> Self {
        Self {
            active,
            ..Self::default()
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.active.contains(&fault)
    }

    pub(crate) fn forget(&mut self, id: ConnectionId) {
        self.connections.remove(&id);
    }

    /// When to write to a client again.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let mut all = self.connections.values();
        all.by_ref()
            .filter_map(|one| one.held.as_ref().map(|held| held.0))
            .min()
    }

    /// A client for which a message has waited long enough.
    pub(crate) fn poll_ready(&mut self, now: Instant) -> Option<ConnectionId> {
        let is_due = |one: &Connection| one.held.as_ref().is_some_and(|(at, _)| *at <= now);
        let mut all = self.connections.iter();
        all.find(|(_, one)| is_due(one)).map(|(id, _)| *id)
    }

    /// What the machine gets, from all of `input`.
    pub(crate) fn incoming(&mut self, id: ConnectionId, input: &mut &[u8]) -> Vec<u8> {
        let mut connection = self.connections.remove(&id).unwrap_or_default();
        let mut out = mem::take(&mut connection.ready);
        let mut all = mem::take(&mut connection.input);
        all.extend_from_slice(mem::take(input));
        let options = DecodeOptions::new()
            .with_sender(Some(Role::Client))
            .with_unchecked_filters(true)
            .with_accept_v31(true);
        let mut rest = &all[..];
        while !self.active.is_empty() && !rest.is_empty() {
            let before = rest;
            let version = connection.version.unwrap_or(Version::V5);
            match Packet::decode(version, &options, &mut rest) {
                Ok(Some(packet)) => {
                    let raw = &before[..before.len() - rest.len()];
                    self.client_sent(&mut connection, packet, raw, &mut out);
                }
                Ok(None) => break,
                Err(_) => {
                    let end = end_of_packet(rest).unwrap_or(rest.len());
                    let is_of_servers = matches!(rest[0] >> 4, 2 | 9 | 11 | 13);
                    let is_dropped = connection.version.is_some()
                        && (self.has(Fault::MalformedTaken)
                            || is_of_servers && self.has(Fault::ServerPacketsTaken));
                    if !is_dropped {
                        out.extend_from_slice(&rest[..end]);
                    }
                    rest = &rest[end..];
                }
            }
        }
        if self.active.is_empty() {
            out.extend_from_slice(rest);
        } else {
            connection.input = rest.to_vec();
        }
        self.connections.insert(id, connection);
        out
    }

    /// What the machine did not take. True: the machine is to take the connection for closed.
    pub(crate) fn put_back(&mut self, id: ConnectionId, rest: &[u8]) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else {
            return false;
        };
        connection.ready = rest.to_vec();
        connection.is_cut_off
    }

    /// Changes what the machine has made. 0: there is nothing, and was nothing.
    pub(crate) fn outgoing(
        &mut self,
        id: ConnectionId,
        now: Instant,
        length: usize,
        made: &mut Vec<u8>,
    ) -> usize {
        if self.active.is_empty() {
            return length;
        }
        let Some(mut connection) = self.connections.remove(&id) else {
            return length;
        };
        let mut all = mem::take(&mut connection.output);
        all.append(made);
        let options = DecodeOptions::new().with_sender(Some(Role::Server));
        let mut rest = &all[..];
        while !rest.is_empty() {
            let before = rest;
            let version = connection.version.unwrap_or(Version::V5);
            match Packet::decode(version, &options, &mut rest) {
                Ok(Some(packet)) => {
                    let raw = &before[..before.len() - rest.len()];
                    self.client_gets(&mut connection, now, packet, raw, made);
                }
                Ok(None) => break,
                Err(_) => made.extend_from_slice(mem::take(&mut rest)),
            }
        }
        connection.output = rest.to_vec();
        if let Some((_, held)) = connection.held.take_if(|(at, _)| *at <= now) {
            made.extend_from_slice(&held);
        }
        self.connections.insert(id, connection);
        length.max(made.len())
    }

    fn client_sent(
        &mut self,
        connection: &mut Connection,
        packet: Packet<'_>,
        raw: &[u8],
        out: &mut Vec<u8>,
    ) {
        let is_done = match packet {
            Packet::Connect(_) if connection.version.is_some() => self.has(Fault::SecondConnect),
            Packet::Connect(connect) => self.on_connect(connection, connect, out),
            Packet::Publish(publish) => self.on_publish(connection, publish, out),
            Packet::Subscribe(subscribe) => self.on_subscribe(connection, subscribe, out),
            Packet::Unsubscribe(unsubscribe) => self.on_unsubscribe(connection, &unsubscribe, out),
            Packet::Puback(ack) => self.on_ack(connection, Packet::Puback, ack, out),
            Packet::Pubrec(ack) => self.on_ack(connection, Packet::Pubrec, ack, out),
            Packet::Pubcomp(ack) => self.on_ack(connection, Packet::Pubcomp, ack, out),
            Packet::Pubrel(ack) => {
                connection.open.remove(&ack.packet_id);
                false
            }
            Packet::Disconnect(mut disconnect) if self.has(Fault::WillAfterDisconnect) => {
                let is_normal = disconnect.reason == ReasonCode::Success;
                match connection.version {
                    Some(Version::V5) if is_normal => {
                        disconnect.reason = ReasonCode::DisconnectWithWillMessage;
                        disconnect.encode(Version::V5, out).is_ok()
                    }
                    Some(Version::V5) => false,
                    _ => {
                        connection.is_cut_off = true;
                        true
                    }
                }
            }
            _ => false,
        };
        if !is_done {
            out.extend_from_slice(raw);
        }
    }

    fn on_connect(
        &mut self,
        connection: &mut Connection,
        connect: Connect<'_>,
        out: &mut Vec<u8>,
    ) -> bool {
        let mut connect = connect;
        connection.version = Some(connect.version);
        connection.client_id = connect.client_id.to_owned();
        connection.is_returning =
            connect.clean_start && self.clients.contains_key(connect.client_id);
        self.clients
            .entry(connect.client_id.to_owned())
            .or_default();

        let mut others = self.connections.values();
        let renamed = format!("{}#{}", connect.client_id, self.renamed);
        if self.has(Fault::TakeOverIgnored)
            && !connect.client_id.is_empty()
            && others.any(|other| other.client_id == connect.client_id)
        {
            self.renamed += 1;
            connect.client_id = &renamed;
        }
        if self.has(Fault::CleanStartIgnored) && !connect.client_id.is_empty() {
            connect.clean_start = false;
        }
        if self.has(Fault::SessionForgotten) {
            connect.clean_start = true;
        }
        if self.has(Fault::KeepAliveOff) {
            connect.keep_alive = 0;
        }
        let mut properties: Vec<_> = connect
            .properties
            .iter()
            .filter(|property| match property {
                Property::ReceiveMaximum(_) => !self.has(Fault::ReceiveMaximumIgnored),
                Property::MaximumPacketSize(_) => !self.has(Fault::PacketSizeIgnored),
                Property::TopicAliasMaximum(_) => !self.has(Fault::AliasUnasked),
                _ => true,
            })
            .map(|property| match property {
                Property::SessionExpiryInterval(1..) if self.has(Fault::SessionExpiryIgnored) => {
                    Property::SessionExpiryInterval(u32::MAX)
                }
                other => other,
            })
            .collect();
        if self.has(Fault::AliasUnasked) && connect.version == Version::V5 {
            properties.push(Property::TopicAliasMaximum(16));
        }
        connect.properties = Properties::from(&properties[..]);

        if self.has(Fault::WillLost) {
            connect.will = None;
        }
        let (mut topic, mut will_properties) = (String::new(), Vec::new());
        if let Some(will) = &mut connect.will {
            topic = self.name(will.topic, false);
            let properties = will.properties.iter();
            will_properties.extend(properties.filter(|property| match property {
                Property::WillDelayInterval(_) => !self.has(Fault::WillDelayIgnored),
                _ => true,
            }));
            will.retain &= !self.has(Fault::WillRetainIgnored);
        }
        if let Some(will) = &mut connect.will {
            will.topic = &topic;
            will.properties = Properties::from(&will_properties[..]);
        }
        connect.encode(out).is_ok()
    }

    fn on_publish(
        &mut self,
        connection: &mut Connection,
        publish: Publish<'_>,
        out: &mut Vec<u8>,
    ) -> bool {
        let mut publish = publish;
        let version = connection.version.unwrap_or(Version::V5);
        let mut topic = publish.topic.to_owned();
        if let Some(alias) = publish.topic_alias
            && let Some(aliases) = self.clients.get_mut(&connection.client_id)
        {
            if !topic.is_empty() {
                aliases.insert(alias, topic.clone());
            } else if let Some(known) = aliases.get(&alias)
                && self.active.contains(&Fault::AliasKept)
            {
                topic.clone_from(known);
            }
        }
        if let Some(seconds) = publish.message_expiry_interval {
            if self.lifetimes.len() == LIFETIMES {
                self.lifetimes.clear();
            }
            let key = (topic.clone(), publish.payload.to_vec());
            self.lifetimes.insert(key, seconds);
        }
        let topic = self.name(&topic, false);
        publish.topic = &topic;
        if self.has(Fault::RetainNotStored)
            || publish.payload.is_empty() && self.has(Fault::RetainNotCleared)
        {
            publish.retain = false;
        }
        if self.has(Fault::ExpiryIgnored) {
            publish.message_expiry_interval = None;
        }
        if publish.qos == QoS::ExactlyOnce
            && let Some(packet_id) = publish.packet_id
            && !connection.open.insert(packet_id)
            && self.has(Fault::Qos2Twice)
        {
            let copy = Publish {
                dup: false,
                qos: QoS::AtMostOnce,
                packet_id: None,
                ..publish
            };
            let _ = copy.encode(version, out);
        }
        publish.encode(version, out).is_ok()
    }

    fn on_subscribe(
        &self,
        connection: &mut Connection,
        subscribe: Subscribe<'_>,
        out: &mut Vec<u8>,
    ) -> bool {
        let mut subscribe = subscribe;
        let version = connection.version.unwrap_or(Version::V5);
        let filters = subscribe.subscriptions.iter().map(|one| one.filter);
        connection.filters.extend(filters.map(ToOwned::to_owned));
        let asked = subscribe.subscriptions.iter().map(|one| one.options.qos);
        connection
            .asked
            .insert(subscribe.packet_id, asked.collect());
        let filters: Vec<String> = subscribe
            .subscriptions
            .iter()
            .enumerate()
            .map(|(index, one)| match self.filter(version, one.filter) {
                filter if index > 0 && self.has(Fault::OnlyFirstFilter) => {
                    format!("{NOTHING}/{index}/{}", filter.len())
                }
                filter => filter,
            })
            .collect();
        let list: Vec<_> = subscribe
            .subscriptions
            .iter()
            .zip(&filters)
            .map(|(one, filter)| {
                let mut options = one.options;
                if self.has(Fault::QosNotLowered) {
                    options.qos = QoS::ExactlyOnce;
                }
                if self.has(Fault::RetainHandlingIgnored) {
                    options.retain_handling = RetainHandling::SendAtSubscribe;
                }
                options.no_local &= !self.has(Fault::NoLocalIgnored);
                options.retain_as_published &= !self.has(Fault::AsPublishedIgnored);
                Subscription { filter, options }
            })
            .collect();
        subscribe.subscriptions = (&list[..]).into();
        subscribe.encode(version, out).is_ok()
    }

    fn on_unsubscribe(
        &self,
        connection: &mut Connection,
        unsubscribe: &Unsubscribe<'_>,
        out: &mut Vec<u8>,
    ) -> bool {
        let filters = unsubscribe.filters.iter();
        let ended = filters.map(|filter| connection.filters.remove(filter));
        let ended = ended.collect();
        connection.ended.insert(unsubscribe.packet_id, ended);
        let version = connection.version.unwrap_or(Version::V5);
        let filters: Vec<String> = unsubscribe
            .filters
            .iter()
            .map(|filter| match self.has(Fault::UnsubscribeIgnored) {
                true => format!("{NOTHING}/{}", filter.len()),
                false => self.filter(version, filter),
            })
            .collect();
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        let changed = Unsubscribe {
            filters: (&filters[..]).into(),
            ..*unsubscribe
        };
        changed.encode(version, out).is_ok()
    }

    /// An acknowledgement of a message that went out as 1.
    fn on_ack<'a>(
        &self,
        connection: &mut Connection,
        variant: fn(Ack<'a>) -> Packet<'a>,
        mut ack: Ack<'a>,
        out: &mut Vec<u8>,
    ) -> bool {
        if !self.has(Fault::PacketIdTwice) {
            return false;
        }
        let is_last = !matches!(variant(ack), Packet::Pubrec(_)) || ack.reason.is_error();
        let meant = match is_last {
            true => connection.ids.pop_front(),
            false => connection.ids.front().copied(),
        };
        ack.packet_id = meant.unwrap_or(ack.packet_id);
        variant(ack)
            .encode(connection.version.unwrap_or(Version::V5), out)
            .is_ok()
    }

    /// A topic or a filter as the machine gets it.
    fn name(&self, name: &str, is_filter: bool) -> String {
        let mut name = name.to_owned();
        if self.has(Fault::DollarMatched) && name.starts_with('$') && !name.starts_with("$SYS") {
            name.replace_range(..1, DOLLAR.encode_utf8(&mut [0; 4]));
        }
        if self.has(Fault::PlusIgnored) && is_filter {
            name = name.replace('+', PLUS.encode_utf8(&mut [0; 4]));
        }
        if self.has(Fault::TopicCaseIgnored) {
            name = name.to_lowercase();
        }
        name
    }

    fn filter(&self, version: Version, filter: &str) -> String {
        let shared = filter
            .strip_prefix("$share/")
            .filter(|_| version == Version::V5)
            .and_then(|rest| rest.split_once('/'));
        match shared {
            Some((_, filter)) if self.has(Fault::SharedToAll) => self.name(filter, true),
            Some((group, filter)) => format!("$share/{group}/{}", self.name(filter, true)),
            None => self.name(filter, true),
        }
    }
}

/// Where the packet at the beginning ends, if it does so in these bytes.
fn end_of_packet(bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    for (index, byte) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            let end = index + 2 + length;
            return (length < MAXIMUM_PACKET_SIZE as usize && end <= bytes.len()).then_some(end);
        }
    }
    None
}
