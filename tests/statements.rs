//! The statements of both standards that the bytes of one packet can show, as bytes.
//!
//! A line of a table is one packet:
//!
//! ```text
//! sender | bytes | verdict | statements | what it shows
//! ```
//!
//! * The sender is `any`, `client` or `server`.
//! * The bytes are hexadecimal, with text between quotes; spaces mean nothing.
//! * The verdict is `ok`; or the violation, the offset of the field at fault and (5.0) the reason code. An `ok` packet is
//!   written as it was read, unless there is a better form (`ok, rewritten`) or it must not be sent (`ok, unsent`).
//! * The first statement of a refused packet is the one that the error cites. The others say the same of this field
//!   or packet in particular; those of an `ok` packet are what it obeys.
//!
//! A refused packet breaks one rule only, for with two, either might be found.

use std::collections::BTreeSet;

use sansio_mqtt::{
    Ack, Auth, Connack, Connect, DecodeOptions, Disconnect, EncodeError, Packet, PacketId,
    Properties, Property, Publish, QoS, ReasonCode, ReasonCodes, RetainHandling, Role, Suback,
    Subscribe, Subscription, SubscriptionOptions, Unsuback, Unsubscribe, Version, Violation, Will,
};

const V5: &str = "
# Data (chapter 1)
any    | 30 05 0001'a' 00 'x'             | ok                                 | MQTT-2.2.1-2 MQTT-2.2.2-1 MQTT-3.3.2-1 | topic, properties, payload
any    | 30 06 0003 EDA080 00             | Utf8Invalid 2 81                   | MQTT-1.5.4-1 MQTT-3.3.2-1 | the surrogate U+D800
any    | 30 05 0002 C080 00               | Utf8Invalid 2 81                   | MQTT-1.5.4-1 | U+0000 in two bytes
any    | 30 04 0001 80 00                 | Utf8Invalid 2 81                   | MQTT-1.5.4-1 | a continuation byte alone
any    | 30 04 0001 C3 00                 | Utf8Invalid 2 81                   | MQTT-1.5.4-1 | a character cut short
any    | 30 07 0004 F4908080 00           | Utf8Invalid 2 81                   | MQTT-1.5.4-1 | above U+10FFFF
any    | 30 04 0001 00 00                 | NullCharacter 2 81                 | MQTT-1.5.4-2 MQTT-4.7.3-2 | U+0000 in a topic name
any    | 30 06 0003 EFBBBF 00             | ok                                 | MQTT-1.5.4-3 | U+FEFF is a character
any    | 30 07 0004 F48FBFBF 00           | ok                                 | section 1.5.4 | U+10FFFF, not to be sent but not wrong
any    | 30 04 0001 01 00                 | ok                                 | section 1.5.4 | a control character, the same
any    | 30 0A 0001'a' 06 26 0001 FF 0000 | Utf8Invalid 7 81                   | MQTT-1.5.4-1 MQTT-1.5.7-1 | name of a user property
any    | 30 0A 0001'a' 06 26 0000 0001 FF | Utf8Invalid 9 81                   | MQTT-1.5.4-1 MQTT-1.5.7-1 | value of a user property
any    | 30 0A 0001'a' 06 26 0001 00 0000 | NullCharacter 7 81                 | MQTT-1.5.4-2 MQTT-1.5.7-1 | name
any    | C0 8000                          | VariableByteIntegerOverlong 1 81   | MQTT-1.5.5-1 | remaining length
any    | 10 8D00 0004'MQTT' 05 02 003C 00 0000 | VariableByteIntegerOverlong 1 81 | MQTT-1.5.5-1 | the same in a CONNECT
any    | 30 05 0001'a' 8000               | VariableByteIntegerOverlong 5 81   | MQTT-1.5.5-1 | property length
any    | 82 0A 0001 03 0B 8100 0001'a' 00 | VariableByteIntegerOverlong 6 81   | MQTT-1.5.5-1 | value of a property
any    | C0 80808080 01                   | RemainingLengthTooLong 1 81        | section 1.5.5 | a fifth byte
any    | 82 0D 0001 06 0B 8080808001 0001'a' 00 | VariableByteIntegerTooLong 6 81 | section 1.5.5 | a fifth byte in a property

# Fixed header (section 2.1)
any    | 00 00                            | PacketTypeReserved 0 81            | section 2.1.2 | type 0
any    | 11 0D 0004'MQTT' 05 02 003C 00 0000 | FixedHeaderFlags 0 81           | MQTT-2.1.3-1 | CONNECT
any    | 21 03 00 00 00                   | FixedHeaderFlags 0 81              | MQTT-2.1.3-1 | CONNACK
any    | 41 02 0001                       | FixedHeaderFlags 0 81              | MQTT-2.1.3-1 | PUBACK
any    | 60 02 0001                       | FixedHeaderFlags 0 81              | MQTT-3.6.1-1 MQTT-2.1.3-1 | PUBREL
any    | 80 07 0001 00 0001'a' 00         | FixedHeaderFlags 0 81              | MQTT-3.8.1-1 MQTT-2.1.3-1 | SUBSCRIBE
any    | 91 04 0001 00 00                 | FixedHeaderFlags 0 81              | MQTT-2.1.3-1 | SUBACK
any    | A0 06 0001 00 0001'a'            | FixedHeaderFlags 0 81              | MQTT-3.10.1-1 MQTT-2.1.3-1 | UNSUBSCRIBE
any    | C1 00                            | FixedHeaderFlags 0 81              | MQTT-2.1.3-1 | PINGREQ
any    | E1 00                            | FixedHeaderFlags 0 81              | MQTT-3.14.1-1 MQTT-2.1.3-1 | DISCONNECT
any    | F1 06 18 04 15 0001'm'           | FixedHeaderFlags 0 81              | MQTT-3.15.1-1 MQTT-2.1.3-1 | AUTH
server | 10 0D 0004'MQTT' 05 02 003C 00 0000 | PacketTypeWrongDirection 0 82   | section 2.1.2 | CONNECT
client | 20 03 00 00 00                   | PacketTypeWrongDirection 0 82      | section 2.1.2 | CONNACK
server | 82 07 0001 00 0001'a' 00         | PacketTypeWrongDirection 0 82      | section 2.1.2 | SUBSCRIBE
client | 90 04 0001 00 00                 | PacketTypeWrongDirection 0 82      | section 2.1.2 | SUBACK
server | C0 00                            | PacketTypeWrongDirection 0 82      | section 2.1.2 | PINGREQ

# Packet identifier 0 (section 2.2.1)
any    | 32 06 0001'a' 0000 00            | PacketIdZero 5 82                  | section 2.2.1 MQTT-2.2.1-3 MQTT-2.2.1-4 | PUBLISH
any    | 40 02 0000                       | PacketIdZero 2 82                  | MQTT-2.2.1-5 | PUBACK
any    | 50 02 0000                       | PacketIdZero 2 82                  | MQTT-2.2.1-5 | PUBREC
any    | 62 02 0000                       | PacketIdZero 2 82                  | MQTT-2.2.1-5 | PUBREL
any    | 70 02 0000                       | PacketIdZero 2 82                  | MQTT-2.2.1-5 | PUBCOMP
any    | 82 07 0000 00 0001'a' 00         | PacketIdZero 2 82                  | MQTT-2.2.1-3 | SUBSCRIBE
any    | 90 04 0000 00 00                 | PacketIdZero 2 82                  | MQTT-2.2.1-6 | SUBACK
any    | A2 06 0000 00 0001'a'            | PacketIdZero 2 82                  | MQTT-2.2.1-3 | UNSUBSCRIBE
any    | B0 04 0000 00 00                 | PacketIdZero 2 82                  | MQTT-2.2.1-6 | UNSUBACK

# Properties (section 2.2.2)
any    | 30 03 0001'a'                    | Truncated 5 81                     | section 1.2 MQTT-2.2.2-1 | PUBLISH without a property length
any    | 20 02 00 00                      | Truncated 4 81                     | section 1.2 MQTT-2.2.2-1 | CONNACK
any    | 82 02 0001                       | Truncated 4 81                     | section 1.2 MQTT-2.2.2-1 | SUBSCRIBE
any    | B0 02 0001                       | Truncated 4 81                     | section 1.2 MQTT-2.2.2-1 | UNSUBACK
any    | 30 04 0001'a' 05                 | PropertyLength 5 81                | section 2.2.2.1 | the block runs past the packet
any    | 30 06 0001'a' 02 02 00           | PropertyLength 6 81                | section 2.2.2.1 | an integer runs past the block
any    | 30 09 0001'a' 02 02 00000000     | PropertyLength 6 81                | section 2.2.2.1 | the same, but not past the packet
any    | 30 06 0001'a' 02 2B 00           | PropertyUnknown 6 81               | section 2.2.2.2 | identifier 0x2B
any    | 30 07 0001'a' 03 8101 00         | PropertyUnknown 6 81               | section 2.2.2.2 | an identifier of two bytes
any    | 30 07 0001'a' 03 1F 0000         | PropertyNotAllowed 6 81            | section 2.2.2.2 | reason string in a PUBLISH
any    | 30 13 0001'a' 0F 26 00000000 26 00000000 26 00000000 | ok             | section 2.2.2.2 | one user property three times
any    | 30 0C 0001'a' 08 03 0000 02 00000001 | ok, rewritten                  | section 2.2.2.2 | the order of properties is free

# CONNECT (section 3.1)
any    | 10 0D 0004'MQTT' 05 02 003C 00 0000 | ok                              | MQTT-3.1.2-1 | the shortest
any    | 10 1B 0004'MQTT' 05 F6 003C 00 0001'c' 00 0001'w' 0001'x' 0001'u' 0001'p' | ok | MQTT-3.1.3-1 MQTT-3.1.2-9 MQTT-3.1.2-12 MQTT-3.1.2-17 MQTT-3.1.2-19 | all fields
any    | 10 0D 0004'mqtt' 05 02 003C 00 0000 | ProtocolName 2 84               | MQTT-3.1.2-1 | in lower case
any    | 10 0D 0005'MQTT' 05 02 003C 00 0000 | ProtocolName 2 84               | MQTT-3.1.2-1 | a byte longer
any    | 10 0F 0006'MQIsdp' 05 02 003C 00 0000 | ProtocolName 2 84             | MQTT-3.1.2-1 | the name of 3.1 with another version
any    | 10 0E 0006'MQIsdp' 03 02 003C 0000 | ProtocolVersionLegacy 10 84      | MQTT-3.1.2-2 | version 3.1
any    | 10 0D 0004'MQTT' 06 02 003C 00 0000 | ProtocolVersion 8 84            | MQTT-3.1.2-2 | version 6
any    | 10 0D 0004'MQTT' 05 03 003C 00 0000 | ConnectFlagReserved 9 81        | MQTT-3.1.2-3 MQTT-3.1.4-1 | bit 0
any    | 10 0D 0004'MQTT' 05 06 003C 00 0000 | Truncated 15 81                 | section 1.2 MQTT-3.1.2-9 | no will properties
any    | 10 0E 0004'MQTT' 05 06 003C 00 0000 00 | Truncated 16 81              | section 1.2 MQTT-3.1.2-9 | no will topic
any    | 10 11 0004'MQTT' 05 06 003C 00 0000 00 0001'w' | Truncated 19 81      | section 1.2 MQTT-3.1.2-9 | no will payload
any    | 10 13 0004'MQTT' 05 06 003C 00 0000 00 0001'w' 0000 | ok              | MQTT-3.1.2-9 | an empty will payload
any    | 10 0D 0004'MQTT' 05 0A 003C 00 0000 | WillQosWithoutWill 9 81         | MQTT-3.1.2-11 | QoS 1
any    | 10 13 0004'MQTT' 05 1E 003C 00 0000 00 0001'w' 0000 | WillQosInvalid 9 81 | MQTT-3.1.2-12 | QoS 3
any    | 10 0D 0004'MQTT' 05 22 003C 00 0000 | WillRetainWithoutWill 9 81      | MQTT-3.1.2-13 | retain
any    | 10 10 0004'MQTT' 05 02 003C 00 0000 0001'u' | TrailingBytes 15 81     | section 1.2 MQTT-3.1.2-16 MQTT-3.1.4-1 | a user name without its flag
any    | 10 0D 0004'MQTT' 05 82 003C 00 0000 | Truncated 15 81                 | section 1.2 MQTT-3.1.2-17 | no user name
any    | 10 13 0004'MQTT' 05 82 003C 00 0000 0001'u' 0001'p' | TrailingBytes 18 81 | section 1.2 MQTT-3.1.2-18 | a password without its flag
any    | 10 10 0004'MQTT' 05 C2 003C 00 0000 0001'u' | Truncated 18 81         | section 1.2 MQTT-3.1.2-19 | no password
any    | 10 11 0004'MQTT' 05 42 003C 00 0000 0002 00FF | ok                    | MQTT-3.1.2-19 | a binary password without a user name
any    | 10 0B 0004'MQTT' 05 02 003C 00   | Truncated 13 81                    | section 1.2 MQTT-3.1.3-3 | no client identifier
any    | 10 0E 0004'MQTT' 05 02 003C 00 0001 FF | Utf8Invalid 13 81            | MQTT-1.5.4-1 MQTT-3.1.3-4 | client identifier
any    | 10 0E 0004'MQTT' 05 02 003C 00 0001 00 | NullCharacter 13 81          | MQTT-1.5.4-2 | client identifier
any    | 10 0E 0004'MQTT' 05 02 003C 00 0001'#' | ok                           | section 3.1.3.1 | wildcards mean nothing here
any    | 10 13 0004'MQTT' 05 06 003C 00 0000 00 0001 FF 0000 | Utf8Invalid 16 81 | MQTT-1.5.4-1 MQTT-3.1.3-11 | will topic
any    | 10 13 0004'MQTT' 05 06 003C 00 0000 00 0001 00 0000 | NullCharacter 16 81 | MQTT-1.5.4-2 MQTT-4.7.3-2 | will topic
any    | 10 13 0004'MQTT' 05 06 003C 00 0000 00 0001'+' 0000 | TopicNameWildcard 16 81 | MQTT-4.7.0-1 | will topic
any    | 10 12 0004'MQTT' 05 06 003C 00 0000 00 0000 0000 | TopicNameEmpty 16 82 | MQTT-4.7.3-1 | will topic
any    | 10 10 0004'MQTT' 05 82 003C 00 0000 0001 FF | Utf8Invalid 15 81       | MQTT-1.5.4-1 MQTT-3.1.3-12 | user name
any    | 10 2D 0004'MQTT' 05 02 003C 20 11 00000001 21 0001 27 00000001 22 0000 19 01 17 00 26 00000000 15 0001'm' 16 0000 0000 | ok | section 3.1.2.11 | all nine properties
any    | 10 10 0004'MQTT' 05 02 003C 03 21 0000 0000 | ReceiveMaximumZero 14 82 | section 3.1.2.11.3 | receive maximum 0
any    | 10 12 0004'MQTT' 05 02 003C 05 27 00000000 0000 | MaximumPacketSizeZero 14 82 | section 3.1.2.11.4 | maximum packet size 0
any    | 10 0F 0004'MQTT' 05 02 003C 02 17 02 0000 | PropertyValue 14 82       | section 3.1 | request problem information 2
any    | 10 17 0004'MQTT' 05 02 003C 0A 11 00000000 11 00000000 0000 | PropertyDuplicate 18 82 | section 3.1 | session expiry interval twice
any    | 10 10 0004'MQTT' 05 02 003C 03 16 0000 0000 | AuthenticationDataWithoutMethod 12 82 | section 3.1.2.11.10 | data without a method
any    | 10 10 0004'MQTT' 05 02 003C 03 23 0001 0000 | PropertyNotAllowed 13 81 | section 2.2.2.2 | topic alias
any    | 10 12 0004'MQTT' 05 02 003C 05 18 00000000 0000 | PropertyNotAllowed 13 81 | section 2.2.2.2 | will delay outside the will
any    | 10 2E 0004'MQTT' 05 06 003C 00 0000 1B 18 00000001 01 01 02 00000001 03 0000 08 0001'r' 09 0000 26 00000000 0001'w' 0000 | ok | section 3.1.3.2 | all seven of the will
any    | 10 18 0004'MQTT' 05 06 003C 00 0000 05 11 00000000 0001'w' 0000 | PropertyNotAllowed 16 81 | section 2.2.2.2 | session expiry in the will
any    | 10 17 0004'MQTT' 05 06 003C 00 0000 04 01 00 01 00 0001'w' 0000 | PropertyDuplicate 18 82 | section 3.1 | payload format of the will twice
any    | 10 17 0004'MQTT' 05 06 003C 00 0000 04 08 0001'#' 0001'w' 0000 | ResponseTopicWildcard 17 82 | MQTT-4.7.0-1 | response topic of the will

# CONNACK (section 3.2)
server | 20 03 01 00 00                   | ok                                 | MQTT-3.2.2-1 MQTT-3.2.2-8 | session present
server | 20 03 02 00 00                   | ConnackFlags 2 81                  | MQTT-3.2.2-1 | bit 1
server | 20 03 01 80 00                   | SessionPresentWithRefusal 2 82     | MQTT-3.2.2-6 | session present, refused
server | 20 03 00 01 00                   | ReasonCodeInvalid 3 82             | MQTT-3.2.2-8 | 0x01 of SUBACK
server | 20 03 00 8B 00                   | ReasonCodeInvalid 3 82             | MQTT-3.2.2-8 | 0x8B of DISCONNECT
server | 20 04 00 00 00 00                | TrailingBytes 5 81                 | section 1.2 | one byte more
server | 20 05 00 00 02 24 02             | PropertyValue 6 82                 | section 3.2.2.3 | maximum QoS 2
server | 20 05 00 00 02 28 02             | PropertyValue 6 82                 | section 3.2.2.3 | wildcard subscription available 2
server | 20 05 00 00 02 2A 02             | PropertyValue 6 82                 | section 3.2.2.3 | shared subscription available 2
server | 20 06 00 00 03 21 0000           | ReceiveMaximumZero 6 82            | section 3.2.2.3.3 | receive maximum 0
server | 20 08 00 00 05 27 00000000       | MaximumPacketSizeZero 6 82         | section 3.2.2.3.6 | maximum packet size 0
server | 20 06 00 00 03 13 0000           | ok                                 | section 3.2.2.3.14 | server keep alive 0
server | 20 06 00 00 03 16 0000           | AuthenticationDataWithoutMethod 4 82 | section 4.12 | data without a method
server | 20 09 00 00 06 12 0000 12 0000   | PropertyDuplicate 8 82             | section 3.2.2.3 | assigned client identifier twice
server | 20 05 00 00 02 17 00             | PropertyNotAllowed 5 81            | section 2.2.2.2 | request problem information

# PUBLISH (section 3.3)
any    | 38 04 0001'a' 00                 | DupWithQos0 0 81                   | MQTT-3.3.1-2 | DUP with QoS 0
any    | 3A 06 0001'a' 0001 00            | ok                                 | MQTT-3.3.1-2 | DUP with QoS 1
any    | 36 06 0001'a' 0001 00            | QosInvalid 0 81                    | MQTT-3.3.1-4 | QoS 3
any    | 30 03 0002'a'                    | Truncated 2 81                     | section 1.2 MQTT-3.3.2-1 | half a topic
any    | 30 00                            | Truncated 2 81                     | section 1.2 MQTT-3.3.2-1 | no topic
any    | 32 03 0001'a'                    | Truncated 5 81                     | section 1.2 MQTT-2.2.1-3 | no packet identifier
any    | 30 06 0003'a/+' 00               | TopicNameWildcard 2 81             | MQTT-3.3.2-2 MQTT-4.7.0-1 | +
any    | 30 06 0003'a/#' 00               | TopicNameWildcard 2 81             | MQTT-3.3.2-2 MQTT-4.7.0-1 | #
any    | 30 07 0004'$a/b' 00              | ok                                 | section 4.7.2 | $ is not for the codec
any    | 30 04 0001'/' 00                 | ok                                 | MQTT-4.7.3-1 | two empty levels
any    | 30 03 0000 00                    | TopicNameEmpty 2 82                | MQTT-4.7.3-1 | empty, no alias
any    | 30 06 0000 03 23 0001            | ok                                 | MQTT-4.7.3-1 | empty, with an alias
any    | 30 07 0001'a' 03 23 0000         | TopicAliasZero 7 94                | MQTT-3.3.2-8 | alias 0
any    | 30 07 0001'a' 03 23 FFFF         | ok                                 | MQTT-3.3.2-8 | alias 65,535
any    | 30 08 0001'a' 04 08 0001 FF      | Utf8Invalid 7 81                   | MQTT-1.5.4-1 MQTT-3.3.2-13 | response topic
any    | 30 08 0001'a' 04 08 0001'+'      | ResponseTopicWildcard 7 82         | MQTT-3.3.2-14 | response topic
any    | 30 08 0001'a' 04 08 0001 00      | NullCharacter 7 81                 | MQTT-1.5.4-2 MQTT-4.7.3-2 | response topic
any    | 30 08 0001'a' 04 03 0001 FF      | Utf8Invalid 7 81                   | MQTT-1.5.4-1 MQTT-3.3.2-19 | content type
any    | 30 09 0001'a' 05 09 0002 00FF    | ok                                 | section 3.3.2.3.6 | correlation data are any bytes
client | 30 06 0001'a' 02 0B 01           | SubscriptionIdentifierFromClient 6 82 | MQTT-3.3.4-6 | subscription identifier
server | 30 06 0001'a' 02 0B 01           | ok                                 | MQTT-3.3.4-6 | the same from the server
server | 30 0A 0001'a' 06 0B 01 0B 02 0B 01 | ok                               | section 3.3.2.3.8 | several, one of them twice
any    | 30 06 0001'a' 02 0B 00           | SubscriptionIdentifierZero 7 82    | section 3.3.2.3.8 | subscription identifier 0
any    | 30 06 0001'a' 02 01 02           | PropertyValue 7 82                 | section 3.3.2.3 | payload format 2
any    | 30 07 0001'a' 02 01 01 FF        | ok                                 | section 3.3.2.3.2 | the payload is not checked
any    | 30 08 0001'a' 04 01 00 01 01     | PropertyDuplicate 8 82             | section 3.3.2.3 | payload format twice
any    | 30 0E 0001'a' 0A 02 00000001 02 00000001 | PropertyDuplicate 11 82    | section 3.3.2.3 | message expiry interval twice

# PUBACK, PUBREC, PUBREL, PUBCOMP (sections 3.4 to 3.7)
any    | 40 02 0001                       | ok                                 | section 3.4.2.1 | success
any    | 40 03 0001 00                    | ok, rewritten                      | MQTT-3.4.2-1 | the same with a code
any    | 40 04 0001 00 00                 | ok, rewritten                      | MQTT-3.4.2-1 | and a property length
any    | 40 03 0001 87                    | ok                                 | MQTT-3.4.2-1 | a failure without a property length
any    | 40 07 0001 00 03 1F 0000         | ok                                 | section 3.4.2.2 | reason string
any    | 40 01 00                         | Truncated 2 81                     | section 1.2 | half an identifier
any    | 40 05 0001 00 00 00              | TrailingBytes 6 81                 | section 1.2 | one byte more
any    | 40 04 0001 00 01                 | PropertyLength 5 81                | section 2.2.2.1 | the block runs past the packet
any    | 40 03 0001 92                    | ReasonCodeInvalid 4 82             | MQTT-3.4.2-1 | 0x92 of PUBREL
any    | 40 03 0001 01                    | ReasonCodeInvalid 4 82             | MQTT-3.4.2-1 | 0x01 of SUBACK
server | 40 03 0001 10                    | ok                                 | MQTT-3.4.2-1 | no matching subscribers
client | 40 03 0001 10                    | ReasonCodeInvalid 4 82             | MQTT-3.4.2-1 | no matching subscribers, from a client
any    | 40 06 0001 00 02 0B 01           | PropertyNotAllowed 6 81            | section 2.2.2.2 | subscription identifier
any    | 40 0A 0001 00 06 1F 0000 1F 0000 | PropertyDuplicate 9 82             | section 3.4.2.2 | reason string twice
any    | 50 03 0001 97                    | ok                                 | MQTT-3.5.2-1 | quota exceeded
any    | 50 03 0001 92                    | ReasonCodeInvalid 4 82             | MQTT-3.5.2-1 | 0x92 of PUBREL
any    | 62 03 0001 92                    | ok                                 | MQTT-3.6.2-1 | packet identifier not found
any    | 62 03 0001 91                    | ReasonCodeInvalid 4 82             | MQTT-3.6.2-1 | 0x91 of PUBACK
any    | 70 03 0001 92                    | ok                                 | MQTT-3.7.2-1 | packet identifier not found
any    | 70 03 0001 80                    | ReasonCodeInvalid 4 82             | MQTT-3.7.2-1 | 0x80 of PUBACK

# SUBSCRIBE and SUBACK (sections 3.8 and 3.9)
client | 82 07 0001 00 0001'a' 2E         | ok                                 | MQTT-3.8.3-2 MQTT-3.8.3-5 | every option
any    | 82 07 0001 00 0001 FF 00         | Utf8Invalid 5 81                   | MQTT-1.5.4-1 MQTT-3.8.3-1 | filter
any    | 82 07 0001 00 0001 00 00         | NullCharacter 5 81                 | MQTT-1.5.4-2 MQTT-4.7.3-2 | filter
any    | 82 03 0001 00                    | NoTopicFilters 5 82                | MQTT-3.8.3-2 | no filter
any    | 82 06 0001 00 0001'a'            | Truncated 8 81                     | section 1.2 MQTT-3.8.3-2 | no options
any    | 82 10 0001 00 000A'$share/g/t' 04 | NoLocalShared 17 82               | MQTT-3.8.3-4 | no local, shared
any    | 82 07 0001 00 0001'a' 40         | SubscriptionOptionsReserved 8 81   | MQTT-3.8.3-5 | bit 6
any    | 82 07 0001 00 0001'a' 80         | SubscriptionOptionsReserved 8 81   | MQTT-3.8.3-5 | bit 7
any    | 82 07 0001 00 0001'a' 03         | SubscriptionQos 8 82               | section 3.8.3.1 | QoS 3
any    | 82 07 0001 00 0001'a' 30         | RetainHandlingInvalid 8 82         | section 3.8.3.1 | retain handling 3
any    | 82 09 0001 02 0B 00 0001'a' 00   | SubscriptionIdentifierZero 6 82    | section 3.8.2.1.2 | subscription identifier 0
any    | 82 0C 0001 05 0B FFFFFF7F 0001'a' 00 | ok                             | section 3.8.2.1.2 | the largest
any    | 82 0B 0001 04 0B 01 0B 02 0001'a' 00 | PropertyDuplicate 7 82         | section 3.8.2.1 | twice
server | 90 0F 0001 00 000102 80838791 8F97 9EA1A2 | ok                        | MQTT-3.9.3-2 MQTT-3.8.4-6 | every code
server | 90 03 0001 00                    | NoReasonCodes 5 82                 | MQTT-3.8.4-6 | no code
server | 90 04 0001 00 03                 | ReasonCodeInvalid 5 82             | MQTT-3.9.3-2 | QoS 3

# Topic filters (sections 4.7 and 4.8.2)
any    | 82 06 0001 00 0000 00            | TopicFilterEmpty 5 8F              | MQTT-4.7.3-1 | empty
any    | 82 07 0001 00 0001'#' 00         | ok                                 | MQTT-4.7.1-1 | #
any    | 82 09 0001 00 0003'a/#' 00       | ok                                 | MQTT-4.7.1-1 | # behind a slash
any    | 82 08 0001 00 0002'a#' 00        | TopicFilterWildcard 5 8F           | section 4.7.1 MQTT-4.7.1-1 | # inside a level
any    | 82 0B 0001 00 0005'a/#/b' 00     | TopicFilterWildcard 5 8F           | section 4.7.1 MQTT-4.7.1-1 | # not last
any    | 82 07 0001 00 0001'+' 00         | ok                                 | MQTT-4.7.1-2 | +
any    | 82 0D 0001 00 0007'a/+/+/#' 00   | ok                                 | MQTT-4.7.1-2 | + amid a filter
any    | 82 08 0001 00 0002'a+' 00        | TopicFilterWildcard 5 8F           | section 4.7.1 MQTT-4.7.1-2 | + behind a letter
any    | 82 0A 0001 00 0004'+a/b' 00      | TopicFilterWildcard 5 8F           | section 4.7.1 MQTT-4.7.1-2 | + before a letter
any    | 82 07 0001 00 0001'/' 00         | ok                                 | section 4.7.3 | two empty levels
any    | 82 10 0001 00 000A'$share/g/#' 01 | ok                                | MQTT-4.8.2-1 MQTT-4.8.2-2 | shared
any    | 82 0C 0001 00 0006'$share' 00    | ok                                 | section 4.8.2 | not shared
any    | 82 0D 0001 00 0007'$share/' 00   | ShareNameInvalid 5 8F              | section 4.8.2 MQTT-4.8.2-1 | no share name
any    | 82 0F 0001 00 0009'$share//t' 00 | ShareNameInvalid 5 8F              | section 4.8.2 MQTT-4.8.2-1 | an empty one
any    | 82 0E 0001 00 0008'$share/g' 00  | ShareNameInvalid 5 8F              | section 4.8.2 MQTT-4.8.2-2 | no slash behind it
any    | 82 0F 0001 00 0009'$share/g/' 00 | ShareNameInvalid 5 8F              | section 4.8.2 MQTT-4.8.2-2 | no filter behind it
any    | 82 11 0001 00 000B'$share/g+/t' 00 | ShareNameInvalid 5 8F            | section 4.8.2 MQTT-4.8.2-2 | + in it
any    | 82 10 0001 00 000A'$share/#/t' 00 | ShareNameInvalid 5 8F             | section 4.8.2 MQTT-4.8.2-2 | # as it
any    | 82 11 0001 00 000B'$share/g/a#' 00 | TopicFilterWildcard 5 8F         | section 4.7.1 MQTT-4.7.1-1 | the inner filter

# UNSUBSCRIBE and UNSUBACK (sections 3.10 and 3.11)
client | A2 09 0001 00 0001'a' 0001'b'    | ok                                 | MQTT-3.10.3-1 MQTT-3.10.3-2 | two filters
any    | A2 06 0001 00 0001 FF            | Utf8Invalid 5 81                   | MQTT-1.5.4-1 MQTT-3.10.3-1 | filter
any    | A2 03 0001 00                    | NoTopicFilters 5 82                | MQTT-3.10.3-2 | no filter
any    | A2 05 0001 00 0000               | TopicFilterEmpty 5 8F              | MQTT-4.7.3-1 | empty
any    | A2 08 0001 02 0B 01 0001'a'      | PropertyNotAllowed 5 81            | section 2.2.2.2 | subscription identifier
server | B0 0A 0001 00 0011 8083 878F 91  | ok                                 | MQTT-3.11.3-2 | every code
server | B0 03 0001 00                    | NoReasonCodes 5 82                 | MQTT-3.11.3-2 | no code
server | B0 04 0001 00 01                 | ReasonCodeInvalid 5 82             | MQTT-3.11.3-2 | 0x01 of SUBACK
server | B0 04 0001 00 97                 | ReasonCodeInvalid 5 82             | MQTT-3.11.3-2 | quota exceeded

# PINGREQ, PINGRESP, DISCONNECT, AUTH (sections 3.12 to 3.15)
client | C0 00                            | ok                                 | section 3.12 | ping
server | D0 00                            | ok                                 | section 3.13 | and its answer
any    | C0 01 00                         | TrailingBytes 2 81                 | section 1.2 | one byte more
any    | E0 00                            | ok                                 | section 3.14.2.1 | normal
any    | E0 01 00                         | ok, rewritten                      | MQTT-3.14.2-1 | the same with a code
client | E0 01 04                         | ok                                 | MQTT-3.14.2-1 | with the will
server | E0 01 04                         | ReasonCodeInvalid 2 82             | MQTT-3.14.2-1 | the same from a server
server | E0 01 8B                         | ok                                 | MQTT-3.14.2-1 | server shutting down
client | E0 01 8B                         | ReasonCodeInvalid 2 82             | MQTT-3.14.2-1 | the same from a client
server | E0 01 8C                         | ok                                 | MQTT-3.14.2-1 | in table 2-6 only
client | E0 01 9B                         | ok                                 | MQTT-3.14.2-1 | by section 3.3.4
any    | E0 01 01                         | ReasonCodeInvalid 2 82             | MQTT-3.14.2-1 | 0x01 of SUBACK
any    | E0 01 FF                         | ReasonCodeInvalid 2 82             | MQTT-3.14.2-1 | no code at all
client | E0 07 00 05 11 00000001          | ok                                 | MQTT-3.14.2-2 | session expiry interval
server | E0 07 00 05 11 00000001          | SessionExpiryFromServer 4 82       | MQTT-3.14.2-2 | the same from a server
any    | F0 06 18 04 15 0001'm'           | ok                                 | MQTT-3.15.2-1 | a step
client | F0 06 19 04 15 0001'm'           | ok                                 | MQTT-3.15.2-1 | again
server | F0 06 19 04 15 0001'm'           | ReasonCodeInvalid 2 82             | MQTT-3.15.2-1 | the same from a server
server | F0 06 00 04 15 0001'm'           | ok                                 | MQTT-3.15.2-1 | success
client | F0 06 00 04 15 0001'm'           | ReasonCodeInvalid 2 82             | MQTT-3.15.2-1 | the same from a client
any    | F0 06 80 04 15 0001'm'           | ReasonCodeInvalid 2 82             | MQTT-3.15.2-1 | a failure
any    | F0 00                            | ok, unsent                         | section 3.15.2.1 | left to the connection to refuse
any    | F0 02 18 00                      | AuthenticationMethodMissing 3 82   | section 3.15.2.2.2 | no method
any    | F0 05 18 03 16 0000              | AuthenticationMethodMissing 3 82   | section 3.15.2.2.2 | data only
any    | F0 0A 18 08 15 0001'm' 15 0001'm' | PropertyDuplicate 8 82            | section 3.15.2.2 | method twice
";

const V311: &str = "
# Data (chapter 1)
any    | 30 04 0001'a' 'x'                | ok                                 | MQTT-2.3.1-5 MQTT-3.3.2-1 | topic, payload
any    | 30 05 0003 EDA080                | Utf8Invalid 2                      | MQTT-1.5.3-1 MQTT-3.3.2-1 | the surrogate U+D800
any    | 30 04 0002 C080                  | Utf8Invalid 2                      | MQTT-1.5.3-1 | U+0000 in two bytes
any    | 30 03 0001 C3                    | Utf8Invalid 2                      | MQTT-1.5.3-1 | a character cut short
any    | 30 06 0004 F4908080              | Utf8Invalid 2                      | MQTT-1.5.3-1 | above U+10FFFF
any    | 30 03 0001 00                    | NullCharacter 2                    | MQTT-1.5.3-2 MQTT-4.7.3-2 | U+0000 in a topic name
any    | 30 05 0003 EFBBBF                | ok                                 | MQTT-1.5.3-3 | U+FEFF is a character
any    | 30 06 0004 F48FBFBF              | ok                                 | section 1.5.3 | U+10FFFF, not to be sent but not wrong
any    | 30 03 0001 01                    | ok                                 | section 1.5.3 | a control character, the same
any    | C0 8000                          | ok, rewritten                      | section 2.2.3 | the shortest form is not demanded
any    | 10 8C00 0004'MQTT' 04 02 003C 0000 | ok, rewritten                    | section 2.2.3 | the same in a CONNECT
any    | C0 80808080 01                   | RemainingLengthTooLong 1           | section 2.2.3 | a fifth byte

# Fixed header (section 2.2)
any    | 00 00                            | PacketTypeReserved 0               | section 2.2.1 | type 0
any    | F0 00                            | PacketTypeNotInVersion 0           | section 2.2.1 | type 15
any    | 11 0C 0004'MQTT' 04 02 003C 0000 | FixedHeaderFlags 0                 | MQTT-2.2.2-1 MQTT-2.2.2-2 | CONNECT
any    | 21 02 00 00                      | FixedHeaderFlags 0                 | MQTT-2.2.2-1 MQTT-2.2.2-2 | CONNACK
any    | 41 02 0001                       | FixedHeaderFlags 0                 | MQTT-2.2.2-1 MQTT-2.2.2-2 | PUBACK
any    | 60 02 0001                       | FixedHeaderFlags 0                 | MQTT-3.6.1-1 MQTT-2.2.2-1 | PUBREL
any    | 80 06 0001 0001'a' 00            | FixedHeaderFlags 0                 | MQTT-3.8.1-1 MQTT-2.2.2-1 | SUBSCRIBE
any    | 91 03 0001 00                    | FixedHeaderFlags 0                 | MQTT-2.2.2-1 MQTT-2.2.2-2 | SUBACK
any    | A0 05 0001 0001'a'               | FixedHeaderFlags 0                 | MQTT-3.10.1-1 MQTT-2.2.2-1 | UNSUBSCRIBE
any    | C1 00                            | FixedHeaderFlags 0                 | MQTT-2.2.2-1 MQTT-2.2.2-2 | PINGREQ
any    | E1 00                            | FixedHeaderFlags 0                 | MQTT-3.14.1-1 MQTT-2.2.2-1 | DISCONNECT
client | 20 02 00 00                      | PacketTypeWrongDirection 0         | section 2.2.1 | CONNACK
server | 82 06 0001 0001'a' 00            | PacketTypeWrongDirection 0         | section 2.2.1 | SUBSCRIBE
server | E0 00                            | PacketTypeWrongDirection 0         | section 2.2.1 | DISCONNECT

# Packet identifier 0 (section 2.3.1)
any    | 32 05 0001'a' 0000               | PacketIdZero 5                     | MQTT-2.3.1-1 | PUBLISH
any    | 82 06 0000 0001'a' 00            | PacketIdZero 2                     | MQTT-2.3.1-1 | SUBSCRIBE
any    | A2 05 0000 0001'a'               | PacketIdZero 2                     | MQTT-2.3.1-1 | UNSUBSCRIBE
any    | 40 02 0000                       | PacketIdZero 2                     | MQTT-2.3.1-6 | PUBACK
any    | 50 02 0000                       | PacketIdZero 2                     | MQTT-2.3.1-6 | PUBREC
any    | 62 02 0000                       | PacketIdZero 2                     | MQTT-2.3.1-6 | PUBREL
any    | 70 02 0000                       | PacketIdZero 2                     | MQTT-4.3.3-2 | PUBCOMP
any    | 90 03 0000 00                    | PacketIdZero 2                     | MQTT-2.3.1-7 | SUBACK
any    | B0 02 0000                       | PacketIdZero 2                     | MQTT-2.3.1-7 | UNSUBACK

# CONNECT (section 3.1)
any    | 10 0C 0004'MQTT' 04 02 003C 0000 | ok                                 | MQTT-3.1.2-1 | the shortest
any    | 10 1A 0004'MQTT' 04 F6 003C 0001'c' 0001'w' 0002'xx' 0001'u' 0001'p' | ok | MQTT-3.1.3-1 MQTT-3.1.2-9 MQTT-3.1.2-19 MQTT-3.1.2-21 | all fields
any    | 10 0C 0004'mqtt' 04 02 003C 0000 | ProtocolName 2                     | MQTT-3.1.2-1 | in lower case
any    | 10 0E 0006'MQIsdp' 03 02 003C 0000 | ProtocolVersionLegacy 10         | MQTT-3.1.2-2 | version 3.1
any    | 10 0C 0004'MQTT' 06 02 003C 0000 | ProtocolVersion 8                  | MQTT-3.1.2-2 | level 6
any    | 10 0C 0004'MQTT' 84 02 003C 0000 | ProtocolVersion 8                  | MQTT-3.1.2-2 | level 4 with the top bit
any    | 10 0C 0004'MQTT' 04 03 003C 0000 | ConnectFlagReserved 9              | MQTT-3.1.2-3 MQTT-3.1.4-1 | bit 0
any    | 10 0C 0004'MQTT' 04 06 003C 0000 | Truncated 14                       | MQTT-4.8.0-1 MQTT-3.1.2-9 | no will topic
any    | 10 0F 0004'MQTT' 04 06 003C 0000 0001'w' | Truncated 17               | MQTT-4.8.0-1 MQTT-3.1.2-9 | no will message
any    | 10 11 0004'MQTT' 04 06 003C 0000 0001'w' 0000 | ok                    | MQTT-3.1.2-9 | an empty will message
any    | 10 0C 0004'MQTT' 04 0A 003C 0000 | WillQosWithoutWill 9               | MQTT-3.1.2-13 MQTT-3.1.2-11 | QoS 1
any    | 10 11 0004'MQTT' 04 1E 003C 0000 0001'w' 0000 | WillQosInvalid 9      | MQTT-3.1.2-14 | QoS 3
any    | 10 0C 0004'MQTT' 04 22 003C 0000 | WillRetainWithoutWill 9            | MQTT-3.1.2-15 MQTT-3.1.2-11 | retain
any    | 10 11 0004'MQTT' 04 02 003C 0000 0001'w' 0000 | TrailingBytes 14      | MQTT-4.8.0-1 MQTT-3.1.2-11 MQTT-3.1.4-1 | a will without its flag
any    | 10 0F 0004'MQTT' 04 02 003C 0000 0001'u' | TrailingBytes 14           | MQTT-4.8.0-1 MQTT-3.1.2-18 | a user name without its flag
any    | 10 0C 0004'MQTT' 04 82 003C 0000 | Truncated 14                       | MQTT-4.8.0-1 MQTT-3.1.2-19 | no user name
any    | 10 12 0004'MQTT' 04 82 003C 0000 0001'u' 0001'p' | TrailingBytes 17   | MQTT-4.8.0-1 MQTT-3.1.2-20 | a password without its flag
any    | 10 0F 0004'MQTT' 04 C2 003C 0000 0001'u' | Truncated 17               | MQTT-4.8.0-1 MQTT-3.1.2-21 | no password
any    | 10 0F 0004'MQTT' 04 42 003C 0000 0001'p' | PasswordWithoutUserName 9  | MQTT-3.1.2-22 | a password without a user name
any    | 10 0A 0004'MQTT' 04 02 003C      | Truncated 12                       | MQTT-4.8.0-1 MQTT-3.1.3-3 | no client identifier
any    | 10 0D 0004'MQTT' 04 02 003C 0001 FF | Utf8Invalid 12                  | MQTT-1.5.3-1 MQTT-3.1.3-4 | client identifier
any    | 10 11 0004'MQTT' 04 06 003C 0000 0001 FF 0000 | Utf8Invalid 14        | MQTT-1.5.3-1 MQTT-3.1.3-10 | will topic
any    | 10 11 0004'MQTT' 04 06 003C 0000 0001'#' 0000 | TopicNameWildcard 14  | MQTT-4.7.1-1 | will topic
any    | 10 10 0004'MQTT' 04 06 003C 0000 0000 0000 | TopicNameEmpty 14        | MQTT-4.7.3-1 | will topic
any    | 10 0F 0004'MQTT' 04 82 003C 0000 0001 FF | Utf8Invalid 14             | MQTT-1.5.3-1 MQTT-3.1.3-11 | user name

# CONNACK (section 3.2)
server | 20 02 01 00                      | ok                                 | section 3.2.2 | session present
server | 20 02 00 05                      | ok                                 | section 3.2.2.3 | not authorized
server | 20 02 02 00                      | ConnackFlags 2                     | section 3.2.2.1 | bit 1
server | 20 02 01 05                      | SessionPresentWithRefusal 2        | MQTT-3.2.2-4 | session present, refused
server | 20 02 00 06                      | ReasonCodeInvalid 3                | section 3.2.2.3 | return code 6
server | 20 02 00 87                      | ReasonCodeInvalid 3                | section 3.2.2.3 | 0x87 of 5.0
server | 20 03 00 00 00                   | TrailingBytes 4                    | MQTT-4.8.0-1 | one byte more

# PUBLISH (section 3.3)
any    | 38 03 0001'a'                    | DupWithQos0 0                      | MQTT-3.3.1-2 | DUP with QoS 0
any    | 3A 05 0001'a' 0001               | ok                                 | MQTT-3.3.1-2 | DUP with QoS 1
any    | 36 05 0001'a' 0001               | QosInvalid 0                       | MQTT-3.3.1-4 | QoS 3
any    | 30 03 0002'a'                    | Truncated 2                        | MQTT-4.8.0-1 MQTT-3.3.2-1 | half a topic
any    | 32 03 0001'a'                    | Truncated 5                        | MQTT-4.8.0-1 MQTT-2.3.1-1 | no packet identifier
any    | 30 05 0003'a/+'                  | TopicNameWildcard 2                | MQTT-3.3.2-2 MQTT-4.7.1-1 | +
any    | 30 05 0003'a/#'                  | TopicNameWildcard 2                | MQTT-3.3.2-2 MQTT-4.7.1-1 | #
any    | 30 02 0000                       | TopicNameEmpty 2                   | MQTT-4.7.3-1 | empty

# PUBACK, PUBREC, PUBREL, PUBCOMP (sections 3.4 to 3.7)
any    | 40 02 0001                       | ok                                 | section 3.4 | PUBACK
any    | 40 03 0001 00                    | TrailingBytes 4                    | MQTT-4.8.0-1 | one byte more
any    | 62 03 0001 00                    | TrailingBytes 4                    | MQTT-4.8.0-1 | one byte more
any    | 40 01 00                         | Truncated 2                        | MQTT-4.8.0-1 | half an identifier

# SUBSCRIBE and SUBACK (sections 3.8 and 3.9)
client | 82 0A 0001 0001'a' 02 0001'b' 00 | ok                                 | MQTT-3.8.3-3 | two filters
any    | 82 06 0001 0001 FF 00            | Utf8Invalid 4                      | MQTT-1.5.3-1 MQTT-3.8.3-1 | filter
any    | 82 06 0001 0001 00 00            | NullCharacter 4                    | MQTT-1.5.3-2 MQTT-4.7.3-2 | filter
any    | 82 02 0001                       | NoTopicFilters 4                   | MQTT-3.8.3-3 | no filter
any    | 82 05 0001 0001'a'               | Truncated 7                        | MQTT-4.8.0-1 MQTT-3.8.3-3 | no QoS
any    | 82 06 0001 0001'a' 03            | SubscriptionQos 7                  | MQTT-3.8.3-4 | QoS 3
any    | 82 06 0001 0001'a' 04            | SubscriptionOptionsReserved 7      | MQTT-3.8.3-4 | no local of 5.0
any    | 82 06 0001 0001'a' 80            | SubscriptionOptionsReserved 7      | MQTT-3.8.3-4 | bit 7
server | 90 06 0001 00010280              | ok                                 | MQTT-3.9.3-2 MQTT-3.8.4-5 | every code
server | 90 02 0001                       | NoReasonCodes 4                    | MQTT-3.8.4-5 | no code
server | 90 03 0001 03                    | ReasonCodeInvalid 4                | MQTT-3.9.3-2 | QoS 3
server | 90 03 0001 87                    | ReasonCodeInvalid 4                | MQTT-3.9.3-2 | 0x87 of 5.0

# Topic filters (section 4.7)
any    | 82 05 0001 0000 00               | TopicFilterEmpty 4                 | MQTT-4.7.3-1 | empty
any    | 82 08 0001 0003'a/#' 00          | ok                                 | MQTT-4.7.1-2 | # behind a slash
any    | 82 07 0001 0002'a#' 00           | TopicFilterWildcard 4              | section 4.7.1 MQTT-4.7.1-2 | # inside a level
any    | 82 0A 0001 0005'a/#/b' 00        | TopicFilterWildcard 4              | section 4.7.1 MQTT-4.7.1-2 | # not last
any    | 82 08 0001 0003'+/+' 00          | ok                                 | MQTT-4.7.1-3 | + and +
any    | 82 07 0001 0002'a+' 00           | TopicFilterWildcard 4              | section 4.7.1 MQTT-4.7.1-3 | + behind a letter
any    | 82 09 0001 0004'+a/b' 00         | TopicFilterWildcard 4              | section 4.7.1 MQTT-4.7.1-3 | + before a letter
any    | 82 0C 0001 0007'$share/' 00      | ok                                 | section 4.7 | an ordinary filter
any    | 82 0E 0001 0009'$share//t' 00    | ok                                 | section 4.7 | an ordinary filter
any    | 82 10 0001 000B'$share/g+/t' 00  | TopicFilterWildcard 4              | section 4.7.1 MQTT-4.7.1-3 | an ordinary filter

# UNSUBSCRIBE and UNSUBACK (sections 3.10 and 3.11)
client | A2 08 0001 0001'a' 0001'b'       | ok                                 | MQTT-3.10.3-1 MQTT-3.10.3-2 | two filters
any    | A2 05 0001 0001 FF               | Utf8Invalid 4                      | MQTT-1.5.3-1 MQTT-3.10.3-1 | filter
any    | A2 02 0001                       | NoTopicFilters 4                   | MQTT-3.10.3-2 | no filter
any    | A2 04 0001 0000                  | TopicFilterEmpty 4                 | MQTT-4.7.3-1 | empty
server | B0 02 0001                       | ok                                 | section 3.11 | no payload
server | B0 03 0001 00                    | TrailingBytes 4                    | MQTT-4.8.0-1 | a code of 5.0

# PINGREQ, PINGRESP, DISCONNECT (sections 3.12 to 3.14)
client | C0 00                            | ok                                 | section 3.12 | ping
server | D0 00                            | ok                                 | section 3.13 | and its answer
client | E0 00                            | ok                                 | section 3.14 | disconnect
any    | C0 01 00                         | TrailingBytes 2                    | MQTT-4.8.0-1 | one byte more
any    | E0 01 00                         | TrailingBytes 2                    | MQTT-4.8.0-1 | a code of 5.0
";

/// The numbered statements on bytes and on the form of topics: each has a line. Those on matching, on comparing and on
/// what a receiver does next cannot be shown here, nor that fields end at 65,535 bytes.
const STATEMENTS_V5: &str = "
    1.5.4-1 1.5.4-2 1.5.4-3 1.5.5-1 1.5.7-1 2.1.3-1 2.2.1-2 2.2.2-1 3.1.2-1 3.1.2-3 3.1.2-9 3.1.2-11 3.1.2-12 3.1.2-13
    3.1.2-16 3.1.2-17 3.1.2-18 3.1.2-19 3.1.3-1 3.1.3-3 3.1.3-4 3.1.3-11 3.1.3-12 3.1.4-1 3.2.2-1 3.2.2-6 3.2.2-8
    3.3.1-2 3.3.1-4 3.3.2-1 3.3.2-2 3.3.2-8 3.3.2-13 3.3.2-14 3.3.2-19 3.3.4-6 3.4.2-1 3.5.2-1 3.6.1-1 3.6.2-1 3.7.2-1
    3.8.1-1 3.8.3-1 3.8.3-2 3.8.3-4 3.8.3-5 3.8.4-6 3.9.3-2 3.10.1-1 3.10.3-1 3.10.3-2 3.11.3-2 3.14.1-1 3.14.2-1
    3.14.2-2 3.15.1-1 3.15.2-1 4.7.0-1 4.7.1-1 4.7.1-2 4.7.3-1 4.7.3-2 4.8.2-1 4.8.2-2";
const STATEMENTS_V311: &str = "
    1.5.3-1 1.5.3-2 1.5.3-3 2.2.2-1 2.2.2-2 2.3.1-1 2.3.1-5 3.1.2-1 3.1.2-3 3.1.2-9 3.1.2-11 3.1.2-13 3.1.2-14 3.1.2-15
    3.1.2-18 3.1.2-19 3.1.2-20 3.1.2-21 3.1.2-22 3.1.3-1 3.1.3-3 3.1.3-4 3.1.3-10 3.1.3-11 3.1.4-1 3.2.2-4 3.3.1-2
    3.3.1-4 3.3.2-1 3.3.2-2 3.6.1-1 3.8.1-1 3.8.3-1 3.8.3-3 3.8.3-4 3.9.3-2 3.10.1-1 3.10.3-1 3.10.3-2 3.14.1-1 4.7.1-1
    4.7.1-2 4.7.1-3 4.7.3-1 4.7.3-2";

#[test]
fn each_line() {
    let mut faults = Vec::new();
    for (version, table) in [(Version::V5, V5), (Version::V311, V311)] {
        let mut seen = BTreeSet::new();
        for line in lines(table) {
            if let Err(found) = check(version, line) {
                faults.push(format!("{version} {line}\n    found: {found}"));
            }
            let packet = (field(line, 0), bytes(field(line, 1)));
            assert!(seen.insert(packet), "twice: {version} {line}");
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn each_statement() {
    for (version, table, statements) in [
        (Version::V5, V5, STATEMENTS_V5),
        (Version::V311, V311, STATEMENTS_V311),
    ] {
        let shown: BTreeSet<&str> = lines(table)
            .flat_map(|line| field(line, 3).split(' '))
            .filter_map(|statement| statement.strip_prefix("MQTT-"))
            .collect();
        for statement in statements.split_whitespace() {
            assert!(shown.contains(statement), "{version}: MQTT-{statement}");
        }
    }
}

/// What a packet's fields can say and its bytes must not.
#[test]
#[rustfmt::skip] // a table, one line each
fn what_is_not_written() {
    let id = PacketId::new(1).expect("not 0");
    let long = "a".repeat(65_536);
    let publish = Publish::new("a", b"");
    let qos1 = Publish { qos: QoS::AtLeastOnce, packet_id: Some(id), ..publish };
    let ack = Ack::new(id);
    let connect = |version| Connect::new(version, "");
    let options = SubscriptionOptions::new(QoS::AtMostOnce);
    let no_local = SubscriptionOptions { no_local: true, ..options };
    let never = SubscriptionOptions { retain_handling: RetainHandling::DoNotSend, ..options };
    let both = [Version::V311, Version::V5];
    let (v311, v5) = (&both[..1], &both[1..]);

    let refused = |versions: &[Version], packet: Packet<'_>, error: EncodeError| {
        for &version in versions {
            let mut out = b"before".to_vec();
            assert_eq!(packet.encode(version, &mut out), Err(error), "{version} {packet:.80}");
            assert_eq!(out, b"before");
        }
    };
    for (versions, packet, violation) in [
        (&both[..], Publish { dup: true, ..publish }.into(), Violation::DupWithQos0),
        (&both, Publish { topic: "a/+", ..publish }.into(), Violation::TopicNameWildcard),
        (&both, Publish { topic: "#", ..publish }.into(), Violation::TopicNameWildcard),
        (&both, Publish { topic: "", ..publish }.into(), Violation::TopicNameEmpty),
        (&both, Publish { topic: "\0", ..publish }.into(), Violation::NullCharacter),
        (v5, Publish { topic_alias: Some(0), ..publish }.into(), Violation::TopicAliasZero),
        (v5, Publish { topic: "", message_expiry_interval: Some(1), ..publish }.into(), Violation::TopicNameEmpty),
        (
            v5,
            Publish { subscription_identifiers: (&[1, 0]).into(), ..publish }.into(),
            Violation::SubscriptionIdentifierZero,
        ),
        (
            v5,
            Publish { subscription_identifiers: (&[268_435_456]).into(), ..publish }.into(),
            Violation::VariableByteIntegerTooLong,
        ),
        (&both, Subscribe::new(id, &[]).into(), Violation::NoTopicFilters),
        (&both, Subscribe::new(id, &[Subscription::new("", QoS::AtMostOnce)]).into(), Violation::TopicFilterEmpty),
        (&both, Subscribe::new(id, &[Subscription::new("a#", QoS::AtMostOnce)]).into(), Violation::TopicFilterWildcard),
        (&both, Subscribe::new(id, &[Subscription::new("\0", QoS::AtMostOnce)]).into(), Violation::NullCharacter),
        (v5, Subscribe::new(id, &[Subscription::new("$share/g", QoS::AtMostOnce)]).into(), Violation::ShareNameInvalid),
        (
            v5,
            Subscribe::new(id, &[Subscription { filter: "$share/g/t", options: no_local }]).into(),
            Violation::NoLocalShared,
        ),
        (&both, Unsubscribe::new(id, &[]).into(), Violation::NoTopicFilters),
        (&both, Unsubscribe::new(id, &["a", "a+"]).into(), Violation::TopicFilterWildcard),
        (v5, Unsubscribe::new(id, &["$share//t"]).into(), Violation::ShareNameInvalid),
        (&both, Suback::new(id, ReasonCodes::EMPTY).into(), Violation::NoReasonCodes),
        (&both, Suback::new(id, &[ReasonCode::NoSubscriptionExisted]).into(), Violation::ReasonCodeInvalid),
        (v5, Unsuback::new(id, ReasonCodes::EMPTY).into(), Violation::NoReasonCodes),
        (v5, Unsuback::new(id, &[ReasonCode::GrantedQos1]).into(), Violation::ReasonCodeInvalid),
        (v5, Packet::Puback(Ack { reason: ReasonCode::PacketIdentifierNotFound, ..ack }), Violation::ReasonCodeInvalid),
        (v5, Packet::Pubrec(Ack { reason: ReasonCode::PacketIdentifierNotFound, ..ack }), Violation::ReasonCodeInvalid),
        (v5, Packet::Pubrel(Ack { reason: ReasonCode::PacketIdentifierInUse, ..ack }), Violation::ReasonCodeInvalid),
        (v5, Packet::Pubcomp(Ack { reason: ReasonCode::UnspecifiedError, ..ack }), Violation::ReasonCodeInvalid),
        (v5, Disconnect::new(ReasonCode::GrantedQos1).into(), Violation::ReasonCodeInvalid),
        (
            v5,
            Auth::new(ReasonCode::UnspecifiedError, &[Property::AuthenticationMethod("m")]).into(),
            Violation::ReasonCodeInvalid,
        ),
        (v5, Auth::new(ReasonCode::Success, Properties::EMPTY).into(), Violation::AuthenticationMethodMissing),
        (&both, Connack::new(ReasonCode::ServerShuttingDown).into(), Violation::ReasonCodeInvalid),
        (
            &both,
            Connack { session_present: true, ..Connack::new(ReasonCode::NotAuthorized) }.into(),
            Violation::SessionPresentWithRefusal,
        ),
        (v311, Connect { password: Some(b""), ..connect(Version::V311) }.into(), Violation::PasswordWithoutUserName),
        (v5, Connect { client_id: "\0", ..connect(Version::V5) }.into(), Violation::NullCharacter),
        (v5, Connect { user_name: Some("\0"), ..connect(Version::V5) }.into(), Violation::NullCharacter),
        (v5, Connect { will: Some(Will::new("", b"")), ..connect(Version::V5) }.into(), Violation::TopicNameEmpty),
        (v5, Connect { will: Some(Will::new("+", b"")), ..connect(Version::V5) }.into(), Violation::TopicNameWildcard),
    ] {
        refused(versions, packet, violation.into());
    }
    for (versions, packet, error) in [
        (&both[..], Publish { packet_id: Some(id), ..publish }.into(), EncodeError::PacketIdMismatch),
        (&both, Publish { packet_id: None, ..qos1 }.into(), EncodeError::PacketIdMismatch),
        (&both, Publish { topic: &long, ..publish }.into(), EncodeError::StringTooLong),
        (&both, Unsubscribe::new(id, &[&long[..]]).into(), EncodeError::StringTooLong),
        (v311, Connect { client_id: &long, ..connect(Version::V311) }.into(), EncodeError::StringTooLong),
        (
            v5,
            Connect { will: Some(Will::new("w", long.as_bytes())), ..connect(Version::V5) }.into(),
            EncodeError::StringTooLong,
        ),
        (v5, Connect { password: Some(long.as_bytes()), ..connect(Version::V5) }.into(), EncodeError::StringTooLong),
        (v311, Publish { topic_alias: Some(1), ..publish }.into(), EncodeError::NeedsV5),
        (v311, Publish { message_expiry_interval: Some(1), ..publish }.into(), EncodeError::NeedsV5),
        (v311, Publish { subscription_identifiers: (&[1]).into(), ..publish }.into(), EncodeError::NeedsV5),
        (v311, Subscribe::new(id, &[Subscription { filter: "a", options: never }]).into(), EncodeError::NeedsV5),
        (v311, Suback::new(id, &[ReasonCode::NotAuthorized]).into(), EncodeError::NeedsV5),
        (v311, Unsuback::new(id, &[ReasonCode::Success]).into(), EncodeError::NeedsV5),
        (v311, Packet::Puback(Ack { reason: ReasonCode::NotAuthorized, ..ack }), EncodeError::NeedsV5),
        (v311, Disconnect::new(ReasonCode::DisconnectWithWillMessage).into(), EncodeError::NeedsV5),
        (v311, Connack::new(ReasonCode::Banned).into(), EncodeError::NeedsV5),
        (v311, Auth::new(ReasonCode::Success, &[Property::AuthenticationMethod("m")]).into(), EncodeError::NeedsV5),
    ] {
        refused(versions, packet, error);
    }
    // More bytes than a packet can have, out of few in memory.
    let many = vec![Property::UserProperty(&long[1..], &long[1..]); 2049];
    let large = Ack { properties: many[..].into(), ..ack };
    refused(v5, Packet::Puback(large), EncodeError::PacketTooLarge);
}

/// A property by itself, in the packet that may have it.
#[test]
#[rustfmt::skip] // a table, one line each
fn what_is_not_written_as_a_property() {
    let long = "a".repeat(65_536);
    for (list, error) in [
        (&[Property::MaximumQos(QoS::ExactlyOnce)][..], Violation::PropertyValue.into()),
        (&[Property::ReceiveMaximum(0)], Violation::ReceiveMaximumZero.into()),
        (&[Property::MaximumPacketSize(0)], Violation::MaximumPacketSizeZero.into()),
        (&[Property::ReasonString("\0")], Violation::NullCharacter.into()),
        (&[Property::UserProperty("\0", "")], Violation::NullCharacter.into()),
        (&[Property::UserProperty("", "\0")], Violation::NullCharacter.into()),
        (&[Property::UserProperty("", &long)], EncodeError::StringTooLong),
        (&[Property::ServerReference(&long)], EncodeError::StringTooLong),
        (&[Property::AuthenticationData(b"")], Violation::AuthenticationDataWithoutMethod.into()),
        (&[Property::ServerKeepAlive(0), Property::ServerKeepAlive(0)], Violation::PropertyDuplicate.into()),
        (&[Property::TopicAlias(1)], Violation::PropertyNotAllowed.into()),
    ] {
        let connack = Connack { properties: list.into(), ..Connack::new(ReasonCode::Success) };
        assert_eq!(connack.encode(Version::V5, &mut Vec::new()), Err(error));
    }
    // In a PUBLISH the properties of the hop have fields of their own, and are refused among the others.
    for (property, violation) in [
        (Property::ResponseTopic("a/#"), Violation::ResponseTopicWildcard),
        (Property::TopicAlias(1), Violation::PropertyNotAllowed),
        (Property::MessageExpiryInterval(1), Violation::PropertyNotAllowed),
        (Property::SubscriptionIdentifier(1), Violation::PropertyNotAllowed),
    ] {
        let list = [property];
        let publish = Publish { properties: (&list).into(), ..Publish::new("a", b"") };
        assert_eq!(publish.encode(Version::V5, &mut Vec::new()), Err(violation.into()));
    }
}

/// The properties of each packet of the table, moved to each other one, and each packet in the other version: what is
/// written is read again as the same.
#[test]
fn what_was_read_is_written_elsewhere() {
    let packets: Vec<Vec<u8>> = lines(V5)
        .filter(|line| field(line, 2).starts_with("ok"))
        .map(|line| bytes(field(line, 1)))
        .collect();
    let (mut moved, mut written) = (0, 0);
    for from in packets.iter().map(|bytes| read(bytes)) {
        for to in packets.iter().map(|bytes| read(bytes)) {
            for properties in properties_of(from) {
                let mut packet = with_properties(to, properties);
                for version in [Version::V311, Version::V5] {
                    if let Packet::Connect(connect) = &mut packet {
                        connect.version = version;
                    }
                    let mut out = Vec::new();
                    moved += 1;
                    if packet.encode(version, &mut out).is_ok() {
                        let again = Packet::decode(version, &DecodeOptions::new(), &mut &out[..]);
                        assert_eq!(again, Ok(Some(packet)), "{version}");
                        written += 1;
                    }
                }
            }
        }
    }
    assert!(
        written > 1000 && moved - written > 1000,
        "{written} of {moved}"
    );
}

fn read(bytes: &[u8]) -> Packet<'_> {
    let packet = Packet::decode(Version::V5, &DecodeOptions::new(), &mut &*bytes);
    packet.expect("valid").expect("complete")
}

fn properties_of(packet: Packet<'_>) -> Vec<Properties<'_>> {
    match packet {
        Packet::Connect(connect) => {
            let will = connect.will.map(|will| will.properties);
            [connect.properties].into_iter().chain(will).collect()
        }
        Packet::Connack(packet) => vec![packet.properties],
        Packet::Publish(packet) => vec![packet.properties],
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            vec![ack.properties]
        }
        Packet::Subscribe(packet) => vec![packet.properties],
        Packet::Suback(packet) => vec![packet.properties],
        Packet::Unsubscribe(packet) => vec![packet.properties],
        Packet::Unsuback(packet) => vec![packet.properties],
        Packet::Disconnect(packet) => vec![packet.properties],
        Packet::Auth(packet) => vec![packet.properties],
        Packet::Pingreq | Packet::Pingresp => vec![],
    }
}

/// The packet with these properties; a CONNECT with a will has them in the will.
fn with_properties<'a>(mut packet: Packet<'a>, properties: Properties<'a>) -> Packet<'a> {
    match &mut packet {
        Packet::Connect(Connect {
            will: Some(will), ..
        }) => will.properties = properties,
        Packet::Connect(packet) => packet.properties = properties,
        Packet::Connack(packet) => packet.properties = properties,
        Packet::Publish(packet) => packet.properties = properties,
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            ack.properties = properties;
        }
        Packet::Subscribe(packet) => packet.properties = properties,
        Packet::Suback(packet) => packet.properties = properties,
        Packet::Unsubscribe(packet) => packet.properties = properties,
        Packet::Unsuback(packet) => packet.properties = properties,
        Packet::Disconnect(packet) => packet.properties = properties,
        Packet::Auth(packet) => packet.properties = properties,
        Packet::Pingreq | Packet::Pingresp => {}
    }
    packet
}

fn lines(table: &str) -> impl Iterator<Item = &str> {
    table
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn field(line: &str, index: usize) -> &str {
    line.split(" | ").nth(index).expect("five fields").trim()
}

/// Compares a line with what the codec says; the error is what it says instead.
fn check(version: Version, line: &str) -> Result<(), String> {
    let sender = match field(line, 0) {
        "any" => None,
        "client" => Some(Role::Client),
        "server" => Some(Role::Server),
        other => panic!("sender {other}"),
    };
    let bytes = bytes(field(line, 1));
    let (verdict, statements) = (field(line, 2), field(line, 3));
    let options = DecodeOptions::new().with_sender(sender);
    let mut input = &bytes[..];
    let (found, statement) = match Packet::decode(version, &options, &mut input) {
        Ok(Some(packet)) if input.is_empty() => {
            (written(version, &packet, &bytes), statements.into())
        }
        Ok(packet) => (format!("{packet:?}, {} bytes left", input.len()), "".into()),
        Err(error) => {
            let mut found = format!("{:?} {}", error.violation(), error.offset());
            if version == Version::V5 {
                found += &format!(" {:02X}", error.violation().reason_code().as_u8());
            }
            (found, error.statement().to_owned())
        }
    };
    let cited = statements
        .strip_prefix(&statement)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    if found == verdict && cited {
        Ok(())
    } else {
        Err(format!("{found} | {statement}"))
    }
}

/// How a packet is written that was read from `bytes`.
fn written(version: Version, packet: &Packet<'_>, bytes: &[u8]) -> String {
    let mut out = Vec::new();
    if packet.encode(version, &mut out).is_err() {
        return "ok, unsent".into();
    }
    assert_eq!(out.len(), packet.encoded_len(version));
    let again = Packet::decode(version, &DecodeOptions::new(), &mut &out[..]);
    assert_eq!(again, Ok(Some(*packet)));
    if out == bytes { "ok" } else { "ok, rewritten" }.into()
}

/// The bytes that a line spells.
fn bytes(spelt: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, part) in spelt.split('\'').enumerate() {
        if index % 2 == 1 {
            out.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<char> = part.chars().filter(|digit| *digit != ' ').collect();
        for pair in digits.chunks(2) {
            let pair: String = pair.iter().collect();
            assert_eq!(pair.len(), 2, "half a byte in {spelt}");
            out.push(u8::from_str_radix(&pair, 16).expect("hexadecimal"));
        }
    }
    out
}
