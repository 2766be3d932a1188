use crate::peer::*;
use gmqtt::{control_packet::Packet, read_packet, write_packet};
pub(crate) struct P;
impl Peer for P {
    const NAME: &'static str = "gmqtt";
    const VERSION: u8 = 5;
    fn new() -> Self {
        P
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
        if r.len() < n {
            if n == usize::MAX {
                return Err("varint".into());
            }
            return Ok(false);
        }
        let p = read_packet(&r[..n]).map_err(dbg)?; // payload runs to the end of the slice, so it must be cut to the frame
        black_box(&p);
        drop(p);
        i.o += n;
        Ok(true)
    }
    type Prepared = (Packet<'static>, Vec<u8>, usize);
    fn prepare(&mut self, d: &[u8], _: usize) -> Option<Self::Prepared> {
        Some((
            read_packet(Box::leak(d.to_vec().into_boxed_slice())).ok()?,
            vec![0; 8192],
            0,
        ))
    }
    #[inline]
    fn encode(&mut self, e: &mut Self::Prepared) -> usize {
        e.2 = write_packet(black_box(&e.0), &mut e.1).unwrap();
        black_box(&e.1);
        e.2
    }
    fn output(e: &mut Self::Prepared) -> Vec<u8> {
        e.1[..e.2].to_vec()
    }
}
