//! CONNECT (section 3.1).

use alloc::vec::Vec;
use core::fmt;

use super::connack::{check_authentication, read_authenticated};
use super::{Frame, first_byte};
use crate::property::{BlockLen, Context, Properties};
use crate::types::{PacketType, QoS, Version};
use crate::violation::Violation;
use crate::wire::writer::{self, Output};
use crate::wire::{EncodeError, Fault, Reader, Row};

/// The protocol name of 3.1.1 and 5.0 [MQTT-3.1.2-1].
const PROTOCOL_NAME: &[u8] = b"MQTT";
/// The protocol name of 3.1, whose level is 3 (3.1, section 3.1).
const PROTOCOL_NAME_LEGACY: &[u8] = b"MQIsdp";
const PROTOCOL_LEVEL_LEGACY: u8 = 3;

const CLEAN_START: u8 = 0x02;
const WILL: u8 = 0x04;
const WILL_QOS_SHIFT: u32 = 3;
const WILL_RETAIN: u8 = 0x20;
const PASSWORD: u8 = 0x40;
const USER_NAME: u8 = 0x80;

/// The first packet of a connection (section 3.1). Its `Debug` and `Display`, and with the feature `serde` its `Serialize`,
/// hide the password and the Authentication Data.
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct Connect<'a> {
    /// The version of the packet and of the connection.
    pub version: Version,
    /// Start without an earlier session (before 5.0: Clean Session).
    pub clean_start: bool,
    /// Seconds, 0 for off (section 3.1.2.10).
    pub keep_alive: u16,
    /// May be empty: the server then assigns one, or refuses. 3.1 has 1 to 23 characters, which the
    /// [`ServerConnection`](crate::ServerConnection) sees to.
    pub client_id: &'a str,
    /// The message that the server publishes if the connection ends otherwise than by DISCONNECT.
    pub will: Option<Will<'a>>,
    /// User Name.
    pub user_name: Option<&'a str>,
    /// Any bytes. Before 5.0 only with a user name [3.1.1: MQTT-3.1.2-22; 3.1: section 3.1].
    pub password: Option<&'a [u8]>,
    /// 5.0: the client's limits and what else section 3.1.2.11 lists.
    pub properties: Properties<'a>,
}

/// The message that a server publishes for a client that is gone (section 3.1.2.5).
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Will<'a> {
    /// A topic name: not empty, no wildcards.
    pub topic: &'a str,
    /// 0 to 65,535 bytes.
    pub payload: &'a [u8],
    /// The quality of service it is published with.
    pub qos: QoS,
    /// Whether it is published as a retained message.
    pub retain: bool,
    /// 5.0: delay and expiry, and what goes with the message (section 3.1.3.2).
    pub properties: Properties<'a>,
}

impl<'a> Connect<'a> {
    /// Clean start, a keep alive of 60 s, no will, no user name, no password, no properties.
    #[must_use]
    pub const fn new(version: Version, client_id: &'a str) -> Self {
        Self {
            version,
            clean_start: true,
            keep_alive: 60,
            client_id,
            will: None,
            user_name: None,
            password: None,
            properties: Properties::EMPTY,
        }
    }

    #[inline(always)]
    pub(super) fn decode(frame: &Frame<'a, '_>, reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let start = *reader;
        // Before all else, so that a server can answer a version it does not speak.
        let version = decode_version(reader, frame.options.accept_v31)?;
        if version == Version::V5 && is_length_overlong(&start) {
            return Err(Fault::new(Violation::VariableByteIntegerOverlong, 1));
        }
        let flags_at = *reader;
        let flags = reader.u8()?;
        if let Some(violation) = check_flags(version, flags) {
            return Err(flags_at.fault(violation));
        }
        let keep_alive = reader.u16()?;
        let properties = match version {
            Version::V5 => read_authenticated(reader, Context::CONNECT)?,
            Version::V31 | Version::V311 => Properties::EMPTY,
        };
        // The order of the payload [MQTT-3.1.3-1].
        let row = reader.row();
        let client_id = reader.string(row)?;
        let will = match flags & WILL {
            0 => None,
            _ => Some(Will::decode(version, flags, row, reader)?),
        };
        // In 3.1 the remaining length has precedence over these two flags (3.1, section 3.1).
        let flag_prevails = |reader: &Reader<'_>| version != Version::V31 || !reader.is_empty();
        let user_name = match flags & USER_NAME {
            USER_NAME if flag_prevails(reader) => Some(reader.string(row)?),
            _ => None,
        };
        let password = match flags & PASSWORD {
            PASSWORD if flag_prevails(reader) => Some(reader.binary()?),
            _ => None,
        };
        let clean_start = flags & CLEAN_START != 0;
        Ok(Self {
            version,
            clean_start,
            keep_alive,
            client_id,
            will,
            user_name,
            password,
            properties,
        })
    }

    /// Appends the packet to `out`.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode`](crate::Packet::encode).
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.write(out)
    }

    /// Writes the packet to the front of `out` and returns its length: [`Connect::encode`] without a `Vec`.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode_to_slice`](crate::Packet::encode_to_slice).
    pub fn encode_to_slice(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        writer::to_slice(out, |out| self.write(out))
    }

    /// The number of bytes that [`Connect::encode`] appends.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        writer::packet_len(self.measure().remaining)
    }

    #[inline(never)]
    pub(super) fn write(&self, out: &mut impl Output) -> Result<(), EncodeError> {
        self.check()?;
        let measure = self.measure();
        let first = first_byte(PacketType::Connect);
        let mut out = writer::begin(out, first, measure.remaining)?;
        out.binary(protocol_name(self.version));
        let [high, low] = self.keep_alive.to_be_bytes();
        out.array([self.version.protocol_level(), self.flags(), high, low]);
        self.properties.write_block(measure.properties, &mut out);
        out.binary(self.client_id.as_bytes());
        if let Some(will) = &self.will {
            will.properties
                .write_block(measure.will_properties, &mut out);
            out.binary(will.topic.as_bytes());
            out.binary(will.payload);
        }
        if let Some(user_name) = self.user_name {
            out.binary(user_name.as_bytes());
        }
        if let Some(password) = self.password {
            out.binary(password);
        }
        Ok(())
    }

    #[inline(always)]
    fn measure(&self) -> Measure {
        let field = writer::field_len;
        let properties = self.properties.measure(self.version);
        let (will_properties, will) = match &self.will {
            Some(will) => {
                let properties = will.properties.measure(self.version);
                let fields = [will.topic.len(), will.payload.len()].map(field);
                let total = writer::total([properties.on_wire(), writer::total(fields)]);
                (properties, total)
            }
            None => (BlockLen::NONE, 0),
        };
        let remaining = writer::total([
            // Protocol name, level, flags, keep alive.
            field(protocol_name(self.version).len()) + 4,
            properties.on_wire(),
            field(self.client_id.len()),
            will,
            self.user_name.map_or(0, |user_name| field(user_name.len())),
            self.password.map_or(0, |password| field(password.len())),
        ]);
        Measure {
            properties,
            will_properties,
            remaining,
        }
    }

    fn check(&self) -> Result<(), EncodeError> {
        self.properties
            .check_block(self.version, Context::CONNECT)?;
        check_authentication(&self.properties)?;
        writer::check_string(self.client_id)?;
        if let Some(will) = &self.will {
            will.check(self.version)?;
        }
        if let Some(user_name) = self.user_name {
            writer::check_string(user_name)?;
        }
        if let Some(password) = self.password {
            writer::check_binary(password)?;
            if self.version != Version::V5 && self.user_name.is_none() {
                return Err(Violation::PasswordWithoutUserName.into());
            }
        }
        Ok(())
    }

    fn flags(&self) -> u8 {
        let mut flags = 0;
        if self.clean_start {
            flags |= CLEAN_START;
        }
        if let Some(will) = &self.will {
            flags |= WILL | will.qos.as_u8() << WILL_QOS_SHIFT;
            if will.retain {
                flags |= WILL_RETAIN;
            }
        }
        if self.password.is_some() {
            flags |= PASSWORD;
        }
        if self.user_name.is_some() {
            flags |= USER_NAME;
        }
        flags
    }
}

/// The lengths of a CONNECT, taken once.
struct Measure {
    properties: BlockLen,
    will_properties: BlockLen,
    remaining: usize,
}

impl fmt::Debug for Connect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("client_id", &self.client_id)
            .field("will", &self.will)
            .field("user_name", &self.user_name)
            .field("password", &self.password.map(|_| format_args!("hidden")))
            .field("properties", &self.properties)
            .finish()
    }
}

impl<'a> Will<'a> {
    /// QoS 0, not retained, no properties.
    #[must_use]
    pub const fn new(topic: &'a str, payload: &'a [u8]) -> Self {
        Self {
            topic,
            payload,
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::EMPTY,
        }
    }

    #[inline(always)]
    fn decode(
        version: Version,
        flags: u8,
        row: Row<'a>,
        reader: &mut Reader<'a>,
    ) -> Result<Self, Fault> {
        let qos = QoS::from_u8(flags >> WILL_QOS_SHIFT & 0x03).unwrap_or_default();
        let retain = flags & WILL_RETAIN != 0;
        let properties = match version {
            Version::V5 => Properties::read(reader, Context::WILL)?,
            Version::V31 | Version::V311 => Properties::EMPTY,
        };
        let before = *reader;
        let topic = reader.topic_name(row, Violation::TopicNameWildcard)?;
        if topic.is_empty() {
            return Err(before.fault(Violation::TopicNameEmpty));
        }
        let payload = reader.binary()?;
        Ok(Self {
            topic,
            payload,
            qos,
            retain,
            properties,
        })
    }

    fn check(&self, version: Version) -> Result<(), EncodeError> {
        self.properties.check_block(version, Context::WILL)?;
        writer::check_topic_name(self.topic, Violation::TopicNameWildcard)?;
        if self.topic.is_empty() {
            return Err(Violation::TopicNameEmpty.into());
        }
        writer::check_binary(self.payload)
    }
}

fn protocol_name(version: Version) -> &'static [u8] {
    match version {
        Version::V31 => PROTOCOL_NAME_LEGACY,
        Version::V311 | Version::V5 => PROTOCOL_NAME,
    }
}

/// Protocol name and protocol level.
#[inline(always)]
fn decode_version(reader: &mut Reader<'_>, accept_v31: bool) -> Result<Version, Fault> {
    let name_at = *reader;
    let name = reader.binary()?;
    let level_at = *reader;
    match name {
        PROTOCOL_NAME => match reader.u8()? {
            4 => Ok(Version::V311),
            5 => Ok(Version::V5),
            PROTOCOL_LEVEL_LEGACY => Err(level_at.fault(Violation::ProtocolVersionLegacy)),
            _ => Err(level_at.fault(Violation::ProtocolVersion)),
        },
        PROTOCOL_NAME_LEGACY if reader.u8()? == PROTOCOL_LEVEL_LEGACY => {
            if accept_v31 {
                return Ok(Version::V31);
            }
            Err(level_at.fault(Violation::ProtocolVersionLegacy))
        }
        _ => Err(name_at.fault(Violation::ProtocolName)),
    }
}

fn check_flags(version: Version, flags: u8) -> Option<Violation> {
    // 3.1 does not use bit 0, and disregards QoS and RETAIN of a will that is not there (3.1, section 3.1).
    let flags = match version {
        Version::V31 if flags & WILL == 0 => flags & (CLEAN_START | PASSWORD | USER_NAME),
        Version::V31 => flags & !0x01,
        Version::V311 | Version::V5 => flags,
    };
    let will_qos = flags >> WILL_QOS_SHIFT & 0x03;
    // [MQTT-3.1.2-3]
    if flags & 0x01 != 0 {
        return Some(Violation::ConnectFlagReserved);
    }
    if flags & WILL == 0 {
        // 5.0: [MQTT-3.1.2-11]; 3.1.1: [MQTT-3.1.2-13]
        if will_qos != 0 {
            return Some(Violation::WillQosWithoutWill);
        }
        // 5.0: [MQTT-3.1.2-13]; 3.1.1: [MQTT-3.1.2-15]
        if flags & WILL_RETAIN != 0 {
            return Some(Violation::WillRetainWithoutWill);
        }
    } else if will_qos == 3 {
        // 5.0: [MQTT-3.1.2-12]; 3.1.1: [MQTT-3.1.2-14]
        return Some(Violation::WillQosInvalid);
    }
    // 3.1.1: [MQTT-3.1.2-22]; 3.1: section 3.1; 5.0 allows it (section 3.1.2.9).
    if version != Version::V5 && flags & (PASSWORD | USER_NAME) == PASSWORD {
        return Some(Violation::PasswordWithoutUserName);
    }
    None
}

/// Whether the remaining length in front of this body has more bytes than it needs. That is wrong in 5.0 only
/// [MQTT-1.5.5-1], and the version is not known before the body.
fn is_length_overlong(body: &Reader<'_>) -> bool {
    let needed = writer::packet_len(body.rest().len()) - body.rest().len();
    body.offset() as usize != needed
}

/// The version that the body of a CONNECT names, if it names one of the three.
pub(super) fn named_version(body: &[u8]) -> Option<Version> {
    decode_version(&mut Reader::new(body, 0), true).ok()
}

#[cfg(test)]
mod tests;
