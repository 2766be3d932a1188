use crate::peer::*;
use mqtt_codec_kit::{
    common::{Decodable, Encodable},
    v4::packet as p4,
    v5::packet as p5,
};
macro_rules! m {
    ($T:ident, $v:expr, $m:ident) => {
        pub(crate) struct $T;
        impl Peer for $T {
            const NAME: &'static str = "mqtt-codec-kit";
            const VERSION: u8 = $v;
            fn new() -> Self {
                $T
            }
            type Input = SliceIn;
            fn load(d: &[u8]) -> SliceIn {
                slice_in(d)
            }
            #[inline]
            fn decode(&mut self, i: &mut SliceIn) -> Result<bool, String> {
                let Some(n) = frame_len(i.rest()) else {
                    return Ok(false);
                };
                if i.rest().len() < n && n != usize::MAX {
                    return Ok(false);
                }
                let mut r = i.rest();
                let p = $m::VariablePacket::decode(&mut r).map_err(dbg)?;
                black_box(&p);
                drop(p);
                i.o += n;
                Ok(true)
            }
            type Prepared = ($m::VariablePacket, Vec<u8>);
            fn prepare(&mut self, d: &[u8], _: usize) -> Option<Self::Prepared> {
                let mut r = d;
                Some((
                    $m::VariablePacket::decode(&mut r).ok()?,
                    Vec::with_capacity(8192),
                ))
            }
            #[inline]
            fn encode(&mut self, e: &mut Self::Prepared) -> usize {
                e.1.clear();
                use $m::VariablePacket as V;
                match black_box(&e.0) {
                    V::PublishPacket(p) => p.encode(&mut e.1),
                    V::PubackPacket(p) => p.encode(&mut e.1),
                    V::ConnectPacket(p) => p.encode(&mut e.1),
                    V::SubscribePacket(p) => p.encode(&mut e.1),
                    _ => panic!(),
                }
                .unwrap();
                black_box(&e.1).len()
            }
            fn output(e: &mut Self::Prepared) -> Vec<u8> {
                e.1.clone()
            }
        }
    };
}
m!(V4, 4, p4);
m!(V5, 5, p5);
