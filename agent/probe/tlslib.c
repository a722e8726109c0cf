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
	const char *func[TLS_FUNC_CNT];
} libs[] = {
#define TLS_LIB(kind, ...) { #kind, { __VA_ARGS__ } },
#include "probe/tls_libs.def"
#undef TLS_LIB
};

_Static_assert(TLS_FUNC_CNT <= ELFSYM_NAMES, "one search finds all functions");

/* hits: by enum tls_func. */
static uint32_t row_find(int fd, size_t row, struct elfsym_file *file, struct tlslib *lib, struct elfsym_hit *ret_hits)
{
	const char *names[TLS_FUNC_CNT];
	struct elfsym_hit hits[TLS_FUNC_CNT];
	size_t func[TLS_FUNC_CNT], cnt = 0;

	*lib = (struct tlslib){ .kind = libs[row].kind };
	memset(ret_hits, 0, TLS_FUNC_CNT * sizeof(*ret_hits));
	for (size_t i = 0; i < TLS_FUNC_CNT; i++) {
		if (!libs[row].func[i])
			continue;
		func[cnt] = i;
		names[cnt++] = libs[row].func[i];
	}
	if (elfsym_find(fd, names, cnt, file, hits) == 0)
		return 0;
	for (size_t i = 0; i < cnt; i++) {
		ret_hits[func[i]] = hits[i];
		lib->offset[func[i]] = hits[i].offset;
		lib->funcs |= hits[i].offset ? 1u << func[i] : 0;
	}
	return lib->funcs;
}

int tlslib_find(int fd, struct tlslib *ret_lib)
{
	const uint32_t reads = 1u << TLS_SSL_READ | 1u << TLS_SSL_READ_EX;
	const uint32_t writes = 1u << TLS_SSL_WRITE | 1u << TLS_SSL_WRITE_EX;

	for (size_t row = 0; row < sizeof(libs) / sizeof(libs[0]); row++) {
		struct elfsym_hit hits[TLS_FUNC_CNT];
		struct elfsym_file file;
		struct tlslib lib;
		uint32_t funcs = row_find(fd, row, &file, &lib, hits);

		if (!file.elf)
			return -ENOENT;
		if (!(funcs & reads) || !(funcs & writes))
			continue;
		*ret_lib = lib;
		if (file.machine != NATIVE_MACHINE || !file.is64 || elfsym_is_go(fd))
			return -ENOTSUP;
		site_choose(fd, hits, ret_lib->offset, &ret_lib->read, &ret_lib->write);
		return 0;
	}
	return -ENOENT;
}
