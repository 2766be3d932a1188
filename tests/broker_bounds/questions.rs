//! What the caller does not answer, and does not take.

use std::collections::VecDeque;
use std::time::Duration;

use sansio_mqtt::*;

use crate::bounds::{BUFFERS, PAGES, World, packet, publish, subscribe};
use crate::counting::in_use;

/// A connection with a question about a packet of a few bytes.
const ASKED: usize = 2_048;

/// The two are answered, and nobody else.
fn asking() -> World {
    let options = BrokerOptions::new()
        .with_ask_connect(true)
        .with_ask_publish(true)
        .with_ask_subscribe(true)
        .with_answer_timeout(Duration::from_secs(10));
    World::answering(options, |broker, now, question| match question {
        Question::Connect { token, .. } => {
            broker.accept(token, now, &Admission::default()).unwrap();
        }
        Question::Publish { token, .. } => {
            broker.answer_publish(token, now, Verdict::Allow).unwrap();
        }
        Question::Subscribe { subscribe, token } => {
            let codes = vec![ReasonCode::GrantedQos2; subscribe.subscriptions.iter().count()];
            broker.answer_subscribe(token, now, &codes).unwrap();
        }
        other => panic!("{other:?}"),
    })
}

/// The token of the question that these bytes cause.
fn ask(world: &mut World, id: ConnectionId, bytes: &[u8]) -> QuestionToken {
    let mut input = bytes;
    let question = world.net.broker.receive(id, world.net.now, &mut input);
    assert!(input.is_empty());
    match question.expect("a question") {
        Question::Connect { token, .. }
        | Question::Auth { token, .. }
        | Question::Publish { token, .. }
        | Question::Subscribe { token, .. } => token,
        other => panic!("{other:?}"),
    }
}

fn accept(world: &mut World, id: ConnectionId, connect: &Connect<'_>) {
    let token = ask(world, id, &packet(Version::V5, *connect));
    let (broker, now) = (&mut world.net.broker, world.net.now);
    broker.accept(token, now, &Admission::default()).unwrap();
    world.read(id);
}

/// Connections that wait for an answer are as many as come until its time has passed; what each asks for is kept once, and
/// what comes behind it is not taken.
#[test]
fn questions_that_are_never_answered() {
    let method = [Property::AuthenticationMethod("M")];
    let payload = [7; 1_000];
    for kind in ["connect", "authenticate", "publish", "subscribe"] {
        let mut world = asking();
        let before = in_use();
        let mut open = VecDeque::new();
        // A hundred within the time for an answer.
        let bound = 101 * ASKED + 8_192 + 65_536;
        world.flat(kind, before, bound, 400, |world, round| {
            let id = world.open();
            let client_id = format!("client-{round}");
            let connect = Connect::new(Version::V5, &client_id);
            let behind = packet(Version::V5, Packet::Pingreq);
            match kind {
                "connect" => {
                    ask(world, id, &packet(Version::V5, connect));
                }
                "authenticate" => {
                    let connect = Connect {
                        properties: Properties::from(&method[..]),
                        ..connect
                    };
                    let token = ask(world, id, &packet(Version::V5, connect));
                    let auth = Auth::new(ReasonCode::ContinueAuthentication, &method);
                    let (broker, now) = (&mut world.net.broker, world.net.now);
                    broker.authenticate(token, now, &auth).unwrap();
                    world.read(id);
                    ask(world, id, &packet(Version::V5, auth));
                }
                "publish" => {
                    accept(world, id, &connect);
                    ask(
                        world,
                        id,
                        &publish(Version::V5, "a", &payload, QoS::ExactlyOnce),
                    );
                }
                _ => {
                    accept(world, id, &connect);
                    ask(world, id, &subscribe(Version::V5, "a/b", QoS::AtLeastOnce));
                }
            }
            assert_eq!(world.send(id, &behind), 0);
            assert!(!world.net.broker.wants_input(id));
            open.push_back(id);
            world.net.advance(Duration::from_millis(100));
            while open.front().is_some_and(|&id| world.is_closed(id)) {
                let id = open.pop_front().unwrap();
                let last = world.read(id);
                let expected = match kind {
                    // Server unavailable, or busy.
                    "connect" | "authenticate" => [0x20, 3, 0, 0x88, 0].as_slice(),
                    _ => [0xe0, 1, 0x89].as_slice(),
                };
                assert_eq!(last, expected);
                world.gone(id);
            }
            assert!(open.len() <= 101, "{}", open.len());
        });
        world.net.advance(Duration::from_secs(11));
        for id in open.drain(..) {
            assert!(world.is_closed(id));
            world.gone(id);
        }
        drop(open);
        world.is_back(before, PAGES);
    }
}

/// Answers that come too late, for a connection that has ended or whose slot another one has.
#[test]
fn answers_to_ended_connections() {
    let mut world = asking();
    let before = in_use();
    let mut late = VecDeque::new();
    world.flat("late answers", before, 65_536, 500, |world, round| {
        let id = world.open();
        let token = ask(
            world,
            id,
            &packet(Version::V5, Connect::new(Version::V5, "late")),
        );
        world.gone(id);
        late.push_back(token);
        if round % 100 == 99 {
            for token in late.drain(..) {
                let (broker, now) = (&mut world.net.broker, world.net.now);
                let error = broker
                    .accept(token, now, &Admission::default())
                    .unwrap_err();
                assert_eq!(
                    (error.token, error.reason),
                    (None, AnswerErrorReason::Stale)
                );
            }
        }
    });
    drop(late);
    world.is_back(before, BUFFERS);
}

/// Events wait up to the bound, whatever clients do and whoever of them has ended: then nothing is taken from anybody, until
/// some are.
#[test]
fn events_that_are_never_taken() {
    const EVENTS: usize = 200;
    let options = BrokerOptions::new()
        .with_bridge_events(true)
        .with_drop_events(true)
        .with_session_events(true)
        .with_maximum_events(EVENTS)
        .with_connection(Options::new().with_maximum_kept_messages(8));
    let mut world = World::new(options);
    while world.net.broker.poll_event().is_some() {}
    let before = in_use();
    let bound = EVENTS * 512 + 300 * 1_024;
    let mut open = VecDeque::new();
    let mut figures = [0; 2];
    for (figure, rounds) in figures.iter_mut().zip([500, 2_000]) {
        for round in 0..rounds {
            let id = world.open();
            let name = format!("client-{round}");
            let connect = packet(Version::V5, Connect::new(Version::V5, &name));
            if world.send(id, &connect) > 0 {
                world.send(id, &subscribe(Version::V5, &name, QoS::AtLeastOnce));
                world.send(id, &publish(Version::V5, &name, b"x", QoS::AtMostOnce));
            }
            open.push_back(id);
            if open.len() > 10 {
                let id = open.pop_front().unwrap();
                world.gone(id);
                assert_eq!(world.send(id, b"\xc0\x00"), 2, "discarded");
            }
            while world.net.broker.poll_ready().is_some() {}
        }
        *figure = usize::try_from(in_use() - before).unwrap();
        assert!(*figure <= bound, "{figures:?}");
    }
    println!("events that are not taken: {figures:?} of {bound} bytes");
    let mut events = 0;
    while world.net.broker.poll_event().is_some() {
        events += 1;
    }
    // What the last call adds, and the end of what is connected then.
    assert!((EVENTS..EVENTS + 50).contains(&events), "{events}");
    for id in open.drain(..) {
        world.gone(id);
    }
    while world.net.broker.poll_event().is_some() {}
    drop(open);
    world.is_back(before, BUFFERS);
}

/// Time goes on while nobody takes events: the counters that slow clients do not get are not told for ever.
#[test]
fn events_of_time_alone_that_are_never_taken() {
    const EVENTS: usize = 100;
    let options = BrokerOptions::new()
        .with_drop_events(true)
        .with_maximum_events(EVENTS)
        .with_sys_interval(Some(Duration::from_secs(1)))
        .with_connection(Options::new().with_maximum_kept_messages(8));
    let mut world = World::new(options);
    while world.net.broker.poll_event().is_some() {}
    let before = in_use();
    let slow = world.join(&Connect {
        keep_alive: 0,
        ..Connect::new(Version::V5, "slow")
    });
    world.send(slow, &subscribe(Version::V5, "$SYS/#", QoS::AtMostOnce));
    world.read(slow);
    let mut waiting = 0;
    let mut figures = [0; 2];
    for figure in &mut figures {
        for _ in 0..500 {
            world.net.now = world.net.now + Duration::from_secs(1);
            world.net.broker.handle_timeout(world.net.now);
        }
        *figure = usize::try_from(in_use() - before).unwrap_or_default();
        assert!(*figure < 16_384 + EVENTS * 512, "{figures:?}");
    }
    println!("events of time alone: {figures:?} bytes");
    while world.net.broker.poll_event().is_some() {
        waiting += 1;
    }
    assert!((EVENTS..EVENTS + 20).contains(&waiting), "{waiting}");
    // From then on they come again.
    world
        .net
        .broker
        .handle_timeout(world.net.now + Duration::from_secs(1));
    assert!(world.net.broker.poll_event().is_some());
}

/// Records that nobody takes hold the clients up that make them, and what is sent waits for them.
#[test]
fn records_that_are_never_taken() {
    const RECORDS: usize = 100;
    let connection = Options::new().with_maximum_kept_messages(50);
    let options = BrokerOptions::new()
        .with_records(true)
        .with_maximum_events(RECORDS)
        .with_connection(connection);
    let now = Instant::from_millis(1_000);
    let mut broker = Broker::new(now, options.with_seed(7));
    let before = in_use();
    let mut figures = [0; 2];
    let mut ids = Vec::new();
    for (figure, rounds) in figures.iter_mut().zip([200_u32, 800]) {
        for round in 0..rounds {
            let id = broker.connected(now);
            ids.push(id);
            let connect = Connect {
                clean_start: false,
                ..Connect::new(Version::V311, "one")
            };
            for bytes in [
                packet(Version::V311, connect),
                subscribe(Version::V311, &format!("{round}"), QoS::AtLeastOnce),
                subscribe(Version::V311, "#", QoS::AtLeastOnce),
                publish(Version::V311, "a", b"x", QoS::AtLeastOnce),
            ] {
                broker.receive(id, now, &mut &bytes[..]);
            }
            let mut out = Vec::new();
            while broker.poll_transmit(id, now, &mut out, usize::MAX) > 0 {}
            assert_eq!(out, [], "nothing is stored");
            if ids.len() > 10 {
                broker.disconnected(ids.remove(0), now);
            }
            while broker.poll_ready().is_some() {}
        }
        *figure = usize::try_from(in_use() - before).unwrap();
    }
    println!("records that are not taken: {figures:?} bytes");
    assert!(figures[1] < 262_144, "{figures:?}");
}

/// Records that are taken and never stored: no client gets further than its first answer, and one that goes leaves nothing to wait
/// for.
#[test]
fn records_that_are_never_stored() {
    let options = BrokerOptions::new().with_records(true).with_seed(7);
    let now = Instant::from_millis(1_000);
    let mut broker = Broker::new(now, options);
    let connect = Connect {
        clean_start: false,
        ..Connect::new(Version::V311, "one")
    };
    let packets = [
        packet(Version::V311, connect),
        subscribe(Version::V311, "#", QoS::AtLeastOnce),
        subscribe(Version::V311, "a", QoS::AtLeastOnce),
    ];
    let before = in_use();
    let mut figures = [0; 2];
    for (figure, rounds) in figures.iter_mut().zip([500, 2_000]) {
        for _ in 0..rounds {
            let id = broker.connected(now);
            for bytes in &packets {
                broker.receive(id, now, &mut &bytes[..]);
                broker.take_records(&mut Vec::new());
                let mut out = Vec::new();
                while broker.poll_transmit(id, now, &mut out, usize::MAX) > 0 {}
                assert_eq!(out, [], "nothing is stored");
            }
            broker.disconnected(id, now);
            broker.take_records(&mut Vec::new());
            while broker.poll_ready().is_some() {}
        }
        *figure = usize::try_from(in_use() - before).unwrap();
    }
    println!("records that are not stored: {figures:?} bytes");
    assert!(figures[1] < 16_384, "{figures:?}");
}
