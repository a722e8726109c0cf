#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Generated files must be what the tables say now: generated.txt lists them. With --write it writes them (`make docs`).
set -u
kernspan=${KERNSPAN:-out/kernspan}
[ -x "$kernspan" ] || { echo "skipped: no $kernspan"; exit 0; }
tmp=$(mktemp) bad=0
trap 'rm -f "$tmp"' EXIT
while read -r what file; do
	case $what in '#'* | '') continue ;; esac
	if ! "$kernspan" generate "$what" >"$tmp"; then
		echo "$file:1: '$kernspan generate $what' failed"
		bad=1
	elif [ "${1:-}" = --write ]; then
		cmp -s "$tmp" "$file" || { cp "$tmp" "$file" && echo "wrote $file"; }
	elif ! cmp -s "$tmp" "$file"; then
		echo "$file:1: not what '$kernspan generate $what' says; run: make docs"
		bad=1
	fi
done <tests/lint/generated.txt
exit $bad
