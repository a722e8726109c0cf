#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh NAME...: run each fuzz target for FUZZ_SECS seconds, J at a time. New inputs go to $O/fuzz/corpus/NAME, findings
# to $O/fuzz/findings/; both are kept, so that the next run goes on from there. `run.sh --merge NAME...` minimises what was
# found into tests/fuzz/corpus/NAME.
set -u
cd "$(dirname "$0")/../.." || exit 1
O=${O:-out} FUZZ_SECS=${FUZZ_SECS:-60} J=${J:-2}
export O FUZZ_SECS
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:allocator_may_return_null=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

if [ "${1:-}" = --merge ]; then
	shift
	for name; do
		mkdir -p "tests/fuzz/corpus/$name"
		"$O/fuzz/tests/fuzz/$name" -merge=1 -max_len=16384 "tests/fuzz/corpus/$name" "$O/fuzz/corpus/$name" 2>&1 | tail -n 1
	done
	exit
fi

one() {
	local name=$1 log="$O/fuzz/log/$1" seeds=() dict=() status
	mkdir -p "$O/fuzz/corpus/$name" "$O/fuzz/findings" "$O/fuzz/log"
	[ -d "tests/fuzz/corpus/$name" ] && seeds=("tests/fuzz/corpus/$name")
	[ -f "tests/fuzz/$name.dict" ] && dict=("-dict=tests/fuzz/$name.dict")
	"$O/fuzz/tests/fuzz/$name" -max_total_time="$FUZZ_SECS" -max_len=65536 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
		"${dict[@]}" -artifact_prefix="$O/fuzz/findings/$name-" "$O/fuzz/corpus/$name" "${seeds[@]}" >"$log" 2>&1 </dev/null
	status=$?
	if [ $status = 0 ]; then
		printf '  ok      %-14s %12s runs, %s\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
			"$(grep -o 'cov: [0-9]* ft: [0-9]*' "$log" | tail -n 1)"
	else
		tail -n 60 "$log"
		printf '  FAILED  %s (status %s, log %s)\n' "$name" "$status" "$log"
	fi
	return $status
}
export -f one
[ $# -gt 0 ] || { echo 'fuzz: no target'; exit 1; }
echo "fuzz: $# targets, $FUZZ_SECS s each, $J at a time"
printf '%s\n' "$@" | xargs -P "$J" -I{} bash -c 'one {} || exit 1' || { echo 'fuzz: FAILED'; exit 1; }
echo "fuzz: $# targets, no finding"
