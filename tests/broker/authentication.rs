//! Enhanced authentication (5.0 §4.12) through the broker.

use std::cell::RefCell;
use std::rc::Rc;

use sansio_mqtt::*;

use crate::SECOND;
use crate::net::{Net, message};

type Told = (QuestionToken, ReasonCode, Vec<u8>);

/// What was asked about, with the data of the client.
type Asked = Rc<RefCell<Vec<Told>>>;

fn net() -> (Net, Asked) {
    let options = Options::new()
        .with_connect_timeout(10 * SECOND)
        .with_maximum_authentication_rounds(3);
    let options = BrokerOptions::new().with_connection(options);
    let mut net = Net::new(options.with_ask_connect(true));
    let asked = Asked::default();
    let told = Rc::clone(&asked);
    net.answers = Box::new(move |broker, now, question| {
        let (reason, properties, token) = match question {
            Question::Connect { connect, token } => {
                if connect.properties.authentication_method().is_none() {
                    let answer = broker.accept(token, now, &Admission::default());
                    return answer.unwrap();
                }
                (ReasonCode::Success, connect.properties, token)
            }
            Question::Auth { auth, token } => (auth.reason, auth.properties, token),
            other => panic!("{other:?}"),
        };
        let data = properties.authentication_data().unwrap_or_default();
        told.borrow_mut().push((token, reason, data.to_vec()));
    });
    (net, asked)
}

const METHOD: &str = "M";

fn properties(data: &[u8]) -> [Property<'_>; 2] {
    [
        Property::AuthenticationMethod(METHOD),
        Property::AuthenticationData(data),
    ]
}

fn take(asked: &Asked, reason: ReasonCode, data: &str) -> QuestionToken {
    let (token, is, has) = asked.borrow_mut().pop().expect("a question");
    assert!(asked.borrow().is_empty());
    assert_eq!((is, String::from_utf8_lossy(&has).as_ref()), (reason, data));
    token
}

fn step(net: &mut Net, token: QuestionToken, reason: ReasonCode, data: &str) {
    let properties = properties(data.as_bytes());
    let auth = Auth::new(reason, &properties[..]);
    net.broker.authenticate(token, net.now, &auth).unwrap();
    net.run();
}

fn say(net: &mut Net, peer: usize, reason: ReasonCode, data: &str) {
    let properties = properties(data.as_bytes());
    let auth = Auth::new(reason, &properties[..]);
    net.peers[peer].client.auth(net.now, &auth).unwrap();
    net.run();
}

fn accept(net: &mut Net, token: QuestionToken) {
    let properties = properties(b"welcome");
    let admission = Admission {
        properties: Properties::from(&properties),
        ..Admission::default()
    };
    net.broker.accept(token, net.now, &admission).unwrap();
    net.run();
}

const MORE: ReasonCode = ReasonCode::ContinueAuthentication;

fn begin(net: &mut Net, will: Option<Will<'_>>) -> usize {
    let properties = properties(b"c1");
    let connect = Connect {
        properties: Properties::from(&properties),
        will,
        ..Connect::new(Version::V5, "ada")
    };
    // It waits longer than the broker does.
    let patient = Options::new().with_connect_timeout(100 * SECOND);
    let ada = net.open(&connect, Session::established(), patient);
    net.run();
    ada
}

/// One that is let in behind two steps.
fn authenticated() -> (Net, Asked, usize, usize) {
    let (mut net, asked) = net();
    let bob = net.join(Version::V5, "bob");
    net.subscribe(bob, &[Subscription::new("#", QoS::AtLeastOnce)]);
    let will = Will {
        topic: "will",
        payload: b"gone",
        qos: QoS::AtMostOnce,
        retain: false,
        properties: Properties::EMPTY,
    };
    let ada = begin(&mut net, Some(will));
    let token = take(&asked, ReasonCode::Success, "c1");
    step(&mut net, token, MORE, "s1");
    say(&mut net, ada, MORE, "c2");
    let token = take(&asked, MORE, "c2");
    // Others are served.
    net.publish(bob, message("a", "x", QoS::AtLeastOnce));
    assert_eq!(net.texts(bob), ["x"]);
    step(&mut net, token, MORE, "s2");
    say(&mut net, ada, MORE, "c3");
    let token = take(&asked, MORE, "c3");
    assert!(net.peers[ada].connack.is_none());
    accept(&mut net, token);
    let (reason, _, told) = net.peers[ada].connack.clone().unwrap();
    assert_eq!(reason, ReasonCode::Success);
    let expected = format!("{:?}", Property::AuthenticationMethod(METHOD));
    assert!(told.contains(&expected), "{told:?}");
    let heard: Vec<_> = net.peers[ada].auths.drain(..).collect();
    assert_eq!(heard, [(MORE, b"s1".to_vec()), (MORE, b"s2".to_vec())]);
    (net, asked, ada, bob)
}

#[test]
fn a_client_is_accepted_behind_several_steps_and_authenticates_again() {
    let (mut net, asked, ada, bob) = authenticated();
    for round in 0..2 {
        say(&mut net, ada, ReasonCode::ReAuthenticate, "c4");
        let token = take(&asked, ReasonCode::ReAuthenticate, "c4");
        // What comes behind it waits for the answer.
        net.publish(ada, message("a", "1", QoS::AtLeastOnce));
        assert_eq!(net.texts(bob), [""; 0], "{round}");
        step(&mut net, token, MORE, "s4");
        // While it is the client's turn it goes on as before (5.0 §4.12.1).
        assert_eq!(net.texts(bob), ["1"], "{round}");
        net.publish(ada, message("a", "2", QoS::AtLeastOnce));
        assert_eq!(net.texts(bob), ["2"], "{round}");
        say(&mut net, ada, MORE, "c5");
        let token = take(&asked, MORE, "c5");
        step(&mut net, token, ReasonCode::Success, "s5");
        let heard: Vec<_> = net.peers[ada].auths.drain(..).collect();
        let expected = [
            (MORE, b"s4".to_vec()),
            (ReasonCode::Success, b"s5".to_vec()),
        ];
        assert_eq!(heard, expected, "{round}");
        net.publish(ada, message("a", "3", QoS::AtLeastOnce));
        assert_eq!(net.texts(bob), ["3"], "{round}");
        // It is over: silence is no failure.
        net.advance(30 * SECOND);
        assert_eq!(net.peers[ada].disconnect, None, "{round}");
    }
}

#[test]
fn a_client_that_does_not_convince_is_refused() {
    let (mut net, asked) = net();
    let ada = begin(&mut net, None);
    let token = take(&asked, ReasonCode::Success, "c1");
    step(&mut net, token, MORE, "s1");
    say(&mut net, ada, MORE, "c2");
    let token = take(&asked, MORE, "c2");
    let connack = Connack::new(ReasonCode::NotAuthorized);
    net.broker.refuse(token, net.now, &connack).unwrap();
    net.run();
    let told = net.peers[ada].connack.as_ref().map(|one| one.0);
    assert_eq!(told, Some(ReasonCode::NotAuthorized));
    assert_eq!(net.broker.counters().sessions, 0);
}

/// MQTT-4.12.1-2 of 5.0: and the will goes round.
#[test]
fn a_reauthentication_that_fails_ends_the_connection() {
    for silent in [false, true] {
        let (mut net, asked, ada, bob) = authenticated();
        say(&mut net, ada, ReasonCode::ReAuthenticate, "c4");
        let token = take(&asked, ReasonCode::ReAuthenticate, "c4");
        if silent {
            // It does not answer in time.
            step(&mut net, token, MORE, "s4");
            net.advance(10 * SECOND);
        } else {
            let disconnect = Disconnect::new(ReasonCode::NotAuthorized);
            let id = net.peers[ada].id;
            net.broker.disconnect(id, net.now, &disconnect);
            net.run();
            let properties = properties(b"late");
            let late = Auth::new(ReasonCode::Success, &properties[..]);
            let error = net.broker.authenticate(token, net.now, &late);
            assert_eq!(error.unwrap_err().reason, AnswerErrorReason::Stale);
        }
        let told = Some(ReasonCode::NotAuthorized);
        assert_eq!(net.peers[ada].disconnect, told, "{silent}");
        assert_eq!(net.texts(bob), ["gone"], "{silent}");
        assert_eq!(net.broker.client_ids().collect::<Vec<_>>(), ["bob"]);
    }
}

/// A question about a step that nobody answers.
#[test]
fn a_step_that_is_not_answered_ends_the_connection() {
    let (mut net, asked, ada, _) = authenticated();
    say(&mut net, ada, ReasonCode::ReAuthenticate, "c4");
    net.advance(30 * SECOND);
    assert_eq!(net.peers[ada].disconnect, Some(ReasonCode::ServerBusy));
    let token = take(&asked, ReasonCode::ReAuthenticate, "c4");
    let properties = properties(b"late");
    let late = Auth::new(ReasonCode::Success, &properties[..]);
    let error = net.broker.authenticate(token, net.now, &late).unwrap_err();
    assert_eq!(error.token, None);
}

/// MQTT-4.12.0-5 of 5.0, for the broker's caller: it is told, and may answer otherwise.
#[test]
fn an_answer_of_another_method_or_out_of_turn_is_not_taken() {
    let (mut net, asked) = net();
    let ada = begin(&mut net, None);
    let mut token = take(&asked, ReasonCode::Success, "c1");
    let other = [Property::AuthenticationMethod("other")];
    let right = properties(b"s");
    let wrong = [
        (
            Auth::new(MORE, &other[..]),
            RequestError::AuthenticationMethod,
        ),
        (
            Auth::new(MORE, Properties::EMPTY),
            RequestError::AuthenticationMethod,
        ),
        // CONNACK says that.
        (
            Auth::new(ReasonCode::Success, &right[..]),
            RequestError::ReasonCode(ReasonCode::Success),
        ),
    ];
    for (auth, reason) in wrong {
        let error = net.broker.authenticate(token, net.now, &auth).unwrap_err();
        let expected = AnswerErrorReason::Connection(AcceptErrorReason::Request(reason));
        assert_eq!(error.reason, expected);
        token = error.token.unwrap();
    }
    // Nor is CONNACK without it (MQTT-4.12.0-5).
    let error = net.broker.accept(token, net.now, &Admission::default());
    let error = error.unwrap_err();
    let reason = AcceptErrorReason::Request(RequestError::AuthenticationMethod);
    assert_eq!(error.reason, AnswerErrorReason::Connection(reason));
    net.run();
    assert!(net.peers[ada].connack.is_none());
    accept(&mut net, error.token.unwrap());
    assert!(net.peers[ada].connack.is_some());
}

/// A client that names another method than in CONNECT, before and behind its acceptance (MQTT-4.12.0-6, MQTT-4.12.1-1).
#[test]
fn a_client_keeps_to_its_method() {
    for connected in [false, true] {
        let (mut net, asked, ada) = if connected {
            let (net, asked, ada, _) = authenticated();
            (net, asked, ada)
        } else {
            let (mut net, asked) = net();
            let ada = begin(&mut net, None);
            let token = take(&asked, ReasonCode::Success, "c1");
            step(&mut net, token, MORE, "s1");
            (net, asked, ada)
        };
        let other = [Property::AuthenticationMethod("other")];
        let reason = match connected {
            true => ReasonCode::ReAuthenticate,
            false => MORE,
        };
        let mut bytes = Vec::new();
        Auth::new(reason, &other[..])
            .encode(Version::V5, &mut bytes)
            .unwrap();
        let id = net.peers[ada].id;
        let question = net.broker.receive(id, net.now, &mut &bytes[..]);
        assert!(question.is_none());
        net.run();
        assert!(asked.borrow().is_empty());
        let peer = &net.peers[ada];
        assert!(peer.is_cut);
        let told = match connected {
            true => peer.disconnect,
            false => peer.connack.as_ref().map(|one| one.0),
        };
        assert_eq!(told, Some(ReasonCode::ProtocolError), "{connected}");
    }
}

/// Who asks for more steps than there may be, or none at all, in either phase.
#[test]
fn steps_are_counted_and_have_their_time() {
    let (mut net, asked) = net();
    let ada = begin(&mut net, None);
    let mut token = take(&asked, ReasonCode::Success, "c1");
    for _ in 0..3 {
        step(&mut net, token, MORE, "s");
        say(&mut net, ada, MORE, "c");
        token = take(&asked, MORE, "c");
    }
    step(&mut net, token, MORE, "s");
    say(&mut net, ada, MORE, "c");
    assert!(asked.borrow().is_empty());
    let told = net.peers[ada].connack.as_ref().map(|one| one.0);
    assert_eq!(told, Some(ReasonCode::QuotaExceeded));

    // And one that falls silent.
    let eve = begin(&mut net, None);
    let token = take(&asked, ReasonCode::Success, "c1");
    step(&mut net, token, MORE, "s");
    assert!(!net.peers[eve].is_cut);
    net.advance(10 * SECOND);
    assert!(net.peers[eve].is_cut);
    assert_eq!(net.broker.counters().connections, 0);
}

#[test]
fn a_broker_that_asks_nobody_knows_no_method() {
    let mut net = Net::new(BrokerOptions::new());
    let ada = begin(&mut net, None);
    let told = net.peers[ada].connack.as_ref().map(|one| one.0);
    assert_eq!(told, Some(ReasonCode::BadAuthenticationMethod));
}
