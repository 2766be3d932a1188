pub(crate) mod v4 {
    use crate::peer::*;
    use bytes::BytesMut;
    use rumqttc::mqttbytes::{Error, v4::*};
    pub(crate) struct P;
    impl Peer for P {
        const NAME: &'static str = "rumqttc";
        const VERSION: u8 = 4;
        fn new() -> Self {
            P
        }
        type Input = BytesMut;
        fn load(d: &[u8]) -> BytesMut {
            BytesMut::from(d)
        }
        #[inline]
        fn decode(&mut self, i: &mut BytesMut) -> Result<bool, String> {
            match Packet::read(i, 1 << 28) {
                Ok(p) => {
                    black_box(&p);
                    Ok(true)
                }
                Err(Error::InsufficientBytes(_)) => Ok(false),
                Err(e) => Err(dbg(e)),
            }
        }
        type Prepared = (Packet, BytesMut);
        fn prepare(&mut self, d: &[u8], _: usize) -> Option<Self::Prepared> {
            Some((
                Packet::read(&mut BytesMut::from(d), 1 << 28).ok()?,
                BytesMut::with_capacity(8192),
            ))
        }
        #[inline]
        fn encode(&mut self, e: &mut Self::Prepared) -> usize {
            e.1.clear();
            let _ = black_box(&e.0).write(&mut e.1, 1 << 28);
            black_box(&e.1).len()
        }
        fn output(e: &mut Self::Prepared) -> Vec<u8> {
            e.1.to_vec()
        }
        #[inline]
        fn build(&mut self, o: &mut Vec<u8>, t: &str, p: &[u8]) -> Option<usize> {
            let x = Publish::new(t, rumqttc::mqttbytes::QoS::AtMostOnce, p);
            let mut b = BytesMut::with_capacity(256); // this codec only writes to BytesMut
            x.write(&mut b).unwrap();
            o.clear();
            Some(black_box(&b).len())
        }
    }
}
pub(crate) mod v5 {
    use crate::peer::*;
    use bytes::{Bytes, BytesMut};
    use rumqttc::v5::mqttbytes::{Error, v5::*};
    pub(crate) struct P;
    impl Peer for P {
        const NAME: &'static str = "rumqttc";
        const VERSION: u8 = 5;
        fn new() -> Self {
            P
        }
        type Input = BytesMut;
        fn load(d: &[u8]) -> BytesMut {
            BytesMut::from(d)
        }
        #[inline]
        fn decode(&mut self, i: &mut BytesMut) -> Result<bool, String> {
            match Packet::read(i, None) {
                Ok(p) => {
                    black_box(&p);
                    Ok(true)
                }
                Err(Error::InsufficientBytes(_)) => Ok(false),
                Err(e) => Err(dbg(e)),
            }
        }
        type Prepared = (Packet, BytesMut);
        fn prepare(&mut self, d: &[u8], _: usize) -> Option<Self::Prepared> {
            Some((
                Packet::read(&mut BytesMut::from(d), None).ok()?,
                BytesMut::with_capacity(8192),
            ))
        }
        #[inline]
        fn encode(&mut self, e: &mut Self::Prepared) -> usize {
            e.1.clear();
            let _ = black_box(&e.0).write(&mut e.1, None);
            black_box(&e.1).len()
        }
        fn output(e: &mut Self::Prepared) -> Vec<u8> {
            e.1.to_vec()
        }
        #[inline]
        fn build(&mut self, o: &mut Vec<u8>, t: &str, p: &[u8]) -> Option<usize> {
            let x = Publish::new(
                t,
                rumqttc::v5::mqttbytes::QoS::AtMostOnce,
                Bytes::copy_from_slice(p),
                None,
            );
            let mut b = BytesMut::with_capacity(256);
            x.write(&mut b).unwrap();
            o.clear();
            Some(black_box(&b).len())
        }
    }
}
