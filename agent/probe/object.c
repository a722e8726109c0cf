/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open, load and attach the BPF object, and choose the socket family by trying: no kernel version
 * is compared, since vendors backport and lock down. Privileged process, main thread; the struct
 * probe owns object, links and mappings.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "probe/internal.h"

/*
 * libbpf reports through one process-wide callback: the last line that says something, for the
 * reason.
 */
static char last_word[256];

/* The line before the statistics, which end every verifier log. */
static void keep_last_line(char *text)
{
	char *best = NULL, *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "processed ", 10) == 0 || strstr(line, "END PROG LOAD LOG"))
			continue;
		if (line[0] != '\0')
			best = line;
	}
	if (best)
		snprintf(last_word, sizeof(last_word), "%s",
			 strncmp(best, "libbpf: ", 8) ? best : best + 8);
}

static int on_print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	static bool have_log;
	char *text = NULL;

	if (level != LIBBPF_WARN || vasprintf(&text, fmt, args) < 0)
		return 0;
	if (strstr(text, "BEGIN PROG LOAD LOG")) {
		keep_last_line(text);
		have_log = true;
	} else if (strstr(text, "BPF program load failed")) {
		have_log = false; /* the log of this program, if any, follows */
		keep_last_line(text);
	} else if (!have_log && last_word[0] == '\0') {
		keep_last_line(text);
	}
	free(text);
	return 0;
}

/*
 * KERNSPAN_BTF names the types of a kernel that does not carry them (BTFHub); the same variable as
 * `doctor`'s.
 */
static const char *btf_path(void)
{
	const char *path = getenv("KERNSPAN_BTF");

	return path && *path ? path : NULL;
}

struct btf *object_btf(void)
{
	return btf_path() ? btf__parse(btf_path(), NULL) : btf__load_vmlinux_btf();
}

/*
 * Parameters of tcp_recvmsg(), which lost `nonblock` in 5.19 and `addr_len` in 7.x; asked of the
 * kernel's own types.
 */
static unsigned int count_recvmsg_args(void)
{
	struct btf *btf = object_btf();
	const struct btf_type *t;
	unsigned int cnt = 5;
	int id;

	if (!btf)
		return cnt;
	id = btf__find_by_name_kind(btf, "tcp_recvmsg", BTF_KIND_FUNC);
	t = id > 0 ? btf__type_by_id(btf, btf__type_by_id(btf, (__u32)id)->type) : NULL;
	if (t && btf_is_func_proto(t))
		cnt = btf_vlen(t);
	btf__free(btf);
	return cnt;
}

static int open_object(struct probe *p, enum probe_family family, const struct probe_cfg *cfg)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = btf_path());
	struct bpf_program *prog;
	int err;

	p->skel = kernspan_bpf__open_opts(&opts);
	if (!p->skel)
		return -errno;
	p->skel->rodata->cfg = cfg->bpf;
	p->skel->rodata->recvmsg_args = count_recvmsg_args();
	p->skel->rodata->follow_sockets = family == FAMILY_TRACEPOINT;
	p->multi = object_has_multi();
	p->deadly = hazard_return_probes();
	bpf_object__for_each_program(prog, p->skel->obj) bpf_program__set_autoload(
		prog, family_wants(family, p->multi, bpf_program__name(prog)));
	if (cfg->ring_bytes) {
		err = bpf_map__set_max_entries(p->skel->maps.ks_data,
					       (unsigned int)cfg->ring_bytes);
		if (err)
			return err;
	}
	return kernspan_bpf__load(p->skel);
}

/* Uprobes wait for a library; everything else has its place in its section name. */
static int attach_all(struct probe *p)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, p->skel->obj)
	{
		struct bpf_link *link;

		if (!bpf_program__autoload(prog) || strncmp(bpf_program__name(prog), "tls", 3) == 0)
			continue;
		if (p->link_cnt == PROBE_LINK_CNT)
			return -E2BIG;
		link = bpf_program__attach(prog);
		if (!link) {
			int err = -errno;

			if (last_word[0] == '\0')
				snprintf(last_word, sizeof(last_word), "attach %s: %s",
					 bpf_program__name(prog), strerror(-err));
			return err;
		}
		p->links[p->link_cnt++] = link;
	}
	return 0;
}

static volatile uint64_t *map_array(const struct bpf_map *map, size_t entries, int prot)
{
	void *mem = mmap(NULL, entries * sizeof(uint64_t), prot, MAP_SHARED, bpf_map__fd(map), 0);

	return mem == MAP_FAILED ? NULL : mem;
}

static int map_shared(struct probe *p)
{
	p->verdicts =
		map_array(p->skel->maps.ks_verdicts, KS_VERDICT_SLOTS, PROT_READ | PROT_WRITE);
	p->counters = map_array(p->skel->maps.ks_counters, KS_COUNTERS, PROT_READ);
	return p->verdicts && p->counters ? 0 : -errno;
}

void object_unload(struct probe *p)
{
	while (p->link_cnt)
		bpf_link__destroy(p->links[--p->link_cnt]);
	if (p->verdicts)
		munmap((void *)p->verdicts, KS_VERDICT_SLOTS * sizeof(uint64_t));
	if (p->counters)
		munmap((void *)p->counters, KS_COUNTERS * sizeof(uint64_t));
	p->verdicts = p->counters = NULL;
	kernspan_bpf__destroy(p->skel);
	p->skel = NULL;
}

int object_load(struct probe *p, enum probe_family family, const struct probe_cfg *cfg, char *why,
		size_t why_len)
{
	libbpf_print_fn_t was = libbpf_set_print(on_print);
	int err;

	last_word[0] = '\0';
	err = open_object(p, family, cfg);
	if (!err)
		err = attach_all(p);
	if (!err)
		err = map_shared(p);
	libbpf_set_print(was);
	if (err) {
		snprintf(why, why_len, "%s", last_word[0] ? last_word : strerror(-err));
		object_unload(p);
	}
	return err;
}

/*
 * Before 5.11 maps count against RLIMIT_MEMLOCK; later it does not matter, and raising it may be
 * refused.
 */
static void raise_memlock(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	(void)setrlimit(RLIMIT_MEMLOCK, &all);
}

static void keep_reason(struct probe *p, enum probe_family f, const char *why)
{
	free(p->reason[f]);
	p->reason[f] = strdup(why);
}

/*
 * Can a tracing program be preempted? Then the kernel skips it for every other task on that CPU
 * until it goes on (kernel/bpf/trampoline.c, __bpf_prog_enter_recur()); a kprobe runs with
 * preemption off. The function is there with CONFIG_PREEMPTION.
 */
static bool kernel_preempts(void)
{
	struct btf *btf = object_btf();
	bool yes = btf && btf__find_by_name_kind(btf, "preempt_schedule", BTF_KIND_FUNC) > 0;

	btf__free(btf);
	return yes;
}

/* Best family first; without any, library calls are still seen. */
static int load_best(struct probe *p, const struct probe_cfg *cfg, char *why, size_t why_len)
{
	enum probe_family order[FAMILY_SOCKET_CNT] = { FAMILY_FENTRY, FAMILY_KPROBE,
						       FAMILY_TRACEPOINT };

	if (kernel_preempts()) {
		order[0] = FAMILY_KPROBE;
		order[1] = FAMILY_FENTRY;
	}
	for (int i = 0; i < FAMILY_SOCKET_CNT; i++) {
		p->family = order[i];
		if (object_load(p, p->family, cfg, why, why_len) == 0)
			return 0;
		keep_reason(p, p->family, why);
	}
	p->family = FAMILY_SOCKET_CNT;
	return object_load(p, p->family, cfg, why, why_len);
}

int probe_new(const struct probe_cfg *cfg, struct probe **ret, char *why, size_t why_len)
{
	const char *family = cfg->family ? cfg->family : "auto";
	struct probe *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	raise_memlock();
	if (strcmp(family, "auto") == 0) {
		err = load_best(p, cfg, why, why_len);
	} else {
		p->family = family_by_name(family);
		err = p->family == FAMILY_SOCKET_CNT && strcmp(family, "none") != 0
			      ? -EINVAL
			      : object_load(p, p->family, cfg, why, why_len);
		if (err == -EINVAL && !p->skel && p->family == FAMILY_SOCKET_CNT)
			snprintf(why, why_len, "no socket family is called '%s'", family);
	}
	if (err) {
		probe_free(p);
		return err;
	}
	*ret = p;
	return 0;
}

void probe_free(struct probe *p)
{
	if (!p)
		return;
	object_unload(p);
	for (int f = 0; f < FAMILY_SOCKET_CNT; f++)
		free(p->reason[f]);
	free(p);
}

const char *probe_family_name(const struct probe *p)
{
	return family_name(p->family);
}

const char *probe_family_reason(const struct probe *p, enum probe_family f)
{
	return f < FAMILY_SOCKET_CNT ? p->reason[f] : NULL;
}

int probe_data_ring_fd(const struct probe *p)
{
	return bpf_map__fd(p->skel->maps.ks_data);
}

int probe_ctl_ring_fd(const struct probe *p)
{
	return bpf_map__fd(p->skel->maps.ks_ctl);
}

volatile uint64_t *probe_verdicts(const struct probe *p)
{
	return p->verdicts;
}

const volatile uint64_t *probe_counters(const struct probe *p)
{
	return p->counters;
}

int probe_mark(struct probe *p, pid_t tgid, enum ks_mark mark)
{
	__u32 key = (__u32)tgid, value = mark;

	return bpf_map__update_elem(p->skel->maps.ks_marks, &key, sizeof(key), &value,
				    sizeof(value), BPF_ANY);
}

int probe_file_seen(struct probe *p, const struct ks_ev_proc *mmap_event)
{
	/* the key of ks_seen: struct ks_file in bpf/maps.bpf.h */
	struct {
		__u64 ino;
		__u32 dev, igen;
	} key = { mmap_event->ino, mmap_event->dev, mmap_event->igen };
	__u8 value = 1;

	return bpf_map__update_elem(p->skel->maps.ks_seen, &key, sizeof(key), &value, sizeof(value),
				    BPF_ANY);
}
