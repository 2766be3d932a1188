//! The lines of feature `tracing`.

#[path = "support/pair.rs"]
mod pair;

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use pair::*;
use sansio_mqtt::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Collects `LEVEL role message`.
#[derive(Clone)]
struct Lines {
    most: Level,
    lines: Arc<Mutex<Vec<String>>>,
}

#[derive(Default)]
struct Line {
    role: String,
    message: String,
    connection: Option<u64>,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = match field.name() {
            "role" => &mut self.role,
            "message" => &mut self.message,
            other => panic!("{other}"),
        };
        write!(text, "{value:?}").unwrap();
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        assert_eq!(field.name(), "connection");
        self.connection = Some(value);
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sansio_mqtt" && *metadata.level() <= self.most
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        assert!(line.connection.is_some());
        let level = event.metadata().level();
        let text = format!("{level} {} {}", line.role, line.message);
        self.lines.lock().unwrap().push(text);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn lines(most: Level, work: impl FnOnce()) -> Vec<String> {
    let lines = Lines {
        most,
        lines: Arc::default(),
    };
    tracing::subscriber::with_default(lines.clone(), work);
    let lines = lines.lines.lock().unwrap();
    lines.clone()
}

fn exchange() {
    let mut pair = Pair::connected(Setup::new(Version::V5));
    let now = pair.now;
    pair.client()
        .publish(now, message("secret/1", "hidden", QoS::AtLeastOnce))
        .unwrap();
    pair.drive();
    let mut out = Vec::new();
    pair.server()
        .publish_into(now, &Publish::new("down", b"hidden"), &mut out)
        .unwrap();
    pair.client().receive(now, &mut &out[..]).unwrap();
    pair.client()
        .disconnect(now, &Disconnect::new(ReasonCode::Success))
        .unwrap();
    pair.drive();
}

#[test]
fn one_line_per_state_and_packet() {
    let found = lines(Level::TRACE, exchange);
    let of = |role: &str| -> Vec<&str> {
        let of_role = found.iter().filter(|line| line.contains(role));
        of_role.map(String::as_str).collect()
    };
    let starts = |role: &str, expected: &[&str]| {
        let lines = of(role);
        assert_eq!(lines.len(), expected.len(), "{lines:#?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected), "{line}: {expected}");
        }
    };
    starts(
        " client ",
        &[
            "DEBUG client opening",
            "TRACE client sent CONNECT version=5.0 client_id=\"client\"",
            "TRACE client received CONNACK",
            "DEBUG client connected",
            "TRACE client sent PUBLISH id=1 qos=1 topic=\"secret/1\"",
            "TRACE client received PUBACK id=1",
            "TRACE client received PUBLISH qos=0 topic=\"down\"",
            "DEBUG client closed: disconnected: 0x00",
            "TRACE client sent DISCONNECT",
        ],
    );
    starts(
        " server ",
        &[
            "TRACE server received CONNECT",
            "DEBUG server opening",
            "DEBUG server connected",
            "TRACE server sent CONNACK",
            "TRACE server received PUBLISH id=1 qos=1 topic=\"secret/1\"",
            "TRACE server sent PUBACK id=1",
            "TRACE server sent PUBLISH qos=0 topic=\"down\"",
            "TRACE server received DISCONNECT",
            "DEBUG server closed: the peer disconnected: 0x00",
        ],
    );
    assert!(found.iter().all(|line| !line.contains("hidden")));
    // Of the states alone.
    let states = lines(Level::DEBUG, exchange);
    assert_eq!(states.len(), 6);
    assert!(states.iter().all(|line| line.starts_with("DEBUG ")));
}

#[test]
fn a_password_is_hidden() {
    let found = lines(Level::TRACE, || {
        let now = Instant::ZERO;
        let connect = Connect {
            user_name: Some("user"),
            password: Some(b"hidden"),
            ..Connect::new(Version::V5, "c")
        };
        let mut client =
            ClientConnection::new(now, &connect, Session::new(), Options::new()).unwrap();
        let mut bytes = Vec::new();
        client.poll_transmit(now, &mut bytes, usize::MAX);
        let mut server = ServerConnection::new(now, Options::new());
        let mut input = &bytes[..];
        assert!(server.receive(now, &mut input).is_some());
        server.receive_eof(now);
    });
    assert_eq!(found.len(), 5, "{found:#?}");
    assert!(found[1].contains("password=(hidden)"));
    assert!(found.iter().all(|line| !line.contains("\"hidden")));
    assert!(found[4].ends_with("closed: the transport ended"));
}

#[test]
fn a_payload_in_pieces_has_a_line_for_its_head() {
    let found = lines(Level::TRACE, || {
        let mut pair = Pair::connected(Setup {
            server: Options::new().with_whole_publish_limit(16),
            ..Setup::new(Version::V5)
        });
        let now = pair.now;
        let large = Message::with_streamed_payload("large", 1_000).unwrap();
        pair.client().publish(now, large).unwrap();
        let mut out = Vec::new();
        pair.client().poll_transmit(now, &mut out, usize::MAX);
        pair.server().receive(now, &mut &out[..]).unwrap();
        // Bytes that are no packet, even if they look like one.
        let mut piece = &[0xc0, 0x00].repeat(500)[..];
        assert_eq!(pair.client().transmit_payload(now, &mut piece).len(), 1_000);
    });
    let heads: Vec<_> = found.iter().filter(|line| line.contains("large")).collect();
    assert_eq!(heads.len(), 2, "{found:#?}");
    assert!(heads[0].starts_with("TRACE client sent head of PUBLISH qos=0"));
    assert!(heads[1].starts_with("TRACE server received head of PUBLISH qos=0"));
    assert!(found.iter().all(|line| !line.contains("PINGREQ")));
}
