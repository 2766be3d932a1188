//! One adapter for each crate and version. To add a crate: implement `Peer` and list it in `for_each_peer!`.

pub(crate) mod flowsdk;
pub(crate) mod gmqtt;
pub(crate) mod hand;
pub(crate) mod mqtt5_protocol;
pub(crate) mod mqtt_codec_kit;
pub(crate) mod mqtt_core;
pub(crate) mod mqtt_frame;
pub(crate) mod mqtt_proto;
pub(crate) mod mqtt_protocol_core;
pub(crate) mod mqtt_tiny;
pub(crate) mod mqttbytes;
pub(crate) mod mqttrs;
pub(crate) mod mqute_codec;
pub(crate) mod ntex_mqtt;
pub(crate) mod rmqtt_codec;
pub(crate) mod rumqttc;
pub(crate) mod sansio_mqtt;

macro_rules! for_each_peer {
    ($m:ident) => {
        $m!($crate::peers::hand::P<4>);
        $m!($crate::peers::hand::P<5>);
        $m!($crate::peers::sansio_mqtt::P<4>);
        $m!($crate::peers::sansio_mqtt::P<5>);
        $m!($crate::peers::flowsdk::P<4>);
        $m!($crate::peers::flowsdk::P<5>);
        $m!($crate::peers::gmqtt::P);
        $m!($crate::peers::mqtt5_protocol::P<4>);
        $m!($crate::peers::mqtt5_protocol::P<5>);
        $m!($crate::peers::mqtt_codec_kit::V4);
        $m!($crate::peers::mqtt_codec_kit::V5);
        $m!($crate::peers::mqtt_core::P<4>);
        $m!($crate::peers::mqtt_core::P<5>);
        $m!($crate::peers::mqtt_frame::P<4>);
        $m!($crate::peers::mqtt_frame::P<5>);
        $m!($crate::peers::mqtt_proto::V4);
        $m!($crate::peers::mqtt_proto::V5);
        $m!($crate::peers::mqtt_proto::B4);
        $m!($crate::peers::mqtt_proto::B5);
        $m!($crate::peers::mqtt_protocol_core::V4);
        $m!($crate::peers::mqtt_protocol_core::V5);
        $m!($crate::peers::mqtt_tiny::P);
        $m!($crate::peers::mqttbytes::v4::P);
        $m!($crate::peers::mqttbytes::v5::P);
        $m!($crate::peers::mqttrs::P);
        $m!($crate::peers::mqute_codec::V4);
        $m!($crate::peers::mqute_codec::V5);
        $m!($crate::peers::ntex_mqtt::V4);
        $m!($crate::peers::ntex_mqtt::V5);
        $m!($crate::peers::rmqtt_codec::V4);
        $m!($crate::peers::rmqtt_codec::V5);
        $m!($crate::peers::rumqttc::v4::P);
        $m!($crate::peers::rumqttc::v5::P);
    };
}
pub(crate) use for_each_peer;
