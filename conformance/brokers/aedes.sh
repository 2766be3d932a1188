# Sourced by with.sh. Of npm; its sessions and messages are in memory.
{ command -v node && command -v npm; } >/dev/null || packages nodejs npm
if [[ ! -e $cache/npm/complete ]]; then
    rm -rf "$cache/npm"
    mkdir -p "$cache/npm"
    (cd "$cache/npm" && echo '{"private":true}' >package.json &&
        timeout 300 npm install --silent --no-audit --no-fund --cache "$cache/npm/cache" aedes@1) >"$work/npm" 2>&1 ||
        die "cannot install aedes: $(tail -n 1 "$work/npm")"
    touch "$cache/npm/complete"
fi
VERSION=$(node -p "require('$cache/npm/node_modules/aedes/package.json').version")
cat >"$cache/npm/aedes.mjs" <<'END'
import net from 'node:net';
import { Aedes } from 'aedes';
const broker = await Aedes.createBroker();
net.createServer(broker.handle).listen(Number(process.argv[2]), '127.0.0.1');
END
run node "$cache/npm/aedes.mjs" "$PORT"
