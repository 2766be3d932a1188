#!/usr/bin/env python3
"""For `mqtt-conformance broker --given-exec`: a mosquitto 2.0 that is set up as MQTT_GIVEN says, as far as it can be."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time

# Properties of CONNACK, and what sets them.
NUMBERS = {
    "maximum_packet_size": "max_packet_size",
    "maximum_qos": "max_qos",
    "receive_maximum": "max_inflight_messages",
    "server_keep_alive": "max_keepalive",
    "topic_alias_maximum": "max_topic_alias",
}


def settings(given, directory):
    """Lines of mosquitto.conf; none if there is no setting for it."""
    found = [f"allow_anonymous {'false' if 'refuse' in given else 'true'}"]
    for name, value in given.items():
        if name == "connack":
            for property, number in value.items():
                if property == "retain_available" and number == 0:
                    found.append("retain_available false")
                elif property in NUMBERS:
                    found.append(f"{NUMBERS[property]} {number}")
                else:
                    return None
        elif name == "refuse" and value == "0x87":
            pass
        elif name == "refuse_publish" and set(value.values()) == {"0x87"}:
            path = f"{directory}/acl"
            with open(path, "w", encoding="utf-8") as file:
                file.write("topic readwrite #\n")
                file.writelines(f"topic deny {topic}\n" for topic in value)
            found.append(f"acl_file {path}")
        else:
            return None
    return found if given else None


def start(lines, directory):
    """The process, and the port that it listens on."""
    # It reads them as another user.
    os.chmod(directory, 0o755)
    for _ in range(5):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        text = "\n".join([f"listener {port} 127.0.0.1", *lines, "persistence false", "log_dest stderr", ""])
        with open(f"{directory}/conf", "w", encoding="utf-8") as file:
            file.write(text)
        with open(f"{directory}/log", "w", encoding="utf-8") as log:
            server = subprocess.Popen(["mosquitto", "-c", f"{directory}/conf"], stdin=subprocess.DEVNULL, stderr=log)
        while server.poll() is None:
            with open(f"{directory}/log", encoding="utf-8") as log:
                if " running\n" in log.read():
                    return server, port
            time.sleep(0.01)
        # Somebody else has taken the port meanwhile, or it does not start at all.
    with open(f"{directory}/log", encoding="utf-8") as log:
        sys.exit(log.read())


def main():
    os.environ["PATH"] += ":/usr/sbin"
    with tempfile.TemporaryDirectory() as directory:
        lines = settings(json.loads(os.environ["MQTT_GIVEN"]), directory)
        if lines is None:
            print(json.dumps({"unsupported": "mosquitto has no setting for that"}), flush=True)
            return
        server, port = start(lines, directory)
        print(json.dumps({"listening": f"mqtt://127.0.0.1:{port}"}), flush=True)
        sys.stdin.read()
        server.terminate()
        server.wait()


main()
