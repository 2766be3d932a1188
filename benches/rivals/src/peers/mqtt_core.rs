use crate::peer::*;
use bytes::BytesMut;
use mqtt_core::{ControlPacket, ProtocolVersion, codec};
pub(crate) struct P<const V: u8>;
const fn v(n: u8) -> ProtocolVersion {
    if n == 5 {
        ProtocolVersion::V500
    } else {
        ProtocolVersion::V311
    }
}
impl<const V: u8> Peer for P<V> {
    const NAME: &'static str = "mqtt-core";
    const VERSION: u8 = V;
    fn new() -> Self {
        P
    }
    type Input = BytesMut;
    fn load(d: &[u8]) -> BytesMut {
        BytesMut::from(d)
    }
    #[inline]
    fn decode(&mut self, i: &mut BytesMut) -> Result<bool, String> {
        match codec::decode(i, Some(v(V))).map_err(dbg)? {
            Some(p) => {
                black_box(&p);
                Ok(true)
            }
            None => Ok(false),
        }
    }
    type Prepared = (ControlPacket, BytesMut);
    fn prepare(&mut self, d: &[u8], _: usize) -> Option<Self::Prepared> {
        Some((
            codec::decode(&mut BytesMut::from(d), Some(v(V))).ok()??,
            BytesMut::with_capacity(8192),
        ))
    }
    #[inline]
    fn encode(&mut self, e: &mut Self::Prepared) -> usize {
        e.1.clear();
        codec::encode(black_box(&e.0), v(V), &mut e.1);
        black_box(&e.1).len()
    }
    fn output(e: &mut Self::Prepared) -> Vec<u8> {
        e.1.to_vec()
    }
}
