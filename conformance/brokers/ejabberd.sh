# Sourced by with.sh. Debian's, with nothing but MQTT, as a node without a name, so that it needs no name server.
packages ejabberd
VERSION=$(package_version ejabberd)
mkdir -p "$work/home" "$work/data"
cat >"$work/ejabberd.yml" <<END
hosts: [localhost]
loglevel: warning
certfiles: []
ca_file: ""
listen:
  - {port: $PORT, ip: "$HOST", module: mod_mqtt, backlog: 1000}
auth_method: [anonymous]
anonymous_protocol: both
allow_multiple_connections: true
shaper_rules: {}
modules:
  mod_mqtt: {max_queue: 100000}
END
export HOME=$work/home EJABBERD_CONFIG_PATH=$work/ejabberd.yml EJABBERD_LOG_PATH=$work/ejabberd.log \
    ERL_CRASH_DUMP=$work/crash
ERL_LIBS=$(dirname "$(dpkg-query -L ejabberd | grep -m 1 '/ejabberd-[0-9.]*/ebin$')")
export ERL_LIBS=${ERL_LIBS%/*}
run erl -noinput -mnesia dir "\"$work/data\"" -s ejabberd
