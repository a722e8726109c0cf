/* SPDX-License-Identifier: Apache-2.0 */
/* TLS code by symbols, see tlslib.h. Privileged process; all state is on the caller's stack. */
#include "probe/tlslib.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "probe/elfsym.h"

#if defined(__x86_64__)
#define NATIVE_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define NATIVE_MACHINE EM_AARCH64
#else
#error "which ELF machine is this?"
#endif

static const struct {
	const char *kind;
	enum ks_source source;
	const char *func[TLS_FUNC_CNT];
} libs[] = {
#define TLS_LIB(kind, source, soname, ...) { #kind, source, { __VA_ARGS__ } },
#include "probe/tls_libs.def"
#undef TLS_LIB
};

#define LIB_CNT (sizeof(libs) / sizeof(libs[0]))

_Static_assert(LIB_CNT * TLS_FUNC_CNT <= ELFSYM_NAMES, "one search finds all functions of all libraries");

/* One search for all of them: files without TLS code are the most, and may be large. */
static void search(int fd, struct elfsym_file *ret_file, struct elfsym_hit ret_hits[LIB_CNT][TLS_FUNC_CNT])
{
	const char *names[LIB_CNT * TLS_FUNC_CNT];
	struct elfsym_hit hits[LIB_CNT * TLS_FUNC_CNT], *to[LIB_CNT * TLS_FUNC_CNT];
	size_t cnt = 0;

	memset(ret_hits, 0, sizeof(hits));
	for (size_t row = 0; row < LIB_CNT; row++) {
		for (size_t i = 0; i < TLS_FUNC_CNT; i++) {
			if (!libs[row].func[i])
				continue;
			to[cnt] = &ret_hits[row][i];
			names[cnt++] = libs[row].func[i];
		}
	}
	if (elfsym_find(fd, names, cnt, ret_file, hits) == 0)
		return;
	for (size_t i = 0; i < cnt; i++)
		*to[i] = hits[i];
}

static struct tlslib row_of(size_t row, const struct elfsym_hit hits[TLS_FUNC_CNT])
{
	struct tlslib lib = { .kind = libs[row].kind, .source = libs[row].source };

	for (size_t i = 0; i < TLS_FUNC_CNT; i++) {
		lib.offset[i] = hits[i].offset;
		lib.funcs |= hits[i].offset ? 1u << i : 0;
	}
	return lib;
}

int tlslib_find(int fd, struct tlslib *ret_lib)
{
	const uint32_t reads = 1u << TLS_SSL_READ | 1u << TLS_SSL_READ_EX;
	const uint32_t writes = 1u << TLS_SSL_WRITE | 1u << TLS_SSL_WRITE_EX;
	struct elfsym_hit hits[LIB_CNT][TLS_FUNC_CNT];
	struct elfsym_file file;

	search(fd, &file, hits);
	if (!file.elf)
		return -ENOENT;
	for (size_t row = 0; row < LIB_CNT; row++) {
		struct tlslib lib = row_of(row, hits[row]);

		if (!(lib.funcs & reads) || !(lib.funcs & writes))
			continue;
		*ret_lib = lib;
		if (file.machine != NATIVE_MACHINE || !file.is64 || elfsym_is_go(fd))
			return -ENOTSUP;
		site_choose(fd, hits[row], ret_lib->offset, &ret_lib->read, &ret_lib->write);
		return 0;
	}
	return -ENOENT;
}
