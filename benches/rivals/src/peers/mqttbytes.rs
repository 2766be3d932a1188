macro_rules! codec {
    ($version:ident, $level:literal) => {
        pub(crate) mod $version {
            use crate::peer::*;
            use bytes::BytesMut;
            use mqttbytes::Error;
            use mqttbytes::$version::*;
            pub(crate) struct P;
            impl Peer for P {
                const NAME: &'static str = "mqttbytes";
                const VERSION: u8 = $level;
                fn new() -> Self {
                    P
                }
                type Input = BytesMut;
                fn load(d: &[u8]) -> BytesMut {
                    BytesMut::from(d)
                }
                #[inline]
                fn decode(&mut self, i: &mut BytesMut) -> Result<bool, String> {
                    match read(i, 1 << 28) {
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
                        read(&mut BytesMut::from(d), 1 << 28).ok()?,
                        BytesMut::with_capacity(8192),
                    ))
                }
                #[inline]
                fn encode(&mut self, e: &mut Self::Prepared) -> usize {
                    e.1.clear();
                    let o = &mut e.1;
                    let _ = match black_box(&e.0) {
                        Packet::Publish(p) => p.write(o),
                        Packet::PubAck(p) => p.write(o),
                        Packet::Connect(p) => p.write(o),
                        Packet::Subscribe(p) => p.write(o),
                        _ => panic!(),
                    };
                    black_box(&e.1).len()
                }
                fn output(e: &mut Self::Prepared) -> Vec<u8> {
                    e.1.to_vec()
                }
            }
        }
    };
}

codec!(v4, 4);
codec!(v5, 5);
