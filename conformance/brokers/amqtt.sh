# Sourced by with.sh. Of PyPI, in an environment of its own.
if [[ ! -e $cache/amqtt/complete ]]; then
    python3 -c 'import ensurepip' 2>/dev/null || packages python3-venv
    rm -rf "$cache/amqtt"
    { python3 -m venv "$cache/amqtt" &&
        timeout 300 "$cache/amqtt/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check amqtt==0.12.1; } \
        >"$work/pip" 2>&1 || die "cannot install amqtt: $(tail -n 1 "$work/pip")"
    touch "$cache/amqtt/complete"
fi
VERSION=$("$cache/amqtt/bin/python" -c 'from importlib.metadata import version; print(version("amqtt"))')
cat >"$work/amqtt.yaml" <<END
listeners:
  default: {type: tcp, bind: "$HOST:$PORT"}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin: {allow_anonymous: true}
END
run "$cache/amqtt/bin/amqtt" -c "$work/amqtt.yaml"
