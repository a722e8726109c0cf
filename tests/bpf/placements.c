/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Not shipped. Two copies of the kernel side on one library at the same time, one at the exported functions and one where site.h
 * chose, see the same traffic: every call and every byte must be the same. placements LIBRARY COMMAND; 0: equal, and not nothing.
 * Main thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "probe/elfsym.h"
#include "probe/probe.h"
#include "probe/tlslib.h"

static const char *const names[] = { "SSL_read",     "SSL_write",     "SSL_read_ex",
				     "SSL_write_ex", "SSL_write_ex2", "SSL_do_handshake",
				     "SSL_set_fd",   "SSL_free" };

struct side {
	struct probe *probe;
	struct probe_link *link;
	struct ring_buffer *ring;
	uint64_t records, bytes, hash;
};

static int on_record(void *ctx, void *data, size_t len)
{
	struct ks_ev_data *e = data;
	struct side *s = ctx;
	uint64_t one =
		0xcbf29ce484222325ULL; /* FNV-1a; records of several threads may come in either order: sums */
	uint64_t what[] = { e->h.tgid, e->offset, e->call_len, e->dir, e->part, e->h.flags };

	(void)len;
	if (e->h.kind != KS_EV_DATA)
		return 0;
	for (size_t i = 0; i < sizeof(what); i++)
		one = (one ^ ((unsigned char *)what)[i]) * 0x100000001b3ULL;
	for (uint32_t i = 0; i < e->cap_len; i++)
		one = (one ^ e->data[i]) * 0x100000001b3ULL;
	s->records++;
	s->bytes += e->cap_len;
	s->hash += one;
	return 0;
}

static int side_start(struct side *s, const char *path, const uint64_t offset[TLS_FUNC_CNT])
{
	struct probe_cfg cfg = { .family = "none",
				 .ring_bytes = 32 << 20,
				 .bpf = { .wake_bytes = KS_WAKE_BYTES, .call_cap = KS_CALL_CAP } };
	struct tls_site site = { .path = path, .source = KS_SRC_OPENSSL };
	char why[256] = "";
	int err = probe_new(&cfg, &s->probe, why, sizeof(why));

	if (err) {
		printf("# %s: %s\n", strerror(-err), why);
		return err;
	}
	memcpy(site.offset, offset, sizeof(site.offset));
	s->ring = ring_buffer__new(probe_data_ring_fd(s->probe), on_record, s, NULL);
	return s->ring ? probe_attach_tls(s->probe, &site, &s->link) : -ENOMEM;
}

static void side_stop(struct side *s, const char *name)
{
	probe_detach(s->link); /* what is in flight now is in neither */
	ring_buffer__consume(s->ring);
	printf("# %s: %llu records, %llu bytes, %016llx\n", name, (unsigned long long)s->records,
	       (unsigned long long)s->bytes, (unsigned long long)s->hash);
	ring_buffer__free(s->ring);
	probe_free(s->probe);
}

int main(int argc, char **argv)
{
	struct side symbols = { 0 }, chosen = { 0 };
	struct elfsym_hit hits[sizeof(names) / sizeof(names[0])];
	uint64_t offset[TLS_FUNC_CNT] = { 0 };
	struct elfsym_file file;
	struct tlslib lib;
	bool same;
	int fd = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0 || tlslib_find(fd, &lib)) {
		fprintf(stderr, "usage: placements LIBRARY COMMAND\n");
		return 2;
	}
	elfsym_find(fd, names, sizeof(names) / sizeof(names[0]), &file, hits);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		offset[i] = hits[i].offset;
	printf("# read: %s; write: %s\n", lib.read.why, lib.write.why);
	if (side_start(&symbols, argv[1], offset) || side_start(&chosen, argv[1], lib.offset))
		return 1;
	if (system(argv[2]))
		printf("# the command failed\n");
	side_stop(&symbols, "symbols");
	side_stop(&chosen, "chosen");
	same = symbols.records && symbols.records == chosen.records && symbols.hash == chosen.hash;
	printf("%s 1 - both placements tell the same\n1..1\n", same ? "ok" : "not ok");
	return !same;
}
