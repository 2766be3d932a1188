//! What goes into `control`.

use alloc::vec::Vec;

use super::{Core, RequestError};
use crate::options::Options;
use crate::packet::Packet;
use crate::property::{Properties, Property};
use crate::types::{Role, Version};

impl Core {
    /// Sends a packet that may carry a Reason String and User Properties. Both are left out where
    /// the client did not ask for them (MQTT-3.1.2-29 of 5.0), and one after the other where they
    /// would not fit the peer's Maximum Packet Size (MQTT-3.2.2-19, MQTT-3.2.2-20 of 5.0 and their
    /// likes for each packet).
    pub(crate) fn push_trimmed(&mut self, packet: Packet<'_>) -> Result<(), RequestError> {
        let maximum = self.peer.maximum_packet_size;
        let declined = self.role == Role::Server
            && !self.problem_information
            && !matches!(packet, Packet::Connack(_) | Packet::Disconnect(_));
        let mut size = 0;
        for step in 0..3 {
            let (no_reason, no_user) = (declined || step > 0, declined || step > 1);
            let mut trimmed = packet;
            let mut kept: Vec<Property<'_>> = Vec::new();
            if no_reason {
                if let Some(properties) = properties_mut(&mut trimmed) {
                    kept.extend(properties.iter().filter(|property| match property {
                        Property::ReasonString(_) => false,
                        Property::UserProperty(..) => !no_user,
                        _ => true,
                    }));
                    *properties = Properties::from(&kept[..]);
                }
            }
            size = trimmed.encoded_len(self.version);
            if size <= maximum as usize {
                return Ok(trimmed.encode(self.version, &mut self.control)?);
            }
        }
        Err(RequestError::TooLarge { size, maximum })
    }

    /// Sends a packet that is a caller's, or says why not.
    pub(crate) fn push_whole(&mut self, packet: Packet<'_>) -> Result<(), RequestError> {
        let (size, maximum) = (
            packet.encoded_len(self.version),
            self.peer.maximum_packet_size,
        );
        if size > maximum as usize {
            return Err(RequestError::TooLarge { size, maximum });
        }
        Ok(packet.encode(self.version, &mut self.control)?)
    }

    /// Sends bytes of a whole packet.
    pub(crate) fn push(&mut self, packet: &[u8]) {
        self.control.extend_from_slice(packet);
    }

    /// Bytes that wait, for [`take_back`](Self::take_back).
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.control.len()
    }

    /// Forgets what was pushed since so many bytes waited.
    pub(crate) fn take_back(&mut self, length: usize) {
        self.control.truncate(length);
    }

    /// A caller that asks faster than the transport takes is told so.
    pub(crate) fn require_room(&self) -> Result<(), RequestError> {
        if self.control.len() >= self.options.maximum_reply_bytes() as usize {
            return Err(RequestError::Backlog);
        }
        Ok(())
    }

    /// What the options announce, for CONNECT and CONNACK; nothing that the standard assumes
    /// anyway.
    pub(crate) fn announce<'p>(
        options: &Options,
        version: Version,
        properties: Properties<'p>,
    ) -> Result<Vec<Property<'p>>, RequestError> {
        let mut announced: Vec<Property<'p>> = properties.iter().collect();
        if announced.iter().any(|property| {
            matches!(
                property,
                Property::ReceiveMaximum(_)
                    | Property::MaximumPacketSize(_)
                    | Property::TopicAliasMaximum(_)
            )
        }) {
            return Err(RequestError::SetByOptions);
        }
        if version == Version::V5 {
            if options.receive_maximum() != u16::MAX {
                announced.push(Property::ReceiveMaximum(options.receive_maximum()));
            }
            if options.maximum_packet_size() < crate::wire::MAXIMUM_PACKET_SIZE {
                announced.push(Property::MaximumPacketSize(options.maximum_packet_size()));
            }
            if options.topic_alias_maximum() > 0 {
                announced.push(Property::TopicAliasMaximum(options.topic_alias_maximum()));
            }
        }
        Ok(announced)
    }
}

/// The properties of a packet that can have a Reason String.
fn properties_mut<'a, 'p>(packet: &'a mut Packet<'p>) -> Option<&'a mut Properties<'p>> {
    match packet {
        Packet::Connack(packet) => Some(&mut packet.properties),
        Packet::Suback(packet) => Some(&mut packet.properties),
        Packet::Unsuback(packet) => Some(&mut packet.properties),
        Packet::Disconnect(packet) => Some(&mut packet.properties),
        Packet::Auth(packet) => Some(&mut packet.properties),
        _ => None,
    }
}
