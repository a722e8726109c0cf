#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Inside a guest, in the job folder: guest.sh FAMILY. Loads, attaches, moves known bytes, compares. TAP for the outer script.
family=$1
work=/tmp/$family
mkdir -p "$work/copied"
lib=$(ls /usr/lib/*/libssl.so.3 /usr/lib/*/libssl.so.1.1 2>/dev/null | head -n 1)
cat >"$work/load.sh" <<C
python3 traffic.py $work/sent plain
python3 traffic.py $work/sent tls cert.pem key.pem
C
timeout 150 ./dump -f "$family" -i -l -t 120 -r 16777216 -s "$lib" -w "$work/copied" -c "sh $work/load.sh" >"$work/dump" 2>&1
grep -E '^(FAILED|REASON|LOADED|TLS attach|READY|COUNT|SEEN|DETACHED|BAD|WRITE)' "$work/dump" | sed 's/^/# /'
grep -q '^READY' "$work/dump" || { echo "not ok 1 - load and attach"; echo "1..1"; exit 1; }
grep -E '^INSNS' "$work/dump" | sed 's/^/# /'
echo "# $(grep -c '^MMAP' "$work/dump") MMAP, $(grep -c '^EXEC' "$work/dump") EXEC, $(grep -c '^EXIT' "$work/dump") EXIT events"
python3 compare.py "$work/sent" "$work/copied" "$work/dump"
status=$?
bound=$(grep -c '^OPEN openssl.* rung=3 ' "$work/dump")
open=$(grep -c '^OPEN openssl' "$work/dump")
echo "# TLS streams bound to their sockets: $bound of $open"
ended=$(grep -c '^CLOSE' "$work/dump")
echo "# closed: $ended of $(grep -c '^OPEN' "$work/dump")"
[ "$bound" = "$open" ] || status=1
exit $status
