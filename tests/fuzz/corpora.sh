#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# corpora.sh PROGRAM...: feed tests/fuzz/corpus/NAME/ to each corpus program NAME. A target without a corpus fails.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0 inputs=0
[ $# -gt 0 ] || { echo 'corpora: no target'; exit 1; }
for program; do
	name=${program##*/}
	mapfile -t files < <(find "tests/fuzz/corpus/$name" -type f 2>/dev/null | sort)
	if [ ${#files[@]} = 0 ]; then
		echo "  FAILED  $name: no corpus in tests/fuzz/corpus/$name"
		bad=1
	elif printf '%s\0' "${files[@]}" | timeout "${CORPUS_SECS:-120}" xargs -0 "$program"; then
		printf '  ok      corpus %s (%d inputs)\n' "$name" ${#files[@]}
		inputs=$((inputs + ${#files[@]}))
	else
		echo "  FAILED  corpus $name"
		bad=1
	fi
done
[ $bad = 0 ] && echo "corpora: $# targets, $inputs inputs, no failure"
exit $bad
