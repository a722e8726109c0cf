#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [core|all] [KERNEL...]: boots guest kernels (no KVM: seconds each) and runs the kernel side in them, on fentry, on kprobes and
# on tracepoints: load, attach, TLS and plain traffic, every byte compared. Then, if out/kernspan is there, the agent itself:
# one TLS and one plain span each. TAP. core: oldest and newest; all: every line we promise. QEMU_RUN names the boot script.
set -u
cd "$(dirname "$0")/../.." || exit 1
O=${O:-out} KERNSPAN=${KERNSPAN:-out/kernspan}
QEMU_RUN=${QEMU_RUN:-../shared/tools/qemu-run.sh}
set_name=${1:-core}
[ $# = 0 ] || shift
case $set_name in
core) kernels=(bullseye trixie-backports) ;;
all) kernels=(bullseye bookworm trixie 6.18 trixie-backports) ;;
*) echo "usage: run.sh [core|all] [KERNEL...]" >&2; exit 2 ;;
esac
[ $# = 0 ] || kernels=("$@")
[ -x "$QEMU_RUN" ] || { echo "1..0 # SKIP no $QEMU_RUN; set QEMU_RUN"; exit 0; }
command -v qemu-system-x86_64 >/dev/null || { echo "1..0 # SKIP qemu-system-x86 is not installed"; exit 0; }

job=$(mktemp -d) || exit 1
trap 'rm -rf "$job"' EXIT
tests/bpf/build.sh "$job/dump" || { echo "1..1"; echo "not ok 1 - build of the dump tool"; exit 1; }
cp tests/kernels/guest.sh tests/kernels/agent.sh tests/kernels/traffic.py tests/kernels/compare.py tests/kernels/ai_server.py "$job/" || exit 1
[ ! -x "$KERNSPAN" ] || cp "$KERNSPAN" "$job/kernspan"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$job/key.pem" -out "$job/cert.pem" -days 2 -subj /CN=localhost 2>/dev/null

n=0 bad=0
result() { # result STATUS NAME OUTPUT
	n=$((n + 1))
	sed 's/^\(ok\|not ok\|1\.\.\)/# \1/; s/^\([^#]\)/# \1/' <<<"$3"
	if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; bad=1; fi
}
for kernel in "${kernels[@]}"; do
	release=
	for family in fentry kprobe tracepoint; do
		out=$("$QEMU_RUN" -t 200 -d "$job" "$kernel" "uname -r; sh guest.sh $family" 2>&1)
		status=$?
		release=$(head -n 1 <<<"$out")
		result $status "$release: $family: every byte" "$out"
	done
	[ -x "$job/kernspan" ] || continue
	for family in fentry kprobe; do
		out=$("$QEMU_RUN" -t 200 -d "$job" "$kernel" "sh agent.sh $family" 2>&1)
		result $? "$release: $family: spans of the agent" "$out"
	done
done
echo "1..$n"
exit $bad
