#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The figures: builds the bench programs, runs them, prints a table, writes out/bench.json.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p out/bench
cc="${CC:-gcc} -std=gnu11 -O2 -g -Wall -Wextra -D_GNU_SOURCE"
for p in sse_server sse_client; do
	$cc tests/e2e/load/$p.c -o out/bench/$p -lssl -lcrypto -lpthread
done
exec python3 tests/bench/bench.py "$@"
