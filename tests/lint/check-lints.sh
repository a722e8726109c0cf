#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The lints must find what they are for: a small tree with one violation of each rule, and nothing where there is none.
set -u
lint=$PWD/tests/lint
tree=$(mktemp -d) bad=0
trap 'rm -rf "$tree"' EXIT
cd "$tree" || exit 1
mkdir -p .ci agent/{proto,span,zzz} bpf include tests/lint
cp "$lint/layers.txt" tests/lint/
printf '# SPDX-License-Identifier: Apache-2.0\n' | tee Makefile >.ci/run
printf '/* SPDX-License-Identifier: Apache-2.0 */\nATTR(X, "error.type", STR)\n' >agent/span/semconv.def
printf '/* SPDX-License-Identifier: Apache-2.0 */\n#include "span/span.h"\n#include <sqlite3.h>\n' >agent/proto/layer.c
printf 'int zzz(void);\n' >agent/zzz/zzz.c
printf '/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */\nint f(void)\n{\n\tbpf_printk("x");\n}\n' >bpf/x.bpf.c
{
	printf '/* SPDX-License-Identifier: Apache-2.0 */\nint f(void)\n{\n'
	printf '\t%s\n' 'strcpy(a, b);' 'x = 1; // why' 'time(0);' 'malloc(1);' 'log_debug("m", "%.*s", n, p);' \
		'printf("x");' 'a = "gen_ai.request.model";' 'b = "error.type";'
	printf '}\n'
} >agent/proto/text.c
{ printf '/* SPDX-License-Identifier: Apache-2.0 */\nint long_one(void)\n{\n'; printf '\ta();\n%.0s' {1..80}; printf '}\n'; } >agent/proto/long.c
cat >agent/proto/good.c <<'END'
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slice.h"
#include "flow/chunk.h"
struct x *good_new(struct y *y)
{
	const char *url = "http://host/strcpy("; /* strcpy( // time( */

	y->time(url);
	strcpy(a, b); /* lint-ok: the test of the exception */
	return malloc(sizeof(struct x));
}
END
found=$("$lint/check-layers.sh"; "$lint/check-source.py"; "$lint/check-spdx")
want() { grep -qF "$1" <<<"$found" || { echo "tests/lint: no longer found: $1"; bad=1; }; }
want 'agent/zzz/: no row'
want 'agent/proto/layer.c:2: agent/proto may not include "span/span.h"'
want 'agent/proto/layer.c:3: <sqlite3'
want 'agent/proto/text.c:4: strcpy()'
want 'agent/proto/text.c:5: // comment'
want 'agent/proto/text.c:6: time()'
want 'agent/proto/text.c:7: allocation in f()'
want 'agent/proto/text.c:8: no "%.*s"'
want 'agent/proto/text.c:9: output in f()'
want 'agent/proto/text.c:10: attribute name'
want 'agent/proto/text.c:11: attribute name'
want 'agent/proto/long.c:3: long_one(): 82 lines'
want 'bpf/x.bpf.c:4: bpf_printk()'
want 'agent/zzz/zzz.c:1: no SPDX'
grep -F 'good.c' <<<"$found" && { echo 'tests/lint: found where there is nothing'; bad=1; }
exit $bad
