//! What the answers to questions do: in part, otherwise, and within which bounds.

use sansio_mqtt::*;

use crate::net::{Net, QOS, message, retained};
use crate::questions::desk;
use crate::{VERSIONS, lasting};

/// Each filter has its own answer, and no more QoS than that.
#[test]
fn a_subscribe_is_allowed_in_part() {
    for (version, failure) in [
        (Version::V311, ReasonCode::UnspecifiedError),
        (Version::V5, ReasonCode::NotAuthorized),
    ] {
        let (mut net, desk) = desk(BrokerOptions::new());
        let (ada, bob) = (net.join(version, "ada"), net.join(Version::V5, "bob"));
        desk.holds.set(true);
        let filters = ["a", "b", "c", "d"].map(|filter| Subscription::new(filter, QOS[2]));
        let asked = [
            filters[0],
            filters[1],
            filters[2],
            Subscription::new("d", QOS[0]),
        ];
        assert_eq!(net.subscribe(ada, &asked), []);
        desk.holds.set(false);
        let granted = [
            ReasonCode::GrantedQos1,
            ReasonCode::NotAuthorized,
            ReasonCode::GrantedQos2,
            ReasonCode::GrantedQos2,
        ];
        let now = net.now;
        let answer = net.broker.answer_subscribe(desk.take(), now, &granted);
        answer.unwrap();
        net.run();
        let told = [
            ReasonCode::GrantedQos1,
            failure,
            ReasonCode::GrantedQos2,
            ReasonCode::GRANTED_QOS_0,
        ];
        assert_eq!(net.peers[ada].subacks, [told], "{version}");
        for topic in ["a", "b", "c", "d"] {
            net.publish(bob, message(topic, topic, QoS::ExactlyOnce));
        }
        let got: Vec<_> = net
            .take(ada)
            .into_iter()
            .map(|one| (one.0, one.2))
            .collect();
        let expected = [("a".into(), 1), ("c".into(), 2), ("d".into(), 0)];
        assert_eq!(got, expected, "{version}");
    }
}

/// What there was before a SUBSCRIBE that is refused stays as it was.
#[test]
fn a_refused_subscribe_changes_no_subscription() {
    let (mut net, desk) = desk(BrokerOptions::new());
    let ada = net.join(Version::V5, "ada");
    net.subscribe(ada, &[Subscription::new("a", QoS::ExactlyOnce)]);
    desk.holds.set(true);
    net.subscribe(ada, &[Subscription::new("a", QoS::AtMostOnce)]);
    desk.holds.set(false);
    let (token, now) = (desk.take(), net.now);
    let codes = [ReasonCode::NotAuthorized];
    net.broker.answer_subscribe(token, now, &codes).unwrap();
    net.publish(ada, message("a", "x", QoS::ExactlyOnce));
    assert_eq!(net.take(ada), [("a".into(), "x".into(), 2, false)]);
}

/// Every verdict, version and QoS: what subscribers, the store and the publisher get.
#[test]
fn a_message_is_published_rewritten_dropped_or_refused() {
    for version in VERSIONS {
        for qos in QOS {
            for verdict in 0..4 {
                let what = format!("{version} {qos} {verdict}");
                let (mut net, desk) = desk(BrokerOptions::new());
                let (ada, bob) = (net.join(version, "ada"), net.join(Version::V5, "bob"));
                let all = Subscription {
                    filter: "#",
                    options: SubscriptionOptions {
                        retain_as_published: true,
                        ..SubscriptionOptions::new(QoS::ExactlyOnce)
                    },
                };
                net.subscribe(bob, &[all]);
                desk.holds.set(true);
                net.publish(ada, retained("a", "x", qos));
                desk.holds.set(false);
                let rewritten = message("b", "y", QoS::AtLeastOnce);
                let (token, now) = (desk.take(), net.now);
                let verdict = match verdict {
                    0 => Verdict::Allow,
                    1 => Verdict::Rewrite(rewritten),
                    2 => Verdict::Drop,
                    _ => Verdict::Deny(ReasonCode::NotAuthorized),
                };
                net.broker
                    .answer_publish(token, now, verdict.clone())
                    .unwrap();
                net.run();
                let (got, kept) = match &verdict {
                    Verdict::Allow => (vec![("a".into(), "x".into(), qos.as_u8(), true)], 1),
                    Verdict::Rewrite(_) => (vec![("b".into(), "y".into(), 1, false)], 0),
                    _ => (vec![], 0),
                };
                assert_eq!(net.take(bob), got, "{what}");
                assert_eq!(net.broker.counters().retained_messages, kept, "{what}");
                let told = match verdict {
                    Verdict::Deny(reason) if version == Version::V5 => reason,
                    _ => ReasonCode::Success,
                };
                let acks = vec![told; usize::from(qos > QoS::AtMostOnce)];
                assert_eq!(net.peers[ada].acks, acks, "{what}");
                // Whatever became of it, the next one goes the same way, under the same identifier.
                net.publish(ada, message("c", "z", qos));
                assert_eq!(net.texts(bob), ["z"], "{what}");
                assert_eq!(net.peers[ada].disconnect, None, "{what}");
            }
        }
    }
}

/// A QoS 2 message that the connection took with it is asked about once more, and published once.
#[test]
fn a_message_whose_question_was_lost_is_asked_about_again() {
    for version in VERSIONS {
        let (mut net, desk) = desk(BrokerOptions::new());
        let connect = lasting(version, "ada");
        let (ada, bob) = (net.join_with(&connect), net.join(Version::V5, "bob"));
        net.subscribe(bob, &[Subscription::new("a", QoS::ExactlyOnce)]);
        desk.holds.set(true);
        net.publish(ada, message("a", "x", QoS::ExactlyOnce));
        net.cut(ada);
        desk.holds.set(false);
        let before = desk.asked.get();
        let ada = net.rejoin(ada, &connect);
        assert_eq!(desk.asked.get(), before + 2);
        assert_eq!(net.texts(bob), ["x"]);
        assert_eq!(net.peers[ada].acks, [ReasonCode::Success]);
    }
}

/// The bounds that come with an admission are those of this client alone, connected and away.
#[test]
fn a_client_has_the_bounds_of_its_admission() {
    let (mut net, desk) = desk(BrokerOptions::new());
    desk.holds.set(true);
    let connect = lasting(Version::V5, "ada");
    let own = Options::new()
        .with_receive_maximum(3)
        .with_maximum_packet_size(200)
        .with_topic_alias_maximum(4)
        .with_maximum_kept_messages(2);
    let admission = Admission {
        options: Some(own),
        ..Admission::default()
    };
    let ada = net.join_with(&connect);
    net.broker.accept(desk.take(), net.now, &admission).unwrap();
    desk.holds.set(false);
    net.run();
    let told = &net.peers[ada].connack.as_ref().unwrap().2;
    for property in [
        "ReceiveMaximum(3)",
        "MaximumPacketSize(200)",
        "TopicAliasMaximum(4)",
    ] {
        assert!(told.iter().any(|one| one == property), "{told:?}");
    }
    let bob = net.join(Version::V5, "bob");
    let told = &net.peers[bob].connack.as_ref().unwrap().2;
    assert!(!told.iter().any(|one| one.contains("200")), "{told:?}");
    for peer in [ada, bob] {
        net.subscribe(peer, &[Subscription::new("a", QoS::AtLeastOnce)]);
    }
    net.cut(ada);
    for text in ["1", "2", "3"] {
        net.publish(bob, message("a", text, QoS::AtLeastOnce));
    }
    assert_eq!(net.texts(bob), ["1", "2", "3"]);
    let ada = net.rejoin(ada, &connect);
    assert_eq!(net.texts(ada), ["1", "2"]);
    // It was admitted as any other this time.
    let client = &mut net.peers[ada].client;
    let long = message("b", &"x".repeat(300), QoS::AtMostOnce);
    client.publish(net.now, long).unwrap();
    net.run();
    assert_eq!(net.peers[ada].disconnect, None);
}

/// The session is that of the name that the caller gave: the same Client Identifier of two tenants is two clients.
#[test]
fn two_tenants_may_have_clients_of_one_name() {
    let mut net = Net::new(BrokerOptions::new().with_ask_connect(true));
    net.answers = Box::new(|broker, now, question| {
        if let Question::Connect { connect, token } = question {
            let name = format!("{}/{}", connect.user_name.unwrap(), connect.client_id);
            let admission = Admission {
                client_id: Some(&name),
                ..Admission::default()
            };
            broker.accept(token, now, &admission).unwrap();
        }
    });
    let of = |tenant| Connect {
        user_name: Some(tenant),
        ..lasting(Version::V5, "ada")
    };
    let (one, two) = (net.join_with(&of("x")), net.join_with(&of("y")));
    assert_eq!(net.broker.counters().connected, 2);
    net.subscribe(one, &[Subscription::new("a", QoS::AtLeastOnce)]);
    net.publish(two, message("a", "1", QoS::AtLeastOnce));
    assert_eq!((net.texts(one).len(), net.texts(two).len()), (1, 0));
    let again = net.rejoin(one, &of("x"));
    assert!(net.peers[again].connack.as_ref().unwrap().1);
    assert_eq!(
        net.broker.client_id(net.peers[again].id).map(|id| &**id),
        Some("x/ada")
    );
    assert_eq!(net.peers[two].disconnect, None);
}
