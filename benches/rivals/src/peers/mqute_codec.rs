use crate::peer::*;
use bytes::BytesMut;
use mqute_codec::{
    Error,
    codec::PacketCodec,
    protocol::{v4, v5},
};
macro_rules! m {
    ($T:ident, $v:expr, $m:ident) => {
        pub(crate) struct $T(PacketCodec);
        impl Peer for $T {
            const NAME: &'static str = "mqute-codec";
            const VERSION: u8 = $v;
            fn new() -> Self {
                $T(PacketCodec::new(None, None))
            }
            type Input = BytesMut;
            fn load(d: &[u8]) -> BytesMut {
                BytesMut::from(d)
            }
            #[inline]
            fn decode(&mut self, i: &mut BytesMut) -> Result<bool, String> {
                match self.0.try_decode(i) {
                    Ok(r) => {
                        let p = $m::Packet::decode(r).map_err(dbg)?;
                        black_box(&p);
                        Ok(true)
                    }
                    Err(Error::NotEnoughBytes(_)) => Ok(false),
                    Err(e) => Err(dbg(e)),
                }
            }
            type Prepared = ($m::Packet, BytesMut);
            fn prepare(&mut self, d: &[u8], _: usize) -> Option<Self::Prepared> {
                Some((
                    $m::Packet::decode(self.0.try_decode(&mut BytesMut::from(d)).ok()?).ok()?,
                    BytesMut::with_capacity(8192),
                ))
            }
            #[inline]
            fn encode(&mut self, e: &mut Self::Prepared) -> usize {
                e.1.clear();
                let _ = black_box(&e.0).encode(&mut e.1);
                black_box(&e.1).len()
            }
            fn output(e: &mut Self::Prepared) -> Vec<u8> {
                e.1.to_vec()
            }
        }
    };
}
m!(V4, 4, v4);
m!(V5, 5, v5);
