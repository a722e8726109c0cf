#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Inside a guest: agent.sh FAMILY. The agent itself, one TLS and one plain call, both ends of each: spans with model and tokens.
family=$1
python3 ai_server.py 8080 8443 cert.pem key.pem >/dev/null 2>&1 &
server=$!
trap 'kill $server' EXIT
./kernspan run -o json --family "$family" --store none --control none >/tmp/spans 2>/tmp/log &
agent=$!
ready=
for _ in $(seq 200); do
	grep -q 'kernspan: ready' /tmp/log && ready=1 && break
	sleep 0.2
done
[ -n "$ready" ] || { echo "not ready:"; cat /tmp/log; exit 1; }
for _ in $(seq 50); do curl -s -o /dev/null http://127.0.0.1:8080/ && break; sleep 0.2; done
ask() { # ask URL MODEL STREAM
	curl -skN "$1/v1/chat/completions" -H 'Content-Type: application/json' -o /dev/null \
		-d "{\"model\":\"$2\",\"stream\":$3,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}" || exit 1
}
ask https://127.0.0.1:8443 tls-m false
ask http://127.0.0.1:8080 plain-m true
want=4
for _ in $(seq 50); do
	[ "$(wc -l </tmp/spans)" -ge $want ] && break
	sleep 0.2
done
kill -TERM $agent
wait $agent
grep -v '"level":"debug"' /tmp/log | tail -n 5
python3 - "$family" <<'P'
import json, sys
spans = [json.loads(line) for line in open("/tmp/spans")]
bad = 0
for model in ("tls-m", "plain-m"):
    for kind in ("CLIENT", "SERVER"):
        found = [s for s in spans if kind in str(s["kind"]).upper() and s["attributes"].get("gen_ai.request.model") == model]
        a = found[0]["attributes"] if found else {}
        good = len(found) == 1 and a.get("gen_ai.usage.input_tokens") == 11 and a.get("gen_ai.usage.output_tokens") == 3 \
            and a.get("gen_ai.response.model") == model + "-2026" and "kernspan.incomplete" not in a
        bad += not good
        print("%s %s: %s" % (model, kind, "right" if good else "%d found %r" % (len(found), a)))
if bad:
    print("".join(open("/tmp/spans")))
sys.exit(bool(bad))
P
