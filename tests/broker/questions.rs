//! What the broker asks its caller, and what the answers do.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use sansio_mqtt::*;

use crate::net::{Net, message};
use crate::raw::{Raw, id, publish};
use crate::{SECOND, VERSIONS};

/// Who answers: yes to everything at once, or later.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) holds: Cell<bool>,
    pub(crate) open: RefCell<Vec<QuestionToken>>,
    pub(crate) asked: Cell<usize>,
}

impl Desk {
    pub(crate) fn take(&self) -> QuestionToken {
        self.open.borrow_mut().pop().expect("a question")
    }
}

pub(crate) fn ask_all(options: BrokerOptions) -> BrokerOptions {
    let options = options.with_ask_connect(true).with_ask_publish(true);
    options.with_ask_subscribe(true)
}

pub(crate) fn desk(options: BrokerOptions) -> (Net, Rc<Desk>) {
    let mut net = Net::new(ask_all(options));
    let desk = Rc::new(Desk::default());
    let clerk = Rc::clone(&desk);
    net.answers = Box::new(move |broker, now, question| {
        clerk.asked.set(clerk.asked.get() + 1);
        if clerk.holds.get() {
            let token = match question {
                Question::Connect { token, .. }
                | Question::Auth { token, .. }
                | Question::Publish { token, .. }
                | Question::Subscribe { token, .. } => token,
                other => panic!("{other:?}"),
            };
            clerk.open.borrow_mut().push(token);
            return;
        }
        let answer = match question {
            Question::Connect { token, .. } => broker.accept(token, now, &Admission::default()),
            Question::Publish { token, .. } => broker.answer_publish(token, now, Verdict::Allow),
            Question::Subscribe { token, subscribe } => {
                let codes = vec![ReasonCode::GrantedQos2; subscribe.subscriptions.len()];
                broker.answer_subscribe(token, now, &codes)
            }
            other => panic!("{other:?}"),
        };
        answer.unwrap();
    });
    (net, desk)
}

#[derive(Copy, Clone, Debug, PartialEq)]
enum Kind {
    Connect,
    Publish,
    Subscribe,
}

const KINDS: [Kind; 3] = [Kind::Connect, Kind::Publish, Kind::Subscribe];

/// A client of which one thing is asked that is not answered; and one that goes on meanwhile.
struct Case {
    net: Net,
    desk: Rc<Desk>,
    ada: usize,
    bob: usize,
    token: Option<QuestionToken>,
}

impl Case {
    fn new(kind: Kind, version: Version) -> Self {
        let (mut net, desk) = desk(BrokerOptions::new());
        let bob = net.join(Version::V5, "bob");
        net.subscribe(bob, &[Subscription::new("b/#", QoS::AtLeastOnce)]);
        desk.holds.set(kind == Kind::Connect);
        // It waits longer than the broker does.
        let patient = Options::new().with_connect_timeout(100 * SECOND);
        let connect = Connect::new(version, "ada");
        let ada = net.open(&connect, Session::established(), patient);
        net.run();
        desk.holds.set(true);
        match kind {
            Kind::Connect => {}
            Kind::Publish => net.publish(ada, message("b/1", "asked", QoS::AtLeastOnce)),
            Kind::Subscribe => {
                let filters = [Subscription::new("a", QoS::AtLeastOnce)];
                assert_eq!(net.subscribe(ada, &filters), []);
            }
        }
        desk.holds.set(false);
        assert_eq!(desk.open.borrow().len(), 1);
        let token = Some(desk.take());
        assert_eq!(token.as_ref().unwrap().connection(), net.peers[ada].id);
        assert!(!net.broker.wants_input(net.peers[ada].id));
        Self {
            net,
            desk,
            ada,
            bob,
            token,
        }
    }

    fn answer(&mut self, kind: Kind, allow: bool) -> Result<(), AnswerError> {
        let token = self.token.take().unwrap();
        let (broker, now) = (&mut self.net.broker, self.net.now);
        let deny = ReasonCode::NotAuthorized;
        match (kind, allow) {
            (Kind::Connect, true) => broker.accept(token, now, &Admission::default()),
            (Kind::Connect, false) => broker.refuse(token, now, &Connack::new(deny)),
            (Kind::Publish, true) => broker.answer_publish(token, now, Verdict::Allow),
            (Kind::Publish, false) => broker.answer_publish(token, now, Verdict::Deny(deny)),
            (Kind::Subscribe, true) => {
                broker.answer_subscribe(token, now, &[ReasonCode::GrantedQos1])
            }
            (Kind::Subscribe, false) => broker.answer_subscribe(token, now, &[deny]),
        }
    }

    /// Others are served.
    fn bob_goes_on(&mut self) {
        let (net, bob) = (&mut self.net, self.bob);
        assert_eq!(net.texts(bob), [""; 0]);
        net.publish(bob, message("b/2", "own", QoS::AtLeastOnce));
        assert_eq!(net.texts(bob), ["own"]);
    }
}

#[test]
fn each_question_is_answered_later_with_yes_or_no_and_others_go_on_meanwhile() {
    for kind in KINDS {
        for version in VERSIONS {
            for allow in [true, false] {
                let what = format!("{kind:?} {version} {allow}");
                let is_v5 = version == Version::V5;
                let mut case = Case::new(kind, version);
                case.bob_goes_on();
                case.net.advance(29 * SECOND);
                case.bob_goes_on();
                case.answer(kind, allow).unwrap();
                case.net.run();
                let ada = &case.net.peers[case.ada];
                match kind {
                    Kind::Connect => {
                        let code = ada.connack.as_ref().unwrap().0;
                        let expected = match allow {
                            true => ReasonCode::Success,
                            false => ReasonCode::NotAuthorized,
                        };
                        assert_eq!((code, ada.is_cut), (expected, !allow), "{what}");
                    }
                    Kind::Publish => {
                        let expected = match allow || !is_v5 {
                            true => ReasonCode::Success,
                            false => ReasonCode::NotAuthorized,
                        };
                        assert_eq!(ada.acks, [expected], "{what}");
                    }
                    Kind::Subscribe => {
                        let expected = match (allow, is_v5) {
                            (true, _) => ReasonCode::GrantedQos1,
                            (false, true) => ReasonCode::NotAuthorized,
                            (false, false) => ReasonCode::UnspecifiedError,
                        };
                        assert_eq!(ada.subacks, [[expected]], "{what}");
                    }
                }
                let published: &[&str] = match (kind, allow) {
                    (Kind::Publish, true) => &["asked"],
                    _ => &[],
                };
                assert_eq!(case.net.texts(case.bob), published, "{what}");
                case.net
                    .publish(case.bob, message("a", "x", QoS::AtLeastOnce));
                let got = case.net.texts(case.ada).len();
                assert_eq!(got, usize::from(kind == Kind::Subscribe && allow), "{what}");
                // The connection goes on, and what comes is asked about again.
                if kind != Kind::Connect || allow {
                    let before = case.desk.asked.get();
                    case.net
                        .publish(case.ada, message("b/3", "next", QoS::AtLeastOnce));
                    assert_eq!(case.net.texts(case.bob), ["next"], "{what}");
                    assert_eq!(case.desk.asked.get(), before + 1, "{what}");
                }
            }
        }
    }
}

#[derive(Copy, Clone, Debug, PartialEq)]
enum End {
    Cut,
    TakenOver,
    ShutDown,
    Administrator,
    Deadline,
}

/// The connection ends first: the answer does nothing, and cannot be given to anybody else.
#[test]
fn an_answer_that_comes_too_late_does_nothing() {
    let ends = [
        End::Cut,
        End::TakenOver,
        End::ShutDown,
        End::Administrator,
        End::Deadline,
    ];
    for kind in KINDS {
        for version in VERSIONS {
            for end in ends {
                if kind != Kind::Connect || end != End::TakenOver {
                    late_answer(kind, version, end);
                }
            }
        }
    }
}

fn late_answer(kind: Kind, version: Version, end: End) {
    let what = format!("{kind:?} {version} {end:?}");
    let mut case = Case::new(kind, version);
    let (net, ada) = (&mut case.net, case.ada);
    let id = net.peers[ada].id;
    match end {
        End::Cut => net.cut(ada),
        End::TakenOver => {
            net.join(version, "ada");
        }
        End::ShutDown => {
            let disconnect = Disconnect::new(ReasonCode::ServerShuttingDown);
            net.broker.shut_down(net.now, &disconnect);
            net.run();
        }
        End::Administrator => {
            let disconnect = Disconnect::new(ReasonCode::AdministrativeAction);
            net.broker.disconnect(id, net.now, &disconnect);
            net.run();
        }
        End::Deadline => {
            net.advance(30 * SECOND);
        }
    }
    let peer = &net.peers[ada];
    assert!(peer.is_cut, "{what}");
    // What the client learns.
    let is_v5 = version == Version::V5;
    if kind == Kind::Connect {
        let told = (end != End::Cut).then_some(ReasonCode::ServerUnavailable);
        assert_eq!(peer.connack.as_ref().map(|one| one.0), told, "{what}");
    } else {
        let told = match end {
            End::Cut => None,
            End::TakenOver => Some(ReasonCode::SessionTakenOver),
            End::ShutDown => Some(ReasonCode::ServerShuttingDown),
            End::Administrator => Some(ReasonCode::AdministrativeAction),
            End::Deadline => Some(ReasonCode::ServerBusy),
        };
        assert_eq!(peer.disconnect, told.filter(|_| is_v5), "{what}");
    }
    // Another one has its place and is asked about: the answer is not for it.
    if end != End::ShutDown {
        case.desk.holds.set(true);
        let net = &mut case.net;
        let eve = net.join(version, "eve");
        let error = case.answer(kind, true).unwrap_err();
        assert_eq!(error.reason, AnswerErrorReason::Stale, "{what}");
        assert_eq!(error.token, None, "{what}");
        case.net.run();
        assert!(case.net.peers[eve].connack.is_none(), "{what}");
        let token = case.desk.take();
        let (broker, now) = (&mut case.net.broker, case.net.now);
        broker.accept(token, now, &Admission::default()).unwrap();
        case.net.run();
        assert!(case.net.peers[eve].connack.is_some(), "{what}");
        case.desk.holds.set(false);
        case.bob_goes_on();
        let filters: Vec<_> = case.net.broker.subscriptions("ada").collect();
        assert_eq!(filters.len(), 0, "{what}");
    } else {
        assert_eq!(case.answer(kind, true).unwrap_err().token, None, "{what}");
        assert_eq!(case.net.broker.counters().connections, 0, "{what}");
    }
}

/// Ended, and not forgotten yet: its last bytes are on their way.
#[test]
fn an_answer_about_a_connection_that_has_just_ended_does_nothing() {
    for kind in KINDS {
        for version in VERSIONS {
            for allow in [true, false] {
                let mut case = Case::new(kind, version);
                let id = case.net.peers[case.ada].id;
                let disconnect = Disconnect::new(ReasonCode::AdministrativeAction);
                case.net.broker.disconnect(id, case.net.now, &disconnect);
                let error = case.answer(kind, allow).unwrap_err();
                assert_eq!(error.reason, AnswerErrorReason::Stale, "{kind:?}");
                assert_eq!(error.token, None, "{kind:?}");
                case.bob_goes_on();
                assert!(case.net.broker.session("ada").is_none());
            }
        }
    }
}

/// MQTT-3.1.4-6 of 5.0, MQTT-3.1.4-5 of 3.1.1: what comes behind CONNECT waits for its answer, and is dropped with a refusal.
#[test]
fn what_comes_behind_connect_waits_for_its_answer() {
    for version in VERSIONS {
        for allow in [true, false] {
            let (mut net, desk) = desk(BrokerOptions::new());
            let watch = net.join(Version::V5, "watch");
            net.subscribe(watch, &[Subscription::new("a", QoS::AtLeastOnce)]);
            desk.holds.set(true);
            let (ada, mut bytes) = (Raw::new(&mut net, version), Vec::new());
            let connect = Connect::new(version, "ada");
            let filters = [Subscription::new("a", QoS::AtLeastOnce)];
            for packet in [
                Packet::from(connect),
                Subscribe::new(id(1), &filters[..]).into(),
                publish("a", "x", QoS::AtMostOnce).into(),
            ] {
                packet.encode(version, &mut bytes).unwrap();
            }
            let (mut input, now) = (&bytes[..], net.now);
            let question = net.broker.receive(ada.id, now, &mut input);
            let Some(Question::Connect { token, .. }) = question else {
                panic!("{question:?}");
            };
            assert_eq!(input.len(), bytes.len() - connect.encoded_len());
            let before = input.len();
            assert!(net.broker.receive(ada.id, now, &mut input).is_none());
            assert_eq!(input.len(), before);
            desk.holds.set(false);
            let refused = Connack::new(ReasonCode::NotAuthorized);
            match allow {
                true => net.broker.accept(token, now, &Admission::default()),
                false => net.broker.refuse(token, now, &refused),
            }
            .unwrap();
            let said = ada.send_bytes(&mut net, input);
            let refused = match version {
                Version::V5 => "CONNACK 87",
                _ => "CONNACK 05",
            };
            match allow {
                true => assert_eq!(said, ["CONNACK 00", "SUBACK 01", "PUBLISH a x q0 r0"]),
                false => assert_eq!(said, [refused, "closed"]),
            }
            assert_eq!(net.texts(watch).len(), usize::from(allow));
        }
    }
}

/// Two connections of one name are asked about: the one that is accepted last has the session.
#[test]
fn who_is_accepted_last_takes_over_whoever_came_first() {
    let (mut net, desk) = desk(BrokerOptions::new());
    desk.holds.set(true);
    let (first, second) = (net.join(Version::V5, "ada"), net.join(Version::V5, "ada"));
    let (later, earlier) = (desk.take(), desk.take());
    for token in [later, earlier] {
        let now = net.now;
        let answer = net.broker.accept(token, now, &Admission::default());
        answer.unwrap();
        net.run();
    }
    let told = Some(ReasonCode::SessionTakenOver);
    assert_eq!(net.peers[second].disconnect, told);
    assert_eq!(net.broker.connection("ada"), Some(net.peers[first].id));
    assert_eq!(net.broker.counters().connected, 1);
}

/// An answer that cannot be given leaves the question open; the token of one that was given is worth nothing to another.
#[test]
fn an_answer_that_is_none_leaves_the_question_open() {
    for kind in KINDS {
        let mut case = Case::new(kind, Version::V5);
        let now = case.net.now;
        let mut token = case.token.take().unwrap();
        let broker = &mut case.net.broker;
        let other = Connack::new(ReasonCode::NotAuthorized);
        let method = [Property::AuthenticationMethod("m")];
        let auth = Auth::new(ReasonCode::ContinueAuthentication, &method[..]);
        let mut wrong: Vec<AnswerErrorReason> = Vec::new();
        for at in 0..7 {
            let deny = Verdict::Deny(ReasonCode::Success);
            let result = match at {
                0 if kind != Kind::Connect => broker.accept(token, now, &Admission::default()),
                0 => broker.refuse(token, now, &Connack::new(ReasonCode::Success)),
                1 if kind != Kind::Connect => broker.refuse(token, now, &other),
                1 => broker.refuse(token, now, &Connack::new(ReasonCode::SessionTakenOver)),
                2 if kind == Kind::Publish => broker.answer_publish(token, now, deny),
                2 => broker.answer_publish(token, now, Verdict::Allow),
                3 => broker.authenticate(token, now, &auth),
                4 => broker.answer_subscribe(token, now, &[]),
                5 => broker.answer_subscribe(token, now, &[ReasonCode::GrantedQos1; 2]),
                _ => broker.answer_subscribe(token, now, &[ReasonCode::ServerBusy]),
            };
            let error = result.unwrap_err();
            wrong.push(error.reason);
            token = error.token.unwrap();
        }
        let is_kind = |one: &AnswerErrorReason| *one == AnswerErrorReason::Kind;
        let kinds = wrong.iter().filter(|one| is_kind(one)).count();
        let expected = match kind {
            Kind::Connect => 3,
            Kind::Publish => 5,
            Kind::Subscribe => 4,
        };
        assert_eq!(kinds, expected, "{kind:?} {wrong:?}");
        case.token = Some(token);
        case.bob_goes_on();
        case.answer(kind, true).unwrap();
        case.net.run();
        assert!(case.net.peers[case.ada].connack.is_some());
    }
}

#[test]
fn a_question_waits_for_its_answer_and_nobody_else_does() {
    use std::sync::{Arc, Mutex};
    let mut net = Net::new(BrokerOptions::new().with_ask_publish(true));
    let open = Arc::new(Mutex::new(Vec::new()));
    let waiting = Arc::clone(&open);
    net.answers = Box::new(move |broker, now, question| match question {
        Question::Publish { message, token } if message.topic() == "later" => {
            waiting.lock().unwrap().push(token);
        }
        Question::Publish { token, .. } => {
            broker.answer_publish(token, now, Verdict::Allow).unwrap();
        }
        other => panic!("{other:?}"),
    });
    let (ada, bob) = (net.join(Version::V5, "ada"), net.join(Version::V5, "bob"));
    net.subscribe(bob, &[Subscription::new("#", QoS::AtLeastOnce)]);
    net.publish(ada, message("later", "1", QoS::AtLeastOnce));
    net.publish(ada, message("a", "2", QoS::AtLeastOnce));
    net.publish(bob, message("a", "3", QoS::AtLeastOnce));
    assert_eq!(net.texts(bob), ["3"]);
    assert!(!net.broker.wants_input(net.peers[ada].id));

    let token = open.lock().unwrap().pop().unwrap();
    // What cannot be an answer leaves the question open.
    let error = net
        .broker
        .answer_subscribe(token, net.now, &[])
        .unwrap_err();
    assert_eq!(error.reason, AnswerErrorReason::Kind);
    let deny = Verdict::Deny(ReasonCode::NotAuthorized);
    net.broker
        .answer_publish(error.token.unwrap(), net.now, deny)
        .unwrap();
    net.run();
    assert_eq!(net.texts(bob), ["2"]);
    assert_eq!(
        net.peers[ada].acks,
        [ReasonCode::NotAuthorized, ReasonCode::Success]
    );

    // One that is never answered ends the connection, and its token is worth nothing then.
    net.publish(ada, message("later", "4", QoS::AtLeastOnce));
    net.advance(30 * SECOND);
    assert_eq!(net.peers[ada].disconnect, Some(ReasonCode::ServerBusy));
    let token = open.lock().unwrap().pop().unwrap();
    let error = net
        .broker
        .answer_publish(token, net.now, Verdict::Allow)
        .unwrap_err();
    assert_eq!(
        (error.token, error.reason),
        (None, AnswerErrorReason::Stale)
    );
    assert_eq!(net.texts(bob), [""; 0]);
}
