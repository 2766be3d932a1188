use crate::peer::*;
use flowsdk::mqtt_serde::{control_packet::MqttPacket, parser::stream::MqttParser};
/// the crate's stream parser: owns a BytesMut that is fed with copies; feeding happens in load, outside the timing
pub(crate) struct P<const V: u8>;
impl<const V: u8> Peer for P<V> {
    const NAME: &'static str = "flowsdk";
    const VERSION: u8 = V;
    fn new() -> Self {
        P
    }
    type Input = MqttParser;
    fn load(d: &[u8]) -> MqttParser {
        let mut p = MqttParser::new(16384, V);
        p.feed(d);
        p
    }
    #[inline]
    fn decode(&mut self, i: &mut MqttParser) -> Result<bool, String> {
        match i.next_packet().map_err(dbg)? {
            Some(p) => {
                black_box(&p);
                Ok(true)
            }
            None => Ok(false),
        }
    }
    type Prepared = (MqttPacket, Vec<u8>);
    fn prepare(&mut self, d: &[u8], _: usize) -> Option<Self::Prepared> {
        let mut i = Self::load(d);
        Some((i.next_packet().ok()??, vec![]))
    }
    #[inline]
    fn encode(&mut self, e: &mut Self::Prepared) -> usize {
        e.1 = black_box(&e.0).to_bytes().unwrap();
        black_box(&e.1).len()
    }
    fn output(e: &mut Self::Prepared) -> Vec<u8> {
        e.1.clone()
    }
}
