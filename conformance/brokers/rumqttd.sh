# Sourced by with.sh. Of crates.io; it builds with newer dependencies than those that it has locked. It has one port for 3.1.1
# and one for 5.0; NAME says which one is the target.
VERSION=0.20.0
if [[ ! -x $cache/rumqttd/bin/rumqttd ]]; then
    echo "building rumqttd" >&2
    CARGO_PROFILE_RELEASE_LTO=off CARGO_TARGET_DIR=$cache/rumqttd.build timeout 1800 \
        cargo install --quiet --root "$cache/rumqttd" rumqttd@$VERSION >"$work/cargo" 2>&1 ||
        die "cannot install rumqttd: $(tail -n 1 "$work/cargo")"
    rm -rf "$cache/rumqttd.build"
fi
case $name in
rumqttd) protocols=(5) ;;
*) protocols=(4) ;;
esac
cat >"$work/rumqttd.toml" <<END
id = 0
[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = 1073741824
max_segment_count = 10
[v${protocols[0]}.1]
name = "v${protocols[0]}"
listen = "$HOST:$PORT"
next_connection_delay_ms = 1
[v${protocols[0]}.1.connections]
connection_timeout_ms = 60000
max_payload_size = 268435455
max_inflight_count = 100
dynamic_filters = true
END
run "$cache/rumqttd/bin/rumqttd" -c "$work/rumqttd.toml"
