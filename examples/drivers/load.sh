#!/usr/bin/env bash
# The same loads on the broker here and on mosquitto, in turn, and how they compare.
#
#   examples/drivers/load.sh [ROUNDS]
#
# Each figure is the median of the rounds (3 unless given). CPU seconds are the broker's; with one core for the load and one
# for the broker they say more than messages per second do. Needs mosquitto and Linux; 10,000 connections need as many file
# descriptors on both sides.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-3}
PATH=$PATH:/usr/sbin
ulimit -n "$(ulimit -Hn)"
cargo build --quiet --release --bins
programs=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

declare -A port pid
port[ours]=$((20000 + RANDOM % 10000))
port[mosquitto]=$((30000 + RANDOM % 10000))
start() {
    case $1 in
    ours) "$programs/broker" --listen "127.0.0.1:${port[ours]}" --log warn >/dev/null 2>&1 & ;;
    mosquitto)
        # 0: no limit, so that nothing is dropped; and as the broker here has it, no delay of small packets.
        printf '%s\n' "listener ${port[mosquitto]} 127.0.0.1" 'allow_anonymous true' 'persistence false' 'user root' \
            'log_type error' 'max_inflight_messages 0' 'max_queued_messages 0' 'set_tcp_nodelay true' >"$work/mosquitto.conf"
        mosquitto -c "$work/mosquitto.conf" 2>/dev/null &
        ;;
    esac
    pid[$1]=$!
    for _ in {1..100}; do
        (exec 3<>"/dev/tcp/127.0.0.1/${port[$1]}") 2>/dev/null && return
        sleep 0.05
    done
    echo "$1 does not start" >&2
    exit 1
}
stop() { kill "${pid[$1]}"; wait "${pid[$1]}" 2>/dev/null || true; }
median() { sort -n | awk '{a[NR] = $1} END {print a[int((NR + 1) / 2)]}'; }
field() { sed -n "s/.*$1=\([0-9.]*\).*/\1/p"; }

printf '%-34s %12s %12s %7s   %s\n' '' ours mosquitto ratio 'ours: per second, p50, p99 in µs; mosquitto'
row() { # label, arguments of the load
    local label=$1 broker figure=cpu_seconds_per_million
    shift
    [[ $1 != idle ]] || figure=bytes_per_connection
    rm -f "$work"/*.lines
    for ((round = 0; round < rounds; round++)); do
        for broker in ours mosquitto; do
            start $broker
            "$programs/load" --target "127.0.0.1:${port[$broker]}" --pid "${pid[$broker]}" --brief --seconds 120 "$@" >>"$work/$broker.lines"
            stop $broker
        done
    done
    declare -A value
    for broker in ours mosquitto; do value[$broker]=$(field $figure <"$work/$broker.lines" | median); done
    printf '%-34s %12s %12s %7s' "$label" "${value[ours]}" "${value[mosquitto]}" \
        "$(awk "BEGIN {printf \"%.2f\", ${value[mosquitto]} / ${value[ours]}}")"
    if [[ $1 != idle ]]; then
        for broker in ours mosquitto; do
            printf '   %s, %s, %s;' "$(field messages_per_second <"$work/$broker.lines" | median)" \
                "$(field p50_us <"$work/$broker.lines" | median)" "$(field p99_us <"$work/$broker.lines" | median)"
        done
    fi
    echo
}
echo "CPU seconds per million messages received:"
for subscribers in 1 10 50; do
    row "QoS 0, 1 to $subscribers" fanout --subscribers $subscribers --messages $((400000 / (subscribers + 1)))
done
for qos in 1 2; do row "QoS $qos, 100 pairs" pairs --qos $qos --messages 60000; done
echo "Bytes per idle connection with a subscription:"
row "10,000 connections" idle --connections "${CONNECTIONS:-$(($(ulimit -n) > 10500 ? 10000 : $(ulimit -n) - 500))}"
