//! What makes room when a session keeps as much as it may.

#[path = "support/pair.rs"]
mod pair;

use pair::*;
use sansio_mqtt::*;

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn full(policy: QueuePolicy) -> Options {
    Options::new()
        .with_maximum_kept_messages(4)
        .with_maximum_kept_bytes(100)
        .with_queue_policy(policy)
}

/// A server that grants one message of QoS 1 and 2 and acknowledges none by itself; a client with that
/// one in flight and the policy.
fn stuck(policy: QueuePolicy) -> (Pair, PublishHandle) {
    let server = Options::new()
        .with_receive_maximum(1)
        .with_manual_acknowledgement(true);
    let mut pair = Pair::connected(Setup {
        client: full(policy),
        server,
        ..Setup::new(Version::V5)
    });
    let now = pair.now;
    let sent = pair
        .client()
        .publish(now, message("t", "sent", QoS::AtLeastOnce))
        .unwrap();
    pair.drive();
    assert_eq!(pair.client().session().in_flight(), 1);
    (pair, sent)
}

fn dropped(seen: &[Seen]) -> Vec<PublishHandle> {
    seen.iter()
        .filter_map(|seen| match seen {
            Seen::Dropped(handle, DropReason::QueueFull) => Some(*handle),
            Seen::Dropped(..) => panic!("{seen:?}"),
            _ => None,
        })
        .collect()
}

#[test]
fn the_oldest_that_waits_goes_and_never_what_is_in_flight() {
    let (mut pair, sent) = stuck(QueuePolicy::DropOldest);
    let now = pair.now;
    let mut handles = Vec::new();
    for n in 0..20 {
        let qos = QOS[n % 3];
        let text = n.to_string();
        handles.push(
            pair.client()
                .publish(now, message("t", &text, qos))
                .unwrap(),
        );
        assert!(pair.client().session().queued() <= 3);
        assert_eq!(pair.client().session().in_flight(), 1);
        if n % 3 == 2 {
            // Reports are taken now and then.
            pair.drive();
        }
    }
    pair.drive();
    while let Some(token) = pair.server.acks.pop() {
        pair.server()
            .acknowledge(&token, ReasonCode::Success)
            .unwrap();
        pair.drive();
    }
    let gone = dropped(&pair.client.seen);
    assert!(!gone.contains(&sent));
    // Each is delivered or reported, and what was delivered is in order.
    let arrived = payloads(&pair.server.seen);
    assert_eq!(arrived.len() + gone.len(), handles.len() + 1);
    for (n, handle) in handles.iter().enumerate() {
        assert!(gone.contains(handle) != arrived.contains(&n.to_string()));
    }
    assert!(gone.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(arrived[0], "sent");
    assert_eq!(arrived[arrived.len() - 3..], ["17", "18", "19"]);
}

#[test]
fn qos_0_makes_room_and_what_is_above_never_does() {
    let (mut pair, _) = stuck(QueuePolicy::DropQos0First);
    let now = pair.now;
    let client = pair.client();
    let mut publish = |text: &str, qos| client.publish(now, message("t", text, qos));
    let one = publish("1", QoS::AtLeastOnce).unwrap();
    let old = publish("2", QoS::AtMostOnce).unwrap();
    let two = publish("3", QoS::ExactlyOnce).unwrap();
    // Full: the QoS 0 message goes for a newer one, that for one of QoS 1.
    let newer = publish("4", QoS::AtMostOnce).unwrap();
    publish("5", QoS::AtLeastOnce).unwrap();
    // Nothing of QoS 0 is left.
    for qos in QOS {
        let error = publish("6", qos).unwrap_err();
        assert_eq!(error.reason, PublishErrorReason::QueueFull);
        assert_eq!(error.message.payload(), b"6");
    }
    pair.drive();
    let gone = dropped(&pair.client.seen);
    assert_eq!(gone, [old, newer]);
    assert!(!gone.contains(&one) && !gone.contains(&two));
    while let Some(token) = pair.server.acks.pop() {
        pair.server()
            .acknowledge(&token, ReasonCode::Success)
            .unwrap();
        pair.drive();
    }
    assert_eq!(payloads(&pair.server.seen), ["sent", "1", "3", "5"]);
}

#[test]
fn bytes_make_room_too_and_what_cannot_fit_drops_nothing() {
    for policy in [QueuePolicy::DropOldest, QueuePolicy::DropQos0First] {
        let options = full(policy);
        let mut session = Session::new();
        let now = Instant::ZERO;
        let of = |size: usize| message("t", &"x".repeat(size - 1), QoS::AtMostOnce);
        let first = session.enqueue(now, of(30), &options).unwrap();
        let second = session.enqueue(now, of(30), &options).unwrap();
        session.enqueue(now, of(40), &options).unwrap();
        // By itself more than all room: under every policy.
        let error = session.enqueue(now, of(101), &options).unwrap_err();
        assert_eq!(error.reason, PublishErrorReason::QueueFull);
        assert_eq!(session.queued(), 3);
        assert_eq!(session.take_dropped(), None);
        // Two have to go for this one.
        session.enqueue(now, of(31), &options).unwrap();
        assert_eq!(session.queued(), 2);
        for handle in [first, second] {
            assert_eq!(
                session.take_dropped(),
                Some(Dropped {
                    handle,
                    message: None,
                    reason: DropReason::QueueFull,
                })
            );
        }
        assert_eq!(session.take_dropped(), None);
    }
}

#[test]
fn what_only_in_flight_could_free_drops_nothing() {
    let (mut pair, _) = stuck(QueuePolicy::DropOldest);
    let now = pair.now;
    let waiting = pair
        .client()
        .publish(now, message("t", "w", QoS::AtLeastOnce))
        .unwrap();
    // Five bytes are in flight.
    let most = "x".repeat(95);
    let error = pair
        .client()
        .publish(now, message("t", &most, QoS::AtLeastOnce))
        .unwrap_err();
    assert_eq!(error.reason, PublishErrorReason::QueueFull);
    assert_eq!(pair.client().session().queued(), 1);
    pair.client()
        .publish(now, message("t", &most[1..], QoS::AtLeastOnce))
        .unwrap();
    pair.drive();
    assert_eq!(dropped(&pair.client.seen), [waiting]);
}

/// Reports are bounded as well: who takes none gets no more room.
#[test]
fn reports_that_nobody_takes_are_bounded() {
    let options = full(QueuePolicy::DropOldest);
    let mut session = Session::new();
    let now = Instant::ZERO;
    let mut taken = 0;
    while session
        .enqueue(now, message("t", "x", QoS::AtMostOnce), &options)
        .is_ok()
    {
        taken += 1;
        assert!(taken <= 8);
    }
    assert_eq!((taken, session.queued()), (8, 4));
    assert!(session.take_dropped().is_some());
    session
        .enqueue(now, message("t", "x", QoS::AtMostOnce), &options)
        .unwrap();
    let mut reports = 0;
    while session.take_dropped().is_some() {
        reports += 1;
    }
    assert_eq!(reports, 4);
    // Reports of an earlier connection come with the next.
    session
        .enqueue(now, message("t", "x", QoS::AtMostOnce), &options)
        .unwrap();
    let connect = Connect::new(Version::V5, "c");
    let mut client = ClientConnection::new(now, &connect, session, options).unwrap();
    assert!(matches!(
        client.receive(now, &mut &[][..]),
        Some(ClientEvent::Dropped(Dropped {
            reason: DropReason::QueueFull,
            ..
        }))
    ));
}

#[test]
fn without_a_policy_the_new_one_is_refused() {
    let options = full(QueuePolicy::default());
    let mut session = Session::new();
    let now = Instant::ZERO;
    for _ in 0..4 {
        session
            .enqueue(now, message("t", "x", QoS::AtMostOnce), &options)
            .unwrap();
    }
    let error = session
        .enqueue(now, message("t", "y", QoS::ExactlyOnce), &options)
        .unwrap_err();
    assert_eq!(error.reason, PublishErrorReason::QueueFull);
    assert_eq!((session.queued(), session.take_dropped()), (4, None));
}
