//! The transports of all connections, in a table by the broker's numbers.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use sansio_mqtt::ConnectionId;
use sansio_mqtt_drivers::Transport;

pub(crate) struct Peer {
    pub(crate) transport: Transport<TcpStream>,
    pub(crate) name: Name,
    pub(crate) id: ConnectionId,
    pub(crate) user: Option<Box<str>>,
    /// Read and not taken by the broker yet.
    pub(crate) input: Vec<u8>,
    /// Given by the broker and not taken by the transport yet, from an offset on.
    pub(crate) output: Vec<u8>,
    pub(crate) written: usize,
    /// What is to be done without another event of the socket.
    pub(crate) reads_on: bool,
    pub(crate) is_eof: bool,
    /// The broker knows of the end: it has taken all before.
    pub(crate) eof_told: bool,
    /// The broker does not want anything from it now, and it is remembered.
    pub(crate) is_stalled: bool,
    pub(crate) end: End,
}

/// What the log calls it.
pub(crate) enum Name {
    // A box: most have another name soon.
    Address(Box<SocketAddr>),
    ClientId(Arc<str>),
}

#[derive(Copy, Clone, Eq, PartialEq)]
pub(crate) enum End {
    Open,
    /// The broker is done with it. It may still have to be told something.
    Closing,
    /// It has been told; what it may be sending meanwhile is read, so that nothing is lost on the way to it.
    Lingering,
}

impl Peer {
    pub(crate) fn new(
        transport: Transport<TcpStream>,
        address: SocketAddr,
        id: ConnectionId,
    ) -> Self {
        Self {
            transport,
            name: Name::Address(Box::new(address)),
            id,
            user: None,
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
            reads_on: false,
            is_eof: false,
            eof_told: false,
            is_stalled: false,
            end: End::Open,
        }
    }

    /// Of a client that was accepted.
    pub(crate) fn client_id(&self) -> Option<&str> {
        match &self.name {
            Name::ClientId(client_id) => Some(client_id),
            Name::Address(_) => None,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::ClientId(client_id) => write!(f, "{client_id:?}"),
        }
    }
}

// Boxes: a table that grows copies what it has, and leaves the room behind.
#[derive(Default)]
pub(crate) struct Peers(Vec<Option<Box<Peer>>>);

impl Peers {
    pub(crate) fn insert(&mut self, peer: Peer) {
        let index = peer.id.index();
        if self.0.len() <= index {
            self.0.resize_with(index + 1, || None);
        }
        self.0[index] = Some(Box::new(peer));
    }

    /// Who has the number now.
    pub(crate) fn id_at(&self, index: usize) -> Option<ConnectionId> {
        Some(self.0.get(index)?.as_ref()?.id)
    }

    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Peer> {
        let peer = self.0.get(id.index())?.as_deref();
        peer.filter(|peer| peer.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Peer> {
        let peer = self.0.get_mut(id.index())?.as_deref_mut();
        peer.filter(|peer| peer.id == id)
    }

    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Box<Peer>> {
        self.0.get_mut(id.index())?.take_if(|peer| peer.id == id)
    }
}

/// 0 bytes: it takes nothing now.
pub(crate) fn write_some(transport: &mut Transport<TcpStream>, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match transport.write(&bytes[written..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(some) => written += some,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}
