# Sourced by with.sh. Without limits on what waits, and with retained messages, as it is by default.
packages mosquitto
VERSION=$(package_version mosquitto)
cat >"$work/mosquitto.conf" <<END
listener $PORT $HOST
allow_anonymous true
persistence false
log_dest stderr
END
run mosquitto -c "$work/mosquitto.conf"
