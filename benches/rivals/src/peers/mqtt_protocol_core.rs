use crate::peer::*;
use mqtt_protocol_core::mqtt::{common::Cursor, connection::*, packet::*, result_code::MqttError};
#[inline(always)]
fn fin<T: Into<Packet>>(x: Result<(T, usize), MqttError>, n: usize) -> Result<Packet, String> {
    let (p, c) = x.map_err(dbg)?;
    if c != n {
        return Err("trailing".into());
    }
    Ok(p.into())
}
fn auth4(_: &[u8]) -> Result<Packet, String> {
    Err("type 15".into())
}
fn auth5(d: &[u8]) -> Result<Packet, String> {
    fin(v5_0::Auth::parse(d), d.len())
}
macro_rules! codec {
    ($T:ident, $ver:expr, $m:ident, $auth:ident) => {
        pub(crate) struct $T {
            b: PacketBuilder,
        }
        impl $T {
            #[inline(always)]
            fn parse(r: &RawPacket) -> Result<Packet, String> {
                let d = r.data_as_slice();
                let n = d.len();
                match r.packet_type() {
                    1 => fin($m::Connect::parse(d), n),
                    2 => fin($m::Connack::parse(d), n),
                    3 => {
                        let PacketData::Publish(a) = &r.data else {
                            unreachable!()
                        };
                        fin($m::Publish::parse(r.flags(), a.clone()), n)
                    }
                    4 => fin($m::Puback::parse(d), n),
                    5 => fin($m::Pubrec::parse(d), n),
                    6 => fin($m::Pubrel::parse(d), n),
                    7 => fin($m::Pubcomp::parse(d), n),
                    8 => fin($m::Subscribe::parse(d), n),
                    9 => fin($m::Suback::parse(d), n),
                    10 => fin($m::Unsubscribe::parse(d), n),
                    11 => fin($m::Unsuback::parse(d), n),
                    12 => fin($m::Pingreq::parse(d), n),
                    13 => fin($m::Pingresp::parse(d), n),
                    14 => fin($m::Disconnect::parse(d), n),
                    15 => $auth(d),
                    t => Err(format!("type {t}")),
                }
            }
        }
        impl Peer for $T {
            const NAME: &'static str = "mqtt-protocol-core";
            const VERSION: u8 = $ver;
            fn new() -> Self {
                $T {
                    b: PacketBuilder::new(),
                }
            }
            type Input = SliceIn;
            fn load(d: &[u8]) -> SliceIn {
                slice_in(d)
            }
            #[inline]
            fn decode(&mut self, i: &mut SliceIn) -> Result<bool, String> {
                let mut c = Cursor::new(i.rest());
                let r = match self.b.feed(&mut c) {
                    PacketBuildResult::Complete(r) => r,
                    PacketBuildResult::Incomplete => {
                        let n = c.position() as usize;
                        i.o += n;
                        return Ok(false);
                    }
                    PacketBuildResult::Error(e) => return Err(dbg(e)),
                };
                let n = c.position() as usize;
                let p = Self::parse(&r)?;
                black_box(&p);
                i.o += n;
                Ok(true)
            }
            type Prepared = (Packet, Vec<u8>);
            fn prepare(&mut self, d: &[u8], _n: usize) -> Option<Self::Prepared> {
                let mut c = Cursor::new(d);
                let PacketBuildResult::Complete(r) = self.b.feed(&mut c) else {
                    return None;
                };
                Some((Self::parse(&r).ok()?, vec![]))
            }
            #[inline]
            fn encode(&mut self, e: &mut Self::Prepared) -> usize {
                e.1 = black_box(&e.0).to_continuous_buffer();
                black_box(&e.1).len()
            }
            fn output(e: &mut Self::Prepared) -> Vec<u8> {
                e.1.clone()
            }
            #[inline]
            fn build(&mut self, o: &mut Vec<u8>, t: &str, p: &[u8]) -> Option<usize> {
                let x = $m::Publish::builder()
                    .topic_name(t)
                    .unwrap()
                    .qos(Qos::AtMostOnce)
                    .payload(p)
                    .build()
                    .unwrap();
                *o = x.to_continuous_buffer();
                Some(black_box(&*o).len())
            }
        }
    };
}
codec!(V4, 4, v3_1_1, auth4);
codec!(V5, 5, v5_0, auth5);
