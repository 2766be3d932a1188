# Sourced by with.sh. Debian's, with its MQTT plugin, as the user who runs this, and with everything that it writes in a
# directory of its own. Its nodes need a name server, epmd, which gets a port of its own and is ended with the broker.
packages rabbitmq-server
VERSION=$(package_version rabbitmq-server)
mkdir -p "$work/home"
export HOME=$work/home ERL_EPMD_ADDRESS=$HOST ERL_EPMD_PORT
ERL_EPMD_PORT=$(free_port)
epmd -address "$HOST" -port "$ERL_EPMD_PORT" >/dev/null 2>&1 </dev/null &
pids+=($!)
echo '[rabbitmq_mqtt].' >"$work/plugins"
cat >"$work/rabbitmq.conf" <<END
listeners.tcp = none
mqtt.listeners.tcp.1 = $HOST:$PORT
mqtt.allow_anonymous = true
mqtt.default_user = guest
mqtt.default_pass = guest
log.console = true
log.console.level = warning
log.file = false
END
export RABBITMQ_NODENAME=conformance-$PORT@localhost RABBITMQ_CONFIG_FILE=$work/rabbitmq.conf \
    RABBITMQ_ENABLED_PLUGINS_FILE=$work/plugins RABBITMQ_MNESIA_BASE=$work/mnesia RABBITMQ_LOG_BASE=$work/logs \
    RABBITMQ_PID_FILE=$work/pid RABBITMQ_DIST_PORT=$((PORT + 12500)) RABBITMQ_GENERATED_CONFIG_DIR=$work/config \
    RABBITMQ_CONF_ENV_FILE=$work/none RABBITMQ_FEATURE_FLAGS_FILE=$work/feature_flags \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
run /usr/lib/rabbitmq/bin/rabbitmq-server
