#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# placements.sh: real TLS traffic over a private copy of libssl, seen by probes at the symbols and at the sites that were chosen.
# TAP from the program. Then the one known difference: traffic through BIO_f_ssl (s_server -www) calls the internal functions
# directly, so the symbols miss it.
set -u
cd "$(dirname "$0")/../.." || exit 1
O=$(cd "${O:-out}" && pwd)
lib=$(ldd "$(command -v openssl)" | sed -n 's/.*libssl\S* => \(\S*\).*/\1/p')
job=$(mktemp -d) || exit 1
trap 'rm -rf "$job"' EXIT
cp "$lib" "$job/"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$job/key.pem" -out "$job/cert.pem" -days 2 -subj /CN=localhost 2>/dev/null
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
echo_port=$(port) ai_port=$(port)
cat >"$job/same.sh" <<S
cd $job
sleep 8 | openssl s_server -accept $echo_port -key key.pem -cert cert.pem -quiet >/dev/null 2>&1 & a=\$!
$O/tests/e2e/load/sse_server $ai_port 50 0 cert.pem key.pem & b=\$!
sleep 0.5
for i in 1 2 3; do curl -sk -d '{"model":"m","messages":[]}' https://127.0.0.1:$ai_port/v1/chat/completions -o /dev/null; done
for v in -tls1_2 -tls1_3; do
	(echo hello; sleep 0.4; printf 'GET / HTTP/1.0\r\n\r\n'; sleep 0.3) |
		timeout 3 openssl s_client \$v -quiet -connect 127.0.0.1:$echo_port >/dev/null 2>&1
done
$O/tests/e2e/load/sse_client $ai_port 100 4 tls >/dev/null
kill \$a \$b
true
S
cat >"$job/bio.sh" <<S
cd $job
openssl s_server -accept $echo_port -key key.pem -cert cert.pem -www -quiet >/dev/null 2>&1 & a=\$!
sleep 0.5
curl -sk https://127.0.0.1:$echo_port/ -o /dev/null
kill \$a
S
export LD_LIBRARY_PATH=$job
"$O/tests/bpf/placements" "$job/${lib##*/}" "bash $job/same.sh"
status=$?
"$O/tests/bpf/placements" "$job/${lib##*/}" "bash $job/bio.sh" | sed -n 's/^# \(symbols\|chosen\)/# BIO_f_ssl: \1/p'
exit $status
