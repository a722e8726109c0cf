#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make interop`: what takes minutes to build. A real OpenTelemetry collector from Go modules receives what the agent sends.
set -euo pipefail
cd "$(dirname "$0")/../../.."
export O=${O:-out} KERNSPAN=${KERNSPAN:-out/kernspan}
venv=$O/venv
if [ ! -x "$venv/bin/pytest" ] || [ tests/e2e/requirements.txt -nt "$venv/.stamp" ]; then
	python3 -m venv "$venv"
	"$venv/bin/pip" install -q --disable-pip-version-check -r tests/e2e/requirements.txt
	touch "$venv/.stamp"
fi
exec "$venv/bin/pytest" -q -p no:cacheprovider -m interop tests/e2e
