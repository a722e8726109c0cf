/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and attachments, see files.h. Two fixed tables: files (files without TLS code are forgotten by a clock hand
 * when the table is full) and libs, the files with TLS code, which stay until no process uses them.
 * Privileged process, main thread.
 */
#include "probe/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/loop.h"
#include "probe/hidx.h"
#include "probe/procfs.h"
#include "probe/tlslib.h"

#define RETRY_NS   (10ULL * 1000000000) /* a failed attachment is tried again after this */
#define DETACH_CNT 4			/* files detached at once */

struct stamp { /* which file, and that it is unchanged */
	uint32_t dev, uid;
	uint64_t ino, size;
	int64_t mtime, ctime;
};

struct file {
	struct stamp stamp;
	uint32_t lib; /* or FILES_NO_LIB */
	bool live;
	bool used;	   /* since the clock hand passed */
	uint64_t retry_ns; /* no room for its attachment: when to read it again, 0 = never */
};

struct lib {
	struct stamp stamp;
	struct tlslib tls;
	struct probe_link *link;
	char path[KS_PATH_LEN];
	uint32_t procs;
	int err;
	bool live;
	bool kept; /* also without processes */
	uint32_t gen; /* uses of this slot: a process may hold the number of a file dropped since */
	uint64_t idle_ns;  /* when procs became 0 */
	uint64_t retry_ns; /* with err: when to try again, 0 = never */
};

struct files {
	struct probe *probe;
	struct hidx idx; /* of files */
	uint32_t hand;
	uint64_t turn_ns; /* time left of this turn */
	uint32_t lib_cnt; /* slots of libs in use so far */
	struct files_stats stats;
	struct file files[KS_FILES];
	struct lib libs[KS_TLS_FILES];
};

_Static_assert((KS_FILES & (KS_FILES - 1)) == 0, "hidx wants a power of two");
_Static_assert(KS_TLS_FILES < KS_FILES / 2, "the clock hand must find a file without TLS code");

static uint64_t stamp_key(const struct stamp *s)
{
	return (uint64_t)s->dev << 40 ^ s->ino;
}

struct files *files_new(struct probe *probe)
{
	struct files *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->probe = probe;
	if (hidx_init(&f->idx, KS_FILES)) {
		files_free(f);
		return NULL;
	}
	return f;
}

static void file_drop(struct files *f, uint32_t slot)
{
	hidx_del(&f->idx, stamp_key(&f->files[slot].stamp), slot);
	f->files[slot].live = false;
	f->stats.known--;
}

static uint32_t lib_id(const struct files *f, const struct lib *l)
{
	return l->gen * KS_TLS_FILES + (uint32_t)(l - f->libs);
}

/* NULL when the file was dropped meanwhile. */
static struct lib *lib_find(struct files *f, uint32_t id)
{
	struct lib *l = &f->libs[id % KS_TLS_FILES];

	return l->live && lib_id(f, l) == id ? l : NULL;
}

static void lib_drop(struct files *f, struct lib *l)
{
	for (uint32_t slot = 0; slot < KS_FILES; slot++)
		if (f->files[slot].live && f->files[slot].lib == lib_id(f, l))
			file_drop(f, slot);
	if (l->link)
		probe_detach(l->link);
	*l = (struct lib){ .gen = (l->gen + 1) & 0xffff };
}

void files_free(struct files *f)
{
	if (!f)
		return;
	for (uint32_t i = 0; i < f->lib_cnt; i++)
		if (f->libs[i].link)
			probe_detach(f->libs[i].link);
	hidx_done(&f->idx);
	free(f);
}

static int64_t stamp_ns(struct statx_timestamp t)
{
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* AT_STATX_DONT_SYNC: what the kernel has cached; a network or FUSE server is not asked and cannot hold us up. */
static int stamp_read(int fd, struct stamp *ret)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st))
		return -errno;
	if (!S_ISREG(st.stx_mode))
		return -ENOENT;
	*ret = (struct stamp){
		.dev = st.stx_dev_major << 20 | (st.stx_dev_minor & 0xfffff),
		.uid = st.stx_uid,
		.ino = st.stx_ino,
		.size = st.stx_size,
		.mtime = stamp_ns(st.stx_mtime),
		.ctime = stamp_ns(st.stx_ctime),
	};
	return 0;
}

static uint32_t file_find(const struct files *f, const struct stamp *s)
{
	uint32_t slot = hidx_first(&f->idx, stamp_key(s));

	while (slot != HIDX_NONE &&
	       (f->files[slot].stamp.dev != s->dev || f->files[slot].stamp.ino != s->ino))
		slot = hidx_next(&f->idx, slot);
	return slot;
}

static void file_add(struct files *f, const struct stamp *s, uint32_t lib, uint64_t retry_ns)
{
	uint32_t slot;

	for (;;) { /* ends: a second round finds `used` cleared, and libs fill less than half */
		slot = f->hand;
		f->hand = (f->hand + 1) % KS_FILES;
		if (!f->files[slot].live)
			break;
		if (f->files[slot].lib == FILES_NO_LIB && !f->files[slot].used) {
			file_drop(f, slot);
			break;
		}
		f->files[slot].used = false;
	}
	f->files[slot] = (struct file){
		.stamp = *s, .lib = lib, .live = true, .used = true, .retry_ns = retry_ns
	};
	hidx_add(&f->idx, stamp_key(s), slot);
	f->stats.known++;
}

/* Has the code of this process at lib's first function been changed, as a probe does? */
static bool code_patched(const struct lib *l, const struct files_map *map, int fd)
{
	uint64_t offset = 0;
	char file[4], mem[4];
	bool patched;
	int mem_fd;

	for (size_t i = 0; i < TLS_FUNC_CNT && !offset; i++)
		if (l->tls.offset[i] >= map->offset &&
		    l->tls.offset[i] - map->offset < map->end - map->start)
			offset = l->tls.offset[i];
	mem_fd = offset ? openat(map->pid_fd, "mem", O_RDONLY | O_CLOEXEC) : -1;
	if (mem_fd < 0)
		return false;
	patched = pread(fd, file, sizeof(file), (off_t)offset) == sizeof(file) &&
		  pread(mem_fd, mem, sizeof(mem), (off_t)(map->start + offset - map->offset)) ==
			  sizeof(mem) &&
		  memcmp(file, mem, sizeof(mem)) != 0;
	close(mem_fd);
	return patched;
}

/* An overlay mount shows a file of a shared image layer under a device of its own, while probes sit on the layer's
 * inode: attaching again would count every call twice. The evidence for that: all else is equal, and the probes
 * already stand in this process's code. */
static struct lib *twin_find(struct files *f, const struct stamp *s, const struct tlslib *tls,
			     const struct files_map *map, int fd)
{
	for (uint32_t i = 0; i < f->lib_cnt; i++) {
		struct lib *l = &f->libs[i];

		if (l->live && l->link && l->stamp.ino == s->ino && l->stamp.size == s->size &&
		    l->stamp.mtime == s->mtime &&
		    memcmp(l->tls.offset, tls->offset, sizeof(tls->offset)) == 0 &&
		    code_patched(l, map, fd))
			return l;
	}
	return NULL;
}

static uint32_t libs_of(const struct files *f, uint32_t uid)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < f->lib_cnt; i++)
		cnt += f->libs[i].live && f->libs[i].stamp.uid == uid;
	return cnt;
}

/* Whose place a new file may take: that of a user's file without processes; if it is root's, also of root's own, and
 * at last of the user's file with the fewest. */
static struct lib *lib_victim(struct files *f, uint32_t uid)
{
	struct lib *best = NULL;

	for (uint32_t i = 0; i < f->lib_cnt; i++) {
		struct lib *l = &f->libs[i];

		if (l->procs == 0 ? uid && !l->stamp.uid : uid || !l->stamp.uid)
			continue;
		if (!best || l->procs < best->procs)
			best = l;
	}
	return best;
}

/* Users cannot take all places: files full of TLS names are easily made. */
static struct lib *lib_slot(struct files *f, uint32_t uid)
{
	struct lib *l;

	if (uid && libs_of(f, uid) >= KS_USER_TLS_FILES)
		return NULL;
	for (uint32_t i = 0; i < f->lib_cnt; i++)
		if (!f->libs[i].live)
			return &f->libs[i];
	if (f->lib_cnt < KS_TLS_FILES)
		return &f->libs[f->lib_cnt++];
	l = lib_victim(f, uid);
	if (l)
		lib_drop(f, l);
	return l;
}

static void lib_attach(struct files *f, struct lib *l, int fd, uint64_t now_ns)
{
	char path
		[32]; /* the link leads to this very inode, whatever happened to its name or mount namespace */
	struct tls_site site = { .path = path, .source = l->tls.source };

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memcpy(site.offset, l->tls.offset, sizeof(site.offset));
	l->err = probe_attach_tls(f->probe, &site, &l->link);
	l->retry_ns = l->err && l->err != -ENOTSUP ? now_ns + RETRY_NS : 0;
}

static struct lib *lib_add(struct files *f, const struct files_map *map, const struct stamp *s,
			   const struct tlslib *tls, int err, int fd, uint64_t now_ns)
{
	struct lib *l = err ? NULL : twin_find(f, s, tls, map, fd);

	if (l)
		return l;
	l = lib_slot(f, s->uid);
	if (!l) {
		f->stats.libs_full++;
		return NULL;
	}
	*l = (struct lib){
		.stamp = *s,
		.tls = *tls,
		.err = err,
		.live = true,
		.gen = l->gen,
		.idle_ns = now_ns,
	};
	snprintf(l->path, sizeof(l->path), "%s", map->path);
	procfs_clean(l->path);
	if (!err)
		lib_attach(f, l, fd, now_ns);
	return l;
}

/* Opened only once it is known to be a regular file: opening a device can have effects. */
static int open_again(int path_fd)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOATIME);
	if (fd < 0 && errno == EPERM) /* O_NOATIME wants the owner or CAP_FOWNER */
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int file_read(struct files *f, const struct files_map *map, const struct stamp *s,
		     uint64_t now_ns, uint32_t *ret_lib)
{
	int fd = open_again(map->path_fd), err;
	uint32_t id = FILES_NO_LIB;
	uint64_t retry_ns = 0;
	struct tlslib tls;

	if (fd < 0)
		return fd;
	f->stats.reads++;
	err = tlslib_find(fd, &tls);
	if (err != -ENOENT) {
		struct lib *l = lib_add(f, map, s, &tls, err, fd, now_ns);

		if (l)
			id = lib_id(f, l);
		else
			retry_ns = now_ns + RETRY_NS;
	}
	close(fd); /* the attachment holds the inode by itself */
	file_add(f, s, id, retry_ns);
	*ret_lib = id;
	return 0;
}

void files_turn(struct files *f, uint64_t ns)
{
	f->turn_ns = ns;
}

/* As file_read(), if there is time. */
static int file_read_timed(struct files *f, const struct files_map *map, const struct stamp *s,
			   uint64_t now_ns, uint32_t *ret_lib)
{
	uint64_t spent = clock_ns(CLOCK_MONOTONIC);
	int err;

	if (!f->turn_ns)
		return -EAGAIN;
	err = file_read(f, map, s, now_ns, ret_lib);
	spent = clock_ns(CLOCK_MONOTONIC) - spent;
	f->turn_ns -= spent < f->turn_ns ? spent : f->turn_ns;
	return err;
}

/* Is what we know of this file still so? */
static bool file_holds(const struct file *file, const struct stamp *s, uint64_t now_ns)
{
	if (file->retry_ns && now_ns >= file->retry_ns)
		return false;
	/* ctime tells an inode number that is used again; a probed inode is held and cannot be */
	return file->stamp.size == s->size && file->stamp.mtime == s->mtime &&
	       (file->lib != FILES_NO_LIB || file->stamp.ctime == s->ctime);
}

static void lib_retry(struct files *f, struct lib *l, const struct files_map *map, uint64_t now_ns)
{
	int fd;

	if (!l || !l->err || !l->retry_ns || now_ns < l->retry_ns)
		return;
	fd = open_again(map->path_fd);
	if (fd < 0)
		return;
	lib_attach(f, l, fd, now_ns);
	close(fd);
}

int files_look(struct files *f, const struct files_map *map, uint64_t now_ns,
	       struct files_seen *ret_seen)
{
	uint32_t slot, lib;
	struct stamp s = { 0 };
	int err = stamp_read(map->path_fd, &s);

	if (err)
		return err;
	slot = file_find(f, &s);
	if (slot != HIDX_NONE && !file_holds(&f->files[slot], &s, now_ns)) {
		if (f->files[slot].lib != FILES_NO_LIB)
			lib_drop(f, lib_find(f, f->files[slot].lib));
		else
			file_drop(f, slot);
		slot = HIDX_NONE;
	}
	if (slot != HIDX_NONE) {
		f->files[slot].used = true;
		lib = f->files[slot].lib;
		if (lib != FILES_NO_LIB)
			lib_retry(f, lib_find(f, lib), map, now_ns);
	} else {
		err = file_read_timed(f, map, &s, now_ns, &lib);
		if (err)
			return err;
	}
	*ret_seen = (struct files_seen){
		.dev = s.dev,
		.ino = s.ino,
		.lib = lib,
		.settled = lib == FILES_NO_LIB && !f->files[file_find(f, &s)].retry_ns,
	};
	return 0;
}

void files_use(struct files *f, uint32_t lib)
{
	struct lib *l = lib_find(f, lib);

	if (l)
		l->procs++;
}

void files_unuse(struct files *f, uint32_t lib, uint64_t now_ns)
{
	struct lib *l = lib_find(f, lib);

	if (l && --l->procs == 0)
		l->idle_ns = now_ns;
}

void files_keep(struct files *f, uint32_t lib)
{
	struct lib *l = lib_find(f, lib);

	if (l)
		l->kept = true;
}

static bool lib_idle(const struct lib *l, uint64_t before_ns)
{
	return l->live && !l->kept && l->procs == 0 && l->idle_ns < before_ns;
}

size_t files_idle(const struct files *f, uint64_t before_ns)
{
	size_t cnt = 0;

	for (uint32_t i = 0; i < f->lib_cnt; i++)
		cnt += lib_idle(&f->libs[i], before_ns);
	return cnt;
}

void files_detach_idle(struct files *f, uint64_t before_ns)
{
	for (uint32_t i = 0, cnt = 0; i < f->lib_cnt && cnt < DETACH_CNT; i++) {
		if (lib_idle(&f->libs[i], before_ns)) {
			lib_drop(f, &f->libs[i]);
			cnt++;
		}
	}
}

size_t files_lib_cnt(const struct files *f)
{
	size_t cnt = 0;

	for (uint32_t i = 0; i < f->lib_cnt; i++)
		cnt += f->libs[i].live;
	return cnt;
}

void files_lib_get(const struct files *f, size_t i, struct watch_lib *ret_lib)
{
	const struct lib *l = f->libs;

	for (;; l++)
		if (l->live && i-- == 0)
			break;
	*ret_lib = (struct watch_lib){
		.path = l->path,
		.kind = l->tls.kind,
		.funcs = l->tls.funcs,
		.procs = l->procs,
		.err = l->err,
		.read = l->tls.read,
		.write = l->tls.write,
	};
}

struct files_stats files_stats(const struct files *f)
{
	return f->stats;
}
