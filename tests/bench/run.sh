#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The figures: `make bench` has built the programs; measures, prints a table, writes out/bench.json.
set -eu
cd "$(dirname "$0")/../.."
exec python3 tests/bench/bench.py ${BENCH:-} "$@"
