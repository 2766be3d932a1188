//! What carries the bytes of the drivers and of the runner; their package has no tests of its own.

use std::io::{self, ErrorKind, Read, Write};

use sansio_mqtt_drivers::{Scheme, Transport};

const REQUEST: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

/// A client that shakes hands, and then has sent so much that the socket is never empty.
struct Flood {
    request: &'static [u8],
    frames: Vec<u8>,
    at: usize,
}

impl Read for Flood {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.request.is_empty() {
            return self.request.read(buffer);
        }
        let many = self
            .frames
            .get(self.at..)
            .unwrap_or_default()
            .read(buffer)?;
        self.at += many;
        match many {
            0 => Err(ErrorKind::WouldBlock.into()),
            _ => Ok(many),
        }
    }
}

impl Write for Flood {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A frame, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short payload");
    [&[first, 0x80 | length, 0, 0, 0, 0][..], payload].concat()
}

/// Frames without data end a call, which says that it is to be made again; what follows them is not lost.
fn is_left(begin: &[u8], repeated: &[u8], end: &[u8]) {
    let socket = Flood {
        request: REQUEST,
        frames: [begin, &repeated.repeat(100_000), end].concat(),
        at: 0,
    };
    let mut transport = Transport::accept(Scheme::Ws, socket, None).expect("a transport");
    let mut buffer = [0; 64];
    let mut turns = 0;
    loop {
        let before = transport.socket().expect("no handshake").at;
        let read = transport.read(&mut buffer);
        let after = transport.socket().expect("no handshake").at;
        assert!(after - before <= 64 << 10, "{} in one call", after - before);
        match read {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted),
            Ok(read) => {
                assert_eq!(&buffer[..read], b"x");
                break;
            }
        }
        turns += 1;
    }
    assert!(turns > 8, "{turns}");
    let error = transport.read(&mut buffer).expect_err("nothing more");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_flood_of_pings_is_left() {
    is_left(&[], &frame(0x89, b""), &frame(0x82, b"x"));
}

#[test]
fn a_flood_of_empty_messages_is_left() {
    is_left(&[], &frame(0x82, b""), &frame(0x82, b"x"));
}

#[test]
fn a_flood_of_empty_fragments_is_left() {
    is_left(&frame(0x02, b""), &frame(0x00, b""), &frame(0x80, b"x"));
}
