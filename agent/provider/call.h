/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AI call: one inference in vendor-neutral terms. Filled by a provider's decoder, read by span at the end.
 * Strings are slices into the exchange's arena and live as long as the call: until the sink returns. Loop thread.
 * A number that the wire did not carry is CALL_UNSET, never a guess.
 */
#pragma once

#include <math.h>
#include <stdint.h>

#include "base/origin.h"
#include "base/slice.h"
#include "limits.h"

#define CALL_UNSET INT64_MIN /* for int64_t fields; double fields use NAN */

enum call_op {
	CALL_CHAT,
	CALL_TEXT_COMPLETION,
	CALL_EMBEDDINGS,
	CALL_GENERATE_CONTENT,
	CALL_OP_CNT
};

enum call_usage {		   /* where token counts came from: kernspan.usage.source */
		  CALL_USAGE_NONE, /* the response carried none (a stream without include_usage, an error, a cut) */
		  CALL_USAGE_BODY,    /* the response body */
		  CALL_USAGE_PARTIAL, /* some counts were seen before the stream ended early */
};

struct call_tool {
	struct slice id;
	struct slice name;
};

struct ai_call {
	const char *provider; /* gen_ai.provider.name, static */
	const char *api_type; /* openai.api.type or NULL, static */
	enum call_op op;
	bool stream; /* asked for, or answered as, a stream */

	/* request */
	struct slice model;
	int64_t max_tokens, choice_count, seed, top_k, dimensions;
	double temperature, top_p, frequency_penalty, presence_penalty;
	struct slice stops[KS_STOPS];
	size_t stop_cnt;
	struct slice output_type; /* gen_ai.output.type: text, json, ... */
	struct slice reasoning_level;
	struct slice encoding_format;
	struct slice previous_response_id;
	struct slice conversation_id;
	struct slice req_service_tier;
	int64_t messages; /* messages or input items sent */
	int64_t tools;	  /* tools offered */

	/* response */
	struct slice response_id;
	struct slice response_model;
	struct slice finish[KS_CHOICES]; /* by choice index; empty slice = none */
	size_t finish_cnt;
	struct slice response_status; /* Responses API: completed, incomplete, failed, ... */
	struct slice system_fingerprint;
	struct slice service_tier;
	struct call_tool tool[KS_TOOL_CALLS];
	size_t tool_cnt;
	bool refusal; /* structural: a refusal field or stop reason */

	/* usage: all input tokens, cached ones included (semconv.md section 4) */
	enum call_usage usage;
	int64_t input_tokens, output_tokens, total_tokens;
	int64_t cache_read_tokens, cache_creation_tokens;
	int64_t reasoning_tokens;
	int64_t input_audio_tokens, output_audio_tokens;
	int64_t accepted_prediction_tokens, rejected_prediction_tokens;
	int64_t cache_creation_5m_tokens, cache_creation_1h_tokens;

	/* error */
	struct slice error_type; /* code or type of the error body or error event; empty if none */
	struct slice
		error_message; /* never exported with content off; kept for status only if safe */

	/* HTTP */
	struct slice method, path; /* path without query */
	struct slice host;	   /* authority without port */
	int host_port;		   /* port named in the authority, 0 none */
	int status;		   /* 0: no response head seen */
	bool tls;
	uint8_t http_version; /* 10, 11, 20 */
	struct slice user_agent;
	struct slice traceparent, tracestate;
	struct slice request_id; /* x-request-id, request-id, ... */
	int64_t processing_ms;	 /* openai-processing-ms */
	int64_t retry_count;	 /* x-stainless-retry-count */
	double retry_after_s;
	int64_t limit_requests, limit_tokens; /* rate-limit headers */
	int64_t remaining_requests, remaining_tokens;

	/* stream timing, absolute; 0 = none */
	uint64_t first_chunk_ns;   /* first event or body byte of a streamed answer */
	uint64_t first_content_ns; /* first event that carried output text, tool arguments, ... */
	uint64_t last_chunk_ns;
	int64_t chunks;	  /* output chunks: events that carried output */
	bool stream_done; /* the end marker was seen: [DONE], message_stop, response.completed */

	/* from the exchange */
	uint64_t conn_id, seq;
	const struct conn_info *conn;
	bool is_client;
	bool first_on_conn;
	uint32_t incomplete;
	uint64_t req_start_ns, req_end_ns, resp_start_ns, resp_end_ns, end_ns;
	uint64_t req_body_len, resp_body_len, gap_len;
};

struct call_sink {
	void *ctx;
	void (*push)(void *ctx, const struct ai_call *call);
};
