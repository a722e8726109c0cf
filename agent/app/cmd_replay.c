/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `replay`: a recording through the same pipeline as a live run, without privilege. The spans are the same bytes each
 * time. A damaged recording gives the spans of what is whole, then an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/outputs.h"
#include "app/pipeline.h"
#include "app/record.h"
#include "base/drop.h"
#include "base/log.h"

struct replay {
	void *mem;
	size_t len, map_len;
	struct recording recording;
	struct record_head head;
};

static int open_file(struct replay *r, const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;

	if (!err && !S_ISREG(st.st_mode))
		err = -EINVAL;
	if (!err && st.st_size > 0) {
		r->map_len = r->len = (size_t)st.st_size;
		r->mem = mmap(NULL, r->map_len, PROT_READ, MAP_PRIVATE, fd, 0);
		err = r->mem == MAP_FAILED ? -errno : 0;
	}
	if (fd >= 0)
		close(fd);
	if (err)
		log_err("replay", "cannot read %s: %s", path, strerror(-err));
	return err;
}

static int open_recording(struct replay *r, const struct config *c, const char *path)
{
	if (open_file(r, path))
		return EXIT_RUNTIME;
	if (c->cut_at && c->cut_at < r->len)
		r->len = c->cut_at;
	int err = recording_init(&r->recording, r->mem, r->len);
	if (err) {
		log_err("replay", "%s: %s", path,
			err == -EPROTO	  ? "a recording of another version or machine"
			: err == -ENODATA ? "the recording ends inside its head"
					  : "not a recording");
		return EXIT_RUNTIME;
	}
	r->head = *r->recording.head;
	if (c->seed) {
		memset(r->head.seed, 0, sizeof(r->head.seed));
		memcpy(r->head.seed, &c->seed, sizeof(c->seed));
	}
	return EXIT_OK;
}

static int play(struct replay *r, const struct config *c, struct pipeline *p, struct outputs *o)
{
	enum recording_end end = RECORDING_WHOLE;
	const struct ks_hdr *ev;
	uint64_t data = 0;

	while ((ev = recording_next(&r->recording, &end))) {
		if (c->drop_every && ev->kind == KS_EV_DATA && ++data % c->drop_every == 0)
			continue;
		pipeline_push(p, ev, ev->len);
		outputs_flush(o);
	}
	if (end == RECORDING_WHOLE)
		return EXIT_OK;
	log_err("replay", "the recording %s at byte %zu; what was whole has been replayed",
		end == RECORDING_CUT ? "is cut" : "is corrupt", r->recording.pos);
	return EXIT_RUNTIME;
}

static int replay(struct replay *r, const struct config *c)
{
	struct outputs_cfg oc = { .output = output_of(c),
				  .replay = true,
				  .version = r->head.version };
	struct outputs *o = NULL;
	struct pipeline *p = NULL;
	char why[256] = "";
	int code = EXIT_RUNTIME;

	if (outputs_new(&oc, &o, why, sizeof(why)) || outputs_start(o, NULL, why, sizeof(why))) {
		log_err("replay", "%s", why);
		outputs_free(o, 0);
		return EXIT_RUNTIME;
	}
	struct pipeline_cfg pc = { .head = &r->head, .sink = { outputs_sink(o) }, .sink_cnt = 1 };
	int err = pipeline_new(&pc, &p);
	if (err)
		log_err("replay", "cannot start the pipeline: %s", strerror(-err));
	else
		code = play(r, c, p, o);
	pipeline_free(p);
	outputs_free(o, 0);
	if (drop_get(KS_DROP_output_failed))
		log_warn("replay", "%" PRIu64 " spans could not be written",
			 drop_get(KS_DROP_output_failed));
	return code;
}

int cmd_replay(struct config *c)
{
	struct replay r = { .mem = NULL };

	if (c->arg_cnt != 1) {
		fprintf(stderr, "kernspan: replay needs one recording\n");
		return EXIT_USAGE;
	}
	int code = open_recording(&r, c, c->args[0]);
	if (code == EXIT_OK)
		code = replay(&r, c);
	if (r.mem)
		munmap(r.mem, r.map_len);
	return code;
}
