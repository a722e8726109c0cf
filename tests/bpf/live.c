/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side on the running kernel, as root: what it says about calls whose every byte is known. Most cases call functions
 * of this very program that stand in for a TLS library's (fake_*), so that nesting, stale calls and faults happen on demand; two
 * use the real library and real sockets. Only processes marked by a case are watched. TAP. One thread; the parent reads the ring,
 * children act and meet it in step().
 */
#include "live.h"

/* --- a library that does as it is told ------------------------------------------------------------------------------- */
static void (*during)(void);
static int returns;

#define FAKE __attribute__((noinline, noipa, used)) static int
FAKE fake_read(void *ssl, void *buf, int n)
{
	void (*fn)(void) = during;

	(void)ssl;
	(void)buf;
	during = NULL;
	if (fn)
		fn();
	return returns ? returns : n;
}
FAKE fake_write(void *ssl, const void *buf, int n)
{
	(void)ssl;
	(void)buf;
	return returns ? returns : n;
}
FAKE fake_read_ex(void *ssl, void *buf, size_t n, size_t *got)
{
	*got = (size_t)fake_read(ssl, buf, (int)n);
	return 1;
}
FAKE fake_free(void *ssl)
{
	return ssl == NULL;
}

/* n bytes that begin with a request head, and go on with one letter. */
static char *request(int n, char letter)
{
	char *p = malloc((size_t)n);

	memset(p, letter, (size_t)n);
	memcpy(p, HEAD, sizeof(HEAD) - 1);
	return p;
}

static char *body(int n, char letter)
{
	return memset(malloc((size_t)n), letter, (size_t)n);
}

/* --- cases ----------------------------------------------------------------------------------------------------------- */
static void do_verdict(void)
{
	fake_write(HANDLE, request(5000, 'a'), 5000);
	step();
	fake_write(HANDLE, body(3000, 'b'), 3000);
	fake_write(HANDLE, body(3000, 'c'), 3000);
	fake_write(HANDLE, request(100000, 'd'), 100000);
	step();
	fake_write(HANDLE, body(700, 'e'), 700);
}

static void test_verdict(void)
{
	pid_t pid = start(do_verdict, KS_MARK_WATCH);
	__u64 skipped = counter(KS_SEEN_SKIPPED), id;

	go();
	id = data(pid, 0)->h.id;
	probe_verdicts(probe)[id % KS_VERDICT_SLOTS] = KS_VERDICT(id, KS_V_SKIP);
	go();
	check(count(KS_EV_DATA, pid) == 2 && data(pid, 1)->h.flags == KS_F_SKIPPED && data(pid, 1)->offset == 11000 &&
		      data(pid, 1)->cap_len == KS_CHUNK_CAP,
	      "SKIP: heads only, the hole is said");
	check(counter(KS_SEEN_SKIPPED) - skipped == 6000 + 100000 - KS_CHUNK_CAP, "SKIP: what was not copied is counted");
	probe_verdicts(probe)[id % KS_VERDICT_SLOTS] = KS_VERDICT(id, KS_V_KEEP);
	finish(pid);
	check(count(KS_EV_DATA, pid) == 3 && data(pid, 2)->h.flags == KS_F_SKIPPED && data(pid, 2)->offset == 111000 &&
		      data(pid, 2)->cap_len == 700,
	      "KEEP: everything again");
}

static void do_one(void)
{
	fake_write(HANDLE, request(200, 'a'), 200);
}

static void do_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		do_one();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void test_marks(void)
{
	pid_t pid = all_of(do_child, KS_MARK_WATCH);

	check(count(KS_EV_DATA, 0) == 1 && count(KS_EV_DATA, pid) == 0, "LISTED: a child inherits the mark");
	all_of(do_child, KS_MARK_DENY);
	check(event_cnt == 0, "DENY: nothing, nor of a child");
	all_of(do_one, 0);
	check(event_cnt == 0, "LISTED: nothing of a process that is not");
}

static void do_free(void)
{
	do_one();
	fake_free(HANDLE);
	do_one();
}

static void test_free(void)
{
	pid_t pid = all_of(do_free, KS_MARK_WATCH);
	const struct ks_ev_stream *a = seen(KS_EV_OPEN, pid, 0), *b = seen(KS_EV_OPEN, pid, 1), *c = seen(KS_EV_CLOSE, pid, 0);

	check(a && b && c && a->h.id != b->h.id && c->h.id == a->h.id && a->generation == 0 && b->generation == 1 &&
		      data(pid, 1)->offset == 0 && data(pid, 1)->h.id == b->h.id,
	      "a handle at the address of a freed one is another stream, a generation later");
}

static void write_inside(void)
{
	do_one();
}

static void do_nested(void)
{
	size_t n;

	fake_read_ex(HANDLE, request(300, 'a'), 300, &n);
	during = write_inside;
	fake_read(HANDLE, body(100, 'b'), 100);
}

static void test_nested(void)
{
	pid_t pid = all_of(do_nested, KS_MARK_WATCH);

	check(data(pid, 0)->cap_len == 300 && data(pid, 0)->dir == KS_IN && data(pid, 1)->dir == KS_OUT, "a call by a call of the library: once");
	check(count(KS_EV_DATA, pid) == 3 && data(pid, 1)->cap_len == 200 && data(pid, 2)->dir == KS_IN && data(pid, 2)->offset == 300,
	      "a call of the other direction inside: both");
}

static jmp_buf out;
static void leave(void)
{
	longjmp(out, 1);
}

static void do_stale(void)
{
	during = leave;
	if (!setjmp(out))
		fake_read(HANDLE, body(999, 'x'), 999);
	fake_read(HANDLE, request(100, 'a'), 100);
	returns = -1;
	fake_read(HANDLE, body(50, 'b'), 50);
	returns = 20;
	fake_read(HANDLE, body(50, 'c'), 50);
}

static void test_stale(void)
{
	pid_t pid = all_of(do_stale, KS_MARK_WATCH);

	check(count(KS_EV_DATA, pid) == 2 && data(pid, 0)->cap_len == 100 && data(pid, 1)->offset == 100 && data(pid, 1)->cap_len == 20,
	      "calls that never return or fail move nothing; a short one what it says");
}

static void worker(char letter)
{
	fake_read(HANDLE, request(4000, letter), 4000);
	for (int i = 0; i < 20; i++) {
		fake_read(HANDLE, body(1000, letter), 1000);
		sched_yield();
	}
}

static void do_prefork(void)
{
	pid_t pids[2];

	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			worker((char)('A' + i));
			_exit(0);
		}
	}
	waitpid(pids[0], NULL, 0);
	waitpid(pids[1], NULL, 0);
}

static void test_prefork(void)
{
	__u64 bytes = 0;
	int mixed = 0;

	all_of(do_prefork, KS_MARK_WATCH);
	for (int i = 0; seen(KS_EV_DATA, 0, i); i++) {
		const struct ks_ev_data *e = data(0, i), *first = NULL;

		for (int k = 0; !first; k++)
			if (data(0, k)->h.id == e->h.id)
				first = data(0, k);
		mixed += e->h.tgid != first->h.tgid || e->data[e->cap_len - 1] != first->data[first->cap_len - 1];
		bytes += e->cap_len;
	}
	check(count(KS_EV_OPEN, 0) == 2 && bytes == 2 * 24000 && !mixed, "processes that share a handle's value: no byte of one in the other");
}

static void *gone;
static void unmap(void)
{
	munmap(gone, 4096);
}

static void do_fault(void)
{
	do_one();
	gone = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fake_read(HANDLE, request(100, 'q'), 100);
	during = unmap;
	fake_read(HANDLE, gone, 4000);
	fake_read(HANDLE, body(60, 'z'), 60);
}

static void test_fault(void)
{
	__u64 before = counter(KS_DROP_fault);
	pid_t pid = all_of(do_fault, KS_MARK_WATCH);

	check(data(pid, 2)->h.flags == KS_F_FAULT && data(pid, 2)->cap_len == 0 && data(pid, 2)->call_len == 4000 &&
		      counter(KS_DROP_fault) - before == 4000 && data(pid, 3)->offset == 4100 && data(pid, 3)->cap_len == 60,
	      "bytes that cannot be read: said, counted, and the offset goes on");
}

static void do_flood(void)
{
	fake_write(HANDLE, request(1000, 'a'), 1000);
	for (int i = 0; i < 300; i++)
		fake_write(HANDLE, body(1000, 'b'), 1000);
	step();
	fake_write(HANDLE, body(10, 'c'), 10);
	fake_free(HANDLE);
}

/* With a ring of 64 KiB that nobody reads. */
static void test_overflow(void)
{
	__u64 lost = counter(KS_DROP_ring_full), records = counter(KS_DROP_ring_full_records), got = 0;
	pid_t pid = start(do_flood, KS_MARK_WATCH);
	const struct ks_ev_stream *end;
	const struct ks_ev_data *last;
	int n;

	go();
	lost = counter(KS_DROP_ring_full) - lost;
	records = counter(KS_DROP_ring_full_records) - records;
	n = count(KS_EV_DATA, pid);
	for (int i = 0; i < n; i++)
		got += data(pid, i)->cap_len;
	check(lost && got + lost == 301000 && (__u64)n + records == 301, "a full ring: what was delivered and what was lost add up, in bytes and records");
	finish(pid);
	last = data(pid, n);
	end = seen(KS_EV_CLOSE, pid, 0);
	check(last->offset == 301000 && last->h.flags == KS_F_LOST && last->cap_len == 10, "the first record after it says so, at its place");
	check(end && end->bytes[KS_OUT] == 301010 && end->lost[KS_OUT] == lost, "and the stream's last record how much");
}

/* A TCP connection of this process with itself. */
static void tcp_pair(int fd[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(l, (void *)&a, len) || listen(l, 1) || getsockname(l, (void *)&a, &len) || connect(fd[0], (void *)&a, len))
		_exit(1);
	fd[1] = accept(l, NULL, NULL);
	close(l);
}

static void move(const int fd[2], const void *p, size_t n)
{
	char buf[4096];

	if (send(fd[0], p, n, 0) != (ssize_t)n || recv(fd[1], buf, n, MSG_WAITALL) != (ssize_t)n)
		_exit(1);
}

static void do_middle(void)
{
	int fd[2];

	tcp_pair(fd);
	move(fd, body(1000, 'x'), 1000);
	step();
	move(fd, request(300, 'y'), 300);
	shutdown(fd[0], SHUT_WR);
	move((int[]){ fd[1], fd[0] }, "HTTP/1.1 200 OK\r\n\r\n", 19);
	close(fd[0]);
	close(fd[1]);
}

static void test_middle(void)
{
	__u64 unseen = counter(KS_DROP_unseen);
	pid_t pid = start(do_middle, 0);
	const struct ks_ev_stream *a;

	go();
	check(count(KS_EV_DATA, pid) == 0, "nothing before");
	probe_mark(probe, pid, KS_MARK_WATCH);
	finish(pid);
	a = seen(KS_EV_OPEN, pid, 0);
	check(a && a->h.flags == KS_F_MIDSTREAM && a->rport && a->role == KS_ROLE_UNKNOWN && data(pid, 0)->cap_len == 300,
	      "a connection that was there before is joined, and says so");
	check(count(KS_EV_DATA, pid) == 4 && count(KS_EV_CLOSE, pid) == 2, "an answer after a half close belongs to its stream");
	check(counter(KS_DROP_unseen) == unseen, "and no end of a direction is taken for a lost byte");
}

static int tls_turn(SSL *c, SSL *s)
{
	for (int i = 0; i < 20; i++) {
		int a = SSL_do_handshake(c), b = SSL_do_handshake(s);

		if (a == 1 && b == 1)
			return 0;
	}
	return -1;
}

/* TLS 1.2 with an anonymous key exchange needs no certificate. */
static SSL *tls_new(int fd, bool server)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	SSL *s;

	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(ctx, "ADH-AES128-SHA256:@SECLEVEL=0");
	SSL_CTX_set_dh_auto(ctx, 1);
	s = SSL_new(ctx);
	SSL_set_fd(s, fd);
	server ? SSL_set_accept_state(s) : SSL_set_connect_state(s);
	return s;
}

static void do_tls(void)
{
	char buf[4096];
	SSL *c, *s;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd))
		_exit(1);
	c = tls_new(fd[0], false);
	s = tls_new(fd[1], true);
	if (tls_turn(c, s) || SSL_write(c, request(500, 'k'), 500) != 500 || SSL_read(s, buf, sizeof(buf)) != 500)
		_exit(2);
	SSL_free(c);
	SSL_free(s);
}

static void test_tls(void)
{
	pid_t pid = all_of(do_tls, KS_MARK_WATCH);
	const struct ks_ev_stream *a = seen(KS_EV_OPEN, pid, 0);

	check(a && a->rung == KS_RUNG_NONE && a->sock_id == 0 && a->hs_end_ns > a->hs_start_ns && count(KS_EV_DATA, pid) == 2 &&
		      data(pid, 0)->cap_len == 500 && data(pid, 1)->cap_len == 500 && count(KS_EV_CLOSE, pid) == 2,
	      "TLS over what is no TCP socket: delivered, bound to none");
}

/* --- frame ----------------------------------------------------------------------------------------------------------- */
/* Where in its file a function of this process is; path gets the file. */
static uint64_t file_offset(const void *fn, char path[256])
{
	unsigned long from, to, pgoff, at = (unsigned long)fn, found = 0;
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];

	while (f && !found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %*s %lx %*s %*s %255s", &from, &to, &pgoff, path) == 4 && at >= from && at < to)
			found = at - from + pgoff;
	if (f)
		fclose(f);
	return found;
}

static struct probe_link *attach(const void *const fns[TLS_FUNC_CNT])
{
	struct tls_site site = { .source = KS_SRC_OPENSSL };
	struct probe_link *link = NULL;
	static char path[256];
	int err;

	for (int i = 0; i < TLS_FUNC_CNT; i++)
		if (fns[i])
			site.offset[i] = file_offset(fns[i], path);
	site.path = path;
	err = probe_attach_tls(probe, &site, &link);
	if (err)
		printf("# %s: %s\n", path, strerror(-err));
	return link;
}

/* Loads with a ring of that size, runs the cases, unloads. */
static int with_ring(size_t bytes, void (*const cases[])(void))
{
	const struct probe_cfg cfg = { .bpf = { .watch = KS_WATCH_LISTED, .wake_bytes = KS_WAKE_BYTES, .call_cap = KS_CALL_CAP },
				       .ring_bytes = bytes, .family = "auto" };
	const void *const fakes[TLS_FUNC_CNT] = { [TLS_SSL_READ] = fake_read, [TLS_SSL_WRITE] = fake_write,
						  [TLS_SSL_READ_EX] = fake_read_ex, [TLS_SSL_FREE] = fake_free };
	const void *const real[TLS_FUNC_CNT] = { [TLS_SSL_READ] = dlsym(RTLD_DEFAULT, "SSL_read"),
						 [TLS_SSL_WRITE] = dlsym(RTLD_DEFAULT, "SSL_write"),
						 [TLS_SSL_DO_HANDSHAKE] = dlsym(RTLD_DEFAULT, "SSL_do_handshake"),
						 [TLS_SSL_SET_FD] = dlsym(RTLD_DEFAULT, "SSL_set_fd"),
						 [TLS_SSL_FREE] = dlsym(RTLD_DEFAULT, "SSL_free") };
	struct probe_link *links[2];
	char why[256] = "";
	int err = probe_new(&cfg, &probe, why, sizeof(why));

	if (err) {
		check(0, "load");
		printf("# %s: %s\n", strerror(-err), why);
		return -1;
	}
	printf("# sockets by %s\n", probe_family_name(probe));
	links[0] = attach(fakes);
	links[1] = attach(real);
	ring = ring_buffer__new(probe_data_ring_fd(probe), on_event, NULL, NULL);
	check(links[0] && links[1] && ring, "load and attach");
	for (int i = 0; links[0] && links[1] && ring && cases[i]; i++)
		cases[i]();
	forget();
	ring_buffer__free(ring);
	probe_detach(links[0]);
	probe_detach(links[1]);
	probe_free(probe);
	return 0;
}

int main(void)
{
	void (*const wide[])(void) = { test_verdict, test_marks,   test_free,	test_nested, test_stale,
				       test_prefork, test_fault, test_middle, test_tls,    NULL };
	void (*const narrow[])(void) = { test_overflow, NULL };

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	with_ring(4 << 20, wide);
	with_ring(64 << 10, narrow);
	printf("1..%d\n", test_cnt);
	return bad_cnt != 0;
}
