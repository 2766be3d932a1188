"""The packets of aMQTT behind lines of JSON: `pip install -r requirements.txt` here, then
    mqtt-conformance vectors --adapter 'python3 adapters/amqtt/adapter.py'

It knows 3.1.1 alone. It reads a packet from a stream, whose fields are not bound by the Remaining Length. Which versions of a
CONNECT it serves is checked here, as its broker does behind the codec; what else that checks, this does not see.
"""

import asyncio
import json
import sys

from amqtt.adapters import BufferReader
from amqtt.errors import NoDataError
from amqtt.mqtt import packet_class
from amqtt.mqtt.packet import MQTTFixedHeader

LEVELS = {3: "3.1", 4: "3.1.1", 5: "5.0"}


def code(byte):
    return f"0x{byte:02x}"


def shown(packet):
    kind = type(packet).__name__.removesuffix("Packet").upper()
    out = {"type": kind}
    body, payload = packet.variable_header, packet.payload
    if hasattr(body, "packet_id") and body.packet_id is not None:
        out["packet_id"] = body.packet_id
    if kind == "CONNECT":
        out |= {
            "version": LEVELS.get(body.proto_level, str(body.proto_level)),
            "clean_start": body.clean_session_flag,
            "keep_alive": body.keep_alive,
            # It makes up one where there is none.
            "client_id": "" if payload.client_id_is_random else payload.client_id,
        }
        if body.will_flag:
            out["will"] = {
                "qos": body.will_qos,
                "retain": body.will_retain_flag,
                "topic": payload.will_topic,
                "payload": (payload.will_message or b"").hex(),
            }
        if body.username_flag:
            out["user_name"] = payload.username
        if body.password_flag:
            # A text for it, bytes for the standard.
            out["password"] = (payload.password or "").encode().hex()
    elif kind == "CONNACK":
        out |= {"session_present": bool(body.session_parent), "reason": code(body.return_code)}
    elif kind == "PUBLISH":
        out |= {
            "dup": packet.dup_flag,
            "qos": packet.qos,
            "retain": packet.retain_flag,
            "topic": body.topic_name,
            "payload": payload.data.hex(),
        }
    elif kind == "SUBSCRIBE":
        out["subscriptions"] = [{"filter": topic, "qos": qos} for topic, qos in payload.topics]
    elif kind == "SUBACK":
        out["reasons"] = [code(one) for one in payload.return_codes]
    elif kind == "UNSUBSCRIBE":
        out["filters"] = payload.topics
    return out


async def decode(ask):
    data = bytes.fromhex(ask["hex"])
    reader = BufferReader(data)
    header = await MQTTFixedHeader.from_stream(reader)
    if header is None:
        return {"result": "incomplete"}
    at = len(data) - len(await reader.read(-1))
    if len(data) - at < header.remaining_length:
        # A stream would wait for the rest of the packet; a buffer has an end.
        return {"result": "incomplete"}
    reader = BufferReader(data[at:])
    packet = await packet_class(header).from_stream(reader, fixed_header=header)
    out = {"result": "ok", "packet": shown(packet)}
    if out["packet"].get("version", "3.1.1") != "3.1.1":
        # Which versions are served is said by the code behind the codec.
        return {"result": "protocol-error"}
    rest = len(await reader.read(-1))
    return out | {"rest": rest} if rest else out


def answer(ask):
    op = ask.get("op", "decode")
    if op != "decode":
        return {"error": f"unknown op {op}"}
    if ask.get("version") != "3.1.1":
        return {"error": f"unsupported version {ask.get('version')}"}
    try:
        return asyncio.run(decode(ask))
    except NoDataError:
        return {"result": "incomplete"}
    except Exception:  # whatever it raises, it refuses
        return {"result": "malformed"}


for line in sys.stdin:
    id_ = None
    try:
        asked = json.loads(line)
        id_ = asked.get("id")
        given = answer(asked)
    except Exception as error:
        given = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps({"id": id_} | given), flush=True)
