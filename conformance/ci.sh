#!/usr/bin/env bash
# The three modes against what this repository has, and the traces against mosquitto with what that is known to fail. Cases that
# wait for longer than some seconds are left out.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --release -p mqtt-conformance --bins --examples
cargo build --quiet --release --example adapter
programs=${CARGO_TARGET_DIR:-$PWD/target}/release
export runner=$programs/mqtt-conformance server=$programs/examples/server

"$runner" vectors --strict --beginnings --adapter "$programs/examples/adapter"
# shellcheck disable=SC2016
conformance/brokers/with.sh ours sh -c '"$runner" broker --strict --longest 4 --target "$TARGET" --given-exec "$server"'
"$runner" client --strict --longest 4 --exec "$programs/examples/client"
# Some of it depends on how fast mosquitto is: then it has a second try.
# shellcheck disable=SC2016
mosquitto() {
    conformance/brokers/with.sh mosquitto sh -c \
        '"$runner" broker --longest 1 --known-failing conformance/brokers/mosquitto.known-failing --details 3 --target "$TARGET" \
            --given-exec conformance/brokers/given-mosquitto.py'
}
mosquitto || mosquitto

# The page of two runs, one of them with failures, in a browser.
pages=$(mktemp -d)
trap 'rm -rf "$pages"' EXIT
"$runner" vectors --name good --json-brief "$pages/good.json" --details 0 --adapter "$programs/examples/adapter" >"$pages/out"
code=0
"$runner" vectors --name faulty --json-brief "$pages/faulty.json" --details 0 \
    --adapter "$programs/examples/faulty_adapter wrong '\"direction\":\"c2s\"'" >"$pages/out" || code=$?
((code == 1)) || { tail -n 5 "$pages/out"; exit 1; }
"$runner" report --html "$pages/index.html" "$pages/good.json" "$pages/faulty.json"
conformance/page.sh "$pages/index.html" "$pages/picture.png"
