#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Inside a guest, in the job folder: guest.sh FAMILY... Says RESULT FAMILY load|bytes|spans STATUS FIGURE for the outer script.
echo "KERNEL $(uname -r)"
# raw tracepoint programs run preemptible since 7.0, where the kernel preempts at all
case $(uname -r) in [1-6].*) ;; *) ! grep -Eq '\((lazy|full)\)' /sys/kernel/debug/sched/preempt || echo PREEMPTS ;; esac
lib=$(ls /usr/lib/*/libssl.so.3 /usr/lib/*/libssl.so.1.1 2>/dev/null | head -n 1)

bytes() { # bytes FAMILY
	work=/tmp/$1
	mkdir -p "$work/copied"
	cat >"$work/load.sh" <<C
python3 traffic.py $work/sent plain
python3 traffic.py $work/sent tls cert.pem key.pem
C
	timeout 100 ./dump -f "$1" -i -l -t 80 -r 16777216 -s "$lib" -w "$work/copied" -c "sh $work/load.sh" >"$work/dump" 2>&1
	grep -E '^(FAILED|REASON|LOADED|TLS attach|READY|COUNT|SEEN|DETACHED|BAD|WRITE|INSNS)' "$work/dump"
	grep -q '^READY' "$work/dump" || { echo "RESULT $1 load 1"; return; }
	echo "RESULT $1 load 0 $(sed -n 's/^LOADED in //p' "$work/dump")"
	python3 compare.py "$work/sent" "$work/copied" "$work/dump"
	status=$?
	bound=$(grep -c '^OPEN openssl.* rung=3 ' "$work/dump")
	open=$(grep -c '^OPEN openssl' "$work/dump")
	echo "TLS streams bound to their sockets: $bound of $open; closed: $(grep -c '^CLOSE' "$work/dump") of $(grep -c '^OPEN' "$work/dump")"
	[ "$bound" = "$open" ] || status=1
	echo "RESULT $1 bytes $status $(sed -n 's/^SEEN .*bytes=\([0-9]*\) .*/\1/p' "$work/dump")"
}

for family; do
	bytes "$family"
	sh agent.sh "$family" >"/tmp/agent.$family" 2>&1
	status=$?
	cat "/tmp/agent.$family"
	echo "RESULT $family spans $status $(grep -c ': right$' "/tmp/agent.$family") of 4"
done
