#!/usr/bin/env bash
# The runner against brokers that others wrote, and the page that compares them.
#
#   conformance/brokers/run.sh [NAME...]
#
# The names are those of with.sh; without any: all. For each one the outcomes go to conformance/results/NAME.json; the page
# conformance/results/index.html, its picture comparison.png and the table in conformance/README.md are made of all that are there.
# A broker that cannot be installed or started, or that is at its end before the runner is, fails this script; one that does not
# conform does not. BROKERS_JOBS (3) is how many run at a time: they wait more than they work.
set -uo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
here=conformance/brokers
results=conformance/results
order=(ours mosquitto rabbitmq ejabberd aedes amqtt rumqttd rumqttd-311)
(($#)) || set -- "${order[@]}"

cargo build --quiet --release -p mqtt-conformance -p sansio-mqtt-drivers --bin mqtt-conformance --bin broker --example server || exit 1
runner=$target/release/mqtt-conformance
outputs=$target/brokers/runs
mkdir -p "$results" "$outputs"

# What the command of with.sh does. $1: the name, and then the runner.
# shellcheck disable=SC2016
put='
    name=$1; shift
    login=
    [ -z "$MQTT_USER" ] || login="--user $MQTT_USER --password $MQTT_PASSWORD"
    exec timeout 1800 "$@" --target "$TARGET" --name "$name $VERSION" $login \
        --json-brief "conformance/results/$name.json"
'
one() {
    local name=$1 code
    rm -f "$results/$name.json"
    local versions=() given=()
    case $name in
    rabbitmq) versions=(--timeout 3000) ;; # it is slow with many new queues
    ours) given=(--given-exec "$target/release/examples/server") ;;
    mosquitto) given=(--given-exec "$here/given-mosquitto.py") ;;
    rumqttd) versions=(--version 5.0) ;;
    rumqttd-311) versions=(--version 3.1.1) ;;
    esac
    "$here/with.sh" "$name" sh -c "$put" sh "$name" "$runner" broker --details 0 "${versions[@]}" "${given[@]}" >"$outputs/$name.out" 2>&1
    code=$?
    printf '%-12s %s\n' "$name" "$(case $code in
    0) echo conforms ;;
    1) echo "does not conform" ;;
    *) echo "exit code $code: $(tail -n 1 "$outputs/$name.out")" ;;
    esac)"
    ((code <= 1)) || touch "$outputs/$name.failed"
}
rm -f "$outputs"/*.failed
for name; do
    while (($(jobs -rp | wc -l) >= ${BROKERS_JOBS:-3})); do wait -n; done
    one "$name" &
done
wait
failed=0
for name; do [[ ! -e $outputs/$name.failed ]] || failed=1; done

runs=()
for name in "${order[@]}"; do
    [[ ! -e $results/$name.json ]] || runs+=("$results/$name.json")
done
((${#runs[@]})) || exit 1
"$runner" report --html "$results/index.html" "${runs[@]}" &&
    conformance/page.sh "$results/index.html" "$results/comparison.png" &&
    python3 "$here/table.py" conformance/README.md "${runs[@]}" || failed=1
du -sh "$results"
((failed == 0))
