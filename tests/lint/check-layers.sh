#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Holds the #include lines against tests/lint/layers.txt: a stage sees base/, include/ and the record before it, nothing else.
set -u
rules=tests/lint/layers.txt
bad=0
no() { echo "$1"; bad=1; }

allowed() { # allowed INCLUDE PREFIX...
	local inc=$1 p
	shift
	for p; do case $inc in "$p"*) return 0 ;; esac; done
	return 1
}

for dir in agent/*/; do
	mod=$(basename "$dir")
	grep -q "^$mod:" "$rules" || no "$dir: no row in $rules"
done

while IFS=: read -r mod list; do
	[ -d "agent/$mod" ] || continue
	[ "$list" = ' *' ] && continue
	read -ra prefixes <<<"$list"
	while IFS=: read -r file line inc; do
		[ -f "include/$inc" ] && continue
		allowed "$inc" "$mod/" ${prefixes[@]+"${prefixes[@]}"} || no "$file:$line: agent/$mod may not include \"$inc\""
	done < <(grep -rnoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]+"' "agent/$mod" --include='*.[ch]' | sed 's/#.*"\(.*\)"$/\1/; s/:[[:space:]]*\([^:]*\)$/:\1/')
done < <(grep -E '^[a-z]+:' "$rules")

while IFS=: read -r lib list; do
	read -ra modules <<<"$list"
	while IFS=: read -r file line _; do
		mod=${file#agent/}
		allowed "${mod%%/*}" "${modules[@]}" || no "$file:$line: $lib...> belongs to: ${modules[*]}"
	done < <(grep -rnF "#include $lib" agent --include='*.[ch]')
done < <(grep -E '^<' "$rules")

# Both sides: include/ stands alone, and bpf/ sees include/, itself and the kernel's types.
while IFS=: read -r file line inc; do
	[ -f "include/$inc" ] || no "$file:$line: include/ may not include \"$inc\""
done < <(grep -rnoE '#include "[^"]+"' include | sed 's/#include "\(.*\)"$/\1/')
while IFS=: read -r file line inc; do
	[ -f "include/$inc" ] || [ -f "bpf/$inc" ] || no "$file:$line: bpf/ may not include \"$inc\""
done < <(grep -rnoE '#include "[^"]+"' bpf --include='*.[ch]' 2>/dev/null | sed 's/#include "\(.*\)"$/\1/')
exit $bad
