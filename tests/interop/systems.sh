#!/usr/bin/env bash
# The examples against clients and brokers that others wrote, over TCP, TLS and WebSocket on 127.0.0.1.
#
#   tests/interop/systems.sh
#
# What is missing is installed: mosquitto, tshark and Chromium with apt (this needs root), the clients and brokers of npm, PyPI
# and crates.io below target/interop. Ports are chosen at run time and every wait is bounded. The exit code is 0 only if all
# checks passed.
set -uo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
here=$root/tests/interop/systems
cache=${CARGO_TARGET_DIR:-$root/target}/interop
mkdir -p "$cache"

die() { echo "systems: $*" >&2; exit 1; }

# --- what is needed -------------------------------------------------------------------------------------------------

PATH=$PATH:/usr/sbin
packages=()
command -v mosquitto_rr >/dev/null || packages+=(mosquitto-clients)
command -v mosquitto_passwd >/dev/null || packages+=(mosquitto)
command -v tshark >/dev/null || packages+=(tshark)
command -v chromium >/dev/null || packages+=(chromium)
command -v openssl >/dev/null || packages+=(openssl)
command -v npm >/dev/null || packages+=(nodejs npm)
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
if ((${#packages[@]})); then
    echo "installing ${packages[*]}"
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "${packages[@]}"; } \
        >/dev/null </dev/null || die "cannot install ${packages[*]} (this needs root)"
fi
python=$cache/venv/bin/python
if [[ ! -e $cache/venv/complete ]]; then
    rm -rf "$cache/venv"
    python3 -m venv "$cache/venv" &&
        "$python" -m pip install --quiet --disable-pip-version-check \
            paho-mqtt==2.2.0 aiomqtt==2.5.1 gmqtt==0.8.0 amqtt==0.12.1 unearth ||
        die "cannot install the clients from PyPI"
    # These are for MicroPython's own installer, and no packages for CPython's.
    "$python" - "$cache/umqtt" <<'END' || die "cannot download umqtt"
import os, subprocess, sys
from unearth import PackageFinder
pip = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
index = os.environ.get("PIP_INDEX_URL") or subprocess.run(pip, capture_output=True, text=True).stdout.strip()
finder = PackageFinder(index_urls=[index or "https://pypi.org/simple/"], ignore_compatibility=True)
for version in ("simple==1.3.4", "robust==1.0"):
    link = finder.find_best_match(f"micropython-umqtt.{version}").best.link
    finder.download_and_unpack(link, sys.argv[1] + "/" + version.split("=")[0])
END
    mkdir -p "$cache/umqtt/modules/umqtt"
    cp "$cache"/umqtt/simple/umqtt/simple.py "$cache"/umqtt/robust/umqtt/robust.py "$cache/umqtt/modules/umqtt/" || die "umqtt"
    touch "$cache/venv/complete"
fi
if [[ ! -e $cache/npm/complete ]]; then
    mkdir -p "$cache/npm"
    (cd "$cache/npm" && echo '{"private":true}' >package.json &&
        npm install --silent --no-audit --no-fund mqtt@5 aedes@1 ws@8 playwright-core@1) >/dev/null || die "cannot install from npm"
    touch "$cache/npm/complete"
fi
rumqttd=$cache/rumqttd/bin/rumqttd
[[ -x $rumqttd ]] || CARGO_PROFILE_RELEASE_LTO=off cargo install --quiet --root "$cache/rumqttd" rumqttd@0.20.0 ||
    die "cannot install rumqttd"
cargo build --quiet --release --bins || die "the examples do not build"
programs=${CARGO_TARGET_DIR:-$root/target}/release

work=$(mktemp -d)
cleanup() {
    local pid
    for pid in $(jobs -p); do kill -9 "$pid" 2>/dev/null; done
    wait 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

passed=0 failed=0
tell() { # a program's own lines
    local line
    while read -r line; do
        echo "$line"
        case $line in
        ok*) passed=$((passed + 1)) ;;
        FAILED*) failed=$((failed + 1)) ;;
        esac
    done
}
pass() { echo "ok      $1" >"$work/line" && tell <"$work/line"; }
fail() {
    echo "FAILED  $1" >"$work/line" && tell <"$work/line"
    [[ -z ${2-} ]] || head -n 12 "$2" | cut -c 1-200 | sed 's/^/        /'
}
check() { # name, expected, actual
    if [[ $2 == "$3" ]]; then pass "$1"; else
        diff --label expected --label seen -u <(printf '%s\n' "$2") <(printf '%s\n' "$3") >"$work/detail"
        fail "$1" "$work/detail"
    fi
}
await() { # command...: at most 20 s
    local _
    for _ in {1..400}; do
        "$@" && return 0
        sleep 0.05
    done
    return 1
}
# program LABEL COMMAND...: prints lines of its own and has an exit code
program() {
    local label=$1 code
    shift
    timeout 300 "$@" >"$work/program" 2>"$work/program.err"
    code=$?
    tell <"$work/program"
    ((code == 0)) || grep -q ^FAILED "$work/program" || fail "$label: exit code $code" "$work/program.err"
}
taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() {
    local port
    for _ in {1..100}; do
        port=$((20000 + RANDOM % 30000))
        taken $port || { echo $port; return; }
    done
}

# --- certificates ---------------------------------------------------------------------------------------------------

authority() { # name
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
        -keyout "$work/$1.key" -out "$work/$1.pem" 2>/dev/null
}
certificate() { # authority, name, extensions
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$work/$2.key" -out "$work/$2.csr" 2>/dev/null &&
        openssl x509 -req -in "$work/$2.csr" -CA "$work/$1.pem" -CAkey "$work/$1.key" -CAcreateserial -days 2 \
            -extfile <(echo "$3") -out "$work/$2.pem" 2>/dev/null
}
authority servers && authority clients &&
    certificate servers server 'subjectAltName=DNS:localhost,IP:127.0.0.1' &&
    certificate clients device 'extendedKeyUsage=clientAuth' || die "openssl failed"

# --- our broker -----------------------------------------------------------------------------------------------------

# start NAME ARGUMENTS: sets port[SCHEME] for its listeners.
declare -A port
start() {
    local name=$1 scheme
    shift
    # What an earlier one said must not be taken for this one's.
    rm -f "$work/$name.out"
    "$programs/broker" "$@" --tls-cert "$work/server.pem" --tls-key "$work/server.key" >"$work/$name.out" 2>"$work/$name.log" &
    broker=$!
    for scheme in mqtt mqtts ws wss; do
        [[ " $* " != *" $scheme://"* ]] || await grep -qs "^listening on $scheme:" "$work/$name.out" ||
            die "the broker does not start: $(cat "$work/$name.log")"
        port[$scheme]=$(sed -n "s/^listening on $scheme:.*://p" "$work/$name.out")
    done
}
all=()
for scheme in mqtt mqtts ws wss; do all+=(--listen "$scheme://127.0.0.1:0"); done

start plain "${all[@]}" --accept-v31 --metrics 127.0.0.1:0
plain=$broker
tshark -q -i lo -f "tcp port ${port[mqtt]}" -w "$work/capture" 2>"$work/tshark.log" &
tshark=$!
await grep -qs '^Capturing' "$work/tshark.log" || die "tshark does not capture: $(cat "$work/tshark.log")"

label() { echo "mosquitto's clients, $1, $2"; }
for v in mqttv31 mqttv311 mqttv5; do
    for scheme in mqtt mqtts; do
        options=(-V $v -h localhost -p "${port[$scheme]}")
        [[ $scheme == mqtt ]] || options+=(--cafile "$work/servers.pem")
        timeout 20 mosquitto_sub "${options[@]}" -i "sub-$v-$scheme" -q 2 -t "m/$v/$scheme/+" -C 3 -W 15 -F '%t %p' >"$work/sub" &
        sub=$!
        await grep -q "\"sub-$v-$scheme\": subscribed" "$work/plain.log"
        for qos in 0 1 2; do timeout 10 mosquitto_pub "${options[@]}" -q $qos -t "m/$v/$scheme/$qos" -m $qos; done
        wait $sub
        check "$(label $v $scheme): every QoS" "$(for q in 0 1 2; do echo "m/$v/$scheme/$q $q"; done)" "$(cat "$work/sub")"
    done
done
# mosquitto_rr asks; mosquitto_sub and _pub answer.
options=(-V mqttv5 -h 127.0.0.1 -p "${port[mqtt]}")
(timeout 20 mosquitto_sub "${options[@]}" -i answerer -q 1 -t question -C 1 -W 15 -F '%R %p' | while read -r topic question; do
    mosquitto_pub "${options[@]}" -q 1 -t "$topic" -m "answer to $question"
done) &
await grep -q '"answerer": subscribed' "$work/plain.log"
check "mosquitto_rr: request and response" "answer to all" \
    "$(timeout 20 mosquitto_rr "${options[@]}" -q 1 -t question -e answers/rr -m all -W 15)"

program "a 3.1 client" python3 "$here/legacy.py" "${port[mqtt]}"
cd "$cache/npm"
program MQTT.js node "$here/rules.mjs" "$work/servers.pem" \
    "mqtt://localhost:${port[mqtt]}" "mqtts://localhost:${port[mqtts]}" \
    "ws://localhost:${port[ws]}/mqtt" "wss://localhost:${port[wss]}/mqtt"
program Chromium node "$here/browser.mjs" "ws://127.0.0.1:${port[ws]}/mqtt"
cd "$root"
program "Python's clients" "$python" "$here/clients.py" "$work/servers.pem" localhost \
    "${port[mqtt]}" "${port[mqtts]}" "${port[ws]}" "${port[wss]}"

# Our client through each transport, ours at both ends.
versions=(311 5) count=100 arrange=cat
our_client() { # label, url, arguments for both
    local label=$1 url=$2 v sub
    shift 2
    for v in "${versions[@]}"; do
        rm -f "$work/our.err"
        timeout 30 "$programs/client" sub -L "$url" -V $v -i "our-$v-$RANDOM" -q 2 -t "our/$v/#" -C $((3 * count)) -W 25 -F '%t %q %p' "$@" \
            -d >"$work/our" 2>"$work/our.err" &
        sub=$!
        await grep -qs '<- SUBACK' "$work/our.err"
        for qos in 0 1 2; do
            seq $count | timeout 20 "$programs/client" pub -L "$url" -V $v -q $qos -t "our/$v/$qos" -l "$@" || echo "pub: $?"
        done
        wait $sub
        check "$label, $v: $count messages at every QoS" \
            "$(for qos in 0 1 2; do seq $count | sed "s|^|our/$v/$qos $qos |"; done | $arrange)" "$($arrange "$work/our")"
    done
}
for scheme in mqtt mqtts ws wss; do
    our_client "our client, $scheme" "$scheme://localhost:${port[$scheme]}" --cafile "$work/servers.pem"
done
mkfifo "$work/lines"
timeout 30 "$programs/client-tokio" "mqtts://localhost:${port[mqtts]}" 'tokio/#' --cafile "$work/servers.pem" \
    <"$work/lines" >"$work/tokio" 2>"$work/tokio.err" &
tokio=$!
exec 4>"$work/lines"
await grep -q 'subscribed to "tokio/#"' "$work/plain.log"
echo 'tokio/a hello' >&4
await grep -q hello "$work/tokio"
check "our client on tokio, mqtts" "tokio/a hello" "$(cat "$work/tokio")"
kill -INT $tokio
exec 4>&-
wait $tokio
check "our client on tokio: Ctrl-C" 0 $?

metrics=$(sed -n 's|^metrics on http://127.0.0.1:||p' "$work/plain.out")
exec 3<>"/dev/tcp/127.0.0.1/$metrics"
printf 'GET / HTTP/1.0\r\n\r\n' >&3
check "metrics" 1 "$(timeout 2 cat <&3 | grep -c '^mqtt_broker_messages_received_total [1-9]')"
exec 3>&-

sleep 1
kill -INT $tshark
wait $tshark 2>/dev/null
dissect() { tshark -r "$work/capture" -d "tcp.port==${port[mqtt]},mqtt" "$@" 2>/dev/null; }
dissect -Y mqtt -T fields -e mqtt.msgtype | tr ',' '\n' | sort | uniq -c >"$work/types"
check "tshark: every packet type but AUTH was seen" 14 "$(wc -l <"$work/types")"
dissect -Y '_ws.malformed || (mqtt && _ws.expert.severity >= 6291456)' >"$work/malformed"
check "tshark: nothing malformed in $(awk '{n += $1} END {print n}' "$work/types") packets" 0 "$(wc -l <"$work/malformed")"
# Each connection ends in one of these ways; all sockets are given back.
kill -TERM $plain
wait $plain
check "SIGTERM: exit code" 0 $?

# --- a client certificate, passwords, an ACL ------------------------------------------------------------------------

start guarded --listen mqtt://127.0.0.1:0 --listen mqtts://127.0.0.1:0 --tls-client-ca "$work/clients.pem"
timeout 10 mosquitto_pub -h localhost -p "${port[mqtts]}" --cafile "$work/servers.pem" -t a -m m >"$work/said" 2>&1
check "no client certificate: refused" 1 $(($? != 0))
timeout 10 mosquitto_pub -h localhost -p "${port[mqtts]}" --cafile "$work/servers.pem" --cert "$work/device.pem" --key "$work/device.key" -t a -m m
check "a client certificate: mosquitto_pub" 0 $?
our_client "our client with a certificate" "mqtts://localhost:${port[mqtts]}" --cafile "$work/servers.pem" --cert "$work/device.pem" --key "$work/device.key"
program umqtt "$python" "$here/micropython.py" "$cache/umqtt/modules" "$work/servers.pem" "$work/device.pem" "$work/device.key" \
    "${port[mqtt]}" "${port[mqtts]}"
kill -TERM $broker
wait $broker

mosquitto_passwd -b -c "$work/passwords" alice secret && mosquitto_passwd -b "$work/passwords" bob word || die "mosquitto_passwd failed"
cat >"$work/acl" <<'END'
user alice
topic readwrite home/#
topic deny home/safe
user bob
topic read home/+/light
pattern write clients/%c/%u
END
start users --listen mqtt://127.0.0.1:0 --passwords "$work/passwords" --acl "$work/acl"
allowed() { # name, user, password, expected exit code and text
    local name=$1 user=$2 password=$3 expected=$4
    shift 4
    timeout 10 "$@" -V mqttv5 -h 127.0.0.1 -p "${port[mqtt]}" -u "$user" -P "$password" >"$work/said" 2>&1
    check "$name" "$expected" "$? $(grep -cE 'Not authorized|Bad User Name|bad user name' "$work/said")"
}
allowed "password: right" alice secret "0 0" mosquitto_pub -q 1 -t home/a -m m
allowed "password: wrong" alice word "134 1" mosquitto_pub -q 1 -t home/a -m m
allowed "password: unknown user" eve word "134 1" mosquitto_pub -q 1 -t home/a -m m
allowed "ACL: publish, not allowed" bob word "0 1" mosquitto_pub -q 1 -t home/a/light -m m
allowed "ACL: publish, denied" alice secret "0 1" mosquitto_pub -q 1 -t home/safe -m m
allowed "ACL: publish, pattern" bob word "0 0" mosquitto_pub -i me -q 1 -t clients/me/bob -m m
allowed "ACL: publish, another's pattern" bob word "0 1" mosquitto_pub -i me -q 1 -t clients/you/bob -m m
allowed "ACL: subscribe, allowed" bob word "0 0" mosquitto_sub -t home/+/light -E
allowed "ACL: subscribe, narrower" bob word "0 0" mosquitto_sub -t home/a/light -E
timeout 10 mosquitto_sub -V mqttv5 -h 127.0.0.1 -p "${port[mqtt]}" -u bob -P word -t 'home/#' -E -d >"$work/said" 2>&1
check "ACL: subscribe, wider" 1 "$(grep -c '135' "$work/said")"
timeout 10 mosquitto_sub -V mqttv5 -h 127.0.0.1 -p "${port[mqtt]}" -u alice -P secret -t 'home/#' -E -d >"$work/said" 2>&1
check "ACL: subscribe, with something denied in it" 1 "$(grep -c '135' "$work/said")"
allowed "ACL: a will" bob word "135 1" mosquitto_sub -t home/a/light -E --will-topic home/a --will-payload w
kill -TERM $broker
wait $broker

# --- a restart ------------------------------------------------------------------------------------------------------

restart() { start durable --listen "mqtt://127.0.0.1:${1:-0}" --data "$work/data"; }
restart
at=${port[mqtt]}
options=(-V mqttv5 -h 127.0.0.1 -p "$at")
mosquitto_sub "${options[@]}" -i lasting -c -x 600 -q 2 -t 'durable/#' -E
mosquitto_pub "${options[@]}" -q 2 -t durable/a -m queued
mosquitto_pub "${options[@]}" -q 1 -r -t kept -m retained
# Our client loses its connection in the middle, and finds its session again.
timeout 60 "$programs/client" sub -L "mqtt://127.0.0.1:$at" -V 5 -i again --reconnect -q 2 -t again -C 2 -W 50 >"$work/again" 2>"$work/again.err" &
again=$!
await grep -q '"again": subscribed' "$work/durable.log"
mosquitto_pub "${options[@]}" -q 2 -t again -m before
kill -KILL $broker
wait $broker 2>/dev/null
restart "$at"
mosquitto_pub "${options[@]}" -q 2 -t again -m after
wait $again
check "our client goes on with its session" "$(printf 'before\nafter')" "$(cat "$work/again")"
check "a session survives kill -9" queued "$(timeout 20 mosquitto_sub "${options[@]}" -i lasting -c -x 600 -q 2 -t 'durable/#' -C 1 -W 10)"
check "a retained message survives kill -9" retained "$(timeout 20 mosquitto_sub "${options[@]}" -t kept -C 1 -W 10)"
kill -TERM $broker
wait $broker

rm -rf "$work/data"
if timeout 280 "$programs/outages" --program "$programs/broker" --data "$work/data" --port "$(free_port)" --times 50 >"$work/outages" 2>&1
then pass "kill -9: $(cat "$work/outages")"; else fail "kill -9 under load" "$work/outages"; fi

# --- other brokers --------------------------------------------------------------------------------------------------

(cd "$cache/npm" && exec node "$here/aedes.mjs") >"$work/aedes" 2>&1 &
await grep -q '^listening' "$work/aedes" || fail "aedes does not start" "$work/aedes"
read -r _ tcp web <"$work/aedes"
# Both are brokers of 3.1.1.
versions=(311)
other_broker() { # label, url
    our_client "$@"
    timeout 10 "$programs/client" pub -L "$2" -V 311 -q 1 -r -t kept -m k &&
        check "$1: retained" k "$(timeout 10 "$programs/client" sub -L "$2" -V 311 -q 1 -t kept -C 1 -W 8)"
    timeout 10 "$programs/client" pub -L "$2" -V 311 -q 1 -r -t kept -n
}
other_broker "aedes, our client, TCP" "mqtt://127.0.0.1:$tcp"
other_broker "aedes, our client, WebSocket" "ws://127.0.0.1:$web"

amqtt_tcp=$(free_port) amqtt_web=$(free_port)
cat >"$work/amqtt.yaml" <<END
listeners:
  default: {type: tcp, bind: "127.0.0.1:$amqtt_tcp"}
  web: {type: ws, bind: "127.0.0.1:$amqtt_web"}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin: {allow_anonymous: true}
END
"$cache/venv/bin/amqtt" -c "$work/amqtt.yaml" >"$work/amqtt" 2>&1 &
await taken "$amqtt_tcp" || fail "amqtt does not start" "$work/amqtt"
# It takes its time for a hundred messages, they overtake each other in it, and each is sent at the subscription's QoS.
payloads() { cut -d ' ' -f 1,3 "$@" | sort; }
count=20 arrange=payloads
other_broker "amqtt, our client, TCP" "mqtt://127.0.0.1:$amqtt_tcp"
other_broker "amqtt, our client, WebSocket" "ws://127.0.0.1:$amqtt_web"

rumqttd_v4=$(free_port) rumqttd_v5=$(free_port)
cat >"$work/rumqttd.toml" <<END
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
$(for version in 4 5; do
    port_name=rumqttd_v$version
    cat <<LISTENER
[v$version.1]
name = "v$version"
listen = "127.0.0.1:${!port_name}"
next_connection_delay_ms = 1
[v$version.1.connections]
connection_timeout_ms = 60000
max_payload_size = 20480
max_inflight_count = 100
dynamic_filters = true
LISTENER
done)
END
"$rumqttd" -c "$work/rumqttd.toml" >"$work/rumqttd" 2>&1 &
await taken "$rumqttd_v4" || fail "rumqttd does not start" "$work/rumqttd"
await taken "$rumqttd_v5"
for v in 311 5; do
    rumqttd_port=$rumqttd_v4
    [[ $v == 311 ]] || rumqttd_port=$rumqttd_v5
    url=mqtt://127.0.0.1:$rumqttd_port
    for qos in 0 1 2; do
        rm -f "$work/our.err"
        timeout 30 "$programs/client" sub -L "$url" -V $v -i "r-$v-$qos" -q $qos -t "r/$v/$qos" -C 100 -W 10 -d >"$work/our" 2>"$work/our.err" &
        sub=$!
        await grep -qs '<- SUBACK' "$work/our.err"
        seq 100 | timeout 20 "$programs/client" pub -L "$url" -V $v -i "p-$v-$qos" -q $qos -t "r/$v/$qos" -l
        wait $sub
        check "rumqttd, our client, $v, QoS $qos" "$(seq 100)" "$(cat "$work/our")"
    done
done

echo "$passed passed, $failed failed"
((failed == 0))
