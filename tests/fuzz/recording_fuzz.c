/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a recording to spans: any bytes as records, through the masking and the whole pipeline. The spans of a masked
 * recording are looked at too; nothing may crash, hang or leak.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/pipeline.h"
#include "app/record.h"
#include "app/redact.h"
#include "export/jsonl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buf line;

static void on_span(void *ctx, const struct span *span)
{
	(void)ctx;
	buf_reset(&line);
	jsonl_format(&line, span);
	if (!line.failed && (line.len < 2 || line.ptr[line.len - 1] != '\n'))
		abort();
}

static void play(const void *mem, size_t len)
{
	struct pipeline_cfg cfg = { .sink = { { NULL, on_span } }, .sink_cnt = 1 };
	enum recording_end end;
	struct recording r;
	struct pipeline *p;
	const struct ks_hdr *ev;

	if (recording_init(&r, mem, len))
		return;
	cfg.head = r.head;
	if (pipeline_new(&cfg, &p))
		return;
	while ((ev = recording_next(&r, &end)))
		pipeline_push(p, ev, ev->len);
	pipeline_free(p);
}

static void mask(void *mem, size_t len)
{
	struct redactor *redactor = redactor_new();
	enum recording_end end;
	struct recording r;
	const struct ks_hdr *ev;

	if (redactor && !recording_init(&r, mem, len))
		while ((ev = recording_next(&r, &end)))
			redactor_push(redactor, (struct ks_hdr *)(uintptr_t)ev);
	redactor_free(redactor);
}

/* The input is the records behind a head that is always the same; and, once more, a whole file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record_head head = { .magic = RECORD_MAGIC,
				    .abi = KS_EVENT_ABI,
				    .head_len = sizeof(head),
				    .version = "fuzz" };
	size_t len = sizeof(head) + size;
	uint8_t *mem = malloc(len); /* aligned as malloc(3) says */

	if (!mem)
		return 0;
	buf_init(&line, 1 << 20);
	memcpy(mem, &head, sizeof(head));
	if (size)
		memcpy(mem + sizeof(head), data, size);
	play(mem, len);
	mask(mem, len);
	play(mem, len);
	free(mem);
	if (size >= 8) { /* and as a whole file, head included */
		mem = malloc(size);
		if (mem) {
			memcpy(mem, data, size);
			play(mem, size);
		}
		free(mem);
	}
	buf_done(&line);
	return 0;
}
