#!/usr/bin/env bash
# The examples against mosquitto and its clients, over real sockets on 127.0.0.1.
#
#   tests/interop/run.sh
#
# Our broker serves mosquitto_pub and mosquitto_sub, our client talks to mosquitto, and ours to ours. Every message is
# compared: one that is missing, double, altered or out of order fails its check. Ports are chosen at run time and
# every wait is bounded. The exit code is 0 only if all checks passed.
set -uo pipefail
cd "$(dirname "$0")/../.."

die() { echo "interop: $*" >&2; exit 1; }

if ! command -v mosquitto_sub >/dev/null || ! PATH=$PATH:/usr/sbin command -v mosquitto >/dev/null; then
    echo "installing mosquitto and mosquitto-clients"
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install mosquitto mosquitto-clients; } >/dev/null ||
        die "cannot install mosquitto and mosquitto-clients (this needs root)"
fi
PATH=$PATH:/usr/sbin
cargo build --quiet --release --bins || die "the examples do not build"
examples=${CARGO_TARGET_DIR:-target}/release

work=$(mktemp -d)
children=()
cleanup() {
    for pid in "${children[@]}"; do kill -9 "$pid" 2>/dev/null; done
    wait 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

# --- checks ---------------------------------------------------------------------------------------------------------

passed=0 failed=0
pass() { passed=$((passed + 1)); echo "ok      $label: $1"; }
fail() { # name [file with details]
    failed=$((failed + 1))
    echo "FAILED  $label: $1"
    [[ -z ${2-} ]] || head -n 12 "$2" | cut -c 1-200 | sed 's/^/        /'
}
same() { # name, expected file, actual file
    if cmp -s "$2" "$3"; then pass "$1"; else
        diff -a --label expected --label received -u "$2" "$3" >"$work/diff" 2>&1
        fail "$1" "$work/diff"
    fi
}
check() { # name, expected text, actual text
    printf '%s\n' "$2" >"$work/expected"
    printf '%s\n' "$3" >"$work/actual"
    same "$1" "$work/expected" "$work/actual"
}
await() { # what, command...: at most 10 s
    local what=$1 _
    shift
    for _ in {1..500}; do
        "$@" && return 0
        sleep 0.02
    done
    fail "$what: not within 10 s"
    return 1
}

# --- brokers --------------------------------------------------------------------------------------------------------

# Each sets `port`, `log` and `broker`, and `logged`: how its log tells that a client's subscription stands.
start_ours() { # arguments
    log=$work/broker.log
    : >"$log"
    "$examples/broker" --listen 127.0.0.1:0 "$@" >"$log" 2>&1 &
    broker=$!
    children+=("$broker")
    await "broker listens" grep -q '^listening on ' "$log" || die "the broker does not start: $(cat "$log")"
    port=$(sed -n 's/^listening on mqtt:.*://p' "$log")
    logged='"%s": subscribed to'
}
taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() {
    local port
    for _ in {1..100}; do
        port=$((20000 + RANDOM % 30000))
        taken $port || { echo $port; return; }
    done
}
start_mosquitto() {
    log=$work/mosquitto.log
    mosquitto_passwd -b -c "$work/passwords" alice secret || die "mosquitto_passwd failed"
    local _
    for _ in {1..5}; do
        port=$(free_port)
        guarded_port=$(free_port)
        cat >"$work/mosquitto.conf" <<END
per_listener_settings true
user root
persistence false
log_type all
log_dest stderr
# Version 2.0.11 stops sending QoS 2 to 5.0 clients when its limit of 20 in flight was reached.
max_inflight_messages 0
listener $port 127.0.0.1
allow_anonymous true
listener $guarded_port 127.0.0.1
allow_anonymous false
password_file $work/passwords
END
        : >"$log"
        mosquitto -c "$work/mosquitto.conf" 2>"$log" &
        broker=$!
        children+=("$broker")
        for _ in {1..100}; do
            kill -0 "$broker" 2>/dev/null || break
            grep -q ' running$' "$log" && break 2
            sleep 0.05
        done
        kill -9 "$broker" 2>/dev/null
        broker=
    done
    [[ -n $broker ]] || die "mosquitto does not start: $(cat "$log")"
    logged='Sending SUBACK to %s$'
}

# --- clients --------------------------------------------------------------------------------------------------------

# --nodelay: at its end mosquitto_sub closes with input unread. What Nagle's algorithm holds back then, acknowledgements
# among it, is never sent.
stock_pub=(mosquitto_pub --nodelay) stock_sub=(mosquitto_sub --nodelay)
our_pub=("$examples/client" pub) our_sub=("$examples/client" sub)
declare -A subscriber
serial=0
new_id() { serial=$((serial + 1)); id=client$serial; }

pub() { timeout 20 "${PUB[@]}" -h 127.0.0.1 -p "$port" "$@" || fail "pub $*: exit code $?"; }
subscriptions() { grep -c "$(printf "$logged" "$1")" "$log"; }
more_subscriptions() { (($(subscriptions "$1") > $2)); }
# start_sub ID ARGUMENTS: in the background, when it returns the subscription stands. -W bounds its life.
start_sub() {
    local id=$1 before
    shift
    before=$(subscriptions "$id")
    # stdbuf: lines are there when they have been printed, also if the process is killed.
    stdbuf -oL "${SUB[@]}" -h 127.0.0.1 -p "$port" -i "$id" -W 20 "$@" >"$work/$id.out" 2>"$work/$id.err" &
    subscriber[$id]=$!
    children+=("$!")
    await "subscription of $id" more_subscriptions "$id" "$before"
}
end_sub() { wait "${subscriber[$1]}" 2>/dev/null; }
kill_sub() { kill -KILL "${subscriber[$1]}" 2>/dev/null; wait "${subscriber[$1]}" 2>/dev/null; }
# run_sub ID ARGUMENTS: to its end, which -C gives.
run_sub() {
    local id=$1
    shift
    timeout 20 "${SUB[@]}" -h 127.0.0.1 -p "$port" -i "$id" -W 15 "$@" >"$work/$id.out" 2>"$work/$id.err"
}
# Makes a session that stays, with a subscription.
leave_session() {
    local id=$1
    shift
    if [[ ${SUB[0]} == mosquitto_sub ]]; then
        run_sub "$id" -c -E "$@"
    else
        start_sub "$id" -c "$@"
        kill_sub "$id"
    fi
}
out() { cat "$work/$1.out"; }

# What a subscriber prints for each message: "QoS topic payload", whichever it is.
format() { if [[ ${SUB[0]} == mosquitto_sub ]]; then printf '%s\n' -F '%q %t %p'; else printf '%s\n' -v -d; fi; }
formatted() {
    if [[ ${SUB[0]} == mosquitto_sub ]]; then out "$1"; else
        grep -a '^<- PUBLISH' "$work/$1.err" | sed -E 's/.* qos=([0-2]).*/\1/; t; s/.*/0/' | paste -d ' ' - "$work/$1.out"
    fi
}

# --- scenarios: any publisher, subscriber and broker ---------------------------------------------------------------

versions=(mqttv311 mqttv5)

qos_matrix() {
    local pv sv pq sq granted options
    mapfile -t options < <(format)
    for pv in "${versions[@]}"; do for sv in "${versions[@]}"; do for pq in 0 1 2; do for sq in 0 1 2; do
        new_id
        start_sub $id -V $sv -q $sq -t "matrix/$id" -C 3 "${options[@]}" || continue
        printf '%s\n' one two three | pub -V $pv -q $pq -t "matrix/$id" -l
        end_sub $id
        granted=$((pq < sq ? pq : sq))
        check "$pv QoS $pq to $sv QoS $sq" \
            "$(printf "$granted matrix/$id %s\n" one two three)" "$(formatted $id)"
    done; done; done; done
}

in_order() { # number of lines [version of the subscriber]: at each QoS, with END last on the same connection
    local q pv sv
    for q in 0 1 2; do for pv in "${versions[@]}"; do
        sv=${2-mqttv5}
        [[ $pv == mqttv5 ]] && sv=mqttv311
        new_id
        { seq -f 'line %06g of many' "$1"; echo END; } >"$work/lines"
        start_sub $id -V $sv -q $q -t "order/$id" -C $(($1 + 1)) || continue
        pub -V $pv -q $q -t "order/$id" -l <"$work/lines"
        end_sub $id
        same "$1 messages in order, QoS $q, $pv to $sv" "$work/lines" "$work/$id.out"
    done; done
}

payloads() {
    local v
    head -c 1048576 /dev/urandom >"$work/big"
    for v in "${versions[@]}"; do
        new_id
        start_sub $id -V $v -q 2 -t "big/$id" -C 1
        pub -V $v -q 2 -t "big/$id" -f "$work/big"
        end_sub $id
        # Without the newline that is printed after it.
        head -c -1 "$work/$id.out" >"$work/got"
        check "1 MiB of binary payload, $v" "$(sha256sum <"$work/big")" "$(sha256sum <"$work/got")"

        new_id
        start_sub $id -V $v -q 1 -t "empty/$id" -v -C 2
        pub -V $v -q 1 -t "empty/$id" -n
        pub -V $v -q 1 -t "empty/$id" -m full
        end_sub $id
        # mosquitto_sub shows a payload that is not there as (null).
        check "empty payload, $v" "$(printf "empty/$id \nempty/$id full")" "$(out $id | sed 's/(null)$//')"

        new_id
        start_sub $id -V $v -q 1 -t "mesures/+/寿司/$id" -v -C 1
        pub -V $v -q 1 -t "mesures/température/寿司/$id" -m 'grüße 🦀'
        end_sub $id
        check "UTF-8 topic and payload, $v" "mesures/température/寿司/$id grüße 🦀" "$(out $id)"
    done
}

wildcards() {
    local v topic
    for v in "${versions[@]}"; do
        new_id
        start_sub $id -V $v -q 1 -t "w$id/+/c" -v -C 3
        for topic in a/c a/d /c a/b/c c b/c; do pub -V $v -q 1 -t "w$id/$topic" -m "$topic"; done
        end_sub $id
        check "a/+/c, $v" "$(printf "w$id/%s %s\n" a/c a/c /c /c b/c b/c)" "$(out $id)"

        new_id
        start_sub $id -V $v -q 1 -t "w$id/#" -v -C 4
        for topic in "w$id" "w$id/" "x$id/a" "w$id/a" "w$id/a/b/c"; do pub -V $v -q 1 -t "$topic" -m m; done
        end_sub $id
        check "a/#, $v" "$(printf '%s m\n' "w$id" "w$id/" "w$id/a" "w$id/a/b/c")" "$(out $id)"
    done
}

retained() {
    local v
    for v in "${versions[@]}"; do
        new_id
        local topic=retained/$id
        pub -V $v -q 1 -r -t "$topic" -m first
        run_sub $id -V $v -q 1 -t "$topic" -v -C 1
        check "retained message is there, $v" "$topic first" "$(out $id)"
        pub -V $v -q 1 -r -t "$topic" -m second
        pub -V $v -q 1 -r -t "$topic-end" -m end
        run_sub $id -V $v -q 1 -t "$topic" -t "$topic-end" -v -C 2
        check "retained message is replaced, $v" "$(printf '%s\n' "$topic second" "$topic-end end" | sort)" "$(out $id | sort)"
        pub -V $v -q 0 -r -t "$topic" -n
        run_sub $id -V $v -q 1 -t "$topic" -t "$topic-end" -v -C 1
        check "retained message is cleared, $v" "$topic-end end" "$(out $id)"

        start_sub $id -V $v -q 1 -t "$topic" -t "$topic-end" -R -C 1
        pub -V $v -q 1 -t "$topic" -m live
        end_sub $id
        check "-R shows no retained message, $v" live "$(out $id)"
        pub -V $v -q 1 -r -t "$topic-end" -n
    done
}

wills() {
    local v
    for v in "${versions[@]}"; do
        new_id
        local watcher=$id
        start_sub $watcher -V mqttv5 -q 1 -t "will/$watcher" -C 2
        new_id
        start_sub $id -V $v -t "unused/$id" --will-topic "will/$watcher" --will-payload died --will-qos 1
        kill_sub $id
        await "will of $id" grep -q died "$work/$watcher.out"
        new_id
        start_sub $id -V $v -t "stop/$id" -C 1 --will-topic "will/$watcher" --will-payload wrong --will-qos 1
        pub -t "stop/$id" -m stop
        end_sub $id
        pub -V $v -q 1 -t "will/$watcher" -m end
        end_sub $watcher
        check "will after a kill, none after DISCONNECT, $v" "$(printf 'died\nend')" "$(out $watcher)"

        new_id
        start_sub $id -V $v -t "unused/$id" --will-topic "will/$id" --will-payload kept --will-qos 1 --will-retain
        kill_sub $id
        new_id
        run_sub $id -V $v -q 1 -t "will/client$((serial - 1))" -v -C 1
        check "retained will, $v" "will/client$((serial - 1)) kept" "$(out $id)"
    done
}

sessions() {
    local v q expiry
    for v in "${versions[@]}"; do for q in 1 2; do
        expiry=()
        [[ $v == mqttv5 ]] && expiry=(-x 60)
        new_id
        leave_session $id -V $v "${expiry[@]}" -q $q -t "session/$id"
        printf '%s\n' one two three | pub -V $v -q 2 -t "session/$id" -l
        run_sub $id -V $v "${expiry[@]}" -c -q $q -t "session/$id" -C 3
        check "messages wait for a session, QoS $q, $v" "$(printf '%s\n' one two three)" "$(out $id)"
        # What was acknowledged does not come again.
        pub -V $v -q 1 -t "session/$id" -m four
        run_sub $id -V $v "${expiry[@]}" -c -q $q -t "session/$id" -C 1
        check "and come once, QoS $q, $v" four "$(out $id)"
    done; done
    new_id
    leave_session $id -q 1 -t "session/$id"
    pub -q 1 -t "session/$id" -m old
    start_sub $id -q 1 -t "session/$id" -C 1
    pub -q 1 -t "session/$id" -m new
    end_sub $id
    check "clean start ends the session" new "$(out $id)"
}

# --- our broker, stock clients --------------------------------------------------------------------------------------

retain_flags() {
    new_id
    local topic=flags/$id
    start_sub $id -V mqttv311 -q 1 -t "$topic" -F '%r %p' -C 1
    pub -q 1 -r -t "$topic" -m m
    end_sub $id
    check "RETAIN is 0 on live delivery, mqttv311" "0 m" "$(out $id)"
    run_sub $id -V mqttv311 -q 1 -t "$topic" -F '%r %p' -C 1
    check "RETAIN is 1 on retained delivery, mqttv311" "1 m" "$(out $id)"
    new_id
    start_sub $id -V mqttv5 -q 1 -t "$topic/live" -F '%r %p' -C 1
    pub -V mqttv5 -q 1 -r -t "$topic/live" -m m
    end_sub $id
    check "RETAIN is 0 on live delivery, mqttv5" "0 m" "$(out $id)"
    new_id
    start_sub $id -V mqttv5 -q 1 -t "$topic/live" --retain-as-published -R -F '%r %p' -C 1
    pub -V mqttv5 -q 1 -t "$topic/live" -m unretained
    end_sub $id
    check "Retain As Published keeps 0" "0 unretained" "$(out $id)"
    new_id
    start_sub $id -V mqttv5 -q 1 -t "$topic/new" --retain-as-published -F '%r %p' -C 1
    pub -V mqttv311 -q 1 -r -t "$topic/new" -m m
    end_sub $id
    check "Retain As Published keeps 1" "1 m" "$(out $id)"
}

dollar_topics() {
    local v
    for v in "${versions[@]}"; do
        new_id
        start_sub $id -V $v -q 1 -t '#' -T 'retained/#' -R -v -C 1
        start_sub "$id-own" -V $v -q 1 -t '$own/#' -v -C 1
        pub -V $v -q 1 -t "\$own/$id" -m hidden
        pub -V $v -q 1 -t "seen/$id" -m seen
        end_sub $id
        end_sub "$id-own"
        check "# does not match \$-topics, $v" "seen/$id seen" "$(out $id)"
        check "\$own/# does, $v" "\$own/$id hidden" "$(out "$id-own")"
    done
}

overlapping() {
    local v
    for v in "${versions[@]}"; do
        new_id
        start_sub $id -V $v -q 2 -t "over/$id" -t "over/+" -t "over/#" -F '%q %p' -C 2
        pub -V $v -q 2 -t "over/$id" -m one
        pub -V $v -q 2 -t "over/$id" -m two
        end_sub $id
        check "overlapping subscriptions give one copy, $v" "$(printf '2 one\n2 two')" "$(out $id)"
    done
}

properties() {
    new_id
    local topic=properties/$id
    start_sub $id -V mqttv5 -q 1 -t "$topic" -D subscribe subscription-identifier 7 -F '%P|%C|%E|%R|%D|%F|%S|%p' -C 1
    pub -V mqttv5 -q 1 -t "$topic" -m payload -D publish user-property key value -D publish content-type text/plain \
        -D publish message-expiry-interval 100 -D publish response-topic re/ply -D publish correlation-data abc \
        -D publish payload-format-indicator 1
    end_sub $id
    check "properties are forwarded" "key:value|text/plain|100|re/ply|abc|1|7|payload" "$(out $id)"
    new_id
    start_sub $id -V mqttv311 -q 1 -t "$topic" -F '%t %p' -C 1
    pub -V mqttv5 -q 1 -t "$topic" -m payload -D publish user-property key value -D publish content-type text/plain
    end_sub $id
    check "3.1.1 subscribers get the message without them" "$topic payload" "$(out $id)"
    new_id
    start_sub $id -V mqttv5 -q 1 -t "$topic" -F '%t %p' -C 3
    printf '%s\n' one two three | pub -V mqttv5 -q 1 -t "$topic" -l -D publish topic-alias 3
    end_sub $id
    check "topic alias from the publisher" "$(printf "$topic %s\n" one two three)" "$(out $id)"
}

expiry() { # what waits is done side by side, to take the time of one
    new_id
    local message=$id
    leave_session $message -V mqttv5 -x 60 -q 1 -t "expiry/$message"
    pub -V mqttv5 -q 1 -t "expiry/$message" -m short -D publish message-expiry-interval 1
    pub -V mqttv5 -q 1 -t "expiry/$message" -m long -D publish message-expiry-interval 100
    pub -V mqttv5 -q 1 -t "expiry/$message/retained" -r -m short -D publish message-expiry-interval 1
    new_id
    local session=$id
    leave_session $session -V mqttv5 -x 1 -q 1 -t "expiry/$session"
    pub -V mqttv5 -q 1 -t "expiry/$session" -m lost
    new_id
    local watcher=$id
    start_sub $watcher -V mqttv5 -q 1 -t "delay/$watcher" -C 2
    new_id
    start_sub $id -V mqttv5 -c -x 60 -t "unused/$id" \
        --will-topic "delay/$watcher" --will-payload canceled --will-qos 1 -D will will-delay-interval 2
    kill_sub $id
    run_sub $id -V mqttv5 -c -x 60 -t "unused/$id" -E
    new_id
    start_sub $id -V mqttv5 -c -x 60 -t "unused/$id" \
        --will-topic "delay/$watcher" --will-payload delayed --will-qos 1 -D will will-delay-interval 2
    kill_sub $id
    sleep 1
    pub -V mqttv5 -q 1 -t "delay/$watcher" -m early
    sleep 1.5
    end_sub $watcher
    check "will delay: published later, not after a reconnect" "$(printf 'early\ndelayed')" "$(out $watcher)"
    run_sub $message -V mqttv5 -c -x 60 -q 1 -t "expiry/$message" -t "expiry/$message/retained" -F '%p %E' -C 1
    check "message expiry in a session, and retained" "long 9" "$(out $message | cut -c 1-6)"
    start_sub $session -V mqttv5 -c -x 1 -q 1 -t "expiry/$session" -C 1
    pub -V mqttv5 -q 1 -t "expiry/$session" -m new
    end_sub $session
    check "session expiry" new "$(out $session)"
}

take_over() {
    local v
    for v in "${versions[@]}"; do
        new_id
        start_sub $id -V $v -q 1 -t "takeover/$id" -d
        local first=${subscriber[$id]}
        mv "$work/$id.out" "$work/$id.first"
        start_sub $id -V $v -q 1 -t "takeover/$id" -C 1
        pub -V $v -q 1 -t "takeover/$id" -m m
        end_sub $id
        kill -KILL $first 2>/dev/null
        wait $first 2>/dev/null
        check "take-over: the new connection has the messages, $v" m "$(out $id)"
        check "take-over: the broker tells so, $v" 1 "$(grep -c "\"$id\": closed: disconnected: 0x8E " "$log")"
        [[ $v != mqttv5 ]] ||
            check "take-over: the old connection is told" 1 "$(grep -c 'Received DISCONNECT (142)' "$work/$id.first")"
    done
}

shared() {
    new_id
    local topic=shared/$id n
    for n in 1 2; do start_sub $id-$n -V mqttv5 -q 1 -t "\$share/group/$topic" -C 5; done
    seq 10 | pub -q 1 -t "$topic" -l
    for n in 1 2; do end_sub $id-$n; done
    check "a shared subscription: each message to one" "$(seq 10)" "$(cat "$work/$id"-?.out | sort -n)"
}

unsubscribing() {
    new_id
    start_sub $id -V mqttv5 -q 1 -t "un/$id/a" -t "un/$id/b" -U "un/$id/a" -C 1 -v -d
    await "unsubscription of $id" grep -q 'received UNSUBACK' "$work/$id.out"
    pub -q 1 -t "un/$id/a" -m wrong
    pub -q 1 -t "un/$id/b" -m right
    end_sub $id
    check "unsubscribe" "un/$id/b right" "$(out $id | grep '^un/')"
}

# raw BYTES: what the broker says to these, both in hexadecimal.
raw() {
    local bytes
    bytes=$(tr -d ' \n' <<<"$1")
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf "$(sed 's/../\\x&/g' <<<"$bytes")" >&3
    timeout 0.5 cat <&3 | od -An -v -tx1 | tr -d ' \n'
    exec 3>&-
}

# What mosquitto's clients cannot ask for: single packets of 5.0.
subscription_options() {
    local connect='10 10 0004 4d515454 05 02 003c 00 0003 726177' ping='c0 00' answer topic=7268 # "rh"
    local live="30 06 0002 $topic 00 78"
    answer=$(raw "$connect 82 08 0001 00 0002 $topic 04 $live $ping")
    check "No Local on" 0 "$(grep -o "30060002${topic}0078" <<<"$answer" | wc -l)"
    answer=$(raw "$connect 82 08 0001 00 0002 $topic 00 $live $ping")
    check "No Local off" 1 "$(grep -o "30060002${topic}0078" <<<"$answer" | wc -l)"
    pub -r -q 1 -t rh -m x
    for options in 00:3 10:1 20:0; do
        answer=$(raw "$connect $(for _ in 1 2 3; do echo "82 08 0001 00 0002 $topic ${options%:*}"; done) $ping")
        check "Retain Handling ${options%?:*}" "${options#*:}" "$(grep -o "31060002${topic}0078" <<<"$answer" | wc -l)"
    done
    pub -r -q 1 -t rh -n
    answer=$(raw "$connect a2 06 0001 00 0001 7a")
    check "nothing to unsubscribe" b00400010011 "${answer: -12}"
    answer=$(raw '10 0d 0004 4d515454 05 02 003c 00 0000')
    check "an assigned client identifier" 1 "$(grep -c "$(printf auto- | od -An -tx1 | tr -d ' ')" <<<"$answer")"
}

legacy_refused() {
    timeout 10 mosquitto_pub -h 127.0.0.1 -p "$port" -V mqttv31 -t a -m m >"$work/said" 2>&1
    check "3.1 is refused unless asked for" "1 1" "$? $(grep -ci 'unacceptable protocol version' "$work/said")"
    check "3.1 is told so" 20020001 "$(raw '10 0f 0006 4d5149736470 03 02 003c 0001 78')"
}

legacy_rules() { # a client identifier of 24 characters; a refused filter; what is sent again
    local connect='10 0f 0006 4d5149736470 03 02 003c 0001 78'
    check "3.1: client identifier of 24 characters" 20020002 \
        "$(raw "10 26 0006 4d5149736470 03 02 003c 0018 $(printf '61%.0s' {1..24})")"
    check "3.1: SUBSCRIBE, PUBREL and UNSUBSCRIBE with DUP" 2002000090030001017002000ab0020003 \
        "$(raw "$connect 8a 06 0001 0001 61 01 6a 02 000a aa 05 0003 0001 61")"
    check "3.1: user name flagged and missing" 20020000 "$(raw '10 0f 0006 4d5149736470 03 82 003c 0001 78')"
}

# WebSocket pings as fast as the socket takes them, from a client that reads no answers: the others are served meanwhile.
ping_flood() {
    local id flood web _
    web=$(sed -n 's/^listening on ws:.*://p' "$log")
    for _ in {1..10000}; do printf '\x89\x80\0\0\0\0'; done >"$work/pings"
    (
        exec 3<>"/dev/tcp/127.0.0.1/$web" || exit
        printf '%s\r\n' 'GET /mqtt HTTP/1.1' 'Host: a' 'Connection: Upgrade' 'Upgrade: websocket' 'Sec-WebSocket-Version: 13' \
            'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' 'Sec-WebSocket-Protocol: mqtt' '' >&3
        IFS= read -r line <&3 && printf '%s\n' "$line" >"$work/flood"
        while cat "$work/pings" >&3; do printf . >>"$work/floods"; done
    ) 2>/dev/null &
    flood=$!
    children+=("$flood")
    await "the flood" test -s "$work/floods"
    check "WebSocket is open" $'HTTP/1.1 101 Switching Protocols\r' "$(cat "$work/flood")"
    new_id
    start_sub $id -V mqttv5 -q 1 -t "flood/$id" -C 1
    pub -V mqttv5 -q 1 -t "flood/$id" -m served
    end_sub $id
    check "a flood of WebSocket pings" served "$(out $id)"
    : >"$work/floods"
    await "the flood goes on" test -s "$work/floods"
    kill -KILL "$flood"
    wait "$flood" 2>/dev/null
}

stopping() {
    new_id
    start_sub $id -V mqttv5 -q 1 -t "stop/$id" -d
    kill -TERM "$broker"
    local _
    for _ in {1..250}; do kill -0 "$broker" 2>/dev/null || break; sleep 0.02; done
    kill -KILL "$broker" 2>/dev/null && fail "the broker does not end"
    wait "$broker"
    check "SIGTERM: exit code" 0 $?
    kill_sub $id
    check "SIGTERM: clients are told" 1 "$(grep -c 'Received DISCONNECT (139)' "$work/$id.out")"
}

# --- our client -----------------------------------------------------------------------------------------------------

refusals() {
    local v reason code
    for v in "${versions[@]}"; do
        timeout 10 "${our_pub[@]}" -h 127.0.0.1 -p "$guarded_port" -V $v -u alice -P secret -q 1 -t a -m m 2>"$work/said"
        check "user name and password, $v" "0 " "$? $(cat "$work/said")"
        timeout 10 "${our_pub[@]}" -h 127.0.0.1 -p "$guarded_port" -V $v -u alice -P wrong -q 1 -t a -m m 2>"$work/said"
        code=$?
        # mosquitto says in either version that they are not authorized.
        reason=$(grep -c '^connection refused: 0x87 ' "$work/said")
        check "wrong password: exit code 1 and the reason, $v" "1 1" "$code $reason"
    done
    timeout 10 "${our_pub[@]}" -h 127.0.0.1 -p "$(free_port)" -t a -m m 2>"$work/said"
    check "nobody listens: exit code" 1 $?
    timeout 10 "${our_pub[@]}" -t a 2>/dev/null
    check "usage error: exit code" 2 $?
    timeout 10 "${our_sub[@]}" -h 127.0.0.1 -p "$port" -t nothing/comes -C 1 -W 1 >/dev/null 2>&1
    check "time is up: exit code" 1 $?
}

silence() { # a client that is there and says nothing, for longer than 1.5 times its keep alive
    new_id
    local watcher=$id
    start_sub $watcher -q 1 -t "silence/$watcher" -C 1
    new_id
    start_sub $id -V mqttv5 -k 1 -t "unused/$id" --will-topic "silence/$watcher" --will-payload silent --will-qos 1
    kill -STOP "${subscriber[$id]}"
    end_sub $watcher
    kill_sub $id
    check "will after a keep alive timeout" silent "$(out $watcher)"
    check "the broker tells so" 1 "$(grep -c "\"$id\": closed: keep alive timeout" "$log")"
}

keep_alive() { # longer than 1.5 times the keep alive, silent: PINGREQ has to hold the connection
    new_id
    start_sub $id -k 1 -V mqttv5 -q 1 -t "alive/$id" -C 1
    sleep 2.5
    pub -q 1 -t "alive/$id" -m m
    end_sub $id
    check "keep alive" m "$(out $id)"
}

our_properties() {
    new_id
    SUB=("${stock_sub[@]}")
    start_sub $id -V mqttv5 -q 1 -t "properties/$id" -F '%P %p' -C 1
    pub -V 5 -q 1 -t "properties/$id" -D key value -m m
    end_sub $id
    check "user property" "key:value m" "$(out $id)"
    SUB=("${our_sub[@]}")
}

# --- all ------------------------------------------------------------------------------------------------------------

start_ours
PUB=("${stock_pub[@]}") SUB=("${stock_sub[@]}")
label="broker"
legacy_refused
kill -KILL "$broker"
wait "$broker" 2>/dev/null

start_ours --accept-v31 --dollar-topics --listen ws://127.0.0.1:0
label="broker, stock clients"
versions=(mqttv31 mqttv311 mqttv5)
qos_matrix
in_order 500
payloads
wildcards
retained
wills
sessions
dollar_topics
overlapping
take_over
legacy_rules
versions=(mqttv311 mqttv5)
retain_flags
properties
expiry
shared
unsubscribing
subscription_options

label="broker, our client"
PUB=("${our_pub[@]}") SUB=("${our_sub[@]}")
qos_matrix
in_order 5000
payloads
wildcards
retained
wills
sessions
silence
label="broker"
PUB=("${stock_pub[@]}") SUB=("${stock_sub[@]}")
ping_flood
stopping

start_mosquitto
label="mosquitto, our client"
PUB=("${our_pub[@]}") SUB=("${our_sub[@]}")
qos_matrix
in_order 500
payloads
wildcards
retained
wills
sessions
refusals
keep_alive
our_properties
label="mosquitto, our pub, stock sub"
SUB=("${stock_sub[@]}")
# In 5.0 mosquitto_sub has a Receive Maximum of 20, which has the effect on mosquitto that is noted at its configuration.
in_order 500 mqttv311
label="mosquitto, stock pub, our sub"
PUB=("${stock_pub[@]}") SUB=("${our_sub[@]}")
in_order 500

echo "$passed passed, $failed failed"
((failed == 0))
