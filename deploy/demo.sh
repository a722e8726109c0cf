#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# demo.sh: what `make run` shows. Real AI traffic on loopback, without any key: llama.cpp's own server with a tiny model of random
# weights, nginx with TLS 1.3 before it, and clients (curl, the OpenAI SDK for Python) that know nothing of kernspan; beside them
# the agent with a live table. Ctrl-C ends all of it; so does KS_DEMO_SECONDS=N. O and KERNSPAN come from make.
set -euo pipefail
cd "$(dirname "$0")/.."
O=${O:-out} KERNSPAN=${KERNSPAN:-out/kernspan} seconds=${KS_DEMO_SECONDS:-0} first_span=60
dir=$(mkdir -p "$O/demo" && cd "$O/demo" && pwd)
lab=tests/e2e/lab
children=()

say() { printf 'demo: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
finish() {
	trap - EXIT INT TERM
	for pid in ${children[@]+"${children[@]}"}; do kill "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
}
trap finish EXIT
trap 'exit 130' INT TERM

[ "$(id -u)" = 0 ] || die 'kernspan loads probes into the kernel, which takes root: sudo make run'
[ -x "$KERNSPAN" ] || die "$KERNSPAN is not built: make"

# Three packages of the Python index, pinned by the laboratory's list.
python=$O/venv/bin/python
if ! "$python" -c 'import gguf, openai, xllamacpp' 2>/dev/null; then
	python=$dir/venv/bin/python
	if ! "$python" -c 'import gguf, openai, xllamacpp' 2>/dev/null; then
		say 'installing llama.cpp and the OpenAI SDK from the Python index, about 100 MB, once'
		python3 -m venv "$dir/venv"
		grep -E '^(gguf|xllamacpp|openai)==' tests/e2e/requirements.txt >"$dir/requirements.txt"
		"$dir/venv/bin/pip" install -q --disable-pip-version-check --only-binary :all: -r "$dir/requirements.txt"
	fi
fi

port() { "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
begin() { # begin LOG COMMAND...
	local log=$dir/$1.log
	shift
	"$@" >"$log" 2>&1 </dev/null &
	children+=($!)
}
answers() { curl -so /dev/null --max-time 2 "$@"; }
await() { # await SECONDS WHAT COMMAND...
	local end=$((SECONDS + $1)) what=$2
	shift 2
	until "$@"; do
		[ $SECONDS -lt $end ] || { tail -n 5 "$dir"/*.log >&2; die "$what: not within its time"; }
		sleep 0.2
	done
}

"$lab/certs.sh" "$dir/certs"
"$python" "$lab/mkgguf.py" "$dir/tiny.gguf"
plain=$(port)
begin llama "$python" "$lab/llama.py" "$dir/tiny.gguf" "$plain"
await 30 'the llama.cpp server' answers -f "http://127.0.0.1:$plain/health"
tls=$(port)
sed -e "s#@DIR@#$dir#; s#@CERTS@#$dir/certs#; s#@LISTEN@#$tls#; s#@BACKEND@#$plain#; s#@USER@#user root;#" \
	"$lab/nginx.conf.in" >"$dir/nginx.conf"
begin nginx "$(PATH=$PATH:/usr/sbin command -v nginx)" -p "$dir" -e "$dir/nginx.err" -c "$dir/nginx.conf"
export SSL_CERT_FILE=$dir/certs/ca.pem
await 10 nginx answers -f --cacert "$SSL_CERT_FILE" "https://localhost:$tls/health"

say "llama.cpp answers at http://127.0.0.1:$plain and, behind nginx, at https://localhost:$tls"
say 'kernspan watches; the calls of curl and of the OpenAI SDK appear below. Ctrl-C ends it.'
rm -rf "$dir/store"
: >"$dir/agent.log"
"$KERNSPAN" run -o table --store "$dir/store" --control "$dir/control.sock" 2> >(tee "$dir/agent.log" >&2) </dev/null &
agent=$!
children=("$agent" "${children[@]}")
ready() { kill -0 "$agent" 2>/dev/null || die 'kernspan ended; `kernspan doctor` says what is missing'; grep -qx 'kernspan: ready' "$dir/agent.log"; }
await 60 'kernspan: ready' ready

ask() { # ask URL MEMBERS
	curl -sN --max-time 20 -o /dev/null --cacert "$SSL_CERT_FILE" "$1/v1/chat/completions" -H 'content-type: application/json' \
		-d '{"model":"tiny-random","max_tokens":48,'"$2"'"messages":[{"role":"user","content":"Tell me more."}]}'
}
curls() {
	local url stream
	trap 'exit 0' TERM
	while :; do
		for url in "https://localhost:$tls" "http://127.0.0.1:$plain"; do
			for stream in '"stream":true,"stream_options":{"include_usage":true},' ''; do
				ask "$url" "$stream" || true
				sleep 1
			done
		done
	done
}
curls >/dev/null 2>&1 </dev/null &
children+=($!)
begin chatter "$python" "$lab/chatter.py" "https://localhost:$tls" "http://127.0.0.1:$plain"

spans() { "$KERNSPAN" stats -o json --control "$dir/control.sock" 2>/dev/null | grep -o '"spans":[0-9]*' | cut -d: -f2; }
seen() { kill -0 "$agent" 2>/dev/null || die 'kernspan ended'; [ "$(spans || echo 0)" -gt 0 ] 2>/dev/null; }
await $first_span "a span within $first_span s" seen

end=$((SECONDS + seconds))
while [ "$seconds" = 0 ] || [ $SECONDS -lt $end ]; do
	kill -0 "$agent" 2>/dev/null || die "kernspan ended; its log is $dir/agent.log"
	sleep 0.5
done
count=$(spans || echo '?')
kill "$agent" && wait "$agent" || die "kernspan ended with status $?"
say "$count spans; look again with: $KERNSPAN observe --store $dir/store"
