"""A 3.1 client as small old ones are: MQIsdp, level 3, and requests with flag bits 0.

    legacy.py PORT
"""

import socket
import sys


def client(name):
    stream = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
    stream.sendall(bytes([0x10, 14 + len(name)]) + b"\0\6MQIsdp\3\2\0\x3c\0" + bytes([len(name)]) + name)
    assert stream.recv(4) == b"\x20\2\0\0"
    return stream


def exactly(stream, wanted):
    seen = b""
    while len(seen) < len(wanted):
        more = stream.recv(len(wanted) - len(seen))
        assert more, f"closed after {seen!r}"
        seen += more
    assert seen == wanted, f"{seen!r} instead of {wanted!r}"


a, b = client(b"old-a"), client(b"old-b")
a.sendall(b"\x80\x0c\0\1\0\7old/+/x\1")
exactly(a, b"\x90\3\0\1\1")
b.sendall(b"\x30\x0d\0\7old/a/xzero" + b"\x32\x0e\0\7old/a/x\0\1one")
exactly(b, b"\x40\2\0\1")
exactly(a, b"\x30\x0d\0\7old/a/xzero" + b"\x32\x0e\0\7old/a/x\0\1one")
a.sendall(b"\x40\2\0\1" + b"\xa0\x0b\0\2\0\7old/+/x")
exactly(a, b"\xb0\2\0\2")
b.sendall(b"\x34\x0e\0\7old/a/x\0\2two")
exactly(b, b"\x50\2\0\2")
b.sendall(b"\x60\2\0\2")
exactly(b, b"\x70\2\0\2")
a.sendall(b"\xc0\0\xe0\0")
exactly(a, b"\xd0\0")
print("ok      a 3.1 client with flag bits 0: subscribe, every QoS, unsubscribe")
