#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [KERNSPAN]: each folder here holds a recording (in.wire), the spans it must give (want.jsonl) and why it is here (why.md).
# Replaying gives the same bytes each time, needs no privilege, and says so when the recording is cut. With --write the spans
# wanted are written anew (look at the difference before you commit).
set -u
cd "$(dirname "$0")/../.." || exit 1
write=
[ "${1:-}" = --write ] && write=1 && shift
kernspan=${1:-${KERNSPAN:-out/kernspan}}
tmp=$(mktemp -d) bad=0 cnt=0
trap 'rm -rf "$tmp"' EXIT

fail() { echo "not ok - $*"; bad=$((bad + 1)); }

for wire in tests/replay/*/in.wire; do
	[ -f "$wire" ] || continue
	case=$(dirname "$wire") cnt=$((cnt + 1))
	[ -s "$case/why.md" ] || fail "$case: why.md is missing"
	"$kernspan" replay "$wire" -o json >"$tmp/one" 2>"$tmp/log" || fail "$case: status $?: $(cat "$tmp/log")"
	"$kernspan" replay "$wire" -o json >"$tmp/two" 2>/dev/null
	cmp -s "$tmp/one" "$tmp/two" || fail "$case: two replays differ"
	[ -z "$write" ] || cp "$tmp/one" "$case/want.jsonl"
	diff -u "$case/want.jsonl" "$tmp/one" >"$tmp/diff" || { fail "$case: other spans"; head -n 20 "$tmp/diff"; }
	size=$(stat -c %s "$wire")
	"$kernspan" replay "$wire" -o json --cut-at $((size - 9)) >"$tmp/cut" 2>"$tmp/log" &&
		fail "$case: a cut recording was not noticed"
	grep -q 'recording is cut' "$tmp/log" || fail "$case: a cut recording was not named"
	"$kernspan" replay "$wire" -o json --drop-every 2 >/dev/null 2>&1 || fail "$case: status with records missing"
done
echo "replay: $cnt recordings, $bad failed"
[ $cnt -gt 0 ] && [ $bad = 0 ]
