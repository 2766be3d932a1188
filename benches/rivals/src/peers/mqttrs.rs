use crate::peer::*;
use mqttrs::*;
pub(crate) struct P;
impl Peer for P {
    const NAME: &'static str = "mqttrs";
    const VERSION: u8 = 4;
    fn new() -> Self {
        P
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
        match decode_slice(i.rest()).map_err(dbg)? {
            Some(p) => {
                black_box(&p);
                drop(p);
                i.o += n;
                Ok(true)
            }
            None => Ok(false),
        }
    }
    type Prepared = (Packet<'static>, Vec<u8>, usize);
    fn prepare(&mut self, d: &[u8], _: usize) -> Option<Self::Prepared> {
        Some((
            decode_slice(Box::leak(d.to_vec().into_boxed_slice())).ok()??,
            vec![0; 8192],
            0,
        ))
    }
    #[inline]
    fn encode(&mut self, e: &mut Self::Prepared) -> usize {
        e.2 = encode_slice(black_box(&e.0), &mut e.1).unwrap();
        black_box(&e.1);
        e.2
    }
    fn output(e: &mut Self::Prepared) -> Vec<u8> {
        e.1[..e.2].to_vec()
    }
    #[inline]
    fn build(&mut self, o: &mut Vec<u8>, t: &str, p: &[u8]) -> Option<usize> {
        o.resize(256, 0);
        let n = encode_slice(
            &Packet::Publish(Publish {
                dup: false,
                qospid: QosPid::AtMostOnce,
                retain: false,
                topic_name: t,
                payload: p,
            }),
            o,
        )
        .unwrap();
        black_box(&*o);
        Some(n)
    }
}
