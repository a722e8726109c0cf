#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every lint; each prints FILE:LINE: what, and the sum says how many failed.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0 count=0
for check in tests/lint/check-*; do
	count=$((count + 1))
	"$check" || { echo "  FAILED  ${check##*/}"; bad=$((bad + 1)); }
done
echo "lint: $count checks, $bad failed"
[ $bad = 0 ]
