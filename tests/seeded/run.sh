#!/usr/bin/env bash
# Faults that are put into the connections by hand, one at a time, and the exploration that has to find each.
#
#   tests/seeded/run.sh
#
# Works on a copy of the sources below target/. The exit code is 0 only if every fault could be put in (the lines that
# it changes are there exactly once) and was found; for each, what the exploration said and in how many steps.
set -euo pipefail
cd "$(dirname "$0")/../.."

root=$PWD
tree=$root/target/seeded/tree
export CARGO_TARGET_DIR=$root/target/seeded
missed=0

fresh() {
  rm -rf "$tree/src"
  mkdir -p "$tree"
  tar -c Cargo.toml Cargo.lock README.md src tests benches/*.rs benches/index conformance examples | tar -x -C "$tree"
}

# Replaces a text that is in the file exactly once.
change() {
  FROM=$2 TO=$3 perl -0pi -e '
    $n = () = /\Q$ENV{FROM}\E/g;
    die "$ARGV: $n times: $ENV{FROM}\n" if $n != 1;
    s/\Q$ENV{FROM}\E/$ENV{TO}/;
  ' "$tree/$1"
}

# Has to be found by the test of this name.
find_it() {
  local name=$1 test=$2 log=$tree/log
  if ! (cd "$tree" && cargo test --quiet --lib --no-run) >"$log" 2>&1; then
    cat "$log"
    echo "$name: does not build" >&2
    exit 1
  fi
  if (cd "$tree" && cargo test --quiet --lib "explore::$test") >"$log" 2>&1; then
    printf '%-45s NOT FOUND by %s\n' "$name" "$test"
    missed=1
  else
    local said
    said=$(grep -m 1 -E ' after [0-9]+ steps:' "$log" || true)
    [ -n "$said" ] || { cat "$log"; echo "$name: failed without a counterexample" >&2; exit 1; }
    printf '%-45s %s\n' "$name" "${said%:}"
  fi
  fresh
}

fresh

change src/connection/inbound.rs \
  'if self.session.received.insert(packet_id) {' 'if false {'
find_it 'the receiver forgets its PUBREC' deliveries

change src/connection/inbound.rs \
  'self.session.in_flight.release(ack.packet_id);' '();'
find_it 'the sender forgets a PUBREC' deliveries

change src/session/in_flight.rs \
  '.is_some_and(Option::is_none)' '.is_some()'
change src/session/in_flight.rs \
  'self.next = id.wrapping_add(1);' 'self.next = 1;'
find_it 'an identifier is given out while it is in use' deliveries

change src/connection/inbound.rs \
  'self.session.in_flight.release(ack.packet_id);' 'self.session.in_flight.remove(ack.packet_id);'
find_it 'an identifier is free with PUBREC' deliveries

change src/connection/outbound.rs \
  'self.sent += 1;
                self.session.in_flight.count(id);' 'self.session.in_flight.count(id);'
find_it 'the quota does not count what is sent again' deliveries

change src/connection/outbound.rs \
  'self.sent += 1;
                self.session.in_flight.count(id);' 'self.sent += 1;'
find_it 'the quota is not given back after a resume' deliveries

change src/connection/inbound.rs \
  'peer.open.remove(ack.packet_id);' '();'
find_it 'PUBREL does not free the place of the message' deliveries

change src/connection/mod.rs \
  'resend.sort_unstable();' 'resend.reverse();'
find_it 'what is sent again is out of order' deliveries

change src/session/mod.rs \
  'self.dropped.push_lost(entry);' 'drop(entry);'
find_it 'what the peer has lost is not reported' lost_sessions

change src/session/mod.rs \
  'self.received.clear();' '();'
find_it 'a new session has identifiers of the old one' lost_sessions

change src/connection/timers.rs \
  'if !next_waits {' 'if true {'
find_it 'a PINGRESP ends the wait for the next one' deadlines

change src/connection/outbound.rs \
  'let _ = pubrel.encode(self.version, out);' '();'
find_it 'a resumed session owes PUBREL and does not send it' deliveries

change src/connection/outbound.rs \
  'self.packet(message, Some(id), true, expiry)' 'self.packet(message, Some(id), false, expiry)'
find_it 'what is sent again does not say so' deliveries

change src/connection/inbound.rs \
  'let id = pending.id;
            self.remember(id);' '();'
find_it 'what the application acknowledged is forgotten' acknowledgements

change src/connection/timers.rs \
  'u64::from(seconds) * 1500' 'u64::from(seconds) * 2000'
find_it 'the server waits for twice the Keep Alive' deadlines

exit "$missed"
