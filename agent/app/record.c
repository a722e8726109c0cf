/* SPDX-License-Identifier: Apache-2.0 */
/* Writing and reading recordings. The recorder owns its descriptor and one buffer. Loop thread. */
#include "app/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/check.h"
#include "app/redact.h"
#include "base/drop.h"
#include "base/log.h"

#define RECORD_BUF (64 * 1024)
_Static_assert(EVENT_LEN_MAX + 8 <= RECORD_BUF, "a record fits the buffer");
_Static_assert(sizeof(struct record_head) % 8 == 0, "records after the head are aligned");

struct recorder {
	int fd;
	int err; /* the first failure; nothing is written after it */
	size_t fill;
	uint64_t held;	/* records in buf */
	uint64_t whole; /* file length that ends with a whole record */
	struct redactor *redactor;
	uint8_t buf[RECORD_BUF] __attribute__((aligned(8)));
};

static size_t pad8(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

static int write_all(int fd, const uint8_t *at, size_t len)
{
	while (len) {
		ssize_t n = write(fd, at, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int recorder_new(int fd, const struct record_head *head, struct recorder **ret)
{
	struct recorder *r = calloc(1, sizeof(*r));
	int err = r ? 0 : -ENOMEM;

	if (!err && head->flags & RECORD_REDACTED) {
		r->redactor = redactor_new();
		err = r->redactor ? 0 : -ENOMEM;
	}
	if (!err)
		err = write_all(fd, (const uint8_t *)head, sizeof(*head));
	if (err) {
		if (r)
			redactor_free(r->redactor);
		free(r);
		return err;
	}
	r->fd = fd;
	r->whole = sizeof(*head);
	*ret = r;
	return 0;
}

void recorder_flush(struct recorder *r)
{
	if (r->err || !r->fill)
		return;
	r->err = write_all(r->fd, r->buf, r->fill);
	if (r->err) {
		log_err("record", "the recording ends here: %s", strerror(-r->err));
		drop(KS_DROP_record_failed, r->held);
		if (ftruncate(r->fd, (off_t)r->whole) < 0)
			log_warn("record", "the recording ends inside a record");
	}
	r->whole += r->fill;
	r->fill = r->held = 0;
}

void recorder_put(struct recorder *r, const struct ks_hdr *ev)
{
	size_t len = pad8(ev->len);

	if (r->fill + len > sizeof(r->buf))
		recorder_flush(r);
	if (r->err) {
		drop(KS_DROP_record_failed, 1);
		return;
	}
	struct ks_hdr *copy = (struct ks_hdr *)(r->buf + r->fill);
	memcpy(copy, ev, ev->len);
	memset((uint8_t *)copy + ev->len, 0, len - ev->len);
	if (r->redactor)
		redactor_push(r->redactor, copy);
	r->fill += len;
	r->held++;
}

int recorder_free(struct recorder *r)
{
	if (!r)
		return 0;
	recorder_flush(r);
	int err = r->err;
	if (close(r->fd) < 0 && !err)
		err = -errno;
	redactor_free(r->redactor);
	explicit_bzero(r->buf, sizeof(r->buf)); /* prompts */
	free(r);
	return err;
}

int recording_init(struct recording *r, const void *mem, size_t len)
{
	const struct record_head *head = mem;

	if (len < 8 || head->magic != RECORD_MAGIC)
		return len >= 8 && head->magic == __builtin_bswap64(RECORD_MAGIC) ? -EPROTO
										  : -EINVAL;
	if (len < sizeof(*head))
		return -ENODATA;
	if (head->abi != KS_EVENT_ABI || head->head_len != sizeof(*head))
		return -EPROTO;
	if (!memchr(head->version, 0, sizeof(head->version)) ||
	    !memchr(head->host, 0, sizeof(head->host)) ||
	    !memchr(head->resource, 0, sizeof(head->resource)))
		return -EINVAL;
	*r = (struct recording){ .at = mem, .len = len, .pos = sizeof(*head), .head = head };
	return 0;
}

const struct ks_hdr *recording_next(struct recording *r, enum recording_end *ret_end)
{
	const struct ks_hdr *ev = (const struct ks_hdr *)(r->at + r->pos);
	size_t left = r->len - r->pos;

	if (left < sizeof(*ev)) {
		*ret_end = left ? RECORDING_CUT : RECORDING_WHOLE;
		return NULL;
	}
	if (ev->len > left && ev->len <= EVENT_LEN_MAX) {
		*ret_end = RECORDING_CUT;
		return NULL;
	}
	if (!event_ok(ev, left)) {
		*ret_end = RECORDING_BAD;
		return NULL;
	}
	size_t step = pad8(ev->len);
	r->pos += step < left ? step : left;
	return ev;
}
