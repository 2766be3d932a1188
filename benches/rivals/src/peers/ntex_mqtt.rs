use crate::peer::*;
use ntex_bytes::{BytePageSize, BytePages, BytesMut};
use ntex_codec::{Decoder, Encoder};
use ntex_mqtt::{v3, v5};
macro_rules! m {
    ($T:ident, $v:expr, $m:ident) => {
        pub(crate) struct $T($m::codec::Codec);
        impl Peer for $T {
            const NAME: &'static str = "ntex-mqtt";
            const VERSION: u8 = $v;
            fn new() -> Self {
                $T($m::codec::Codec::new())
            }
            type Input = BytesMut;
            fn load(d: &[u8]) -> BytesMut {
                BytesMut::copy_from_slice(d)
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
            type Prepared = (Vec<$m::codec::Encoded>, BytePages);
            fn prepare(&mut self, d: &[u8], n: usize) -> Option<Self::Prepared> {
                use $m::codec::{Decoded, Encoded};
                let p = match self.0.decode(&mut BytesMut::copy_from_slice(d)).ok()?? {
                    Decoded::Packet(p, _) => Encoded::Packet(p),
                    Decoded::Publish(p, b, _) => Encoded::Publish(p, Some(b)),
                    _ => return None,
                };
                Some((vec![p; n], BytePages::new(BytePageSize::Size16)))
            }
            #[inline]
            fn encode(&mut self, e: &mut Self::Prepared) -> usize {
                e.1.clear();
                let _ = self.0.encodev(e.0.pop().unwrap(), &mut e.1);
                black_box(&e.1).len()
            }
            fn output(e: &mut Self::Prepared) -> Vec<u8> {
                e.1.freeze().to_vec()
            }
        }
    };
}
m!(V4, 4, v3);
m!(V5, 5, v5);
