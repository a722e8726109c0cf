/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Not shipped. Loads the kernel side alone and prints what it says, one line an event, so that a
 * kernel can be asked without the rest of the agent: dump [-f FAMILY] [-t SECONDS] [-s SOFILE] [-x]
 * [-i] [-l] [-w DIR] [-r RING] [-c COMMAND]. Symbols are looked up in SOFILE with nm(1). -x prints
 * payload, -w writes each direction of each stream to a file SOURCE.TGID.ID.DIRECTION at its
 * offsets: for loopback tests only. -i prints instruction counts, -l watches COMMAND alone. Main thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "probe/internal.h"

static volatile sig_atomic_t stop;
static bool show_payload;
static const char *write_dir;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void print_payload(const __u8 *p, size_t n)
{
	for (size_t i = 0; i < n && i < 60; i++)
		putchar(p[i] >= ' ' && p[i] < 127 ? p[i] : '.');
}

static void print_flags(unsigned int flags)
{
	printf("%s%s%s%s%s", flags & KS_F_LOST ? " LOST" : "",
	       flags & KS_F_SKIPPED ? " SKIPPED" : "", flags & KS_F_FAULT ? " FAULT" : "",
	       flags & KS_F_CLIPPED ? " CLIPPED" : "", flags & KS_F_MIDSTREAM ? " MIDSTREAM" : "");
}

static const char *source_name(__u8 source)
{
	static const char *const names[] = { "?", "socket", "openssl", "gnutls", "mbedtls", "wolfssl", "s2n" };

	return names[source < sizeof(names) / sizeof(names[0]) ? source : 0];
}

static void write_data(const struct ks_ev_data *e)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s.%u.%llu.%s", write_dir,
		 source_name(e->source), e->h.tgid, e->h.id,
		 e->dir == KS_OUT ? "out" : "in");
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || pwrite(fd, e->data, e->cap_len, (off_t)e->offset) != (ssize_t)e->cap_len)
		printf("WRITE %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void print_data(const struct ks_ev_data *e)
{
	if (write_dir)
		write_data(e);
	printf("DATA %s %s tgid=%u id=%llu sock=%llu off=%llu call=%u cap=%u part=%u dur_us=%llu",
	       source_name(e->source), e->dir == KS_OUT ? "out" : "in",
	       e->h.tgid, e->h.id, e->sock_id, e->offset, e->call_len, e->cap_len, e->part,
	       (e->h.ts_ns - e->enter_ns) / 1000);
	print_flags(e->h.flags);
	if (show_payload) {
		printf(" ");
		print_payload(e->data, e->cap_len);
	}
	printf("\n");
}

static void print_stream(const char *what, const struct ks_ev_stream *e)
{
	printf("%s %s tgid=%u id=%llu sock=%llu gen=%u role=%u rung=%u family=%u %u.%u.%u.%u:%u>%u.%u.%u.%u:%u "
	       "bytes=%llu/%llu lost=%llu/%llu conn_us=%lld hs_us=%lld",
	       what, source_name(e->source), e->h.tgid, e->h.id,
	       e->sock_id, e->generation, e->role, e->rung, e->family, e->laddr[0], e->laddr[1],
	       e->laddr[2], e->laddr[3], e->lport, e->raddr[0], e->raddr[1], e->raddr[2],
	       e->raddr[3], e->rport, e->bytes[KS_OUT], e->bytes[KS_IN], e->lost[KS_OUT],
	       e->lost[KS_IN],
	       e->connect_ns ? (long long)(e->established_ns - e->connect_ns) / 1000 : -1,
	       e->hs_end_ns ? (long long)(e->hs_end_ns - e->hs_start_ns) / 1000 : -1);
	print_flags(e->h.flags);
	printf("\n");
}

static int on_event(void *ctx, void *data, size_t size)
{
	const struct ks_hdr *h = data;
	const struct ks_ev_proc *p = data;

	(void)ctx;
	if (h->len > size)
		printf("BAD len=%u size=%zu\n", h->len, size);
	switch (h->kind) {
	case KS_EV_DATA:
		print_data(data);
		break;
	case KS_EV_OPEN:
		print_stream("OPEN", data);
		break;
	case KS_EV_BIND:
		print_stream("BIND", data);
		break;
	case KS_EV_CLOSE:
		print_stream("CLOSE", data);
		break;
	case KS_EV_EXEC:
	case KS_EV_EXIT:
	case KS_EV_MMAP:
		printf("%s tgid=%u ppid=%u ino=%llu comm=%s\n",
		       h->kind == KS_EV_EXEC   ? "EXEC"
		       : h->kind == KS_EV_EXIT ? "EXIT"
					       : "MMAP",
		       h->tgid, p->ppid, p->ino, p->comm);
		break;
	default:
		printf("BAD kind=%u\n", h->kind);
	}
	return 0;
}

static const char *const symbols[TLS_FUNC_CNT] = {
	"SSL_read",	 "SSL_write",	     "SSL_read_ex", "SSL_write_ex",
	"SSL_write_ex2", "SSL_do_handshake", "SSL_set_fd",  "SSL_free",
};

/* Enough for a shared library whose text is mapped at its file offset, as Debian's libssl is. */
static void find_offsets(const char *path, struct tls_site *site)
{
	char cmd[512], name[256];
	unsigned long long addr;
	FILE *f;

	snprintf(cmd, sizeof(cmd),
		 "nm -D --defined-only '%s' | sed 's/@.*//' | awk '{print $1, $3}'", path);
	f = popen(cmd, "r");
	while (f && fscanf(f, "%llx %255s", &addr, name) == 2)
		for (int i = 0; i < TLS_FUNC_CNT; i++)
			if (symbols[i] && strcmp(name, symbols[i]) == 0)
				site->offset[i] = addr;
	if (f)
		pclose(f);
	site->path = path;
}

static void print_counters(const struct probe *p)
{
	const volatile uint64_t *c = probe_counters(p);

#define DROP(name, side, unit, why) \
	if (c[KS_DROP_##name])      \
		printf("COUNT %s %llu\n", #name, (unsigned long long)c[KS_DROP_##name]);
#include "drops.def"
#undef DROP
	printf("SEEN calls=%llu bytes=%llu events=%llu copied=%llu skipped=%llu\n",
	       (unsigned long long)c[KS_SEEN_CALLS], (unsigned long long)c[KS_SEEN_BYTES],
	       (unsigned long long)c[KS_SEEN_EVENTS], (unsigned long long)c[KS_SEEN_COPIED],
	       (unsigned long long)c[KS_SEEN_SKIPPED]);
}

/* Instructions of each program, and how many the verifier looked at (0 before Linux 5.16). */
static void print_insns(const struct probe *p)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, p->skel->obj)
	{
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);

		if (bpf_program__autoload(prog) &&
		    !bpf_prog_get_info_by_fd(bpf_program__fd(prog), &info, &len))
			printf("INSNS %s %zu %u\n", bpf_program__name(prog),
			       bpf_program__insn_cnt(prog), info.verified_insns);
	}
}

struct options {
	const char *family, *so, *command;
	size_t ring;
	int seconds;
	bool insns, listed;
};

static void parse(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "f:t:s:c:w:r:xil")) != -1) {
		if (c == 'f')
			o->family = optarg;
		else if (c == 't')
			o->seconds = atoi(optarg);
		else if (c == 's')
			o->so = optarg;
		else if (c == 'c')
			o->command = optarg;
		else if (c == 'w')
			write_dir = optarg;
		else if (c == 'r')
			o->ring = strtoul(optarg, NULL, 0);
		else if (c == 'x')
			show_payload = true;
		else if (c == 'i')
			o->insns = true;
		else if (c == 'l')
			o->listed = true;
		else
			exit(2);
	}
}

static void run(struct probe *p, const struct options *o)
{
	struct ring_buffer *rb = ring_buffer__new(probe_data_ring_fd(p), on_event, NULL, NULL);
	double end = now_s() + o->seconds;
	pid_t child = 0;

	if (!rb || ring_buffer__add(rb, probe_ctl_ring_fd(p), on_event, NULL)) {
		printf("ring: %s\n", strerror(errno));
		exit(1);
	}
	printf("READY family=%s\n", probe_family_name(p));
	fflush(stdout);
	if (o->command) {
		child = fork();
		if (child == 0) {
			probe_mark(p, getpid(), KS_MARK_WATCH);
			execl("/bin/sh", "sh", "-c", o->command, NULL);
			_exit(127);
		}
	}
	while (!stop && now_s() < end) {
		ring_buffer__poll(rb, 20);
		ring_buffer__consume(rb);
		if (child && waitpid(child, NULL, WNOHANG) == child)
			stop = 1;
	}
	usleep(50000);
	ring_buffer__consume(rb);
	ring_buffer__free(rb);
}

int main(int argc, char **argv)
{
	struct options o = { .family = "auto", .seconds = 3, .ring = 4 << 20 };
	struct tls_site site = { .source = KS_SRC_OPENSSL };
	struct probe_link *link = NULL;
	struct probe *p;
	char why[256] = "";
	double t0 = now_s();
	int err;

	parse(&o, argc, argv);
	struct probe_cfg cfg = { .family = o.family,
				 .ring_bytes = o.ring,
				 .bpf = { .wake_bytes = KS_WAKE_BYTES, .call_cap = KS_CALL_CAP } };
	if (o.listed)
		cfg.bpf.watch = KS_WATCH_LISTED;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	err = probe_new(&cfg, &p, why, sizeof(why));
	for (int f = 0; !err && f < FAMILY_SOCKET_CNT; f++)
		if (probe_family_reason(p, (enum probe_family)f))
			printf("REASON %d %s\n", f, probe_family_reason(p, (enum probe_family)f));
	if (err) {
		printf("FAILED %s: %s\n", strerror(-err), why);
		return 1;
	}
	printf("LOADED in %.0f ms\n", (now_s() - t0) * 1e3);
	probe_mark(p, getpid(), KS_MARK_DENY);
	if (o.insns)
		print_insns(p);
	if (o.so) {
		find_offsets(o.so, &site);
		t0 = now_s();
		err = probe_attach_tls(p, &site, &link);
		printf("TLS attach: %s in %.0f ms\n", err ? strerror(-err) : "ok",
		       (now_s() - t0) * 1e3);
	}
	run(p, &o);
	print_counters(p);
	fflush(stdout);
	t0 = now_s();
	probe_detach(link);
	probe_free(p);
	printf("DETACHED in %.0f ms\n", (now_s() - t0) * 1e3);
	return 0;
}
