/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attach the TLS programs to one library file. The kernel keys uprobes by inode, so one attachment covers every process
 * that maps the file. Privileged process, main thread; the caller owns the link.
 */
#include <errno.h>
#include <stdlib.h>

#include "probe/internal.h"

struct probe_link {
	struct bpf_link *links[2 * TLS_FUNC_CNT];
	size_t cnt;
};

/* The program at the entry of a function, whether it has one at the return, and whether it moves bytes. */
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
		return (struct tls_progs){ skel->progs.tls_write_ex2_in, skel->progs.tls_out, true };
	case TLS_SSL_DO_HANDSHAKE:
		return (struct tls_progs){ skel->progs.tls_handshake_in, skel->progs.tls_out, false };
	case TLS_SSL_SET_FD:
		return (struct tls_progs){ skel->progs.tls_set_fd_in, NULL, false };
	case TLS_SSL_FREE:
		return (struct tls_progs){ skel->progs.tls_free_in, NULL, false };
	case TLS_FUNC_CNT:
		break;
	}
	return (struct tls_progs){ NULL, NULL, false };
}

static int attach_one(struct probe_link *l, struct bpf_program *prog, bool ret, const struct tls_site *site,
		      enum tls_func func)
{
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .retprobe = ret);
	struct bpf_link *link;

	link = bpf_program__attach_uprobe_opts(prog, -1, site->path, site->offset[func], &opts);
	if (!link)
		return -errno;
	l->links[l->cnt++] = link;
	return 0;
}

/* The return first: an entry without a return would leave its call in the map. */
static int attach_func(struct probe_link *l, const struct tls_progs *progs, const struct tls_site *site,
		       enum tls_func func)
{
	int err = progs->out ? attach_one(l, progs->out, true, site, func) : 0;

	if (err)
		return err;
	err = attach_one(l, progs->in, false, site, func);
	if (err && progs->out)
		bpf_link__destroy(l->links[--l->cnt]);
	return err;
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

/* A function that cannot be probed does not take the others with it. */
int probe_attach_tls(struct probe *p, const struct tls_site *site, struct probe_link **ret)
{
	libbpf_print_fn_t was = libbpf_set_print(quiet);
	struct probe_link *l = calloc(1, sizeof(*l));
	int moving = 0, first_err = -ENOENT;

	for (int f = 0; l && f < TLS_FUNC_CNT; f++) {
		struct tls_progs progs = progs_of(p->skel, (enum tls_func)f);
		int err;

		if (!site->offset[f])
			continue;
		err = attach_func(l, &progs, site, (enum tls_func)f);
		if (!err)
			moving += progs.moves;
		else if (first_err == -ENOENT)
			first_err = err;
	}
	libbpf_set_print(was);
	if (!l)
		return -ENOMEM;
	if (!moving) {
		probe_detach(l);
		return first_err;
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
