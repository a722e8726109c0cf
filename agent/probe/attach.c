/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attach the TLS programs to one library file. The kernel keys uprobes by inode, so one attachment
 * covers every process that maps the file. Where the kernel has uprobe_multi (6.6), one link stands
 * for all entries and one for all returns: a link costs a grace period when it goes, whatever it
 * holds. Privileged process, main thread; the caller owns the link.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "probe/internal.h"

/* BPF_TRACE_UPROBE_MULTI of linux/bpf.h since 6.6; the headers of Debian 12 are older. */
#define TRACE_UPROBE_MULTI ((enum bpf_attach_type)48)

struct probe_link {
	struct bpf_link *links[2 * TLS_FUNC_CNT];
	size_t cnt;
};

/*
 * The program at the entry of a function, whether it has one at the return, and whether it moves
 * bytes.
 */
struct tls_progs {
	struct bpf_program *in, *out;
	bool moves;
};

static struct tls_progs progs_of(const struct kernspan_bpf *skel, enum tls_func func)
{
	switch (func) {
	case TLS_SSL_READ:
		return (struct tls_progs){ skel->progs.tls_read_in, skel->progs.tls_out, true };
	case TLS_SSL_WRITE:
		return (struct tls_progs){ skel->progs.tls_write_in, skel->progs.tls_out, true };
	case TLS_SSL_READ_EX:
		return (struct tls_progs){ skel->progs.tls_read_ex_in, skel->progs.tls_out, true };
	case TLS_SSL_WRITE_EX:
		return (struct tls_progs){ skel->progs.tls_write_ex_in, skel->progs.tls_out, true };
	case TLS_SSL_WRITE_EX2:
		return (struct tls_progs){ skel->progs.tls_write_ex2_in, skel->progs.tls_out,
					   true };
	case TLS_SSL_DO_HANDSHAKE:
	case TLS_SSL_ACCEPT:
		return (struct tls_progs){ skel->progs.tls_handshake_in, skel->progs.tls_out,
					   false };
	case TLS_SSL_SET_FD:
		return (struct tls_progs){ skel->progs.tls_set_fd_in, NULL, false };
	case TLS_SSL_FREE:
		return (struct tls_progs){ skel->progs.tls_free_in, NULL, false };
	case TLS_FUNC_CNT:
		break;
	}
	return (struct tls_progs){ NULL, NULL, false };
}

static int attach_one(struct probe_link *l, struct bpf_program *prog, bool ret,
		      const struct tls_site *site, enum tls_func func)
{
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .retprobe = ret);
	struct bpf_link *link;

	if (!ret && site->source != KS_SRC_OPENSSL)
		opts.bpf_cookie = TLS_COOKIE(func, site->source);
	link = bpf_program__attach_uprobe_opts(prog, -1, site->path, site->offset[func], &opts);
	if (!link)
		return -errno;
	l->links[l->cnt++] = link;
	return 0;
}

/* The return first: an entry without a return would leave its call in the map. */
static int attach_func(struct probe_link *l, const struct tls_progs *progs,
		       const struct tls_site *site, enum tls_func func)
{
	int err = progs->out ? attach_one(l, progs->out, true, site, func) : 0;

	if (err)
		return err;
	err = attach_one(l, progs->in, false, site, func);
	if (err && progs->out)
		bpf_link__destroy(l->links[--l->cnt]);
	return err;
}

/* Functions whose entry and return are probed by one pair of links. */
struct multi {
	unsigned long offsets[2][TLS_FUNC_CNT]; /* of entries, of returns */
	__u64 cookies[2][TLS_FUNC_CNT];
	size_t cnt[2];
};

static void multi_add(struct multi *m, const struct tls_progs *progs, const struct tls_site *site,
		      enum tls_func func)
{
	for (int ret = 0; ret < (progs->out ? 2 : 1); ret++) {
		m->offsets[ret][m->cnt[ret]] = site->offset[func];
		m->cookies[ret][m->cnt[ret]++] = TLS_COOKIE(func, site->source);
	}
}

/* The returns first, as in attach_func(). */
static int multi_attach(struct probe_link *l, const struct kernspan_bpf *skel,
			const struct tls_site *site, const struct multi *m)
{
	struct bpf_program *const progs[] = { skel->progs.tlsm_in, skel->progs.tlsm_out };
	size_t was = l->cnt;

	for (int ret = 1; ret >= 0; ret--) {
		LIBBPF_OPTS(bpf_uprobe_multi_opts, opts, .offsets = m->offsets[ret],
			    .cookies = m->cookies[ret], .cnt = m->cnt[ret], .retprobe = ret);
		struct bpf_link *link;

		if (m->cnt[ret] == 0)
			continue;
		link = bpf_program__attach_uprobe_multi(progs[ret], -1, site->path, NULL, &opts);
		if (!link) {
			int err = -errno;

			if (l->cnt > was)
				bpf_link__destroy(l->links[--l->cnt]);
			return err;
		}
		l->links[l->cnt++] = link;
	}
	return 0;
}

/* Everything with two links; 0: nothing is attached, and each function is to be tried alone. */
static int attach_together(struct probe_link *l, const struct kernspan_bpf *skel,
			   const struct tls_site *site)
{
	struct multi all = { 0 };
	int moving = 0;

	for (int f = 0; f < TLS_FUNC_CNT; f++) {
		struct tls_progs progs = progs_of(skel, (enum tls_func)f);

		if (site->offset[f]) {
			multi_add(&all, &progs, site, (enum tls_func)f);
			moving += progs.moves;
		}
	}
	return moving && multi_attach(l, skel, site, &all) == 0 ? moving : 0;
}

/*
 * A function that cannot be probed does not take the others with it. How many that move bytes are
 * probed.
 */
static int attach_singly(struct probe_link *l, const struct probe *p, const struct tls_site *site,
			 int *ret_err)
{
	int moving = 0;

	*ret_err = -ENOENT;
	for (int f = 0; f < TLS_FUNC_CNT; f++) {
		struct tls_progs progs = progs_of(p->skel, (enum tls_func)f);
		struct multi one = { 0 };
		int err;

		if (!site->offset[f])
			continue;
		multi_add(&one, &progs, site, (enum tls_func)f);
		err = p->multi ? multi_attach(l, p->skel, site, &one)
			       : attach_func(l, &progs, site, (enum tls_func)f);
		if (!err)
			moving += progs.moves;
		else if (*ret_err == -ENOENT)
			*ret_err = err;
	}
	return moving;
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

/*
 * A link to a directory is refused as such (EBADF) by a kernel that knows the link type, and as
 * unknown by others; the same question as libbpf's own, which it keeps to itself.
 */
bool object_has_multi(void)
{
	LIBBPF_OPTS(bpf_prog_load_opts, load, .expected_attach_type = TRACE_UPROBE_MULTI);
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	const unsigned long offset = 0;
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .uprobe_multi = { .cnt = 1, .path = "/", .offsets = &offset });
	int prog = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "ks_try", "Dual BSD/GPL", code, 2, &load);
	int link = prog < 0 ? prog : bpf_link_create(prog, 0, TRACE_UPROBE_MULTI, &opts);

	if (link >= 0)
		close(link);
	if (prog >= 0)
		close(prog);
	return link == -EBADF;
}

/*
 * Can this library be told from others? OpenSSL is what a program takes a library for that has no
 * cookie; perf uprobes have one since 5.15.
 */
static bool can_tell(const struct probe *p, enum ks_source source)
{
	return source == KS_SRC_OPENSSL || p->multi ||
	       libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_get_attach_cookie, NULL) == 1;
}

int probe_attach_tls(struct probe *p, const struct tls_site *site, struct probe_link **ret)
{
	libbpf_print_fn_t was = libbpf_set_print(quiet);
	bool can = !p->deadly && can_tell(p, site->source);
	struct probe_link *l = can ? calloc(1, sizeof(*l)) : NULL;
	int moving = 0, err = can ? -ENOMEM : -ENOTSUP;

	if (l && p->multi)
		moving = attach_together(l, p->skel, site);
	if (l && !moving)
		moving = attach_singly(l, p, site, &err);
	libbpf_set_print(was);
	if (!moving) {
		probe_detach(l);
		return err;
	}
	*ret = l;
	return 0;
}

void probe_detach(struct probe_link *l)
{
	if (!l)
		return;
	while (l->cnt)
		bpf_link__destroy(l->links[--l->cnt]);
	free(l);
}
