/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an AI call to attributes, by the GenAI and HTTP conventions (semconv.def says which). Loop thread; strings
 * stay borrowed from the call.
 */
#include "span/build.h"

#include <stdio.h>

static const char *const op_name[CALL_OP_CNT] = {
	[CALL_CHAT] = "chat",
	[CALL_TEXT_COMPLETION] = "text_completion",
	[CALL_EMBEDDINGS] = "embeddings",
	[CALL_GENERATE_CONTENT] = "generate_content",
};

static double seconds(uint64_t from_ns, uint64_t to_ns)
{
	return from_ns && to_ns >= from_ns ? (double)(to_ns - from_ns) / 1e9 : NAN;
}

static void operation(struct build *b, const struct ai_call *c)
{
	build_str(b, SC_GEN_AI_OPERATION_NAME, slice_str(op_name[c->op]));
	build_str(b, SC_GEN_AI_PROVIDER_NAME, slice_str(c->provider));
	build_str(b, SC_OPENAI_API_TYPE, slice_str(c->api_type));
}

static void request(struct build *b, const struct ai_call *c)
{
	bool openai = c->api_type || !strcmp(c->provider, "openai");

	build_str(b, SC_GEN_AI_REQUEST_MODEL, c->model);
	build_true(b, SC_GEN_AI_REQUEST_STREAM, c->stream);
	build_int(b, SC_GEN_AI_REQUEST_MAX_TOKENS, c->max_tokens);
	if (c->choice_count != 1)
		build_int(b, SC_GEN_AI_REQUEST_CHOICE_COUNT, c->choice_count);
	build_int(b, SC_GEN_AI_REQUEST_SEED, c->seed);
	build_int(b, SC_GEN_AI_REQUEST_TOP_K, c->top_k);
	build_double(b, SC_GEN_AI_REQUEST_TOP_P, c->top_p);
	build_double(b, SC_GEN_AI_REQUEST_TEMPERATURE, c->temperature);
	build_double(b, SC_GEN_AI_REQUEST_FREQUENCY_PENALTY, c->frequency_penalty);
	build_double(b, SC_GEN_AI_REQUEST_PRESENCE_PENALTY, c->presence_penalty);
	build_list(b, SC_GEN_AI_REQUEST_STOP_SEQUENCES, c->stops, c->stop_cnt);
	build_str(b, SC_GEN_AI_OUTPUT_TYPE, c->output_type);
	build_str(b, SC_GEN_AI_REQUEST_REASONING_LEVEL, c->reasoning_level);
	build_list(b, SC_GEN_AI_REQUEST_ENCODING_FORMATS, &c->encoding_format,
		   c->encoding_format.len > 0);
	build_int(b, SC_GEN_AI_EMBEDDINGS_DIMENSION_COUNT, c->dimensions);
	build_str(b, SC_GEN_AI_REQUEST_PREVIOUS_RESPONSE_ID, c->previous_response_id);
	build_str(b, SC_GEN_AI_CONVERSATION_ID, c->conversation_id);
	if (!openai)
		build_str(b, SC_REQUEST_SERVICE_TIER, c->req_service_tier);
	else if (!slice_eq(c->req_service_tier, SLICE("auto")))
		build_str(b, SC_OPENAI_REQUEST_SERVICE_TIER, c->req_service_tier);
	build_int(b, SC_REQUEST_MESSAGE_COUNT, c->messages);
	build_int(b, SC_REQUEST_TOOL_COUNT, c->tools);
}

static void tool_calls(struct build *b, const struct ai_call *c)
{
	struct slice *names, *ids;
	bool any_id = false;

	if (!c->tool_cnt)
		return;
	build_int(b, SC_TOOL_CALL_COUNT, (int64_t)c->tool_cnt);
	names = build_strs(b, c->tool_cnt);
	ids = build_strs(b, c->tool_cnt);
	if (!names || !ids)
		return;
	for (size_t i = 0; i < c->tool_cnt; i++) {
		names[i] = c->tool[i].name;
		ids[i] = c->tool[i].id;
		any_id |= ids[i].len > 0;
	}
	build_list(b, SC_TOOL_CALL_NAMES, names, c->tool_cnt);
	if (any_id) /* Gemini, Ollama: calls often have none */
		build_list(b, SC_TOOL_CALL_IDS, ids, c->tool_cnt);
}

static void response(struct build *b, const struct ai_call *c)
{
	bool openai = c->api_type || !strcmp(c->provider, "openai");
	bool any_finish = false;

	build_str(b, SC_GEN_AI_RESPONSE_ID, c->response_id);
	build_str(b, SC_GEN_AI_RESPONSE_MODEL, c->response_model);
	for (size_t i = 0; i < c->finish_cnt; i++)
		any_finish |= c->finish[i].len > 0;
	if (any_finish)
		build_list(b, SC_GEN_AI_RESPONSE_FINISH_REASONS, c->finish, c->finish_cnt);
	build_str(b, SC_GEN_AI_RESPONSE_STATUS, c->response_status);
	build_str(b, SC_OPENAI_RESPONSE_SYSTEM_FINGERPRINT, c->system_fingerprint);
	build_str(b, openai ? SC_OPENAI_RESPONSE_SERVICE_TIER : SC_RESPONSE_SERVICE_TIER,
		  c->service_tier);
	tool_calls(b, c);
	build_true(b, SC_REFUSAL, c->refusal);
}

static void usage(struct build *b, const struct ai_call *c)
{
	static const char *const source[] = {
		[CALL_USAGE_NONE] = "none",
		[CALL_USAGE_BODY] = "response",
		[CALL_USAGE_PARTIAL] = "partial",
	};

	build_str(b, SC_USAGE_SOURCE, slice_str(source[c->usage]));
	build_int(b, SC_GEN_AI_USAGE_INPUT_TOKENS, c->input_tokens);
	build_int(b, SC_GEN_AI_USAGE_OUTPUT_TOKENS, c->output_tokens);
	build_int(b, SC_USAGE_TOTAL_TOKENS, c->total_tokens);
	build_int(b, SC_GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, c->cache_read_tokens);
	build_int(b, SC_GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS, c->cache_creation_tokens);
	build_int(b, SC_GEN_AI_USAGE_REASONING_OUTPUT_TOKENS, c->reasoning_tokens);
	build_int(b, SC_USAGE_INPUT_AUDIO_TOKENS, c->input_audio_tokens);
	build_int(b, SC_USAGE_OUTPUT_AUDIO_TOKENS, c->output_audio_tokens);
	build_int(b, SC_USAGE_ACCEPTED_PREDICTION_TOKENS, c->accepted_prediction_tokens);
	build_int(b, SC_USAGE_REJECTED_PREDICTION_TOKENS, c->rejected_prediction_tokens);
	build_int(b, SC_USAGE_CACHE_CREATION_5M_TOKENS, c->cache_creation_5m_tokens);
	build_int(b, SC_USAGE_CACHE_CREATION_1H_TOKENS, c->cache_creation_1h_tokens);
}

static void stream(struct build *b, const struct ai_call *c)
{
	if (!c->stream || !c->resp_start_ns)
		return;
	if (c->first_chunk_ns)
		build_double(b, SC_GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK,
			     seconds(c->req_start_ns, c->first_chunk_ns));
	if (c->first_content_ns)
		build_double(b, SC_TIME_TO_FIRST_CONTENT,
			     seconds(c->req_start_ns, c->first_content_ns));
	/* The first and the last output chunk bound chunks - 1 distances; a hole makes the count too low. */
	if (c->chunks > 1 && c->first_content_ns && !c->gap_len)
		build_double(b, SC_TIME_PER_OUTPUT_CHUNK,
			     seconds(c->first_content_ns, c->last_chunk_ns) /
				     (double)(c->chunks - 1));
	build_int(b, SC_STREAM_CHUNKS, c->chunks);
	build_bool(b, SC_STREAM_DONE, c->stream_done);
}

static void provider_headers(struct build *b, const struct ai_call *c)
{
	build_str(b, SC_REQUEST_ID, c->request_id);
	if (c->processing_ms != CALL_UNSET)
		build_double(b, SC_SERVER_PROCESSING_TIME, (double)c->processing_ms / 1e3);
	build_double(b, SC_RETRY_AFTER, c->retry_after_s);
	build_int(b, SC_RATELIMIT_LIMIT_REQUESTS, c->limit_requests);
	build_int(b, SC_RATELIMIT_REMAINING_REQUESTS, c->remaining_requests);
	build_int(b, SC_RATELIMIT_LIMIT_TOKENS, c->limit_tokens);
	build_int(b, SC_RATELIMIT_REMAINING_TOKENS, c->remaining_tokens);
}

/* RFC 9110 section 9, PATCH and QUERY: the conventions' list; other methods could be of any number. */
static struct slice known_method(struct slice method)
{
	static const char *const known[] = {
		"POST", "GET",	   "PUT",     "DELETE", "PATCH",
		"HEAD", "OPTIONS", "CONNECT", "TRACE",	"QUERY",
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_eq(method, slice_str(known[i])))
			return method;
	return method.len ? SLICE("_OTHER") : SLICE_NONE;
}

static void http(struct build *b, const struct ai_call *c)
{
	static const uint32_t holes = INCOMPLETE_LOST | INCOMPLETE_SKIPPED | INCOMPLETE_CLIPPED |
				      INCOMPLETE_FAULT | INCOMPLETE_MIDSTREAM | INCOMPLETE_SYNTAX;

	build_str(b, SC_HTTP_REQUEST_METHOD, known_method(c->method));
	if (c->status)
		build_int(b, SC_HTTP_RESPONSE_STATUS_CODE, c->status);
	build_str(b, SC_URL_PATH, c->path);
	build_str(b, SC_URL_SCHEME, c->tls ? SLICE("https") : SLICE("http"));
	build_str(b, SC_USER_AGENT_ORIGINAL, c->user_agent);
	if (c->retry_count > 0)
		build_int(b, SC_HTTP_REQUEST_RESEND_COUNT, c->retry_count);
	if (c->req_end_ns && !(c->incomplete & holes))
		build_int(b, SC_HTTP_REQUEST_BODY_SIZE, (int64_t)c->req_body_len);
	if (c->resp_end_ns && !(c->incomplete & (holes | INCOMPLETE_CUT | INCOMPLETE_STOPPED)))
		build_int(b, SC_HTTP_RESPONSE_BODY_SIZE, (int64_t)c->resp_body_len);
	build_str(b, SC_NETWORK_PROTOCOL_NAME, SLICE("http"));
	if (c->http_version)
		build_str(b, SC_NETWORK_PROTOCOL_VERSION,
			  c->http_version == 10	  ? SLICE("1.0")
			  : c->http_version == 20 ? SLICE("2")
						  : SLICE("1.1"));
}

static void network(struct build *b, const struct ai_call *c)
{
	const struct conn_info *conn = c->conn;
	struct slice peer = build_addr(b, conn->family, conn->raddr);

	if (c->host.len) {
		build_str(b, SC_SERVER_ADDRESS, c->host);
		/* RFC 9110 section 4.2: no port means the scheme's */
		build_int(b, SC_SERVER_PORT, c->host_port ? c->host_port : c->tls ? 443 : 80);
	} else if (peer.len) {
		build_str(b, SC_SERVER_ADDRESS,
			  c->is_client ? peer : build_addr(b, conn->family, conn->laddr));
		build_int(b, SC_SERVER_PORT, c->is_client ? conn->rport : conn->lport);
	}
	if (!peer.len)
		return;
	if (!c->is_client) {
		build_str(b, SC_CLIENT_ADDRESS, peer);
		build_int(b, SC_CLIENT_PORT, conn->rport);
	}
	build_str(b, SC_NETWORK_PEER_ADDRESS, peer);
	build_int(b, SC_NETWORK_PEER_PORT, conn->rport);
}

static void capture(struct build *b, const struct ai_call *c)
{
	static const char *const source[] = {
		[KS_SRC_SOCKET] = "socket",   [KS_SRC_OPENSSL] = "openssl", [KS_SRC_GNUTLS] = "gnutls",
		[KS_SRC_MBEDTLS] = "mbedtls", [KS_SRC_WOLFSSL] = "wolfssl", [KS_SRC_S2N] = "s2n",
	};
	const struct conn_info *conn = c->conn;

	if (conn->source < sizeof(source) / sizeof(source[0]))
		build_str(b, SC_CAPTURE_SOURCE, slice_str(source[conn->source]));
	build_str(b, SC_BINDING,
		  conn->rung == KS_RUNG_SOCKET	 ? SLICE("socket")
		  : conn->rung == KS_RUNG_NESTED ? SLICE("nested")
		  : conn->rung == KS_RUNG_SET_FD ? SLICE("set_fd")
						 : SLICE("none"));
	if (c->gap_len)
		build_int(b, SC_GAP_BYTES, (int64_t)c->gap_len);
}

void build_call(struct build *b, const struct ai_call *c)
{
	operation(b, c);
	request(b, c);
	response(b, c);
	usage(b, c);
	stream(b, c);
	network(b, c);
	http(b, c);
	provider_headers(b, c);
	capture(b, c);
}
