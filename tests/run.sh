#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The part of `make test` that needs root: the real kernel, real clients, guest kernels. KERNSPAN and O come from make.
# A part runs when its files exist; the fast ones first. The closing line of each is printed again at the end.
set -u
cd "$(dirname "$0")/.." || exit 1
export O=${O:-out} KERNSPAN=${KERNSPAN:-out/kernspan}
sum=() bad=0
part() { # part NAME COMMAND...: run, keep the last line
	local name=$1 log status
	log="$O/$1.log"
	shift
	echo "== $name"
	"$@" 2>&1 </dev/null | tee "$log"
	status=${PIPESTATUS[0]}
	sum+=("$(printf '%-8s %s' "$name" "$(grep -v '^[[:space:]]*$' "$log" | tail -n 1)")")
	[ "$status" = 0 ] || { sum+=("$(printf '%-8s FAILED (status %s)' "$name" "$status")"); bad=1; }
}

[ -x tests/bpf/run.sh ] && part bpf tests/bpf/run.sh
if [ -f tests/e2e/requirements.txt ]; then
	venv=$O/venv
	if [ ! -x "$venv/bin/pytest" ] || [ tests/e2e/requirements.txt -nt "$venv/.stamp" ]; then
		echo "== python packages of the end-to-end tests ($venv)"
		python3 -m venv "$venv" && "$venv/bin/pip" install -q -r tests/e2e/requirements.txt && touch "$venv/.stamp" || exit 1
	fi
	part e2e "$venv/bin/pytest" -q -p no:cacheprovider tests/e2e
fi
[ -x tests/kernels/run.sh ] && part kernels tests/kernels/run.sh
echo '== closing lines'
[ ${#sum[@]} = 0 ] || printf '%s\n' "${sum[@]}"
exit $bad
