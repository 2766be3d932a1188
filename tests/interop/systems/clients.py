"""paho-mqtt, aiomqtt and gmqtt against a broker.

    clients.py CA_FILE HOST TCP TLS WS WSS
"""

import asyncio
import queue
import ssl
import sys
import uuid

import aiomqtt
import gmqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

ca, host, *ports = sys.argv[1:]
tcp, tls, ws, wss = map(int, ports)
failures = 0


def report(label, name, error):
    global failures
    failures += error is not None
    print(f"FAILED  {label}: {name}: {error}" if error else f"ok      {label}: {name}", flush=True)


class Paho:
    def __init__(self, transport, port, secure, version, client_id=None, clean=True, will=None):
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=client_id or f"paho-{uuid.uuid4().hex[:16]}",
            transport=transport,
            protocol=version,
            **({} if version == paho.MQTTv5 else {"clean_session": clean}),
        )
        if transport == "websockets":
            self.client.ws_set_options(path="/mqtt")
        if secure:
            self.client.tls_set(ca)
        if will:
            self.client.will_set(*will)
        self.messages, self.events = queue.Queue(), queue.Queue()
        self.client.on_message = lambda _c, _u, m: self.messages.put((m.topic, m.payload, m.qos, m.retain))
        self.client.on_connect = lambda _c, _u, flags, code, _p: self.events.put(("connect", code, flags))
        self.client.on_subscribe = lambda _c, _u, mid, codes, _p: self.events.put(("subscribe", codes))
        more = {}
        if version == paho.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 0 if clean else 60
            more = {"clean_start": clean, "properties": properties}
        self.client.connect(host, port, 30, **more)
        self.client.loop_start()
        kind, code, self.flags = self.events.get(timeout=10)
        assert kind == "connect" and not code.is_failure, code

    def subscribe(self, *filters):
        self.client.subscribe(list(filters))
        _, codes = self.events.get(timeout=10)
        return [code.value for code in codes]

    def publish(self, topic, payload, qos=0, retain=False):
        self.client.publish(topic, payload, qos, retain).wait_for_publish(10)

    def expect(self, wanted):
        seen = [self.messages.get(timeout=10) for _ in wanted]
        assert seen == wanted, f"{seen} instead of {wanted}"

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def paho_rules(transport, port, secure, version):
    prefix = f"py/{uuid.uuid4().hex}"
    base = (transport, port, secure, version)
    a, b = Paho(*base), Paho(*base)
    codes = a.subscribe((f"{prefix}/+/x", 0), (f"{prefix}/q/#", 1), (f"{prefix}/r", 2))
    assert codes == [0, 1, 2], codes
    for qos in range(3):
        for level in ("a/x", "q/a/b", "r", "a/b/x"):
            b.publish(f"{prefix}/{level}", b"%d" % qos, qos)
    wanted = []
    for qos in range(3):
        wanted += [(f"{prefix}/{t}", b"%d" % qos, min(q, qos), False) for t, q in (("a/x", 0), ("q/a/b", 1), ("r", 2))]
    # The order is one per QoS only where the client has several handshakes open.
    seen = [a.messages.get(timeout=10) for _ in wanted]
    assert sorted(seen) == sorted(wanted), f"{seen} instead of {wanted}"
    b.publish(f"{prefix}/kept", b"k", 1, True)
    c = Paho(*base)
    c.subscribe((f"{prefix}/kept", 2))
    c.expect([(f"{prefix}/kept", b"k", 1, True)])
    name = f"paho-{uuid.uuid4().hex[:16]}"
    d = Paho(*base, client_id=name, clean=False)
    d.subscribe((f"{prefix}/away", 2))
    d.close()
    for n in range(50):
        b.publish(f"{prefix}/away", b"%d" % n, 2)
    d = Paho(*base, client_id=name, clean=False)
    assert d.flags.session_present or version == paho.MQTTv31  # which has no such flag
    d.expect([(f"{prefix}/away", b"%d" % n, 2, False) for n in range(50)])
    a.subscribe((f"{prefix}/will", 1))
    e = Paho(*base, will=(f"{prefix}/will", b"gone", 1))
    e.client.loop_stop()
    e.client.socket().close()
    a.expect([(f"{prefix}/will", b"gone", 1, False)])
    for client in (a, b, c, d):
        client.close()


async def aiomqtt_rules(version):
    topic = f"aio/{uuid.uuid4().hex}"
    protocol = aiomqtt.ProtocolVersion.V5 if version == 5 else aiomqtt.ProtocolVersion.V311
    async with aiomqtt.Client(host, tcp, protocol=protocol) as a, aiomqtt.Client(host, tcp, protocol=protocol) as b:
        await a.subscribe(f"{topic}/#", qos=1)
        for n in range(100):
            await b.publish(f"{topic}/{n}", str(n), qos=1)
        n = 0
        async for message in a.messages:
            assert (str(message.topic), message.payload) == (f"{topic}/{n}", str(n).encode()), message.topic
            n += 1
            if n == 100:
                return


async def gmqtt_rules(version, secure):
    topic, arrived = f"gmqtt/{uuid.uuid4().hex}", asyncio.Queue()
    subscribed = asyncio.Event()

    def on_message(_client, name, payload, qos, _properties):
        arrived.put_nowait((name, payload, qos))
        return 0

    a = gmqtt.Client(f"gmqtt-{uuid.uuid4().hex}")
    b = gmqtt.Client(f"gmqtt-{uuid.uuid4().hex}")
    a.on_message = on_message
    a.on_subscribe = lambda *_: subscribed.set()
    context = ssl.create_default_context(cafile=ca) if secure else False
    for client in (a, b):
        await client.connect(host, tls if secure else tcp, ssl=context, version=version)
    a.subscribe(f"{topic}/+", qos=2)
    await asyncio.wait_for(subscribed.wait(), 10)
    for qos in (0, 1, 2):
        b.publish(f"{topic}/{qos}", b"x", qos=qos)
    seen = [await asyncio.wait_for(arrived.get(), 10) for _ in range(3)]
    assert sorted(seen) == [(f"{topic}/{qos}", b"x", qos) for qos in (0, 1, 2)], seen
    # What is still on its way to a client that has said goodbye is an error to its TLS.
    await asyncio.sleep(0.3)
    for client in (a, b):
        await client.disconnect()


def attempt(label, name, rule):
    try:
        rule()
        report(label, name, None)
    except Exception as error:  # whatever it is, it is a failed check
        report(label, name, repr(error))


for version, text in ((paho.MQTTv31, "3.1"), (paho.MQTTv311, "3.1.1"), (paho.MQTTv5, "5.0")):
    for transport, port, secure in (("tcp", tcp, 0), ("tcp", tls, 1), ("websockets", ws, 0), ("websockets", wss, 1)):
        label = f"paho-mqtt, {transport}{', TLS' if secure else ''}, {text}"
        attempt(label, "wildcards, QoS, retained, session, will", lambda: paho_rules(transport, port, secure, version))
for version in (4, 5):
    text = "5.0" if version == 5 else "3.1.1"
    attempt(f"aiomqtt, {text}", "a hundred messages in order", lambda: asyncio.run(aiomqtt_rules(version)))
    for secure in (False, True):
        label = f"gmqtt{', TLS' if secure else ''}, {text}"
        attempt(label, "every QoS", lambda: asyncio.run(gmqtt_rules(version, secure)))
sys.exit(failures > 0)
