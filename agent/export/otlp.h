/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP traces in protobuf (opentelemetry-proto, trace/v1 and collector/trace/v1). Pure; any thread. */
#pragma once

#include "export/buf.h"
#include "span/span.h"

struct otlp_scope {
	struct slice name, version;
};

struct otlp_item { /* encoded messages, borrowed */
	struct slice resource; /* Resource */
	struct slice span;     /* Span */
};

/* Append the fields of a Span, of a Resource. */
void otlp_span(struct buf *b, const struct span *span);
void otlp_resource(struct buf *b, const struct attr *attrs, size_t cnt);
/* Append an ExportTraceServiceRequest: items with equal resources share one ResourceSpans, in order of first sight.
 * group: cnt numbers of scratch. */
void otlp_request(struct buf *b, const struct otlp_scope *scope, const struct otlp_item *items, size_t cnt,
		  size_t *group);
/* Spans that an ExportTraceServiceResponse reports as rejected; 0 if none, or if it cannot be read. */
uint64_t otlp_rejected(struct slice response);
