#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh OUTPUT: links tests/bpf/dump.c with the loader, as the agent is linked. Not part of the product.
set -eu
cd "$(dirname "$0")/../.."
O=${O:-out}
[ -f "$O/kernspan.skel.h" ] || make -s O="$O" "$O/kernspan.skel.h"
${CC:-gcc} -std=gnu11 -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE -iquote agent -iquote include -isystem "${SKEL_DIR:-$O}" tests/bpf/dump.c \
	agent/probe/object.c agent/probe/families.c agent/probe/attach.c agent/probe/hazard.c -o "$1" \
	-Wl,-Bstatic -lbpf -lelf -lz -lzstd -Wl,-Bdynamic
