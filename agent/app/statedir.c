/* SPDX-License-Identifier: Apache-2.0 */
/* Directories are opened before they are looked at, so that what is checked is what is used. Keeps nothing. */
#include "app/statedir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool dir_is_empty(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), cnt = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *e;

	while (d && (e = readdir(d)))
		cnt += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	if (d)
		closedir(d);
	return d && cnt == 0;
}

static int take(int fd, const char *path, uid_t uid, gid_t gid, char *why, size_t why_len)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	/* metadata of everybody's calls: others do not look in, whoever made the directory; a group may be let in */
	if (st.st_uid == uid)
		return st.st_mode & 027 && fchmod(fd, st.st_mode & 0750) < 0 ? -errno : 0;
	if (!dir_is_empty(fd)) {
		snprintf(why, why_len,
			 "store %s is not empty and does not belong to user %d: "
			 "name another with --store, or chown it",
			 path, (int)uid);
		return -EPERM;
	}
	return fchown(fd, uid, gid) < 0 || fchmod(fd, 0700) < 0 ? -errno : 0;
}

int statedir_open(const char *path, uid_t uid, gid_t gid, int *ret_fd, char *why, size_t why_len)
{
	int err = mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
	int fd = err ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	why[0] = 0;
	if (!err)
		err = fd < 0 ? -errno : take(fd, path, uid, gid, why, why_len);
	if (err) {
		if (!why[0])
			snprintf(
				why, why_len,
				"cannot use the store directory %s: %s (--store=none keeps nothing)",
				path, strerror(-err));
		if (fd >= 0)
			close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int statedir_empty(int *ret_fd, char *why, size_t why_len)
{
	char path[] = "/tmp/kernspan-XXXXXX";
	int fd = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int err = fd < 0 ? -errno : 0;

	if (!err && (fchmod(fd, 0555) < 0 || rmdir(path) < 0))
		err = -errno;
	if (err) {
		snprintf(why, why_len, "cannot make an empty directory in /tmp: %s",
			 strerror(-err));
		if (fd >= 0)
			close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}
