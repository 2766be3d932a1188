use crate::peer::*;
use sansio_mqtt::*;
pub(crate) struct P<const V: u8>;
const fn v(n: u8) -> Version {
    if n == 5 { Version::V5 } else { Version::V311 }
}
impl<const V: u8> Peer for P<V> {
    const NAME: &'static str = "sansio-mqtt";
    const VERSION: u8 = V;
    fn new() -> Self {
        P
    }
    type Input = SliceIn;
    fn load(d: &[u8]) -> SliceIn {
        slice_in(d)
    }
    #[inline]
    fn decode(&mut self, i: &mut SliceIn) -> Result<bool, String> {
        let mut r = i.rest();
        let before = r.len();
        match &Packet::decode(v(V), &DecodeOptions::new(), &mut r) {
            Ok(Some(p)) => {
                black_box(p);
                let n = before - r.len();
                i.o += n;
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(e) => Err(dbg(e)),
        }
    }
    type Prepared = (Packet<'static>, Vec<u8>);
    fn prepare(&mut self, d: &[u8], _: usize) -> Option<Self::Prepared> {
        let mut d: &'static [u8] = Box::leak(d.to_vec().into_boxed_slice());
        Some((
            Packet::decode(v(V), &DecodeOptions::new(), &mut d).ok()??,
            Vec::with_capacity(8192),
        ))
    }
    #[inline]
    fn encode(&mut self, e: &mut Self::Prepared) -> usize {
        e.1.clear();
        black_box(&e.0).encode(v(V), &mut e.1).unwrap();
        black_box(&e.1).len()
    }
    fn output(e: &mut Self::Prepared) -> Vec<u8> {
        e.1.clone()
    }
    #[inline]
    fn build(&mut self, o: &mut Vec<u8>, t: &str, p: &[u8]) -> Option<usize> {
        o.clear();
        Publish::new(t, p).encode(v(V), o).unwrap();
        Some(black_box(&*o).len())
    }
}
