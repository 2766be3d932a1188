"""umqtt.simple and umqtt.robust against a broker, under CPython with what MicroPython's sockets have more.

    micropython.py MODULES CA_FILE CERTIFICATE KEY TCP TLS
"""

import binascii
import socket
import ssl
import struct
import sys
import time
import types

modules, ca, certificate, key, tcp, tls = sys.argv[1:]
sys.path.insert(0, modules)


class Socket:
    """A stream with MicroPython's `read` and `write`."""

    def __init__(self, inner=None):
        self.inner = inner or socket.socket()
        self.inner.settimeout(10)

    def connect(self, address):
        self.inner.connect(address)

    def write(self, data, length=None):
        data = data.encode() if isinstance(data, str) else bytes(data)
        self.inner.sendall(data if length is None else data[:length])

    def read(self, length):
        try:
            data = b""
            while len(data) < length:
                more = self.inner.recv(length - len(data))
                if not more:
                    break
                data += more
            return data
        except BlockingIOError:
            return None

    def setblocking(self, flag):
        self.inner.setblocking(flag)
        if flag:
            self.inner.settimeout(10)

    def close(self):
        self.inner.close()


def wrap_socket(sock, **_):
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(certificate, key)
    return Socket(context.wrap_socket(sock.inner, server_hostname="localhost"))


def module(name, **contents):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(contents)


module("usocket", socket=Socket, getaddrinfo=lambda h, p: socket.getaddrinfo(h, p, socket.AF_INET, socket.SOCK_STREAM))
module("ustruct", **{name: getattr(struct, name) for name in ("pack", "unpack", "pack_into")})
module("ubinascii", hexlify=binascii.hexlify)
module("ussl", wrap_socket=wrap_socket)
module("utime", sleep=time.sleep)

from umqtt import robust, simple  # noqa: E402

for kind in (simple, robust):
    for secure in (False, True):
        label = f"umqtt.{kind.__name__.split('.')[1]}{', TLS with a client certificate' if secure else ''}"
        seen = []

        def connect(name):
            client = kind.MQTTClient(name, "127.0.0.1", int(tls if secure else tcp), keepalive=30, ssl=secure)
            client.set_callback(lambda topic, payload: seen.append((bytes(topic), bytes(payload))))
            client.connect()
            return client

        a, b = connect("umqtt-a"), connect("umqtt-b")
        a.subscribe(b"umqtt/+", 1)
        for qos in (0, 1):
            b.publish(b"umqtt/%d" % qos, b"x" * (1 + 300 * qos), qos=qos)
        b.publish(b"umqtt/kept", b"k", True, 1)
        a.ping()
        while len(seen) < 3:
            a.wait_msg()
        assert seen == [(b"umqtt/0", b"x"), (b"umqtt/1", b"x" * 301), (b"umqtt/kept", b"k")], seen
        seen.clear()
        if kind is robust:
            # It connects again by itself, and subscribes no more: the session has to be there.
            c = kind.MQTTClient("umqtt-c", "127.0.0.1", int(tls if secure else tcp), keepalive=30, ssl=secure)
            c.DELAY = 0
            c.set_callback(lambda topic, payload: seen.append((bytes(topic), bytes(payload))))
            c.connect(False)
            c.subscribe(b"umqtt/away", 1)
            c.sock.close()
            b.publish(b"umqtt/away", b"missed", qos=1)
            c.wait_msg()
            while not seen:
                c.wait_msg()
            assert seen == [(b"umqtt/away", b"missed")], seen
            c.connect(True)
            c.disconnect()
        b.publish(b"umqtt/kept", b"", True, 1)
        a.disconnect()
        b.disconnect()
        print(f"ok      {label}: QoS 0 and 1, retained" + (", a connection lost" if kind is robust else ""), flush=True)
