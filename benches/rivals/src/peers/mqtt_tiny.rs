use crate::peer::*;
use mqtt_tiny::packets::TryFromIterator;
type Pk = mqtt_tiny::Packet;
pub(crate) struct P;
impl Peer for P {
    const NAME: &'static str = "mqtt-tiny";
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
        if i.rest().len() < n && n != usize::MAX {
            return Ok(false);
        }
        let p = Pk::try_from_iter(i.rest().iter().copied()).map_err(dbg)?;
        black_box(&p);
        drop(p);
        i.o += n;
        Ok(true)
    }
    type Prepared = (Vec<Pk>, Vec<u8>);
    fn prepare(&mut self, d: &[u8], n: usize) -> Option<Self::Prepared> {
        Some((
            vec![Pk::try_from_iter(d.iter().copied()).ok()?; n],
            Vec::with_capacity(8192),
        ))
    }
    #[inline]
    fn encode(&mut self, e: &mut Self::Prepared) -> usize {
        e.1.clear();
        e.1.extend(e.0.pop().unwrap());
        black_box(&e.1).len()
    }
    fn output(e: &mut Self::Prepared) -> Vec<u8> {
        e.1.clone()
    }
}
