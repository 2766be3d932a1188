//! Every way to be wrong: the statements that forbid it, and the reason codes 5.0 has for it.

use crate::version::{V5, V31, V311, Version};

/// What a refused vector says of its fault.
#[derive(Clone, Debug, Default)]
pub struct Fault {
    pub statements: Vec<String>,
    pub reasons: Vec<&'static str>,
    pub ambiguity: Vec<&'static str>,
    /// A reading of the standard accepts the packet.
    pub may_pass: bool,
}

#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Rule {
    TypeReserved,
    TypeDirection,
    Flags(u8),
    RemainingLengthTooLong,
    IntegerTooLong,
    IntegerOverlong,
    Truncated,
    Trailing,
    Utf8,
    Null,
    PacketIdZero(u8),
    DupQos0,
    Qos3,
    TopicEmpty,
    TopicWildcard,
    WillTopicWildcard,
    FilterEmpty,
    FilterHash,
    FilterPlus,
    ShareNameEmpty,
    ShareForm,
    ResponseTopicWildcard,
    PropertyUnknown,
    PropertyNotAllowed,
    PropertyTwice,
    PropertyBlock,
    SubscriptionIdentifierFromClient,
    SessionExpiryFromServer,
    DataWithoutMethod,
    ConnackDataWithoutMethod,
    MethodMissing,
    ProtocolName,
    ProtocolVersion,
    ConnectReserved,
    WillQos3,
    WillQosWithoutWill,
    WillRetainWithoutWill,
    PasswordWithoutUserName,
    ConnackFlags,
    SessionPresentRefused,
    Reason(u8),
    NoFilters(u8),
    NoCodes(u8),
    OptionsReserved,
    SubscriptionQos3,
    RetainHandling3,
    NoLocalShared,
}

const MALFORMED: &[&str] = &["0x81", "0x82"];
const PROTOCOL: &[&str] = &["0x82", "0x81"];
const FILTER: &[&str] = &["0x8f", "0x81", "0x82"];
const VERSION: &[&str] = &["0x84", "0x82", "0x81"];

impl Rule {
    /// Statements, strict first and separated by spaces, of 5.0, 3.1.1 and 3.1; the reason codes of 5.0; ambiguities.
    fn row(
        self,
    ) -> (
        &'static str,
        &'static str,
        &'static str,
        &'static [&'static str],
        &'static str,
    ) {
        match self {
            Self::TypeReserved => ("U5-05", "U3-03", "U31-01", MALFORMED, ""),
            Self::TypeDirection => ("U5-17", "U3-32", "U31-43", PROTOCOL, ""),
            Self::Flags(number) => flags(number),
            Self::RemainingLengthTooLong => ("U5-04", "U3-04", "U31-08", MALFORMED, ""),
            Self::IntegerTooLong => ("U5-04", "", "", MALFORMED, ""),
            Self::IntegerOverlong => ("MQTT-1.5.5-1", "", "", MALFORMED, "A-01"),
            Self::Truncated => ("U5-16", "MQTT-4.8.0-1", "U31-08", MALFORMED, ""),
            Self::Trailing => ("U5-16", "MQTT-4.8.0-1", "U31-08", MALFORMED, "A-13"),
            Self::Utf8 => ("MQTT-1.5.4-1", "MQTT-1.5.3-1", "U31-12", MALFORMED, ""),
            Self::Null => ("MQTT-1.5.4-2", "MQTT-1.5.3-2", "U31-13", MALFORMED, ""),
            Self::PacketIdZero(number) => packet_id_zero(number),
            Self::DupQos0 => ("MQTT-3.3.1-2", "MQTT-3.3.1-2", "", MALFORMED, "A-06"),
            Self::Qos3 => ("MQTT-3.3.1-4", "MQTT-3.3.1-4", "U31-04", MALFORMED, ""),
            Self::TopicEmpty => (
                "MQTT-4.7.3-1 U5-60",
                "MQTT-4.7.3-1",
                "U31-32",
                PROTOCOL,
                "A-14",
            ),
            Self::TopicWildcard => (
                "MQTT-3.3.2-2 MQTT-4.7.0-1",
                "MQTT-3.3.2-2 MQTT-4.7.1-1",
                "U31-32",
                &["0x81", "0x90", "0x82"],
                "A-10",
            ),
            Self::WillTopicWildcard => (
                "MQTT-4.7.0-1",
                "MQTT-4.7.1-1",
                "U31-18 U31-32",
                &["0x81", "0x90", "0x82"],
                "A-10",
            ),
            Self::FilterEmpty => ("MQTT-4.7.3-1", "MQTT-4.7.3-1", "U31-38", FILTER, "A-09"),
            Self::FilterHash => ("MQTT-4.7.1-1", "MQTT-4.7.1-2", "U31-38", FILTER, "A-09"),
            Self::FilterPlus => ("MQTT-4.7.1-2", "MQTT-4.7.1-3", "U31-38", FILTER, "A-09"),
            Self::ShareNameEmpty => ("MQTT-4.8.2-1", "", "", FILTER, "A-09 A-52"),
            Self::ShareForm => ("MQTT-4.8.2-2", "", "", FILTER, "A-09 A-52"),
            Self::ResponseTopicWildcard => (
                "MQTT-3.3.2-14 MQTT-4.7.0-1",
                "",
                "",
                &["0x82", "0x90", "0x81"],
                "A-10",
            ),
            Self::PropertyUnknown | Self::PropertyNotAllowed => ("U5-10", "", "", MALFORMED, ""),
            Self::PropertyTwice => ("U5-13", "", "", PROTOCOL, ""),
            Self::PropertyBlock => ("U5-09", "", "", MALFORMED, ""),
            Self::SubscriptionIdentifierFromClient => ("MQTT-3.3.4-6", "", "", PROTOCOL, ""),
            Self::SessionExpiryFromServer => ("MQTT-3.14.2-2", "", "", PROTOCOL, ""),
            Self::DataWithoutMethod => ("U5-34", "", "", PROTOCOL, ""),
            Self::ConnackDataWithoutMethod => ("U5-52", "", "", PROTOCOL, ""),
            Self::MethodMissing => ("U5-94", "", "", PROTOCOL, ""),
            Self::ProtocolName => ("MQTT-3.1.2-1", "MQTT-3.1.2-1", "U31-14", VERSION, ""),
            Self::ProtocolVersion => ("MQTT-3.1.2-2", "MQTT-3.1.2-2", "U31-14", VERSION, "A-46"),
            Self::ConnectReserved => ("MQTT-3.1.2-3 U5-20", "MQTT-3.1.2-3", "", MALFORMED, ""),
            Self::WillQos3 => (
                "MQTT-3.1.2-12 U5-21",
                "MQTT-3.1.2-14",
                "U31-17",
                MALFORMED,
                "",
            ),
            Self::WillQosWithoutWill => (
                "MQTT-3.1.2-11",
                "MQTT-3.1.2-13 MQTT-3.1.2-11",
                "",
                MALFORMED,
                "",
            ),
            Self::WillRetainWithoutWill => (
                "MQTT-3.1.2-13",
                "MQTT-3.1.2-15 MQTT-3.1.2-11",
                "",
                MALFORMED,
                "",
            ),
            Self::PasswordWithoutUserName => ("", "MQTT-3.1.2-22", "U31-21", MALFORMED, ""),
            Self::ConnackFlags => ("MQTT-3.2.2-1", "U3-15", "", MALFORMED, ""),
            Self::SessionPresentRefused => ("MQTT-3.2.2-6", "MQTT-3.2.2-4", "", PROTOCOL, ""),
            Self::Reason(number) => reason(number),
            Self::NoFilters(8) => ("MQTT-3.8.3-2", "MQTT-3.8.3-3", "U31-37", PROTOCOL, ""),
            Self::NoFilters(_) => ("MQTT-3.10.3-2", "MQTT-3.10.3-2", "U31-37", PROTOCOL, ""),
            Self::NoCodes(9) => ("MQTT-3.8.4-6", "MQTT-3.8.4-5", "U31-39", PROTOCOL, ""),
            Self::NoCodes(_) => ("MQTT-3.11.3-2", "", "", PROTOCOL, ""),
            Self::OptionsReserved => ("MQTT-3.8.3-5", "MQTT-3.8.3-4", "U31-36", MALFORMED, ""),
            Self::SubscriptionQos3 => ("U5-80", "MQTT-3.8.3-4", "U31-36", PROTOCOL, "A-11"),
            Self::RetainHandling3 => ("U5-80", "", "", PROTOCOL, ""),
            Self::NoLocalShared => ("MQTT-3.8.3-4", "", "", PROTOCOL, ""),
        }
    }

    pub fn of(self, version: Version) -> Fault {
        let (v5, v311, v31, reasons, ambiguity) = self.row();
        let statements = version.pick(v31, v311, v5);
        assert!(
            !statements.is_empty(),
            "{self:?} is no rule of {}",
            version.name()
        );
        let words = |text: &'static str| text.split_whitespace();
        let read_otherwise = match self {
            Self::IntegerOverlong | Self::Trailing => true,
            Self::OptionsReserved => version == V31,
            _ => false,
        };
        let mut ambiguity: Vec<_> = words(ambiguity).collect();
        if self == Self::SubscriptionQos3 && version != V5 {
            ambiguity.clear();
        }
        Fault {
            statements: words(statements).map(str::to_owned).collect(),
            reasons: reasons.to_vec(),
            ambiguity,
            may_pass: read_otherwise,
        }
    }
}

fn flags(
    number: u8,
) -> (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
) {
    let (v5, v311, v31) = match number {
        1 => ("MQTT-2.1.3-1", "MQTT-2.2.2-1 MQTT-2.2.2-2", "U31-06"),
        6 => ("MQTT-3.6.1-1 MQTT-2.1.3-1", "MQTT-3.6.1-1 MQTT-2.2.2-1", ""),
        8 => ("MQTT-3.8.1-1 MQTT-2.1.3-1", "MQTT-3.8.1-1 MQTT-2.2.2-1", ""),
        10 => (
            "MQTT-3.10.1-1 MQTT-2.1.3-1",
            "MQTT-3.10.1-1 MQTT-2.2.2-1",
            "",
        ),
        14 => (
            "MQTT-3.14.1-1 MQTT-2.1.3-1",
            "MQTT-3.14.1-1 MQTT-2.2.2-1",
            "",
        ),
        15 => ("MQTT-3.15.1-1 MQTT-2.1.3-1", "", ""),
        _ => ("MQTT-2.1.3-1", "MQTT-2.2.2-1 MQTT-2.2.2-2", ""),
    };
    (v5, v311, v31, MALFORMED, "")
}

fn packet_id_zero(
    number: u8,
) -> (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
) {
    let (v5, v311) = match number {
        3 => ("U5-18 MQTT-2.2.1-3 MQTT-2.2.1-4", "MQTT-2.3.1-1"),
        8 | 10 => ("MQTT-2.2.1-3 U5-18", "MQTT-2.3.1-1"),
        4..=6 => ("MQTT-2.2.1-5 U5-18", "MQTT-2.3.1-6"),
        7 => ("MQTT-2.2.1-5 U5-18", "MQTT-4.3.3-2 MQTT-2.3.1-1"),
        _ => ("MQTT-2.2.1-6 U5-18", "MQTT-2.3.1-7"),
    };
    (v5, v311, "U31-09", PROTOCOL, "A-08")
}

fn reason(
    number: u8,
) -> (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
) {
    let (v5, v311, v31) = match number {
        2 => ("MQTT-3.2.2-8", "U3-17", "U31-29"),
        4 => ("MQTT-3.4.2-1", "", ""),
        5 => ("MQTT-3.5.2-1", "", ""),
        6 => ("MQTT-3.6.2-1", "", ""),
        7 => ("MQTT-3.7.2-1", "", ""),
        9 => ("MQTT-3.9.3-2", "MQTT-3.9.3-2", "U31-39"),
        11 => ("MQTT-3.11.3-2", "", ""),
        14 => ("MQTT-3.14.2-1", "", ""),
        _ => ("MQTT-3.15.2-1", "", ""),
    };
    (v5, v311, v31, PROTOCOL, "A-12")
}

impl Fault {
    /// Cites further statements: of 5.0, 3.1.1 and 3.1, each with spaces between them.
    pub fn also(mut self, version: Version, [v5, v311, v31]: [&str; 3]) -> Self {
        for word in version.pick(v31, v311, v5).split_whitespace() {
            if !self.statements.iter().any(|statement| statement == word) {
                self.statements.push(word.to_owned());
            }
        }
        self
    }

    /// Cites this one first.
    pub fn first(mut self, statement: &str) -> Self {
        self.statements.retain(|other| other != statement);
        self.statements.insert(0, statement.to_owned());
        self
    }

    pub fn reasons(mut self, reasons: &[&'static str]) -> Self {
        self.reasons = reasons.to_vec();
        self
    }

    /// A reading of the standard that accepts the packet, with the ambiguity that names it if one does.
    pub fn may_pass(mut self, ambiguity: &'static str) -> Self {
        self.may_pass = true;
        if !ambiguity.is_empty() && !self.ambiguity.contains(&ambiguity) {
            self.ambiguity.push(ambiguity);
        }
        self
    }

    pub fn disputed(mut self, ambiguity: &'static str) -> Self {
        if !self.ambiguity.contains(&ambiguity) {
            self.ambiguity.push(ambiguity);
        }
        self
    }

    pub fn is_malformed(&self) -> bool {
        self.reasons.first() == Some(&"0x81")
    }
}

/// The version of a CONNECT named by its level.
pub fn level(version: Version) -> (&'static str, u8) {
    match version {
        V31 => ("MQIsdp", 3),
        V311 => ("MQTT", 4),
        V5 => ("MQTT", 5),
    }
}
