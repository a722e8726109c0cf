/* SPDX-License-Identifier: Apache-2.0 */
/* One look at what a process maps, see watch.h. Privileged process, main thread; keeps no state of its own. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe/procfs.h"
#include "probe/watch_internal.h"

struct look {
	struct watch *w;
	struct proc *p;
	int pid_fd;
	uint64_t now_ns;
	uint64_t ino; /* of the line before: the segments of a file follow each other */
	uint32_t dev;
};

/* The file behind a mapping: the mapping itself where the kernel lets us (CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN),
 * which also reaches removed files, else the path below the root of the process. O_PATH: nothing happens to it yet. */
static int map_open(const struct look *l, const struct procfs_map *map)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS,
	};
	char name[64], path[PROCFS_PATH];
	int fd, root;

	snprintf(name, sizeof(name), "map_files/%llx-%llx", (unsigned long long)map->start,
		 (unsigned long long)map->end);
	fd = openat(l->pid_fd, name, O_PATH | O_CLOEXEC);
	if (fd >= 0 || map->path.len >= sizeof(path) || *map->path.ptr != '/')
		return fd;
	memcpy(path, map->path.ptr, map->path.len);
	path[map->path.len] = '\0';
	root = openat(l->pid_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -1;
	fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	close(root);
	return fd;
}

static void lib_use(struct watch *w, struct proc *p, uint32_t lib)
{
	for (uint8_t i = 0; i < p->lib_cnt; i++)
		if (p->libs[i] == lib)
			return;
	if (p->lib_cnt == KS_PROC_LIBS)
		return;
	p->libs[p->lib_cnt++] = lib;
	files_use(w->files, lib);
}

/* The files that this process was said to have mapped, and that this look met: a file without TLS code needs no
 * further event, a file with it tells who uses it. */
static void mmaps_settle(struct look *l, const struct procfs_map *map,
			 const struct files_seen *seen)
{
	struct watch *w = l->w;

	for (uint32_t i = 0; i < w->mmap_cnt;) {
		const struct ks_ev_proc *ev = &w->mmaps[i];

		if ((pid_t)ev->h.tgid != l->p->tgid ||
		    !((ev->ino == map->ino && ev->dev == map->dev) ||
		      (ev->ino == seen->ino && ev->dev == seen->dev))) {
			i++;
			continue;
		}
		if (seen->settled)
			(void)probe_file_seen(w->cfg.probe, ev);
		w->mmaps[i] = w->mmaps[--w->mmap_cnt];
	}
}

static bool look_map(void *ctx, const struct procfs_map *map)
{
	struct look *l = ctx;
	char path[KS_PATH_LEN];
	struct files_seen seen;
	struct files_map file;
	int fd, err;

	if (!map->exec || map->ino == 0 || map->path.len == 0 ||
	    (map->ino == l->ino && map->dev == l->dev))
		return true;
	l->ino = map->ino;
	l->dev = map->dev;
	fd = map_open(l, map);
	if (fd < 0)
		return true;
	snprintf(path, sizeof(path), "%.*s", (int)map->path.len, map->path.ptr);
	file = (struct files_map){
		.path_fd = fd,
		.pid_fd = l->pid_fd,
		.path = path,
		.start = map->start,
		.end = map->end,
		.offset = map->offset,
	};
	err = files_look(l->w->files, &file, l->now_ns, &seen);
	if (!err) {
		if (seen.lib != FILES_NO_LIB)
			lib_use(l->w, l->p, seen.lib);
		mmaps_settle(l, map, &seen);
	}
	l->p->partly |= err == -EAGAIN;
	close(fd);
	return true;
}

int watch_look(struct watch *w, struct proc *p, int pid_fd, uint64_t now_ns)
{
	struct look l = { .w = w, .p = p, .pid_fd = pid_fd, .now_ns = now_ns };

	w->stats.looks++;
	p->partly = false;
	if (p->pace_ns + LOOKS * GAP_NS < now_ns)
		p->pace_ns = now_ns - LOOKS * GAP_NS;
	p->pace_ns += GAP_NS;
	return procfs_maps(pid_fd, look_map, &l);
}
