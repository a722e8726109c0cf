#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh PROGRAM...: run cmocka programs; show the whole output of those that fail, and cmocka's closing lines over all.
set -u
log=$(mktemp) failed_programs=()
trap 'rm -f "$log"' EXIT
ran=0 passed=0
for program; do
	timeout "${UNIT_SECS:-60}" "$program" >"$log" 2>&1 </dev/null
	status=$?
	r=$(sed -n 's/^\[==========\] \([0-9]*\) test(s) run\..*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
	p=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test(s)\..*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
	ran=$((ran + r)) passed=$((passed + p))
	if [ $status = 0 ] && [ "$r" = "$p" ] && [ "$r" -gt 0 ]; then
		printf '  ok      %s (%s)\n' "${program##*/}" "$r"
	else
		failed_programs+=("$program")
		cat "$log"
		printf '  FAILED  %s (status %s, %s of %s tests passed)\n' "$program" "$status" "$p" "$r"
	fi
done
echo "[==========] $ran test(s) run, $# program(s)."
echo "[  PASSED  ] $passed test(s)."
[ $# -gt 0 ] || { echo '[  FAILED  ] no program to run'; exit 1; }
[ ${#failed_programs[@]} = 0 ] && exit 0
echo "[  FAILED  ] ${#failed_programs[@]} program(s): ${failed_programs[*]##*/}"
exit 1
