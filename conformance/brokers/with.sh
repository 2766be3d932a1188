#!/usr/bin/env bash
# Starts a broker on a free port of 127.0.0.1, runs a command and stops the broker again.
#
#   conformance/brokers/with.sh NAME COMMAND...
#   conformance/brokers/with.sh mosquitto sh -c 'mosquitto_pub -L "$TARGET/topic" -m hello'
#
# NAME is one of ours, mosquitto, rabbitmq, ejabberd, aedes, amqtt, rumqttd (MQTT 5.0), rumqttd-311 (3.1.1: it has a port for each).
# The command has TARGET (mqtt://127.0.0.1:PORT), HOST, PORT, VERSION (of the broker) and, empty if it wants none, MQTT_USER and
# MQTT_PASSWORD in its environment. What is missing is installed: Debian packages with apt (this needs root), the rest below
# target/brokers, where the brokers keep their data and logs, too.
# Every wait is bounded. The exit code is that of the command, or 3 if the broker could not be installed or started.
set -uo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
cache=${CARGO_TARGET_DIR:-$root/target}/brokers
PATH=$PATH:/usr/sbin

die() { echo "with.sh: $*" >&2; exit 3; }
name=${1-}
case $name in
ours | mosquitto | rabbitmq | ejabberd | aedes | amqtt | rumqttd | rumqttd-311) shift ;;
*) die "no broker ${name:-given}" ;;
esac
(($#)) || die "no command"
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

work=$(mktemp -d "$cache/$name.XXXXXX") || die "no directory"
pids=()
# The first one is the broker; the others are what it needs.
cleanup() {
    local pid _
    for pid in "${pids[@]}"; do
        kill -TERM "$pid" 2>/dev/null
        for _ in {1..100}; do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.05
        done
        kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    # The last log, to look at.
    [[ ! -e $work/log ]] || mv -f "$work/log" "$cache/$name.log"
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# A server that a package starts on its own is not ours to stop, so packages may not start any.
packages() { # of Debian
    local package missing=()
    for package; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    echo "installing ${missing[*]}" >&2
    { timeout 120 apt-get -qq update &&
        RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive timeout 600 apt-get -qq -y install --no-install-recommends "${missing[@]}"; } \
        >"$work/apt" 2>&1 </dev/null || die "cannot install ${missing[*]} (this needs root): $(tail -n 1 "$work/apt")"
}
package_version() { dpkg-query -W -f '${Version}' "$1"; }
taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() {
    local port
    for _ in {1..100}; do
        port=$((20000 + RANDOM % 12000))
        taken $port || { echo $port; return; }
    done
    die "no free port"
}
run() { # the broker, in the background
    broker=("$@")
    "$@" >>"$work/log" 2>&1 </dev/null &
    pids=($! "${pids[@]}")
}

HOST=127.0.0.1 PORT=$(free_port) VERSION= LOGIN=()
packages mosquitto-clients
# Sets VERSION, and LOGIN if it wants a user name, and calls `run`.
# shellcheck source=/dev/null
. "conformance/brokers/${name%-311}.sh"
export HOST PORT VERSION TARGET=mqtt://$HOST:$PORT MQTT_USER=${LOGIN[0]-} MQTT_PASSWORD=${LOGIN[1]-}
credentials=()
[[ -z $MQTT_USER ]] || credentials=(-u "$MQTT_USER" -P "$MQTT_PASSWORD")

protocol=mqttv311
[[ $name != rumqttd ]] || protocol=mqttv5
answers() {
    timeout "$1" mosquitto_pub -V $protocol -h "$HOST" -p "$PORT" "${credentials[@]}" -i ready -q 1 -t ready -m ready 2>/dev/null
}
await() {
    local attempt
    for attempt in {1..120}; do
        kill -0 "${pids[0]}" 2>/dev/null || die "$name has ended: $(tail -n 5 "$work/log")"
        ! answers 2 || return 0
        sleep 0.5
    done
    die "$name does not answer: $(tail -n 5 "$work/log")"
}
await
# In the background, so that a signal does not wait for it.
"$@" <&0 &
command=$!
pids+=($command)
# One that some case brings down is started anew, so that the others can be tried.
case $name in
aedes | amqtt | rumqttd | rumqttd-311)
    while sleep 1 && kill -0 $command 2>/dev/null; do
        if ! answers 5 && ! answers 5 && kill -0 $command 2>/dev/null; then
            echo "with.sh: $name does not answer any more and is started anew" >&2
            kill -KILL "${pids[0]}" 2>/dev/null
            wait "${pids[0]}" 2>/dev/null
            pids=("${pids[@]:1}")
            run "${broker[@]}"
            await
        fi
    done
    ;;
esac
wait $command
