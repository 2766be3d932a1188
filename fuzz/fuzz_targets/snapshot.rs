//! Any bytes as a stored session: an error, or a session that is stored again as it was, and with which a connection
//! gets everything settled.
#![no_main]

use sansio_mqtt::*;

const NOW: Instant = Instant::from_millis(1_000_000);
/// A streamed payload that is longer is not supplied.
const LONGEST: u32 = 1 << 16;

fn stored(session: &Session) -> Vec<u8> {
    let mut bytes = Vec::new();
    session.snapshot(&mut bytes);
    let again = Session::restore(&bytes).expect("a snapshot");
    let mut twice = Vec::new();
    again.snapshot(&mut twice);
    assert_eq!(bytes, twice);
    bytes
}

/// The payload of a message that is streamed, if it is not too long.
macro_rules! supply {
    ($connection:expr, $out:expr) => {
        while let Some(wanted) = $connection.payload_wanted() {
            if wanted.remaining > LONGEST {
                return;
            }
            let zeros = vec![0; wanted.remaining as usize];
            $out.extend_from_slice($connection.transmit_payload(NOW, &mut &zeros[..]));
        }
    };
}

/// The session is of the client or of the server; the other side has an empty one.
fn resume(version: Version, is_client: bool, session: Session) {
    let expiry = [Property::SessionExpiryInterval(60)];
    let connect = Connect {
        clean_start: false,
        properties: match version {
            Version::V5 => Properties::from(&expiry[..]),
            _ => Properties::new(),
        },
        ..Connect::new(version, "c")
    };
    let options = Options::new().with_change_records(true);
    let (ours, theirs) = match is_client {
        true => (session, Session::established()),
        false => (Session::established(), session),
    };
    // A client that knows of no session is refused one.
    let kept = ours.is_established().then_some(theirs);
    let mut kept = Some(kept);
    let mut log = stored(&ours);
    let mut client = ClientConnection::new(NOW, &connect, ours, options.clone()).expect("CONNECT");
    let mut server = ServerConnection::new(NOW, options);
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    loop {
        let mut busy = false;
        let mut input = &to_client[..];
        while client.receive(NOW, &mut input).is_some() {
            busy = true;
        }
        let left = input.len();
        to_client.drain(..to_client.len() - left);
        let mut input = &to_server[..];
        while let Some(event) = server.receive(NOW, &mut input) {
            busy = true;
            if let ServerEvent::Connect(connect) = event {
                // A clean start that got no answer is asked for again.
                let session = kept.take().flatten().filter(|_| !connect.clean_start);
                let connack = Connack::new(ReasonCode::Success);
                server.accept(NOW, session, &connack).expect("accept");
            }
        }
        let left = input.len();
        to_server.drain(..to_server.len() - left);
        busy |= client.poll_transmit(NOW, &mut to_server, usize::MAX) > 0;
        supply!(client, to_server);
        while let Some(change) = client.poll_change() {
            busy = true;
            change.encode(&mut log);
        }
        busy |= server.poll_transmit(NOW, &mut to_client, usize::MAX) > 0;
        supply!(server, to_client);
        while server.poll_change().is_some() {
            busy = true;
        }
        if !busy {
            break;
        }
    }
    assert_eq!(client.closed(), None);
    assert_eq!(server.closed(), None);
    for session in [client.session(), server.session()] {
        assert_eq!((session.queued(), session.in_flight()), (0, 0));
    }
    // The log of the client says what its session says, save for the identifier that is tried next.
    let mut ours = stored(client.session());
    let mut logged = stored(&Session::restore(&log).expect("a log"));
    ours[14..16].fill(0);
    logged[14..16].fill(0);
    assert_eq!(ours, logged);
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&flags, bytes)) = data.split_first() else {
        return;
    };
    let session = match Session::restore(bytes) {
        Ok(session) => session,
        Err(error) => {
            assert!(error.offset <= bytes.len());
            if error.kind == SnapshotErrorKind::Truncated && error.offset > 0 {
                Session::restore(&bytes[..error.offset]).expect("what is before is whole");
            }
            return;
        }
    };
    let again = Session::restore(&stored(&session)).expect("a snapshot");
    let version = match flags & 1 {
        0 => Version::V5,
        _ => Version::V311,
    };
    resume(version, flags & 2 != 0, again);
});
