/* SPDX-License-Identifier: Apache-2.0 */
/* TLS libraries where they are installed, see files.h. Privileged process, main thread; keeps no state. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe/files.h"
#include "probe/tlslib.h"

static const char *const sonames[] = {
#define TLS_LIB(kind, source, soname, ...) soname,
#include "probe/tls_libs.def"
#undef TLS_LIB
};

/* Where the dynamic loader looks without being told (ld.so(8)), and Debian's place for this machine's libraries. */
static const char *const dirs[] = {
#if defined(__x86_64__)
	"/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu",
#elif defined(__aarch64__)
	"/usr/lib/aarch64-linux-gnu", "/lib/aarch64-linux-gnu",
#endif
	"/usr/lib64",		     "/lib64",			 "/usr/lib", "/lib",
	"/usr/local/lib64",	     "/usr/local/lib",
};

/* Links lead no further than that root. */
static int open_below(int root_fd, const char *path, uint64_t flags)
{
	const struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };

	return (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
}

static bool is_known(const char *name)
{
	for (size_t i = 0; i < sizeof(sonames) / sizeof(sonames[0]); i++)
		if (strncmp(name, sonames[i], strlen(sonames[i])) == 0)
			return true;
	return false;
}

static void look(struct files *f, int root_fd, const char *path, uint64_t now_ns)
{
	struct files_map file = { .path_fd = open_below(root_fd, path, O_PATH), .pid_fd = -1, .path = path };
	struct files_seen seen;

	if (file.path_fd < 0)
		return;
	if (files_look(f, &file, now_ns, &seen) == 0 && seen.lib != FILES_NO_LIB)
		files_keep(f, seen.lib);
	close(file.path_fd);
}

void files_look_known(struct files *f, int root_fd, uint64_t now_ns)
{
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		int fd = open_below(root_fd, dirs[i], O_RDONLY | O_DIRECTORY);
		DIR *dir = fd < 0 ? NULL : fdopendir(fd);
		struct dirent *d;

		if (!dir) {
			if (fd >= 0)
				close(fd);
			continue;
		}
		while ((d = readdir(dir))) {
			char path[KS_PATH_LEN];

			if (is_known(d->d_name) &&
			    snprintf(path, sizeof(path), "%s/%s", dirs[i], d->d_name) < (int)sizeof(path))
				look(f, root_fd, path, now_ns);
		}
		closedir(dir);
	}
}
