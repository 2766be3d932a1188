use crate::peer::*;
use mqtt_proto::{PollHeader, v3, v5};
macro_rules! m {
    ($T:ident, $B:ident, $v:expr, $m:ident) => {
        pub(crate) struct $T;
        impl Peer for $T {
            const NAME: &'static str = "mqtt-proto";
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
                match $m::Packet::decode(i.rest()).map_err(dbg)? {
                    Some(p) => {
                        black_box(&p);
                        drop(p);
                        i.o += n;
                        Ok(true)
                    }
                    None => Ok(false),
                }
            }
            type Prepared = ($m::Packet, Vec<u8>);
            fn prepare(&mut self, d: &[u8], _: usize) -> Option<Self::Prepared> {
                Some(($m::Packet::decode(d).ok()??, vec![]))
            }
            #[inline]
            fn encode(&mut self, e: &mut Self::Prepared) -> usize {
                let v = black_box(&e.0).encode().unwrap();
                let n = v.as_ref().len();
                black_box(v.as_ref());
                n
            }
            fn output(e: &mut Self::Prepared) -> Vec<u8> {
                e.0.encode().unwrap().as_ref().to_vec()
            }
            #[inline]
            fn build(&mut self, o: &mut Vec<u8>, t: &str, p: &[u8]) -> Option<usize> {
                let x = $m::Publish::new(
                    mqtt_proto::QosPid::Level0,
                    mqtt_proto::TopicName::try_from(t).ok()?,
                    bytes::Bytes::copy_from_slice(p),
                );
                let v = $m::Packet::Publish(x).encode().unwrap();
                o.clear();
                Some(black_box(v.as_ref()).len())
            }
        }
        /// the crate's buffered path: Header::new_with + PollHeader::decode_buffer on a complete body
        pub(crate) struct $B;
        impl Peer for $B {
            const NAME: &'static str = "mqtt-proto (buffered)";
            const VERSION: u8 = $v;
            fn new() -> Self {
                $B
            }
            type Input = SliceIn;
            fn load(d: &[u8]) -> SliceIn {
                slice_in(d)
            }
            #[inline]
            fn decode(&mut self, i: &mut SliceIn) -> Result<bool, String> {
                let r = i.rest();
                let Some(n) = frame_len(r) else {
                    return Ok(false);
                };
                if n == usize::MAX {
                    return Err("varint".into());
                }
                if r.len() < n {
                    return Ok(false);
                }
                let mut hl = 2;
                while r[hl - 1] & 0x80 != 0 {
                    hl += 1
                }
                let h = <$m::Header as PollHeader>::new_with(r[0], (n - hl) as u32, n as u32)
                    .map_err(dbg)?;
                let p = match h.build_empty_packet() {
                    Some(p) => p,
                    None => {
                        let mut off = 0;
                        h.decode_buffer(&r[hl..n], &mut off).map_err(dbg)?
                    }
                };
                black_box(&p);
                drop(p);
                i.o += n;
                Ok(true)
            }
            type Prepared = ();
            fn prepare(&mut self, _: &[u8], _: usize) -> Option<()> {
                None
            }
            fn encode(&mut self, _: &mut ()) -> usize {
                0
            }
            fn output(_: &mut ()) -> Vec<u8> {
                vec![]
            }
        }
    };
}
m!(V4, B4, 4, v3);
m!(V5, B5, 5, v5);
