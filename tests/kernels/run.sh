#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [core|all] [KERNEL...]: boots guest kernels (no KVM) and tries each socket family in them: the kernel side alone, with every
# byte of known traffic accounted for; then the agent itself, one TLS and one plain AI call, both ends of each. TAP; the table of what
# was seen goes to $O/kernels.md (docs/kernels.md holds one). core: oldest and newest; all: every line we promise.
# QEMU_RUN names the boot script; its status 125 means that this kernel or this machine's parts for a guest could not be had.
set -u
cd "$(dirname "$0")/../.." || exit 1
O=${O:-out} KERNSPAN=${KERNSPAN:-out/kernspan}
QEMU_RUN=${QEMU_RUN:-../shared/tools/qemu-run.sh}
families=(fentry kprobe tracepoint)
limit=${KERNEL_SECONDS:-600} # emulated: a loaded machine takes twice the four minutes of an idle one
set_name=${1:-core}
[ $# = 0 ] || shift
case $set_name in
core) kernels=(bullseye trixie-backports) ;;
all) kernels=(bullseye bookworm trixie trixie-backports) ;;
*) echo "usage: run.sh [core|all] [KERNEL...]" >&2; exit 2 ;;
esac
[ $# = 0 ] || kernels=("$@")
[ -x "$QEMU_RUN" ] || { echo "1..0 # SKIP no $QEMU_RUN; set QEMU_RUN"; exit 0; }
command -v qemu-system-x86_64 >/dev/null || { echo "1..0 # SKIP qemu-system-x86 is not installed"; exit 0; }

job=$(mktemp -d) || exit 1
trap 'rm -rf "$job"' EXIT
if ! make -s O="$O" "$O/tests/bpf/dump" || [ ! -x "$KERNSPAN" ]; then
	echo "1..1"
	echo "not ok 1 - out/tests/bpf/dump and $KERNSPAN are built"
	exit 1
fi
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$job/key.pem" -out "$job/cert.pem" -days 2 -subj /CN=localhost 2>/dev/null

guest() { # guest KERNEL: all families in one boot; the log in $job/KERNEL.log, the status in $job/KERNEL.status
	local dir=$job/$1
	mkdir "$dir"
	cp "$O/tests/bpf/dump" "$KERNSPAN" tests/kernels/*.sh tests/kernels/*.py "$job"/*.pem "$dir/"
	"$QEMU_RUN" -t "$limit" -d "$dir" "$1" "sh guest.sh ${families[*]}" >"$job/$1.log" 2>&1
	echo $? >"$job/$1.status"
}

n=0 bad=0
say() { # say STATUS NAME
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}
row() { printf '| %s | %s | %s | %s | %s |\n' "$@" >>"$O/kernels.md"; }

# The guest says RESULT FAMILY WHAT STATUS [FIGURE]: what it has not come to failed.
report() { # report KERNEL
	local log=$job/$1.log release family what status figure words todo
	release=$(sed -n 's/^KERNEL //p' "$log")
	sed 's/^/# /' "$log"
	if [ -z "$release" ] && [ "$(cat "$job/$1.status")" = 125 ]; then
		n=$((n + 1))
		echo "ok $n - $1 # SKIP $(grep -m 1 '^qemu-run:' "$log" || tail -n 1 "$log")"
		row "$1" - "not obtained" - -
		return
	fi
	for family in "${families[@]}"; do
		words=()
		for what in load bytes spans; do
			read -r status figure <<<"$(sed -n "s/^RESULT $family $what //p" "$log")"
			todo=
			[ "$family" = kprobe ] || [ "$what" = load ] || ! grep -q '^PREEMPTS' "$log" ||
				todo=' # TODO this kernel skips programs for as long as one of them is preempted; kprobes are taken first'
			[ "${status:-1}" = 0 ] || [ -n "$todo" ] || bad=1
			say "${status:-1}" "${release:-$1}: $family: $what${figure:+ ($figure)}$todo"
			[ "${status:-1}" = 0 ] && words+=("${figure:-yes}") || words+=("**no**${figure:+ ($figure)}")
		done
		row "${release:-$1}" "$family" "${words[@]}"
	done
}

printf '| kernel | sockets by | loads | bytes accounted for | spans, both ends |\n|---|---|---|---|---|\n' >"$O/kernels.md"
for ((i = 0; i < ${#kernels[@]}; i += 2)); do # two at a time: a guest uses one core
	for kernel in "${kernels[@]:i:2}"; do guest "$kernel" & done
	wait
	for kernel in "${kernels[@]:i:2}"; do report "$kernel"; done
done
echo "1..$n"
exit $bad
