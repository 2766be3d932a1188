# Sourced by with.sh. Our own broker, as it is by default, and with 3.1.
cargo build --quiet --release -p sansio-mqtt-drivers --bin broker >"$work/cargo" 2>&1 || die "our broker does not build"
VERSION=example
run "${CARGO_TARGET_DIR:-$root/target}/release/broker" --listen "$HOST:$PORT" --accept-v31 --log error
