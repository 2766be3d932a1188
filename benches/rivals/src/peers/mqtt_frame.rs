use crate::peer::*;
use bytes::BytesMut;
use mqtt_frame::*;
use tokio_util::codec::{Decoder, Encoder};
pub(crate) struct P<const V: u8>(MqttCodec);
impl<const V: u8> Peer for P<V> {
    const NAME: &'static str = "mqtt-frame";
    const VERSION: u8 = V;
    fn new() -> Self {
        let mut c = MqttCodec::new();
        c.protocol_level = if V == 5 {
            ProtocolLevel::V5
        } else {
            ProtocolLevel::V311
        };
        P(c)
    }
    type Input = BytesMut;
    fn load(d: &[u8]) -> BytesMut {
        BytesMut::from(d)
    }
    #[inline]
    fn decode(&mut self, i: &mut BytesMut) -> Result<bool, String> {
        match self.0.decode(i).map_err(|e| format!("{e:?}"))? {
            Some(p) => {
                black_box(&p);
                Ok(true)
            }
            None => Ok(false),
        }
    }
    type Prepared = (Vec<MqttPacket>, BytesMut);
    fn prepare(&mut self, d: &[u8], n: usize) -> Option<Self::Prepared> {
        let v: Vec<_> = (0..n)
            .filter_map(|_| self.0.decode(&mut BytesMut::from(d)).ok()?)
            .collect();
        let mut t = BytesMut::new();
        let p = self.0.decode(&mut BytesMut::from(d)).ok()??;
        self.0.encode(p, &mut t).ok()?;
        Some((v, BytesMut::with_capacity(8192)))
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
