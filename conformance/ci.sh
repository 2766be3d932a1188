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
conformance/brokers/with.sh ours sh -c '"$runner" broker --longest 4 --target "$TARGET" --given-exec "$server"'
"$runner" client --longest 4 --exec "$programs/examples/client"
# Some of it depends on how fast mosquitto is: then it has a second try.
# shellcheck disable=SC2016
mosquitto() {
    conformance/brokers/with.sh mosquitto sh -c \
        '"$runner" broker --longest 1 --known-failing conformance/brokers/mosquitto.known-failing --details 3 --target "$TARGET" \
            --given-exec conformance/brokers/given-mosquitto.py'
}
mosquitto || mosquitto
