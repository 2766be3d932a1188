//! What the broker can be made to do wrong.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use Fault::{
    AliasKept, AliasUnasked, AsPublishedIgnored, AssignedIdMissing, CleanStartIgnored, ConnackCode,
    CorrelationDropped, DollarMatched, DupAlways, DupNever, ExpiryIgnored, ExpiryNotCounted,
    IdentifierMissing, KeepAliveOff, MalformedTaken, NoLocalIgnored, NotResent, OnlyFirstFilter,
    OrderSwapped, PacketIdTwice, PacketSizeIgnored, PingrespLost, PlusIgnored, PubackCode,
    PubackId, PubackLost, PubcompLost, PubrecLost, PubrelLost, Qos2Twice, QosNotLowered,
    ReceiveMaximumIgnored, RetainHandlingIgnored, RetainLive, RetainMissing, RetainNotCleared,
    RetainNotStored, SecondConnect, ServerPacketsTaken, SessionExpiryIgnored, SessionForgotten,
    SessionPresentLost, SessionPresentMadeUp, SharedToAll, TakeOverIgnored, TopicCaseIgnored,
    UnsubscribeIgnored, UserPropertiesDropped, UserPropertiesMoved, WillAfterDisconnect,
    WillDelayIgnored, WillLost, WillRetainIgnored,
};

#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum Fault {
    ConnackCode,
    SessionPresentLost,
    SessionPresentMadeUp,
    AssignedIdMissing,
    CleanStartIgnored,
    SessionForgotten,
    SessionExpiryIgnored,
    TakeOverIgnored,
    SecondConnect,
    ServerPacketsTaken,
    MalformedTaken,
    KeepAliveOff,
    PingrespLost,
    PubackLost,
    PubackId,
    PubackCode,
    PubrecLost,
    PubrelLost,
    PubcompLost,
    Qos2Twice,
    QosNotLowered,
    PacketIdTwice,
    DupNever,
    DupAlways,
    NotResent,
    OrderSwapped,
    ReceiveMaximumIgnored,
    PacketSizeIgnored,
    AliasKept,
    AliasUnasked,
    WillAfterDisconnect,
    WillLost,
    WillRetainIgnored,
    WillDelayIgnored,
    RetainLive,
    RetainMissing,
    RetainNotStored,
    RetainNotCleared,
    RetainHandlingIgnored,
    AsPublishedIgnored,
    NoLocalIgnored,
    DollarMatched,
    PlusIgnored,
    TopicCaseIgnored,
    OnlyFirstFilter,
    UnsubscribeIgnored,
    SharedToAll,
    IdentifierMissing,
    ExpiryIgnored,
    ExpiryNotCounted,
    UserPropertiesDropped,
    UserPropertiesMoved,
    CorrelationDropped,
}

/// A fault, its name and what it is; the statements of 3.1.1 and of 5.0 that it breaks, empty where it breaks none; and
/// a trace of `spec-vectors/` that shows it.
type Row = (
    Fault,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

#[rustfmt::skip] // A table.
const ROWS: &[Row] = &[
    (ConnackCode, "connack-code", "A refused client identifier has the code of a wrong user name",
        "MQTT-3.1.3-8", "", "connect/client-id-empty-and-not-clean"),
    (SessionPresentLost, "session-present-lost", "Session Present is 0 where a session goes on",
        "MQTT-3.2.2-2", "MQTT-3.2.2-3", "session/made-and-continued"),
    (SessionPresentMadeUp, "session-present-made-up", "Session Present is 1 after a clean start of a known client",
        "MQTT-3.2.2-1", "MQTT-3.2.2-2", "session/clean-start-drops"),
    (AssignedIdMissing, "assigned-id-missing", "A client without an identifier is not told the one it got",
        "", "MQTT-3.2.2-16", "connect/client-id-empty"),
    (CleanStartIgnored, "clean-start-ignored", "A clean start goes on with the old session",
        "MQTT-3.1.2-6", "MQTT-3.1.2-4", "session/clean-start-drops"),
    (SessionForgotten, "session-forgotten", "Each connection begins with a new session",
        "MQTT-3.1.2-4", "MQTT-3.1.2-5", "session/made-and-continued"),
    (SessionExpiryIgnored, "session-expiry-ignored", "A session outlives its expiry",
        "", "MQTT-4.1.0-2", "session/expires"),
    (TakeOverIgnored, "take-over-ignored", "A second connection of a client leaves the first one open",
        "MQTT-3.1.4-2", "MQTT-3.1.4-3", "connect/take-over"),
    (SecondConnect, "second-connect", "A second CONNECT is passed over",
        "MQTT-3.1.0-2", "MQTT-3.1.0-2", "connect/second-connect"),
    (ServerPacketsTaken, "server-packets-taken", "Packets that only servers send are passed over",
        "MQTT-4.8.0-1", "MQTT-4.13.1-1", "connect/packet-of-the-other-side"),
    (MalformedTaken, "malformed-taken", "Malformed packets are passed over",
        "MQTT-4.8.0-1", "MQTT-4.13.1-1", "routing/error-of-one"),
    (KeepAliveOff, "keep-alive-off", "A silent client is never closed",
        "MQTT-3.1.2-24", "MQTT-3.1.2-22", "keep-alive/silent-client"),
    (PingrespLost, "pingresp-lost", "PINGREQ has no answer",
        "MQTT-3.12.4-1", "MQTT-3.12.4-1", "keep-alive/client-that-pings"),
    (PubackLost, "puback-lost", "PUBACK is not sent",
        "MQTT-4.3.2-2", "MQTT-4.3.2-4", "qos/server-takes-qos1"),
    (PubackId, "puback-id", "PUBACK has the next packet identifier",
        "MQTT-2.3.1-6", "MQTT-2.2.1-5", "qos/server-takes-qos1"),
    (PubackCode, "puback-code", "PUBACK says that nobody has subscribed",
        "", "U5-74", "routing/nobody-subscribed"),
    (PubrecLost, "pubrec-lost", "PUBREC is not sent",
        "MQTT-4.3.3-2", "MQTT-4.3.3-8", "qos/server-takes-qos2"),
    (PubrelLost, "pubrel-lost", "PUBREL is not sent",
        "MQTT-4.3.3-1", "MQTT-4.3.3-4", "qos/server-gives-qos2"),
    (PubcompLost, "pubcomp-lost", "PUBCOMP is not sent",
        "MQTT-4.3.3-2", "MQTT-4.3.3-11", "qos/server-takes-qos2"),
    (Qos2Twice, "qos2-twice", "A QoS 2 message that is repeated before PUBREL is delivered again",
        "MQTT-4.3.3-2", "MQTT-4.3.3-10", "qos/server-takes-qos2"),
    (QosNotLowered, "qos-not-lowered", "Messages come at the QoS at which they were published",
        "MQTT-3.8.4-6", "MQTT-3.8.4-8", "subscribe/granted-qos0"),
    (PacketIdTwice, "packet-id-twice", "All messages have the packet identifier 1",
        "MQTT-2.3.1-4", "MQTT-2.2.1-4", "qos/server-gives-qos1"),
    (DupNever, "dup-never", "What is sent again has DUP 0",
        "MQTT-3.3.1-1", "MQTT-3.3.1-1", "resume/qos1-sent-again"),
    (DupAlways, "dup-always", "What is sent for the first time has DUP 1",
        "MQTT-3.3.1-3", "MQTT-3.3.1-3", "routing/dup-is-not-passed-on"),
    (NotResent, "not-resent", "What was not acknowledged is not sent again",
        "MQTT-4.4.0-1", "MQTT-4.4.0-1", "resume/qos1-sent-again"),
    (OrderSwapped, "order-swapped", "Each second message goes before the first",
        "MQTT-4.6.0-5", "MQTT-4.6.0-5", "qos/server-order"),
    (ReceiveMaximumIgnored, "receive-maximum-ignored", "More messages than the client's Receive Maximum are open",
        "", "MQTT-3.3.4-9", "flow-control/server-waits"),
    (PacketSizeIgnored, "packet-size-ignored", "Packets are larger than the client's Maximum Packet Size",
        "", "MQTT-3.1.2-24", "properties/packet-too-large"),
    (AliasKept, "alias-kept", "A client's topic aliases hold on its next connection",
        "", "MQTT-3.3.2-7", "session/quota-and-aliases-are-not-state"),
    (AliasUnasked, "alias-unasked", "Topic aliases are used whatever the client's maximum is",
        "", "MQTT-3.1.2-27", "aliases/server-uses-none"),
    (WillAfterDisconnect, "will-after-disconnect", "The will is published after a normal DISCONNECT",
        "MQTT-3.14.4-3", "MQTT-3.14.4-3", "routing-wills/disconnected"),
    (WillLost, "will-lost", "The will is never published",
        "MQTT-3.1.2-8", "MQTT-3.1.2-8", "routing-wills/transport-lost"),
    (WillRetainIgnored, "will-retain-ignored", "The will is never retained",
        "MQTT-3.1.2-17", "MQTT-3.1.2-15", "routing-wills/retained"),
    (WillDelayIgnored, "will-delay-ignored", "The will does not wait for its delay",
        "", "U5-37", "routing-wills/after-the-delay"),
    (RetainLive, "retain-live", "RETAIN is 1 in each message",
        "MQTT-3.3.1-9", "MQTT-3.3.1-12", "retained/live"),
    (RetainMissing, "retain-missing", "RETAIN is 0 in each message",
        "MQTT-3.3.1-8", "U5-71", "retained/kept"),
    (RetainNotStored, "retain-not-stored", "Retained messages are not kept",
        "MQTT-3.3.1-5", "MQTT-3.3.1-5", "retained/kept"),
    (RetainNotCleared, "retain-not-cleared", "An empty retained message clears nothing",
        "MQTT-3.3.1-10", "MQTT-3.3.1-6", "retained/cleared"),
    (RetainHandlingIgnored, "retain-handling-ignored", "Retained messages are sent whatever Retain Handling says",
        "", "MQTT-3.3.1-11", "retained/handling"),
    (AsPublishedIgnored, "as-published-ignored", "Retain As Published is taken for 0",
        "", "MQTT-3.3.1-13", "retained/as-published"),
    (NoLocalIgnored, "no-local-ignored", "No Local is taken for 0",
        "", "MQTT-3.8.3-3", "routing-subscriptions/no-local"),
    (DollarMatched, "dollar-matched", "Wildcards match topics that begin with $",
        "MQTT-4.7.2-1", "MQTT-4.7.2-1", "routing-subscriptions/dollar-topics"),
    (PlusIgnored, "plus-ignored", "The wildcard + is a character like others",
        "MQTT-3.3.2-3", "MQTT-3.3.2-3", "routing/to-all-who-subscribed"),
    (TopicCaseIgnored, "topic-case-ignored", "Topics are the same in upper and in lower case",
        "MQTT-4.7.3-4", "MQTT-4.7.3-4", "routing-subscriptions/topics-as-they-are"),
    (OnlyFirstFilter, "only-first-filter", "Of the filters of a SUBSCRIBE only the first one counts",
        "MQTT-3.8.4-4", "MQTT-3.8.4-5", "routing-retained/by-two-filters-of-one-subscribe"),
    (UnsubscribeIgnored, "unsubscribe-ignored", "UNSUBSCRIBE is answered and ends nothing",
        "MQTT-3.10.4-2", "MQTT-3.10.4-2", "subscribe/unsubscribe"),
    (SharedToAll, "shared-to-all", "Each member of a group has each message",
        "", "U5-106", "routing-shared/one-of-two"),
    (IdentifierMissing, "identifier-missing", "Messages come without Subscription Identifiers",
        "", "MQTT-3.3.4-3", "routing-properties/identifier-of-each"),
    (ExpiryIgnored, "expiry-ignored", "Messages do not expire",
        "", "MQTT-3.3.2-5", "properties/expired"),
    (ExpiryNotCounted, "expiry-not-counted", "The Message Expiry Interval is forwarded as it was",
        "", "MQTT-3.3.2-6", "properties/expiry-counted-down"),
    (UserPropertiesDropped, "user-properties-dropped", "User Properties are not forwarded",
        "", "MQTT-3.3.2-17", "properties/forwarded"),
    (UserPropertiesMoved, "user-properties-moved", "The first User Property is forwarded behind the others",
        "", "MQTT-3.3.2-18", "properties/forwarded"),
    (CorrelationDropped, "correlation-dropped", "Correlation Data are not forwarded",
        "", "MQTT-3.3.2-16", "properties/forwarded"),
];

/// A line for each: name, statements, trace, text, with tabs between them.
pub(crate) fn list() -> String {
    let mut text = String::new();
    for (_, name, comment, v311, v5, trace) in ROWS {
        let statements = [("3.1.1", v311), ("5.0", v5)]
            .iter()
            .filter(|(_, statement)| !statement.is_empty())
            .map(|(version, statement)| format!("{version} {statement}"))
            .collect::<Vec<_>>();
        let statements = statements.join(", ");
        text += &format!("{name}\t{statements}\ttraces/{trace}\t{comment}\n");
    }
    text
}

impl ValueEnum for Fault {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: [Fault; ROWS.len()] = {
            let mut all = [ConnackCode; ROWS.len()];
            let mut index = 0;
            while index < all.len() {
                all[index] = ROWS[index].0;
                index += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let mut rows = ROWS.iter();
        let (_, name, comment, ..) = rows.find(|(fault, ..)| fault == self)?;
        Some(PossibleValue::new(*name).help(*comment))
    }
}
