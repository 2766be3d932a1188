//! Enhanced authentication (5.0, section 4.12): a real method through both connections, whose turn it is,
//! and how long and how often.

#[path = "support/pair.rs"]
mod pair;

use std::time::Duration;

use pair::*;
use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::scram::properties::ScramStoredPassword;
use rsasl::prelude::{
    Mechname, SASLClient, SASLConfig, SASLServer, Session, SessionError, Validation,
};
use rsasl::property::AuthId;
use rsasl::validate::{Validate, ValidationError};
use sansio_mqtt::*;

const SCRAM: &str = "SCRAM-SHA-256";

// Of the password `pencil` with this salt and 4096 iterations.
const SALT: [u8; 16] = *b"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81";
const STORED_KEY: &str = "586e5df283e6dceb5c3e791d8b8528ec191e664045ce971792e2e6b5bb13e2a6";
const SERVER_KEY: &str = "c1f3cbc1c13a9d35a14c0990eed97629ea225863e566a4314ab99f3f00e5d9d5";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// What the server knows of its user.
struct Store;

/// The user that was let in.
struct User;

impl Validation for User {
    type Value = String;
}

impl SessionCallback for Store {
    fn callback(
        &self,
        _: &SessionData,
        context: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        if context.get_ref::<AuthId>() == Some("user") {
            let (stored, server) = (bytes(STORED_KEY), bytes(SERVER_KEY));
            let password = ScramStoredPassword::new(4096, &SALT, &stored, &server);
            request.satisfy::<ScramStoredPassword<'_>>(&password)?;
        }
        Ok(())
    }

    fn validate(
        &self,
        _: &SessionData,
        context: &Context<'_>,
        validate: &mut Validate<'_>,
    ) -> Result<(), ValidationError> {
        let user = context.get_ref::<AuthId>().unwrap_or_default().to_owned();
        validate.with::<User, _>(|| Ok(user))?;
        Ok(())
    }
}

/// Both ends of the method, without MQTT.
struct Method {
    client: Session,
    server: Session<User>,
}

impl Method {
    fn new(password: &str) -> Self {
        let name = Mechname::parse(SCRAM.as_bytes()).unwrap();
        let credentials =
            SASLConfig::with_credentials(None, "user".to_owned(), password.to_owned());
        let client = SASLClient::new(credentials.unwrap());
        let store = SASLConfig::builder().with_defaults().with_callback(Store);
        let server = SASLServer::<User>::new(store.unwrap());
        Self {
            client: client.start_suggested(&[name]).unwrap(),
            server: server.start_suggested(name).unwrap(),
        }
    }

    fn client(&mut self, input: Option<&[u8]>) -> Result<Vec<u8>, SessionError> {
        let mut out = Vec::new();
        self.client.step(input, &mut out).map(|_| out)
    }

    /// The answer, and the user if that is who it says.
    fn server(&mut self, input: &[u8]) -> (Vec<u8>, Option<String>) {
        let mut out = Vec::new();
        let state = self.server.step(Some(input), &mut out).unwrap();
        let user = self.server.validation();
        assert!(user.is_none() || state.is_finished());
        (out, user)
    }
}

fn step<'a>(reason: ReasonCode, list: &'a [Property<'a>; 2]) -> Auth<'a> {
    Auth::new(reason, list)
}

fn with(data: &[u8]) -> [Property<'_>; 2] {
    [
        Property::AuthenticationMethod(SCRAM),
        Property::AuthenticationData(data),
    ]
}

/// The data of the AUTH that one side saw.
fn data(seen: &mut Vec<Seen>, reason: ReasonCode) -> Vec<u8> {
    let at = seen.iter().position(|seen| matches!(seen, Seen::Auth(..)));
    match seen.remove(at.unwrap()) {
        Seen::Auth(found, data) => {
            assert_eq!(found, reason);
            data
        }
        other => panic!("{other:?}"),
    }
}

/// From CONNECT to where the server has checked the client's proof.
fn begin(password: &str) -> (Pair, Method, Vec<u8>, Option<String>) {
    let mut method = Method::new(password);
    let first: &'static [u8] = method.client(None).unwrap().leak();
    let mut pair = Pair::new(Setup {
        connect: with(first).to_vec(),
        accept: false,
        chunk: 7,
        ..Setup::new(Version::V5)
    });
    pair.connect();
    pair.drive();
    let now = pair.now;
    let (challenge, user) = method.server(first);
    assert_eq!(user, None);
    let auth = with(&challenge);
    let auth = step(ReasonCode::ContinueAuthentication, &auth);
    pair.server().auth(now, &auth).unwrap();
    pair.drive();
    let challenge = data(&mut pair.client.seen, ReasonCode::ContinueAuthentication);
    let proof = method.client(Some(&challenge)).unwrap();
    let auth = with(&proof);
    let auth = step(ReasonCode::ContinueAuthentication, &auth);
    pair.client().auth(now, &auth).unwrap();
    pair.drive();
    let proof = data(&mut pair.server.seen, ReasonCode::ContinueAuthentication);
    let (last, user) = method.server(&proof);
    (pair, method, last, user)
}

/// The initial authentication (5.0: MQTT-4.12.0-2, -3 and -5), then another amid messages of QoS 2 in both
/// directions (section 4.12.1).
#[test]
fn scram_at_the_opening_and_again_amid_traffic() {
    let (mut pair, mut method, last, user) = begin("pencil");
    assert_eq!(user.as_deref(), Some("user"));
    let now = pair.now;
    let last = with(&last);
    let connack = Connack {
        properties: Properties::from(&last[..]),
        ..Connack::new(ReasonCode::Success)
    };
    pair.to_client.sent.clear();
    pair.server().accept(now, None, &connack).unwrap();
    pair.drive();
    assert!(pair.client().is_connected() && pair.server().is_connected());
    let sent = &pair.to_client.sent[..];
    match Packet::decode(Version::V5, &DecodeOptions::new(), &mut &sent[..]) {
        Ok(Some(Packet::Connack(connack))) => {
            let data = connack.properties.authentication_data().unwrap();
            // The client knows the server by this.
            method.client(Some(data)).unwrap();
        }
        other => panic!("{other:?}"),
    }

    for round in 0..3 {
        pair.clear();
        let mut sent = 0;
        let mut traffic = |pair: &mut Pair| {
            for _ in 0..2 {
                let text = format!("{round}.{sent}");
                sent += 1;
                let up = message("up", &text, QoS::ExactlyOnce);
                pair.client().publish(now, up).unwrap();
                let down = message("down", &text, QoS::ExactlyOnce);
                pair.server().publish(now, down).unwrap();
            }
        };
        let mut method = Method::new("pencil");
        traffic(&mut pair);
        let first = method.client(None).unwrap();
        let auth = with(&first);
        let again = step(ReasonCode::ReAuthenticate, &auth);
        pair.client().auth(now, &again).unwrap();
        // Not twice at a time.
        let error = RequestError::AuthenticationOrder;
        assert_eq!(pair.client().auth(now, &again), Err(error));
        traffic(&mut pair);
        pair.drive();
        let first = data(&mut pair.server.seen, ReasonCode::ReAuthenticate);
        let (challenge, _) = method.server(&first);
        let auth = with(&challenge);
        let auth = step(ReasonCode::ContinueAuthentication, &auth);
        pair.server().auth(now, &auth).unwrap();
        traffic(&mut pair);
        pair.drive();
        let challenge = data(&mut pair.client.seen, ReasonCode::ContinueAuthentication);
        let proof = method.client(Some(&challenge)).unwrap();
        let auth = with(&proof);
        let auth = step(ReasonCode::ContinueAuthentication, &auth);
        pair.client().auth(now, &auth).unwrap();
        traffic(&mut pair);
        pair.drive();
        let proof = data(&mut pair.server.seen, ReasonCode::ContinueAuthentication);
        let (last, user) = method.server(&proof);
        assert_eq!(user.as_deref(), Some("user"));
        let auth = with(&last);
        let auth = step(ReasonCode::Success, &auth);
        pair.server().auth(now, &auth).unwrap();
        traffic(&mut pair);
        pair.drive();
        let last = data(&mut pair.client.seen, ReasonCode::Success);
        method.client(Some(&last)).unwrap();
        // Everything came, in order and once.
        let expected: Vec<_> = (0..sent).map(|n| format!("{round}.{n}")).collect();
        assert_eq!(payloads(&pair.server.seen), expected);
        assert_eq!(payloads(&pair.client.seen), expected);
        assert_eq!(pair.client().session().in_flight(), 0);
        assert_eq!(pair.server().session().in_flight(), 0);
        assert_eq!(pair.next_timeout(), None);
    }
}

/// (5.0: MQTT-4.12.0-4, MQTT-4.12.1-2.)
#[test]
fn scram_with_a_wrong_password_is_refused_at_the_opening_and_again() {
    let (mut pair, _, _, user) = begin("pen");
    assert_eq!(user, None);
    let now = pair.now;
    let refusal = Connack::new(ReasonCode::NotAuthorized);
    pair.server().refuse(now, &refusal).unwrap();
    pair.drive();
    let cause = CloseCause::Refused(ReasonCode::NotAuthorized);
    assert_eq!(pair.server.closed.unwrap().cause, cause);
    assert_eq!(pair.client.closed.unwrap().cause, cause);

    let mut pair = connected(Options::new(), Options::new());
    let mut method = Method::new("pen");
    let first = method.client(None).unwrap();
    let auth = with(&first);
    let again = step(ReasonCode::ReAuthenticate, &auth);
    pair.client().auth(now, &again).unwrap();
    pair.drive();
    let (challenge, _) = method.server(&first);
    let auth = with(&challenge);
    let auth = step(ReasonCode::ContinueAuthentication, &auth);
    pair.server().auth(now, &auth).unwrap();
    pair.drive();
    let proof = method.client(Some(&challenge)).unwrap();
    let auth = with(&proof);
    let auth = step(ReasonCode::ContinueAuthentication, &auth);
    pair.client().auth(now, &auth).unwrap();
    pair.drive();
    assert_eq!(method.server(&proof).1, None);
    pair.clear();
    pair.server()
        .disconnect(now, &Disconnect::new(ReasonCode::NotAuthorized))
        .unwrap();
    pair.drive();
    assert_eq!(pair.to_client.sent, [0xe0, 1, 0x87]);
    let cause = CloseCause::PeerDisconnected(ReasonCode::NotAuthorized);
    assert_eq!(pair.client.closed.unwrap().cause, cause);
}

/// A connection with the method and without a step at its opening.
fn connected(client: Options, server: Options) -> Pair {
    Pair::connected(Setup {
        connect: vec![Property::AuthenticationMethod(SCRAM)],
        connack: vec![Property::AuthenticationMethod(SCRAM)],
        client,
        server,
        ..Setup::new(Version::V5)
    })
}

fn encoded(reason: ReasonCode, method: &str) -> Vec<u8> {
    let list = [Property::AuthenticationMethod(method)];
    let mut out = Vec::new();
    Packet::from(Auth::new(reason, &list))
        .encode(Version::V5, &mut out)
        .unwrap();
    out
}

const CONTINUE: ReasonCode = ReasonCode::ContinueAuthentication;
const AGAIN: ReasonCode = ReasonCode::ReAuthenticate;
const SUCCESS: ReasonCode = ReasonCode::Success;

/// Each AUTH of a client, by what was before (C and S: AUTH of client and server), and what the server
/// makes of it.
#[test]
fn an_auth_of_the_client_that_is_not_due_ends_the_connection() {
    let method = [Property::AuthenticationMethod(SCRAM)];
    let cases: [(&[ReasonCode], ReasonCode, &str, Option<u8>); 9] = [
        (&[], AGAIN, SCRAM, None),
        (&[AGAIN, CONTINUE], CONTINUE, SCRAM, None),
        (&[AGAIN, SUCCESS], AGAIN, SCRAM, None),
        // Nothing is under way; the server has the word; not twice at a time.
        (&[], CONTINUE, SCRAM, Some(0x82)),
        (&[AGAIN], CONTINUE, SCRAM, Some(0x82)),
        (&[AGAIN], AGAIN, SCRAM, Some(0x82)),
        (&[AGAIN, CONTINUE], AGAIN, SCRAM, Some(0x82)),
        // MQTT-4.12.1-1, MQTT-4.12.0-5.
        (&[], AGAIN, "other", Some(0x82)),
        (&[AGAIN, CONTINUE], CONTINUE, "other", Some(0x82)),
    ];
    for (before, reason, name, code) in cases {
        let mut pair = connected(Options::new(), Options::new());
        let now = pair.now;
        for (n, &reason) in before.iter().enumerate() {
            let auth = Auth::new(reason, &method);
            match n % 2 {
                0 => pair.client().auth(now, &auth).unwrap(),
                _ => pair.server().auth(now, &auth).unwrap(),
            }
            pair.drive();
        }
        pair.clear();
        pair.inject_to_server(&encoded(reason, name));
        pair.drive();
        let what = format!("{before:?} {reason} {name}");
        match code {
            None => assert!(matches!(pair.server.seen[..], [Seen::Auth(..)]), "{what}"),
            Some(code) => {
                assert_eq!(pair.to_client.sent, [0xe0, 1, code], "{what}");
                assert!(pair.server.closed.is_some(), "{what}");
            }
        }
    }
}

/// The same of a server.
#[test]
fn an_auth_of_the_server_that_is_not_due_ends_the_connection() {
    let method = [Property::AuthenticationMethod(SCRAM)];
    let cases: [(&[ReasonCode], ReasonCode, bool); 6] = [
        (&[AGAIN], CONTINUE, true),
        (&[AGAIN], SUCCESS, true),
        (&[AGAIN, CONTINUE, CONTINUE], SUCCESS, true),
        (&[], CONTINUE, false),
        (&[], SUCCESS, false),
        (&[AGAIN, CONTINUE], CONTINUE, false),
    ];
    for (before, reason, due) in cases {
        let mut pair = connected(Options::new(), Options::new());
        let now = pair.now;
        for (n, &reason) in before.iter().enumerate() {
            let auth = Auth::new(reason, &method);
            match n % 2 {
                0 => pair.client().auth(now, &auth).unwrap(),
                _ => pair.server().auth(now, &auth).unwrap(),
            }
            pair.drive();
        }
        pair.clear();
        pair.inject_to_client(&encoded(reason, SCRAM));
        pair.drive();
        let what = format!("{before:?} {reason}");
        if due {
            assert!(matches!(pair.client.seen[..], [Seen::Auth(..)]), "{what}");
        } else {
            assert_eq!(pair.to_server.sent, [0xe0, 1, 0x82], "{what}");
            assert!(pair.client.closed.is_some(), "{what}");
        }
    }
}

/// The applications cannot speak out of turn either.
#[test]
fn whose_turn_it_is() {
    let method = [Property::AuthenticationMethod(SCRAM)];
    let (next, again) = (Auth::new(CONTINUE, &method), Auth::new(AGAIN, &method));
    let success = Auth::new(SUCCESS, &method);
    let order = Err(RequestError::AuthenticationOrder);
    let mut pair = Pair::new(Setup {
        connect: method.to_vec(),
        accept: false,
        ..Setup::new(Version::V5)
    });
    pair.connect();
    pair.drive();
    let now = pair.now;
    assert_eq!(pair.client().auth(now, &next), order);
    pair.server().auth(now, &next).unwrap();
    assert_eq!(pair.server().auth(now, &next), order);
    // Nor is a client accepted that was asked and has not answered.
    let connack = Connack {
        properties: Properties::from(&method[..]),
        ..Connack::new(SUCCESS)
    };
    let error = pair.server().accept(now, None, &connack).unwrap_err();
    let expected = AcceptErrorReason::Request(RequestError::AuthenticationOrder);
    assert_eq!(error.reason, expected);
    pair.drive();
    pair.client().auth(now, &next).unwrap();
    assert_eq!(pair.client().auth(now, &next), order);
    pair.drive();
    pair.server().accept(now, None, &connack).unwrap();
    pair.drive();
    assert!(pair.client().is_connected());
    for auth in [&next, &success] {
        assert_eq!(pair.server().auth(now, auth), order);
    }
    assert_eq!(pair.client().auth(now, &next), order);
    pair.client().auth(now, &again).unwrap();
    pair.drive();
    pair.server().auth(now, &success).unwrap();
    assert_eq!(pair.server().auth(now, &success), order);
    pair.drive();
    pair.client().auth(now, &again).unwrap();
}

/// So many steps, and no more: 0x97.
#[test]
fn rounds_are_bounded() {
    let method = [Property::AuthenticationMethod(SCRAM)];
    let next = Auth::new(CONTINUE, &method);
    for opening in [true, false] {
        for bounds_client in [true, false] {
            let few = Options::new().with_maximum_authentication_rounds(3);
            let (client, server) = match bounds_client {
                true => (few, Options::new()),
                false => (Options::new(), few),
            };
            let mut pair = Pair::new(Setup {
                connect: method.to_vec(),
                connack: method.to_vec(),
                accept: !opening,
                client,
                server,
                ..Setup::new(Version::V5)
            });
            pair.connect();
            pair.drive();
            let now = pair.now;
            let mut rounds = 0;
            if !opening {
                let again = Auth::new(AGAIN, &method);
                pair.client().auth(now, &again).unwrap();
                rounds += i32::from(!bounds_client);
                pair.drive();
            }
            while pair.client.closed.is_none() && pair.server.closed.is_none() {
                assert!(rounds <= 3);
                pair.server().auth(now, &next).unwrap();
                pair.drive();
                rounds += i32::from(bounds_client);
                if pair.client.closed.is_none() {
                    pair.client().auth(now, &next).unwrap();
                    pair.drive();
                    rounds += i32::from(!bounds_client);
                }
            }
            assert_eq!(rounds, 4, "{opening} {bounds_client}");
            let closed = match bounds_client {
                true => pair.client.closed,
                false => pair.server.closed,
            };
            match closed.unwrap().cause {
                CloseCause::Violation(error) => {
                    assert_eq!(error.violation(), Violation::AuthenticationRounds);
                }
                cause => panic!("{cause:?}"),
            }
            let last: &[u8] = match (bounds_client, opening) {
                (false, true) => &[0x20, 3, 0, 0x97, 0],
                _ => &[0xe0, 1, 0x97],
            };
            let sent = match bounds_client {
                true => &pair.to_server.sent,
                false => &pair.to_client.sent,
            };
            assert!(sent.ends_with(last), "{opening} {bounds_client}");
        }
    }
    // One authentication after the other is not too many.
    let few = Options::new().with_maximum_authentication_rounds(1);
    let mut pair = connected(few.clone(), few);
    let now = pair.now;
    for _ in 0..5 {
        let again = Auth::new(AGAIN, &method);
        pair.client().auth(now, &again).unwrap();
        pair.drive();
        let success = Auth::new(SUCCESS, &method);
        pair.server().auth(now, &success).unwrap();
        pair.drive();
        assert!(pair.client().is_connected());
    }
}

/// The side that waits for an AUTH has a deadline, and only that side (5.0: MQTT-4.12.1-2).
#[test]
fn the_time_of_a_re_authentication_is_bounded() {
    let method = [Property::AuthenticationMethod(SCRAM)];
    let (next, again) = (Auth::new(CONTINUE, &method), Auth::new(AGAIN, &method));
    let options = Options::new().with_connect_timeout(Duration::from_secs(5));
    for server_waits in [false, true] {
        let mut pair = connected(options.clone(), options.clone());
        let begun = pair.now;
        assert_eq!(pair.next_timeout(), None);
        pair.client().auth(begun, &again).unwrap();
        pair.drive();
        let due = Some(begun + Duration::from_secs(5));
        assert_eq!(pair.client().poll_timeout(), due);
        assert_eq!(pair.server().poll_timeout(), None);
        pair.advance(Duration::from_millis(4_999));
        assert!(pair.client().is_connected());
        let now = pair.now;
        if server_waits {
            pair.server().auth(now, &next).unwrap();
            pair.drive();
            assert_eq!(pair.client().poll_timeout(), None);
            let due = Some(now + Duration::from_secs(5));
            assert_eq!(pair.server().poll_timeout(), due);
            pair.advance(Duration::from_millis(4_999));
            assert!(pair.server().is_connected());
        }
        pair.clear();
        pair.advance(Duration::from_millis(1));
        let (closed, sent, code) = match server_waits {
            true => (pair.server.closed, &pair.to_client.sent, 0x87),
            false => (pair.client.closed, &pair.to_server.sent, 0x80),
        };
        assert_eq!(closed.unwrap().cause, CloseCause::AuthenticationTimeout);
        assert_eq!(*sent, [0xe0, 1, code]);
    }
    // A server application that leaves requests unanswered hears nothing: that proves nothing.
    let held = options.with_maximum_open_requests(1);
    let mut pair = connected(Options::new(), held);
    pair.setup.answer = false;
    let now = pair.now;
    pair.client().auth(now, &again).unwrap();
    let filter = [Subscription::new("t", QoS::AtMostOnce)];
    pair.client().subscribe(&filter, Properties::new()).unwrap();
    pair.drive();
    pair.server().auth(now, &next).unwrap();
    pair.drive();
    pair.client().auth(now, &next).unwrap();
    pair.clear();
    pair.advance(Duration::from_secs(12));
    assert!(pair.server().is_connected());
    assert_eq!(pair.server.seen, []);
    let (token, _) = pair.server.requests.remove(0);
    pair.server()
        .suback(token, &[ReasonCode::Success], Properties::new())
        .unwrap();
    pair.drive();
    assert_eq!(pair.server.seen, [Seen::Auth(CONTINUE, vec![])]);
}

/// Who is inside a large message cannot send the AUTH that is due, and is not closed for that.
#[test]
fn a_payload_in_pieces_postpones_an_auth() {
    let method = [Property::AuthenticationMethod(SCRAM)];
    let (next, again) = (Auth::new(CONTINUE, &method), Auth::new(AGAIN, &method));
    let limit = Duration::from_secs(5);
    let server = Options::new()
        .with_connect_timeout(limit)
        .with_whole_publish_limit(20);
    let mut pair = connected(Options::new(), server);
    let mut now = pair.now;
    pair.client().auth(now, &again).unwrap();
    pair.drive();
    pair.server().auth(now, &next).unwrap();
    pair.drive();
    let mut message = Vec::new();
    Publish::new("t", &[7; 30])
        .encode(Version::V5, &mut message)
        .unwrap();
    let (head, payload) = message.split_at(message.len() - 30);
    let server = pair.server();
    let event = server.receive(now, &mut &head[..]);
    assert!(matches!(event, Some(ServerEvent::PublishHead(_))));
    for byte in payload.chunks(1) {
        now = now + Duration::from_secs(4);
        server.handle_timeout(now);
        assert!(server.receive(now, &mut &byte[..]).is_some());
        assert_eq!(server.poll_timeout(), Some(now + limit));
    }
    server.handle_timeout(now + limit);
    let cause = server.closed().map(|closed| closed.cause);
    assert_eq!(cause, Some(CloseCause::AuthenticationTimeout));
}
