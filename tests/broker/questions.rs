//! What the broker asks its caller, and what the answers do.

use sansio_mqtt::*;

use crate::SECOND;
use crate::net::{Net, message};

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
