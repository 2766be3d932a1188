"""paho-mqtt behind the client protocol of `mqtt-conformance`: `pip install -r requirements.txt` here, then
    mqtt-conformance client --exec 'python3 clients/paho/client.py'

It is driven by `loop_read`, `loop_write` and `loop_misc`, so that the connection is read before a request. An exception out of
them would end the thread of `loop_start`, with the connection left open; here it ends the driving of that connection.
"""

import json
import os
import select
import sys
import traceback

from paho.mqtt import client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

IS_FIVE = os.environ["MQTT_VERSION"] == "5.0"
GIVEN = json.loads(os.environ["MQTT_GIVEN"])
BINARY = ("authentication_data", "correlation_data")


class Unsupported(Exception):
    pass


def tell(line):
    print(json.dumps(line), flush=True)


def properties(kind, given):
    """Its names are ours without the lines between the words."""
    if not IS_FIVE:
        return None
    out = Properties(kind)
    for name, value in (given or {}).items():
        if name == "user_properties":
            for pair in value:
                out.UserProperty = tuple(pair)
        elif name == "subscription_identifiers":
            out.SubscriptionIdentifier = value
        else:
            own = "".join(word.capitalize() for word in name.split("_"))
            setattr(out, own, bytes.fromhex(value) if name in BINARY else value)
    return out


def on_message(_client, _userdata, message):
    tell({"delivered": {"topic": message.topic, "payload": bytes(message.payload).hex()}})


class Program:
    def __init__(self):
        self.client = None
        self.made_of = None
        self.is_broken = False

    def connect(self, packet):
        if "auth" in GIVEN:
            raise Unsupported("no enhanced authentication")
        if "topic_aliases" in GIVEN:
            raise Unsupported("no topic aliases of its own")
        if "password" in packet and "user_name" not in packet:
            raise Unsupported("no password without a user name")
        clean = packet.get("clean_start", True)
        options = {"client_id": packet.get("client_id", "trace")}
        if not IS_FIVE:
            options["clean_session"] = clean
        # One goes on with its session; what it was made of cannot be changed.
        if options != self.made_of:
            self.client = mqtt.Client(
                mqtt.CallbackAPIVersion.VERSION2,
                protocol=mqtt.MQTTv5 if IS_FIVE else mqtt.MQTTv311,
                reconnect_on_failure=False,
                manual_ack=GIVEN.get("manual_ack", False),
                **options,
            )
            self.client.on_message = on_message
            self.made_of = options
        self.client.will_clear()
        if will := packet.get("will"):
            self.client.will_set(
                will["topic"],
                bytes.fromhex(will["payload"]),
                will["qos"],
                will["retain"],
                properties(PacketTypes.WILLMESSAGE, will.get("properties")),
            )
        password = packet.get("password")
        self.client.username_pw_set(packet.get("user_name"), password and bytes.fromhex(password))
        start = {}
        if IS_FIVE:
            start["clean_start"] = clean
            start["properties"] = properties(PacketTypes.CONNECT, packet.get("properties"))
        self.is_broken = False
        host, port = os.environ["MQTT_HOST"], int(os.environ["MQTT_PORT"])
        self.client.connect(host, port, packet.get("keep_alive", 0), **start)

    def act(self, packet):
        kind = packet["type"]
        more = packet.get("properties")
        if kind == "CONNECT":
            self.connect(packet)
        elif kind == "PUBLISH":
            self.client.publish(
                packet["topic"],
                bytes.fromhex(packet.get("payload", "")),
                packet.get("qos", 0),
                packet.get("retain", False),
                properties(PacketTypes.PUBLISH, more),
            )
        elif kind == "SUBSCRIBE" and IS_FIVE:
            filters = [(one["filter"], subscribe_options(one)) for one in packet["subscriptions"]]
            self.client.subscribe(filters, properties=properties(PacketTypes.SUBSCRIBE, more))
        elif kind == "SUBSCRIBE":
            self.client.subscribe([(one["filter"], one["qos"]) for one in packet["subscriptions"]])
        elif kind == "UNSUBSCRIBE":
            self.client.unsubscribe(packet["filters"], properties(PacketTypes.UNSUBSCRIBE, more))
        elif kind == "PUBACK" and "reason" not in packet:
            self.client.ack(packet["packet_id"], 1)
        elif kind == "DISCONNECT" and IS_FIVE:
            code = packet.get("reason")
            reason = code and ReasonCode(PacketTypes.DISCONNECT, identifier=int(code, 16))
            self.client.disconnect(reason, more and properties(PacketTypes.DISCONNECT, more))
        elif kind == "DISCONNECT":
            self.client.disconnect()
        else:
            raise Unsupported(f"no {kind} that the application asks for, or none with a reason")

    def ask(self, line):
        try:
            self.act(json.loads(line)["do"])
        except Unsupported as reason:
            tell({"unsupported": str(reason)})
        except Exception:  # it does not send this
            traceback.print_exc()

    def run(self):
        asked, rest = [], b""
        while True:
            socket = None if self.client is None or self.is_broken else self.client.socket()
            reads = [0] if socket is None else [0, socket]
            writes = [socket] if socket is not None and self.client.want_write() else []
            readable, writable, _ = select.select(reads, writes, [], 0 if asked else 0.05)
            if 0 in readable:
                got = os.read(0, 1 << 16)
                if not got:
                    return
                *whole, rest = (rest + got).split(b"\n")
                asked += whole
            try:
                if socket in readable:
                    self.client.loop_read()
                    continue
                if writable:
                    self.client.loop_write()
                if socket is not None:
                    self.client.loop_misc()
            except Exception:
                traceback.print_exc()
                self.is_broken = True
            if asked:
                self.ask(asked.pop(0))


def subscribe_options(one):
    return SubscribeOptions(
        one["qos"],
        one.get("no_local", False),
        one.get("retain_as_published", False),
        one.get("retain_handling", 0),
    )


Program().run()
