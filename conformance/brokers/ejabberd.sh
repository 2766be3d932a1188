# Sourced by with.sh. Debian's, with nothing but MQTT, as a node without a name, so that it needs no name server.
packages ejabberd
VERSION=$(package_version ejabberd)
# Anybody may connect, but not without a name.
LOGIN=(conformance any)
mkdir -p "$work/home" "$work/data"
cat >"$work/ejabberd.yml" <<END
hosts: [localhost]
loglevel: warning
listen:
  - {port: $PORT, ip: "$HOST", module: mod_mqtt, backlog: 1000}
auth_method: [anonymous]
anonymous_protocol: both
allow_multiple_connections: true
shaper_rules: {}
modules:
  mod_mqtt: {max_queue: 100000, session_expiry: 24 hours}
END
export HOME=$work/home EJABBERD_CONFIG_PATH=$work/ejabberd.yml EJABBERD_LOG_PATH=$work/ejabberd.log \
    ERL_CRASH_DUMP=$work/crash
modules=$(dpkg-query -L ejabberd | grep -m 1 '/ejabberd\.app$')
export ERL_LIBS=${modules%/ejabberd-*}
run env -C "$work" erl -noinput -mnesia dir "\"$work/data\"" -s ejabberd
