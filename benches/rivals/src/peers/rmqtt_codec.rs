use crate::peer::*;
use bytes::BytesMut;
use rmqtt_codec::{v3, v5};
use tokio_util::codec::{Decoder, Encoder};
macro_rules! m {
    ($T:ident, $v:expr, $m:ident, $new:expr) => {
        pub(crate) struct $T($m::Codec);
        impl Peer for $T {
            const NAME: &'static str = "rmqtt-codec";
            const VERSION: u8 = $v;
            fn new() -> Self {
                $T($new)
            }
            type Input = BytesMut;
            fn load(d: &[u8]) -> BytesMut {
                BytesMut::from(d)
            }
            #[inline]
            fn decode(&mut self, i: &mut BytesMut) -> Result<bool, String> {
                match self.0.decode(i).map_err(dbg)? {
                    Some(p) => {
                        black_box(&p);
                        Ok(true)
                    }
                    None => Ok(false),
                }
            }
            type Prepared = (Vec<$m::Packet>, BytesMut);
            fn prepare(&mut self, d: &[u8], n: usize) -> Option<Self::Prepared> {
                let p = self.0.decode(&mut BytesMut::from(d)).ok()??.0;
                Some((vec![p; n], BytesMut::with_capacity(8192)))
            }
            #[inline]
            fn encode(&mut self, e: &mut Self::Prepared) -> usize {
                e.1.clear();
                let _ = self.0.encode(e.0.pop().unwrap(), &mut e.1);
                black_box(&e.1).len()
            }
            fn output(e: &mut Self::Prepared) -> Vec<u8> {
                e.1.to_vec()
            }
        }
    };
}
m!(V4, 4, v3, v3::Codec::new(0));
m!(V5, 5, v5, v5::Codec::new(0, 0));
