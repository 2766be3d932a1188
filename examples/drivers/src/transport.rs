use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::str::FromStr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};
use tungstenite::handshake::MidHandshake;
use tungstenite::handshake::server::{ErrorResponse, Request, Response, ServerHandshake};
use tungstenite::http::{HeaderValue, StatusCode, header::SEC_WEBSOCKET_PROTOCOL};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Bytes, ClientRequestBuilder, HandshakeError, Message, WebSocket};

/// How bytes are carried, as the scheme of an address has it.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Scheme {
    Mqtt,
    Mqtts,
    Ws,
    Wss,
}

impl Scheme {
    pub const ALL: [(Self, &'static str, u16); 4] = [
        (Self::Mqtt, "mqtt", 1883),
        (Self::Mqtts, "mqtts", 8883),
        (Self::Ws, "ws", 80),
        (Self::Wss, "wss", 443),
    ];

    pub fn is_tls(self) -> bool {
        matches!(self, Self::Mqtts | Self::Wss)
    }

    pub fn is_web_socket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    pub fn default_port(self) -> u16 {
        Self::ALL[self as usize].2
    }
}

impl FromStr for Scheme {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.iter();
        let found = all.find(|(_, name, _)| *name == text);
        found
            .map(|(scheme, ..)| *scheme)
            .ok_or_else(|| format!("{text:?} is none of mqtt, mqtts, ws, wss"))
    }
}

/// The path and the sub-protocol of MQTT over WebSocket; the path is a convention, the other [MQTT-6.0.0-3] of 5.0.
const PATH: &str = "/mqtt";
const PROTOCOL: &str = "mqtt";

/// A byte stream. What [`write`](Write::write) takes may stay here until [`flush`](Write::flush) gives no error.
pub struct Transport<S: Read + Write>(Layers<S>);

enum Layers<S: Read + Write> {
    Stream(Secured<S>),
    WebSocket(Box<Web<S>>),
}

enum Secured<S: Read + Write> {
    Plain(S),
    Server(Box<StreamOwned<ServerConnection, S>>),
    Client(Box<StreamOwned<ClientConnection, S>>),
}

/// What tungstenite reads from. A turn ends after so many bytes, with [`ErrorKind::Interrupted`]: else a peer that sends nothing but
/// pings, empty messages or empty fragments keeps the caller in one call.
struct Metered<S: Read + Write> {
    secured: Secured<S>,
    /// Of this turn; without it a handshake, which has a limit of its own.
    left: Option<usize>,
}

/// Bytes that one call of [`read`](Read::read) takes from below a WebSocket. A ping has six, and each is answered.
const TURN: usize = 16 << 10;

type Accepted<S> =
    Result<WebSocket<Metered<S>>, HandshakeError<ServerHandshake<Metered<S>, Check>>>;
type Check = fn(&Request, Response) -> Result<Response, ErrorResponse>;

/// Boundaries of messages mean nothing ([MQTT-6.0.0-2] of 5.0).
struct Web<S: Read + Write> {
    state: WebState<S>,
    /// Of the last message.
    unread: Bytes,
    is_flushed: bool,
}

enum WebState<S: Read + Write> {
    Accepting(MidHandshake<ServerHandshake<Metered<S>, Check>>),
    Open(WebSocket<Metered<S>>),
    Failed,
}

fn configuration() -> WebSocketConfig {
    // A write waits for the one before, so there is never more than one.
    WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(1 << 20)
        .max_message_size(Some(1 << 20))
        .max_frame_size(Some(1 << 20))
}

// As tungstenite has it.
#[allow(clippy::result_large_err)]
fn check(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let refuse = |status, text: &str| {
        let mut response = ErrorResponse::new(Some(text.into()));
        *response.status_mut() = status;
        Err(response)
    };
    if request.uri().path() != PATH {
        return refuse(StatusCode::NOT_FOUND, "MQTT is at /mqtt\n");
    }
    let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let mut offered = offered.filter_map(|value| value.to_str().ok());
    if !offered.any(|value| value.split(',').any(|one| one.trim() == PROTOCOL)) {
        return refuse(StatusCode::BAD_REQUEST, "the sub-protocol is mqtt\n");
    }
    let protocol = HeaderValue::from_static(PROTOCOL);
    response
        .headers_mut()
        .insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    Ok(response)
}

impl<S: Read + Write> Transport<S> {
    /// The server's side of a connection.
    pub fn accept(
        scheme: Scheme,
        socket: S,
        tls: Option<&Arc<ServerConfig>>,
    ) -> Result<Self, io::Error> {
        let secured = match tls.filter(|_| scheme.is_tls()) {
            None if scheme.is_tls() => return Err(io::Error::other("no certificate")),
            None => Secured::Plain(socket),
            Some(config) => {
                let connection =
                    ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                Secured::Server(Box::new(StreamOwned::new(connection, socket)))
            }
        };
        if !scheme.is_web_socket() {
            return Ok(Self(Layers::Stream(secured)));
        }
        let metered = Metered::new(secured);
        let accepted =
            tungstenite::accept_hdr_with_config(metered, check as Check, Some(configuration()));
        let mut web = Web::new(WebState::Failed);
        web.go_on(accepted)?;
        Ok(Self(Layers::WebSocket(Box::new(web))))
    }

    /// The client's side. The socket has to block.
    pub fn connect(
        scheme: Scheme,
        socket: S,
        host: &str,
        port: u16,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Self, io::Error> {
        let secured = match tls.filter(|_| scheme.is_tls()) {
            None if scheme.is_tls() => return Err(io::Error::other("no certificate authority")),
            None => Secured::Plain(socket),
            Some(config) => {
                let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
                let connection =
                    ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
                let mut stream = StreamOwned::new(connection, socket);
                // Now, so that a certificate that is not taken is no connection.
                while stream.conn.is_handshaking() {
                    stream.conn.complete_io(&mut stream.sock)?;
                }
                Secured::Client(Box::new(stream))
            }
        };
        if !scheme.is_web_socket() {
            return Ok(Self(Layers::Stream(secured)));
        }
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let address = format!("{}://{host}:{port}{PATH}", scheme.name());
        let address = address.parse().map_err(io::Error::other)?;
        let request = ClientRequestBuilder::new(address).with_sub_protocol(PROTOCOL);
        let metered = Metered::new(secured);
        let (socket, _) =
            tungstenite::client::client_with_config(request, metered, Some(configuration()))
                .map_err(|error| io::Error::other(error.to_string()))?;
        let web = Web::new(WebState::Open(socket));
        Ok(Self(Layers::WebSocket(Box::new(web))))
    }

    /// The socket, unless a handshake has it.
    pub fn socket(&mut self) -> Option<&mut S> {
        self.secured().map(|secured| match secured {
            Secured::Plain(socket) => socket,
            Secured::Server(stream) => &mut stream.sock,
            Secured::Client(stream) => &mut stream.sock,
        })
    }

    fn secured(&mut self) -> Option<&mut Secured<S>> {
        match &mut self.0 {
            Layers::Stream(secured) => Some(secured),
            Layers::WebSocket(web) => match &mut web.state {
                WebState::Open(socket) => Some(&mut socket.get_mut().secured),
                _ => None,
            },
        }
    }

    /// Whether a handshake is under way. Until then a write reads from the socket too, also what comes behind the handshake.
    pub fn is_handshaking(&self) -> bool {
        let secured = match &self.0 {
            Layers::Stream(secured) => secured,
            Layers::WebSocket(web) => match &web.state {
                WebState::Open(socket) => &socket.get_ref().secured,
                WebState::Accepting(_) => return true,
                WebState::Failed => return false,
            },
        };
        match secured {
            Secured::Plain(_) => false,
            Secured::Server(stream) => stream.conn.is_handshaking(),
            Secured::Client(stream) => stream.conn.is_handshaking(),
        }
    }

    /// Whether a short read has emptied the socket.
    pub fn is_plain(&self) -> bool {
        matches!(&self.0, Layers::Stream(Secured::Plain(_)))
    }

    /// Tells the peer on each layer that nothing more will come. What does not fit into the socket is lost.
    pub fn close(&mut self) {
        if let Layers::WebSocket(web) = &mut self.0
            && let WebState::Open(socket) = &mut web.state
        {
            let _ = socket.close(None);
            let _ = socket.flush();
        }
        match self.secured() {
            Some(Secured::Server(stream)) => {
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
            Some(Secured::Client(stream)) => {
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
            _ => {}
        }
    }
}

impl<S: Read + Write> Read for Transport<S> {
    /// 0 at the end, however the layers above the socket tell of it. [`ErrorKind::Interrupted`] if nothing has come for the caller but
    /// there may be more, of which the socket need not tell again.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.0 {
            Layers::Stream(stream) => stream.read(buffer),
            Layers::WebSocket(web) => web.read(buffer),
        };
        match read {
            // An end without a farewell.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
            read => read,
        }
    }
}

impl<S: Read + Write> Write for Transport<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Layers::Stream(stream) => stream.write(bytes),
            Layers::WebSocket(web) => web.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Layers::Stream(stream) => stream.flush(),
            Layers::WebSocket(web) => web.flush(),
        }
    }
}

impl<S: Read + Write> Read for Secured<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Server(stream) => stream.read(buffer),
            Self::Client(stream) => stream.read(buffer),
        }
    }
}

impl<S: Read + Write> Write for Secured<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Server(stream) => stream.write(bytes),
            Self::Client(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Server(stream) => stream.flush(),
            Self::Client(stream) => stream.flush(),
        }
    }
}

impl<S: Read + Write> Metered<S> {
    fn new(secured: Secured<S>) -> Self {
        Self {
            secured,
            left: None,
        }
    }
}

impl<S: Read + Write> Read for Metered<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(left) = self.left else {
            return self.secured.read(buffer);
        };
        let most = left.min(buffer.len());
        if most == 0 {
            return Err(ErrorKind::Interrupted.into());
        }
        let read = self.secured.read(&mut buffer[..most])?;
        self.left = Some(left - read);
        Ok(read)
    }
}

impl<S: Read + Write> Write for Metered<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.secured.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.secured.flush()
    }
}

impl<S: Read + Write> Web<S> {
    fn new(state: WebState<S>) -> Self {
        Self {
            state,
            unread: Bytes::new(),
            is_flushed: true,
        }
    }

    /// The socket, once the handshake is done.
    fn open(&mut self) -> io::Result<&mut WebSocket<Metered<S>>> {
        if matches!(self.state, WebState::Accepting(_))
            && let WebState::Accepting(handshake) = mem::replace(&mut self.state, WebState::Failed)
        {
            self.go_on(handshake.handshake())?;
        }
        match &mut self.state {
            WebState::Open(socket) => Ok(socket),
            WebState::Accepting(_) => Err(ErrorKind::WouldBlock.into()),
            WebState::Failed => Err(ErrorKind::InvalidData.into()),
        }
    }

    fn go_on(&mut self, result: Accepted<S>) -> io::Result<()> {
        self.state = match result {
            Ok(socket) => WebState::Open(socket),
            Err(HandshakeError::Interrupted(handshake)) => WebState::Accepting(handshake),
            Err(HandshakeError::Failure(error)) => return Err(io_error(error)),
        };
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unread.is_empty() {
            self.open()?.get_mut().left = Some(TURN);
        }
        while self.unread.is_empty() {
            self.unread = match self.open()?.read() {
                Ok(Message::Binary(bytes)) => bytes,
                // All data is binary ([MQTT-6.0.0-1] of 5.0).
                Ok(Message::Text(_)) => return Err(ErrorKind::InvalidData.into()),
                Ok(_) => continue,
                Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed) => {
                    return Ok(0);
                }
                Err(error) => return Err(io_error(error)),
            };
        }
        let read = self.unread.len().min(buffer.len());
        buffer[..read].copy_from_slice(&self.unread.split_to(read));
        Ok(read)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let bytes = &bytes[..bytes.len().min(256 << 10)];
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        self.open()?.write(message).map_err(io_error)?;
        self.is_flushed = false;
        match self.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.is_flushed {
            self.open()?.flush().map_err(io_error)?;
            self.is_flushed = true;
        }
        Ok(())
    }
}

fn io_error(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}
