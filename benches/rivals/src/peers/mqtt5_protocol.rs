use crate::peer::*;
use bytes::{Buf, Bytes, BytesMut};
use mqtt5_protocol::packet::{FixedHeader, MqttPacket, Packet};
pub(crate) struct P<const V: u8>;
fn dec(i: &mut Bytes, v: u8) -> Result<Option<Packet>, String> {
    let Some(n) = frame_len(i) else {
        return Ok(None);
    };
    if i.len() < n && n != usize::MAX {
        return Ok(None);
    }
    let h = FixedHeader::decode(i).map_err(dbg)?;
    let mut b = i.split_to(h.remaining_length as usize);
    let p = Packet::decode_from_body_with_version(h.packet_type, &h, &mut b, v).map_err(dbg)?;
    if b.has_remaining() {
        TRAIL.with(|t| t.set(true))
    }
    Ok(Some(p))
}
thread_local!(pub static TRAIL: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
impl<const V: u8> Peer for P<V> {
    const NAME: &'static str = "mqtt5-protocol";
    const VERSION: u8 = V;
    fn new() -> Self {
        P
    }
    type Input = Bytes;
    fn load(d: &[u8]) -> Bytes {
        Bytes::copy_from_slice(d)
    }
    #[inline]
    fn decode(&mut self, i: &mut Bytes) -> Result<bool, String> {
        match dec(i, V)? {
            Some(p) => {
                black_box(&p);
                Ok(true)
            }
            None => Ok(false),
        }
    }
    type Prepared = (Packet, BytesMut);
    fn prepare(&mut self, d: &[u8], _: usize) -> Option<Self::Prepared> {
        Some((
            dec(&mut Bytes::copy_from_slice(d), V).ok()??,
            BytesMut::with_capacity(8192),
        ))
    }
    #[inline]
    fn encode(&mut self, e: &mut Self::Prepared) -> usize {
        e.1.clear();
        let o = &mut e.1;
        match black_box(&e.0) {
            Packet::Publish(p) => p.encode(o).unwrap(),
            Packet::PubAck(p) => p.encode(o).unwrap(),
            Packet::Connect(p) => p.encode(o).unwrap(),
            Packet::Subscribe(p) => p.encode(o).unwrap(),
            _ => panic!(),
        };
        black_box(&e.1).len()
    }
    fn output(e: &mut Self::Prepared) -> Vec<u8> {
        e.1.to_vec()
    }
    #[inline]
    fn build(&mut self, o: &mut Vec<u8>, t: &str, p: &[u8]) -> Option<usize> {
        use mqtt5_protocol::{QoS, packet::publish::PublishPacket};
        let p = Bytes::copy_from_slice(p);
        let x = if V == 5 {
            PublishPacket::new(t, p, QoS::AtMostOnce)
        } else {
            PublishPacket::new_v311(t, p, QoS::AtMostOnce)
        };
        o.clear();
        x.encode(o).unwrap();
        Some(black_box(&*o).len())
    }
}
