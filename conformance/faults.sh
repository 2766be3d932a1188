#!/usr/bin/env bash
# The test of the runner: our broker with each of its faults has to fail a case that names the statement that the fault breaks,
# and without a fault it has to pass all of these cases.
#
#   conformance/faults.sh [NAME...]
#
# The names are those of `broker --list-faults`, without any: all. FAULTS_JOBS (8) is how many brokers run at a time; most of them
# wait. What was seen is kept in target/faults/runs, a JSON for each. The exit code is 0 only if all were caught.
set -uo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
jobs=${FAULTS_JOBS:-8}

die() { echo "faults.sh: $*" >&2; exit 1; }

work=$target/faults/runs
broker=$target/faults/broker
runner=$target/release/mqtt-conformance
mkdir -p "$target/faults"
# What both brokers need is compiled once. The one without faults gets its place back, which compiles nothing if it was there.
build=(cargo build --quiet --release -p sansio-mqtt-drivers --bin broker)
"${build[@]}" --features faults && cp "$target/release/broker" "$broker" && "${build[@]}" &&
    cargo build --quiet --release -p mqtt-conformance --bins || die "the programs do not build"
rm -rf "$work"
mkdir -p "$work"
"$broker" --list-faults >"$work/list" || die "no list of faults"
for name; do grep -q "^$name	" "$work/list" || die "no fault $name"; done
# What these traces want of a server, the broker does, if not in the same numbers.
cat >"$work/capabilities" <<'END'
{"given": ["traces/session/quota-and-aliases-are-not-state", "traces/aliases/server-uses-none"]}
END

cleanup() {
    local pid
    for pid in $(jobs -p); do kill "$pid" 2>/dev/null; done
    wait
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# put NAME TRACES OPTIONS...: a broker with these options, and the runner with these traces.
put() {
    local name=$1 traces=$2 filter=() trace port code _
    shift 2
    for trace in $traces; do filter+=(--filter "$trace"); done
    : >"$work/$name.broker"
    "$broker" --listen 127.0.0.1:0 --accept-v31 --log error "$@" >"$work/$name.broker" 2>&1 &
    local pid=$!
    # shellcheck disable=SC2064
    trap "kill $pid 2>/dev/null" EXIT
    for _ in {1..200}; do
        grep -q '^listening' "$work/$name.broker" && break
        sleep 0.05
    done
    port=$(sed -n 's/^listening on .*://p' "$work/$name.broker")
    timeout 300 "$runner" broker --target "mqtt://127.0.0.1:$port" --name "fault: $name" --capabilities "$work/capabilities" \
        --json "$work/$name.json" "${filter[@]}" >"$work/$name.out" 2>&1
    code=$?
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    return $code
}

# verdict NAME STATEMENTS: whether a case of each statement has failed, and not for want of an answer.
verdict() {
    python3 - "$work/$1.json" "$1" "$2" <<'END'
import json, sys
path, name, statements = sys.argv[1:]
try:
    with open(path, encoding="utf-8") as file:
        cases = json.load(file)["cases"]
except (OSError, ValueError, KeyError) as error:
    cases = []
missed = []
for pair in statements.split(", "):
    version, statement = pair.split(" ")
    named = [case for case in cases if case["version"] == version and statement in case["statements"]]
    caught = [case for case in named if case["result"] in ("failed", "should") and not case.get("dead")]
    if not caught:
        missed.append(pair + (": " + ", ".join(case["result"] for case in named) if named else ": no case"))
print(("FAILED  " if missed else "ok      ") + name + ": " + ("; ".join(missed) if missed else statements))
END
}

one() {
    put "$1" "$3" --fault "$1"
    verdict "$1" "$2"
}

traces=$(cut -f 3 "$work/list" | sort -u)
# Beside the others: it waits for longer than most of them.
(put none "$traces"; echo $? >"$work/none.code") &
while IFS=$'\t' read -r name statements trace _; do
    (($# == 0)) || [[ " $* " == *" $name "* ]] || continue
    while (($(jobs -rp | wc -l) >= jobs)); do wait -n; done
    (one "$name" "$statements" "$trace" >"$work/$name.verdict") &
done <"$work/list"
wait
failed=0
code=$(cat "$work/none.code")
if [[ $code == 0 ]]; then echo "ok      no fault: $(wc -l <<<"$traces") traces pass"; else
    echo "FAILED  no fault: exit code $code"
    tail -n 30 "$work/none.out" | cut -c 1-200 | sed 's/^/        /'
    failed=1
fi
cat "$work"/*.verdict
caught=$(cat "$work"/*.verdict | grep -c '^ok')
missed=$(cat "$work"/*.verdict | grep -vc '^ok')
echo "$caught faults caught, $missed not"
((missed + failed == 0))
