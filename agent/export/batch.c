/* SPDX-License-Identifier: Apache-2.0 */
/* Gather encoded spans. The batch copies the items, so that the queue has its room back at once. */
#include "export/batch.h"

void batch_init(struct batch *b)
{
	b->cnt = 0;
	/* one item of any size that the queue takes fits an empty batch */
	buf_init(&b->data, KS_BATCH_BYTES + KS_QUEUE_BYTES);
}

void batch_done(struct batch *b)
{
	buf_done(&b->data);
}

void batch_reset(struct batch *b)
{
	buf_reset(&b->data);
	b->cnt = 0;
}

void batch_item(struct buf *b, const struct span *span)
{
	uint32_t resource_len = 0;
	size_t at = b->len;

	buf_put(b, &resource_len, sizeof(resource_len));
	otlp_resource(b, span->resource, span->resource_cnt);
	if (b->failed)
		return;
	resource_len = (uint32_t)(b->len - at - sizeof(resource_len));
	memcpy(b->ptr + at, &resource_len, sizeof(resource_len));
	otlp_span(b, span);
}

bool batch_add(struct batch *b, struct slice item, uint64_t now_ns)
{
	uint32_t resource_len;

	if (b->cnt == KS_BATCH_SPANS || (b->cnt && b->data.len + item.len > KS_BATCH_BYTES))
		return false;
	if (!b->cnt)
		b->since_ns = now_ns;
	memcpy(&resource_len, item.ptr, sizeof(resource_len));
	item = slice_from(item, sizeof(resource_len));
	b->entry[b->cnt].at = b->data.len;
	b->entry[b->cnt].resource_len = resource_len;
	b->entry[b->cnt].span_len = (uint32_t)(item.len - resource_len);
	buf_str(&b->data, item);
	if (!b->data.failed)
		b->cnt++;
	return true;
}

void batch_request(struct batch *b, const struct otlp_scope *scope, struct buf *out)
{
	for (size_t i = 0; i < b->cnt; i++) {
		const char *at = b->data.ptr + b->entry[i].at;

		b->item[i].resource = (struct slice){ at, b->entry[i].resource_len };
		b->item[i].span = (struct slice){ at + b->entry[i].resource_len, b->entry[i].span_len };
	}
	otlp_request(out, scope, b->item, b->cnt, b->group);
}
