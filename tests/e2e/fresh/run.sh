#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [COMMAND...]: does a fresh clone in a bare Debian 12 reach the first span, unattended? Makes a minimal bookworm system
# under /var/tmp, puts a clone of HEAD into it, runs COMMAND there (default: make run, for KS_DEMO_SECONDS seconds) with
# no terminal, no standard input and an empty environment, and looks for spans in what it prints. Needs root, debootstrap.
# The kernel is the machine's own: /proc, /sys and /dev are bound in, in a mount namespace that ends with this script.
set -euo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd)
suite=bookworm
seconds=${KS_DEMO_SECONDS:-20}

if [ "${KS_FRESH_INSIDE:-}" != 1 ]; then
	[ "$(id -u)" = 0 ] || { echo 'fresh: needs root' >&2; exit 77; }
	command -v debootstrap >/dev/null || { echo 'fresh: needs debootstrap (apt-get install debootstrap)' >&2; exit 77; }
	KS_FRESH_INSIDE=1 exec unshare --mount --propagation private -- "$0" "$@"
fi

work=$(mktemp -d /var/tmp/kernspan-fresh.XXXXXX)
root=$work/root log=$work/log
trap '[ -n "${KEEP:-}" ] || { umount -lR "$root/proc" "$root/sys" "$root/dev" 2>/dev/null; rm -rf --one-file-system "$work"; }' EXIT
say() { printf 'fresh: %s\n' "$*"; }

# Where this machine's own apt takes the suite from: "URI KEYRING", by the same code that finds the backports.
read -r uri key <<<"$("$top/deploy/deps.sh" --archive-of "$suite")" || true
[ -n "$uri" ] || { say "no apt source of $suite on this machine"; exit 77; }

say "debootstrap $suite into $root"
begin=$SECONDS
# make is the one thing the README asks for, besides git to clone with.
debootstrap --variant=minbase --include=make ${key:+--keyring="$key"} "$suite" "$root" "$uri" >"$work/debootstrap.log" 2>&1 ||
	{ tail -n 20 "$work/debootstrap.log"; say 'debootstrap failed'; exit 1; }
echo "deb ${key:+[signed-by=$key] }$uri $suite main" >"$root/etc/apt/sources.list"

# How this machine reaches its package archives, and nothing else of it: apt and pip options, resolver, private authorities.
for f in /etc/apt/apt.conf.d/*registry* /etc/apt/apt.conf.d/*proxy* /etc/pip.conf /etc/resolv.conf /etc/hosts /usr/local/share/ca-certificates/*.crt; do
	[ ! -f "$f" ] || install -D -m 644 "$f" "$root$f"
done
[ -z "$key" ] || [ -f "$root$key" ] || install -D -m 644 "$key" "$root$key"

git clone -q --no-local --depth 1 "file://$top" "$root/root/kernspan"
for d in proc sys dev; do mount --rbind "/$d" "$root/$d"; done

[ $# -gt 0 ] || set -- make run
say "$* at $(git -C "$top" rev-parse --short HEAD), after $((SECONDS - begin)) s"
begin=$SECONDS status=0
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root KS_DEMO_SECONDS="$seconds" \
	timeout "${FRESH_SECS:-1800}" chroot "$root" bash -c 'cd /root/kernspan && "$@"' - "$@" </dev/null 2>&1 | tee "$log" || status=$?
[ $status = 0 ] || { say "FAILED: $* ended with status $status"; exit 1; }
[ "$*" = 'make run' ] || exit 0
# Rows of the live table name the model; the closing line counts.
rows=$(grep -c 'tiny-random' "$log") || true
spans=$(sed -n 's/^demo: \([0-9]*\) spans;.*/\1/p' "$log" | tail -n 1)
[ "$rows" -gt 0 ] && [ "${spans:-0}" -gt 0 ] || { say "FAILED: ${spans:-no} spans, $rows rows of the table in its output"; exit 1; }
say "passed: $spans spans, $((SECONDS - begin)) s from a bare system"
