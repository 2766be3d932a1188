#!/usr/bin/env bash
# Opens a page of the runner in a browser and looks whether it works; takes a picture of its overview.
#
#   conformance/page.sh PAGE.html [PICTURE.png]
#
# It is opened by headless Chromium, which is installed with apt if it is not there (this needs root). What is looked at: the rows
# are there, the scripts have run, a filter hides rows, and nothing is written to the console. Every wait is bounded.
set -uo pipefail

die() { echo "page.sh: $*" >&2; exit 1; }
(($# == 1 || $# == 2)) || die "one page, and perhaps a picture"
page=$(realpath -e "$1") || die "no page"
picture=${2-}
work=$(mktemp -d) || die "no directory"
trap 'rm -rf "$work"' EXIT

if ! command -v chromium >/dev/null; then
    echo "installing chromium" >&2
    { timeout 120 apt-get -qq update &&
        DEBIAN_FRONTEND=noninteractive timeout 900 apt-get -qq -y install --no-install-recommends chromium fonts-dejavu-core; } \
        >"$work/apt" 2>&1 </dev/null || die "cannot install chromium (this needs root): $(tail -n 1 "$work/apt")"
fi
browser() {
    timeout -k 5 120 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --no-first-run \
        --user-data-dir="$work/profile" --enable-logging=stderr --log-level=0 "$@" 2>"$work/log" </dev/null ||
        die "chromium fails: $(tail -n 3 "$work/log")"
    ! grep -q ':CONSOLE' "$work/log" || die "the console says: $(grep -m 3 ':CONSOLE' "$work/log")"
}
# The page after its scripts. $1: the query, $2: the file it goes to.
dom() { browser --dump-dom "file://$page$1" >"$2"; }
# "N of M rows" as two numbers.
rows() { sed -n 's|.*<span id="shown">\([0-9]*\) of \([0-9]*\) rows</span>.*|\1 \2|p' "$1"; }

dom '' "$work/all"
read -r shown all < <(rows "$work/all") || die "the scripts have not run"
((all > 500 && shown == all)) || die "$shown of $all rows are shown"
dom '?filter=there-is-no-such-row' "$work/none"
read -r shown _ < <(rows "$work/none") || die "the scripts have not run with a filter"
hidden=$(grep -c 'data-row="[a-z]*" hidden=""' "$work/none")
((shown == 0 && hidden == all)) || die "a filter that nothing fits leaves $shown rows, and hides $hidden of $all"
dom '?filter=MQTT-3.1.0-1%20CONNECT' "$work/some"
read -r shown _ < <(rows "$work/some") || die "the scripts have not run with a filter"
((shown > 0 && shown < all)) || die "a filter leaves $shown of $all rows"
echo "$1: $all rows, $(stat -c %s "$page") bytes"

[[ -n $picture ]] || exit 0
dom '?picture' "$work/picture"
size=$(sed -n 's|.*<body[^>]* data-size="\([0-9]*,[0-9]*\)".*|\1|p' "$work/picture")
[[ -n $size ]] || die "there is no overview"
browser --window-size="$size" --force-device-scale-factor=1 --screenshot="$work/picture.png" "file://$page?picture"
bytes=$(stat -c %s "$work/picture.png") || die "no picture"
((bytes > 2000 && bytes < 300000)) || die "the picture has $bytes bytes"
mv "$work/picture.png" "$picture"
echo "$picture: $size, $bytes bytes"
