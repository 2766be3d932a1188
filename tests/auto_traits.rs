//! What a caller of any runtime relies on, checked by the compiler: everything public can be sent to and shared with
//! other threads, and every error is one for `?` and `Box<dyn Error>`.

use std::error::Error;

use sansio_mqtt::*;

fn shareable<T: Send + Sync + Unpin>() {}
fn owned<T: Send + Sync + Unpin + 'static>() {}
fn error<T: Error + Send + Sync + 'static>() {}

#[test]
fn everything_is_send_and_sync() {
    // State, and what is kept.
    owned::<ClientConnection>();
    owned::<ServerConnection>();
    owned::<Session>();
    owned::<Message>();
    owned::<Options>();
    owned::<DecodeOptions>();
    owned::<TopicName<'static>>();
    owned::<TopicFilter<'static>>();
    owned::<Instant>();
    owned::<PayloadChunks>();
    owned::<Broker>();
    owned::<BrokerOptions>();
    owned::<SharedPick>();
    owned::<SlowConsumer>();
    owned::<Counters>();
    owned::<BrokerEvent>();
    owned::<Verdict>();
    owned::<BrokerRecord>();
    owned::<SubscriptionIndex>();
    owned::<IndexOptions>();
    owned::<MatchCursor>();
    owned::<RetainedStore<Message>>();
    owned::<RetainedOptions>();
    owned::<SearchCursor>();
    owned::<SharedGroup>();
    owned::<GroupId>();
    owned::<Deliveries>();
    owned::<Overlap>();
    owned::<Subscriber>();
    owned::<SubscriberId>();
    #[cfg(feature = "std")]
    owned::<Clock>();

    // Tokens, handles and words.
    owned::<ConnectionId>();
    owned::<QuestionToken>();
    owned::<AnswerErrorReason>();
    owned::<AckToken>();
    owned::<RequestToken>();
    owned::<PublishHandle>();
    owned::<RequestHandle>();
    owned::<PayloadWanted>();
    owned::<Dropped>();
    owned::<DropReason>();
    owned::<Change>();
    owned::<SnapshotErrorKind>();
    owned::<QueuePolicy>();
    owned::<Closed>();
    owned::<CloseCause>();
    owned::<PacketId>();
    owned::<PacketType>();
    owned::<QoS>();
    owned::<RetainHandling>();
    owned::<Role>();
    owned::<Version>();
    owned::<ReasonCode>();
    owned::<Violation>();

    // Views of input.
    shareable::<Question<'_>>();
    shareable::<Admission<'_>>();
    shareable::<Retained<'_, Message>>();
    shareable::<ClientEvent<'_>>();
    shareable::<ServerEvent<'_>>();
    shareable::<Incoming<'_>>();
    shareable::<Hit<'_>>();
    shareable::<Pick<'_>>();
    shareable::<Delivery<'_>>();
    shareable::<Subscribers<'_>>();
    shareable::<IncomingHead<'_>>();
    shareable::<Packet<'_>>();
    shareable::<Connect<'_>>();
    shareable::<Will<'_>>();
    shareable::<Connack<'_>>();
    shareable::<PacketStart<'_>>();
    shareable::<Publish<'_>>();
    shareable::<PublishHead<'_>>();
    shareable::<Ack<'_>>();
    shareable::<Subscribe<'_>>();
    shareable::<Subscription<'_>>();
    shareable::<SubscriptionOptions>();
    shareable::<Suback<'_>>();
    shareable::<Unsubscribe<'_>>();
    shareable::<Unsuback<'_>>();
    shareable::<Disconnect<'_>>();
    shareable::<Auth<'_>>();
    shareable::<Properties<'_>>();
    shareable::<Property<'_>>();
    shareable::<PropertyIter<'_>>();
    shareable::<ReasonCodes<'_>>();
    shareable::<SubscriptionIdentifiers<'_>>();
    shareable::<Subscriptions<'_>>();
    shareable::<TopicFilters<'_>>();
}

#[test]
fn every_error_is_an_error() {
    error::<AnswerError>();
    error::<MalformedRecord>();
    error::<RestoreError>();
    error::<IndexError>();
    error::<NotRetained<Message>>();
    error::<AcceptError>();
    error::<SnapshotError>();
    error::<SnapshotErrorKind>();
    error::<AcceptErrorReason>();
    error::<AcknowledgeError>();
    error::<ConnectError>();
    error::<DecodeError>();
    error::<EncodeError>();
    error::<MessageError>();
    error::<PublishError>();
    error::<PublishErrorReason>();
    error::<ReplyError>();
    error::<ReplyErrorReason>();
    error::<RequestError>();
    error::<TopicError>();
}

/// A type that is made public has to be named above.
#[test]
fn nothing_public_is_left_out() {
    let this = include_str!("auto_traits.rs");
    let public = include_str!("../src/lib.rs")
        .split("pub use ")
        .skip(1)
        .filter_map(|rest| rest.split_once(';'))
        .flat_map(|(path, _)| path.split(|c: char| !(c.is_alphanumeric() || c == '_')))
        .filter(|word| word.starts_with(char::is_uppercase) && word.contains(char::is_lowercase));
    let mut count = 0;
    for name in public {
        let named = [format!("<{name}>"), format!("<{name}<")];
        assert!(named.iter().any(|text| this.contains(text)), "{name}");
        count += 1;
    }
    assert!(count > 60, "{count}");
}
