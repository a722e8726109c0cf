#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# deps.sh LIST...: install by apt what is missing of the lists below (build, check, test, run, interop, fresh), and nothing else.
# Each dependency has its reason in docs/decisions/001-dependencies.md. "name>=version" asks for at least that version.
# What the release is too old for comes from its backports suite, taken from where the machine's own apt sources point.
set -euo pipefail

build='gcc libc6-dev binutils make clang-19 bpftool>=7.4 libbpf-dev>=1:1.4 libelf-dev zlib1g-dev libzstd-dev libbrotli-dev libnghttp2-dev
	libyaml-dev libsqlite3-dev libseccomp-dev libcap-dev linux-libc-dev'
check='python3 libcmocka-dev clang-format-19 llvm-19 libclang-rt-19-dev'
run='python3 python3-venv openssl curl ca-certificates nginx-light'
test="$run wrk wget libcurl3-gnutls libssl-dev libgnutls28-dev libmbedtls-dev libwolfssl-dev qemu-system-x86 qemu-system-common busybox-static xz-utils strace sqlite3"
interop='golang-go'
fresh='debootstrap git'

from_backports='libbpf-dev libbpf1 bpftool'
source_list=/etc/apt/sources.list.d/kernspan-backports.list
preferences=/etc/apt/preferences.d/kernspan

say() { printf 'deps: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Does the installed version of NAME satisfy NAME[>=VERSION]?
installed() {
	local name=${1%%>=*} least=${1#*>=} have
	have=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$name" 2>/dev/null) || return 1
	[ "${have%% *}" = installed ] || return 1
	[ "$least" = "$1" ] || dpkg --compare-versions "${have#* }" ge "$least"
}

# Does some configured source offer NAME[>=VERSION]?
offered() {
	local name=${1%%>=*} least=${1#*>=} version
	for version in $(apt-cache madison "$name" 2>/dev/null | awk '{ print $3 }'); do
		[ "$least" = "$1" ] && return 0
		dpkg --compare-versions "$version" ge "$least" && return 0
	done
	return 1
}

# Prints "URI KEYRING" of the source that serves suite $1, from both forms of apt source files; KEYRING may be empty.
archive_of() {
	local files=()
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do [ -f "$f" ] && files+=("$f"); done
	[ ${#files[@]} = 0 ] || awk -v suite="$1" '
		$1 == "deb" {
			line = $0; key = ""
			if (match(line, /\[[^]]*\]/)) {
				n = split(substr(line, RSTART + 1, RLENGTH - 2), opt, " ")
				for (i = 1; i <= n; i++) if (sub(/^signed-by=/, "", opt[i])) key = opt[i]
				sub(/\[[^]]*\]/, "", line)
			}
			split(line, w, " ")
			if (w[3] == suite) { print w[2], key; exit }
		}' "${files[@]}"
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -f "$f" ] && awk -v suite="$1" '
			function end() { if (on && uri && index(" " suites " ", " " suite " ")) { print uri, key; exit } on = 1; uri = suites = key = "" }
			BEGIN { on = 1 }
			/^[[:space:]]*$/ { end() }
			tolower($1) == "uris:" { uri = $2 }
			tolower($1) == "suites:" { $1 = ""; suites = $0 }
			tolower($1) == "signed-by:" { key = $2 }
			tolower($1) == "enabled:" && tolower($2) == "no" { on = 0 }
			END { if (on && uri && index(" " suites " ", " " suite " ")) print uri, key }' "$f"
	done
	return 0
}

update() {
	say 'reading the package lists'
	apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 update || die 'apt-get update failed (see above)'
}

add_backports() {
	local suite uri key
	# shellcheck source=/dev/null
	suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	[ -n "$suite" ] || die 'this system does not name its release in /etc/os-release'
	if [ ! -f "$source_list" ]; then
		read -r uri key <<<"$(archive_of "$suite" | head -n 1)" || true
		[ -n "$uri" ] || die "no apt source of suite $suite found to take the backports from"
		say "adding $suite-backports ($source_list)"
		echo "deb ${key:+[signed-by=$key] }$uri $suite-backports main" > "$source_list"
	fi
	update
}

# Backports are "NotAutomatic": without a pin apt would keep to the older version.
pin_backports() {
	local suite
	# shellcheck source=/dev/null
	suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	printf 'Package: %s\nPin: release n=%s-backports\nPin-Priority: 600\n' "$from_backports" "$suite" > "$preferences"
}

# A package that brings a service (nginx) must not start it: tests start their own, on their own ports.
apt_install() {
	local policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		# shellcheck disable=SC2064
		trap "rm -f $policy" EXIT
		printf '#!/bin/sh\nexit 101\n' > "$policy"
		chmod +x "$policy"
	fi
	DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 \
		-o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold install "$@" || die "apt-get could not install: $*"
}

if [ "${1:-}" = --archive-of ]; then # --archive-of SUITE: print "URI KEYRING"; tests/e2e/fresh asks
	archive_of "$2" | head -n 1
	exit
fi
[ $# -gt 0 ] || set -- build
want=()
for list; do
	case $list in
	build | check | run | test | interop | fresh) read -r -d '' -a items <<<"${!list}" || true; want+=("${items[@]}") ;;
	*) die "no such list: $list (build, check, test, run, interop, fresh)" ;;
	esac
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
	say "not a Debian-like system; these must be there under their local names: ${want[*]}"
	exit 0
fi

missing=()
for w in "${want[@]}"; do
	[ "$w" = golang-go ] && command -v go >/dev/null && continue
	installed "$w" || missing+=("$w")
done
[ ${#missing[@]} -gt 0 ] || exit 0

say "missing: ${missing[*]}"
[ "$(id -u)" = 0 ] || die "not root; run: sudo make deps"

all_offered() { for w in "${missing[@]}"; do offered "$w" || return 1; done; }
all_offered || update
for w in "${missing[@]}"; do
	offered "$w" || { add_backports; break; }
done
for w in "${missing[@]}"; do
	offered "$w" || die "no apt source offers $w"
	case " $from_backports " in *" ${w%%>=*} "*) pin_backports ;; esac
done
say "installing ${#missing[@]} packages"
apt_install "${missing[@]%%>=*}"
for w in "${missing[@]}"; do installed "$w" || die "$w is still missing after the installation"; done
say 'done'
