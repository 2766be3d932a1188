//! A client as firmware has it: one loop without sockets, threads and a clock of the system, and a link that is a pair of
//! buffers of fixed size, such as a modem or a serial line has. A broker on the other end makes it run here.
//!
//! `cargo run --release --example no_sockets`

use std::error::Error;
use std::time::Duration;

use sansio_mqtt::*;

/// What a driver for a modem would be: it takes and gives as many bytes as fit now.
#[derive(Default)]
struct Fifo(Vec<u8>);

impl Fifo {
    const SIZE: usize = 32;

    fn write(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(Self::SIZE - self.0.len());
        self.0.extend_from_slice(&bytes[..taken]);
        taken
    }

    fn read(&mut self, buffer: &mut Vec<u8>) {
        buffer.append(&mut self.0);
    }
}

/// The client, with two buffers: what was read and not taken, and what was made and not written.
struct Device {
    connection: ClientConnection,
    input: Vec<u8>,
    out: Vec<u8>,
    measured: u32,
    next: Instant,
}

impl Device {
    fn new(now: Instant) -> Result<Self, ConnectError> {
        let mut connect = Connect::new(Version::V5, "device");
        connect.keep_alive = 20;
        // As much memory as there is to spare.
        let options = Options::new()
            .with_maximum_packet_size(256)
            .with_maximum_kept_messages(4)
            .with_maximum_kept_bytes(1024)
            .with_receive_maximum(2);
        Ok(Self {
            connection: ClientConnection::new(now, &connect, Session::new(), options)?,
            input: Vec::with_capacity(256),
            out: Vec::with_capacity(256),
            measured: 0,
            next: now,
        })
    }

    /// One round of the main loop: whatever can be done now. Returns when there is something to do without input.
    fn turn(
        &mut self,
        now: Instant,
        rx: &mut Fifo,
        tx: &mut Fifo,
    ) -> Result<Instant, Box<dyn Error>> {
        rx.read(&mut self.input);
        let mut input = &self.input[..];
        while let Some(event) = self.connection.receive(now, &mut input) {
            match event {
                ClientEvent::Connack(_) => {
                    let filters = [Subscription::new("device/led", QoS::AtLeastOnce)];
                    self.connection.subscribe(&filters, Properties::EMPTY)?;
                }
                ClientEvent::Publish(incoming) => {
                    println!(
                        "{now:?}: the lamp is {}",
                        String::from_utf8_lossy(incoming.publish.payload)
                    );
                }
                ClientEvent::Published { .. } => println!("{now:?}: a value has arrived"),
                _ => {}
            }
        }
        let taken = self.input.len() - input.len();
        self.input.drain(..taken);
        self.connection.handle_timeout(now);
        if now >= self.next {
            let value = format!("{} degrees", 20 + self.measured % 5);
            let message = Message::new("device/temperature", value.as_bytes())?;
            // A full queue: this value is lost, and the device lives on.
            let _ = self
                .connection
                .publish(now, message.with_qos(QoS::AtLeastOnce));
            self.measured += 1;
            self.next = now + Duration::from_secs(30);
        }
        loop {
            if self.out.is_empty() && self.connection.poll_transmit(now, &mut self.out, 64) == 0 {
                break;
            }
            let written = tx.write(&self.out);
            self.out.drain(..written);
            if written == 0 {
                break;
            }
        }
        let deadline = self.connection.poll_timeout();
        Ok(deadline.map_or(self.next, |deadline| deadline.min(self.next)))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // The time is what a timer interrupt would count.
    let mut now = Instant::ZERO;
    let mut device = Device::new(now)?;
    let mut broker = Broker::new(now, BrokerOptions::new().with_seed(1));
    let link = broker.connected(now);
    let (mut to_device, mut to_broker) = (Fifo::default(), Fifo::default());
    let (mut taken, mut given) = (Vec::new(), Vec::new());
    let end = now + Duration::from_secs(100);
    let mut is_lit = false;
    let lamp = Message::new("device/led", b"on")?.with_qos(QoS::AtLeastOnce);
    while now < end {
        // Until nothing moves.
        let deadline = loop {
            let deadline = device.turn(now, &mut to_device, &mut to_broker)?;
            to_broker.read(&mut taken);
            let mut input = &taken[..];
            let question = broker.receive(link, now, &mut input);
            assert!(question.is_none());
            let used = taken.len() - input.len();
            taken.drain(..used);
            broker.poll_transmit(link, now, &mut given, usize::MAX);
            let written = to_device.write(&given);
            given.drain(..written);
            if used == 0 && written == 0 && to_broker.0.is_empty() {
                break deadline;
            }
        };
        if broker.counters().messages_received == 2 && !is_lit {
            broker.publish(now, &lamp);
            is_lit = true;
        }
        // Sleep until the timer's next interrupt.
        now = now.max(deadline);
        broker.handle_timeout(now);
    }
    let counters = broker.counters();
    println!(
        "{} values received, {} bytes",
        counters.messages_received, counters.bytes_received
    );
    Ok(())
}
