#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh: the kernel side on the running kernel, as root. TAP. live.c: cases; placements.sh: where probes go; the ways of tests/kernels/traffic.py to move bytes, each
# byte accounted for; and what the verifier looked at, held against insns.txt: a program that grew by a tenth fails until
# `run.sh --update` has written the file anew.
set -u
cd "$(dirname "$0")/../.." || exit 1
O=${O:-out}
[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP not root"; exit 0; }
make -s O="$O" "$O"/tests/bpf/{dump,live,placements} "$O"/tests/e2e/load/sse_{server,client} || { echo "1..1"; echo "not ok 1 - build"; exit 1; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

n=0 bad=0
tap() { # renumber another program's TAP
	local line
	while IFS= read -r line; do
		case $line in
		'ok '* | 'not ok '*)
			n=$((n + 1))
			[ "${line#not }" = "$line" ] || bad=1
			echo "${line%%ok *}ok $n - ${line#* - }"
			;;
		1..*) ;;
		'#'*) echo "$line" ;;
		*) echo "# $line" ;;
		esac
	done
}
say() { # say GOOD NAME
	if [ "$1" = 1 ]; then echo "ok 1 - $2"; else echo "not ok 1 - $2"; fi
}

# Counts of the verifier differ between kernels: only the same release line is compared.
insns() {
	local release name insns seen was
	release=$(uname -r | cut -d. -f1,2)
	sed -n 's/^INSNS //p' "$work/dump" | sort >"$work/insns"
	if [ "${1:-}" = --update ]; then
		{ echo "# kernel $release; name, instructions, instructions the verifier looked at; written by run.sh --update"; cat "$work/insns"; } >tests/bpf/insns.txt
	fi
	if ! grep -q "^# kernel $release;" tests/bpf/insns.txt; then
		echo "ok 1 - instructions # SKIP insns.txt is not of this kernel's line ($release)"
		return
	fi
	while read -r name insns seen; do
		was=$(awk -v n="$name" '$1 == n { print $3 }' tests/bpf/insns.txt)
		say $((${was:-0} > 0 && seen * 10 <= was * 11)) "$name: $insns instructions, $seen looked at (budget ${was:-none})"
	done <"$work/insns"
}

tap < <(timeout 120 "$O/tests/bpf/live" 2>&1; [ $? -le 1 ] || echo "not ok 1 - live.c came to its end")
tap < <(timeout 120 tests/bpf/placements.sh 2>&1; [ $? -le 1 ] || echo "not ok 1 - placements.sh came to its end")
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key.pem" -out "$work/cert.pem" -days 2 -subj /CN=localhost 2>/dev/null
mkdir "$work/copied"
lib=$(ldconfig -p | sed -n 's/.*libssl\.so\.[13].* => //p' | head -n 1)
cat >"$work/load.sh" <<C
python3 tests/kernels/traffic.py $work/sent plain
python3 tests/kernels/traffic.py $work/sent tls $work/cert.pem $work/key.pem
C
timeout 120 "$O/tests/bpf/dump" -i -l -t 100 -r 16777216 -s "$lib" -w "$work/copied" -c "sh $work/load.sh" >"$work/dump" 2>&1
grep -E '^(FAILED|READY|COUNT|SEEN|BAD|WRITE)' "$work/dump" | sed 's/^/# /'
tap < <(say "$(grep -c '^READY' "$work/dump")" "load" && timeout 60 python3 tests/kernels/compare.py "$work/sent" "$work/copied" "$work/dump")
tap < <(insns "$@")
[ $n -ge 30 ] || { n=$((n + 1)); bad=1; echo "not ok $n - all cases have run"; }
echo "1..$n"
exit $bad
