/* SPDX-License-Identifier: Apache-2.0 */
/* The ELF reader on any bytes: it ends, stays in its buffers, and every offset it gives comes from a segment. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe/elfsym.h"
#include "probe/tlslib.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const names[] = { "SSL_read", "SSL_write", "f" };
	static int fd = -1;
	struct elfsym_hit hits[3];
	struct elfsym_file file;
	struct tlslib lib;
	size_t found, with = 0;

	if (fd < 0)
		fd = memfd_create("elf", MFD_CLOEXEC);
	if (ftruncate(fd, 0) || pwrite(fd, data, len, 0) != (ssize_t)len)
		return 0;
	found = elfsym_find(fd, names, 3, &file, hits);
	for (size_t i = 0; i < 3; i++)
		with += hits[i].offset != 0;
	if (found != with || (found && !file.elf))
		abort();
	(void)elfsym_is_go(fd);
	if (tlslib_find(fd, &lib) == 0 && (!lib.kind || !lib.funcs))
		abort();
	return 0;
}
