//! Clients that no client should be, behind the client protocol, for the tests of `mqtt-conformance`: `takes` goes on whatever
//! comes, `closes` ends its connection at whatever comes behind CONNACK, `once` is `takes` and ends after one connection.
//! `pings` is no fault: it sends PINGREQ behind CONNACK, unasked.

use std::env;
use std::io::{self, BufRead, Read, Write};
use std::net::TcpStream;
use std::process;
use std::thread;

use serde_json::Value;

fn main() -> io::Result<()> {
    let fault = env::args().nth(1).unwrap_or_default();
    let var = |name: &str| env::var(name).unwrap_or_default();
    let address = format!("{}:{}", var("MQTT_HOST"), var("MQTT_PORT"));
    let is_5 = var("MQTT_VERSION") == "5.0";
    for line in io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line?)?;
        if asked["do"]["type"] == "CONNECT" {
            let mut stream = TcpStream::connect(&address)?;
            stream.write_all(connect(is_5))?;
            let fault = fault.clone();
            thread::spawn(move || serve(stream, &fault));
        }
    }
    Ok(())
}

fn connect(is_5: bool) -> &'static [u8] {
    match is_5 {
        true => b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01c",
        false => b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01c",
    }
}

fn serve(mut stream: TcpStream, fault: &str) {
    let mut buffer = vec![0; 1 << 16];
    let mut has_connack = false;
    while let Ok(read) = stream.read(&mut buffer) {
        if read == 0 {
            break;
        }
        if fault == "closes" {
            // What is behind CONNACK may come with it.
            if has_connack || read > 5 {
                return;
            }
            has_connack = true;
            continue;
        }
        if fault == "pings" && buffer[0] == 0x20 && stream.write_all(&[0xC0, 0]).is_err() {
            return;
        }
        // Of a message at QoS 1 that ends here, with the identifier 60,001.
        let is_probe = buffer[..read].windows(2).any(|pair| pair == [0xEA, 0x61]);
        if is_probe && stream.write_all(&[0x40, 2, 0xEA, 0x61]).is_err() {
            return;
        }
    }
    if fault == "once" {
        process::exit(0);
    }
}
