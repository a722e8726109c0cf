/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of semconv.def and the page generated from them. Any thread; static data only. */
#include "span/semconv.h"

#include "base/origin.h"

const char *const semconv_name[SC_CNT] = {
#define ATTR(id, name, type, source, stability, meaning) [SC_##id] = (name),
#include "span/semconv.def"
#undef ATTR
};

const char *const semconv_event_name[SC_EVENT_CNT] = {
#define SPAN_EVENT(id, name, meaning) [SC_EVENT_##id] = (name),
#include "span/semconv.def"
#undef SPAN_EVENT
};

struct attr_row {
	const char *name, *type, *source, *stability, *meaning;
};

static const struct attr_row attr_rows[] = {
#define ATTR(id, name, type, source, stability, meaning) { name, #type, #source, stability, meaning },
#include "span/semconv.def"
#undef ATTR
};

static const struct {
	const char *name, *meaning;
} event_rows[] = {
#define SPAN_EVENT(id, name, meaning) { name, meaning },
#include "span/semconv.def"
#undef SPAN_EVENT
}, incomplete_rows[] = {
#define INCOMPLETE(name, text, why) { text, why },
#include "base/incomplete.def"
#undef INCOMPLETE
};

static const char *type_text(const char *type)
{
	switch (type[0]) {
	case 'I':
		return "int";
	case 'D':
		return "double";
	case 'B':
		return "boolean";
	default:
		return type[3] == 'S' ? "string[]" : "string";
	}
}

static const char *source_text(const char *source)
{
	switch (source[0]) {
	case 'G':
		return "GenAI";
	case 'C':
		return "core";
	default:
		return "kernspan";
	}
}

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static const char intro[] =
	"<!-- generated from agent/span/semconv.def and agent/base/incomplete.def; do not edit -->\n"
	"# Attributes\n"
	"\n"
	"Conventions followed: GenAI (semantic-conventions-genai, commit fe5608e249d6, August 2026) and core 1.44.0.\n"
	"What no convention names is under `kernspan.`. Durations are seconds. An attribute whose value the wire\n"
	"did not carry is absent; nothing is estimated.\n"
	"\n"
	"One call gives a span of kind CLIENT where the process sent the request, and a span of kind SERVER where\n"
	"the process answered it. Both views continue the trace of a `traceparent` header if the request carries\n"
	"one: the parent is then the header's parent id. Without the header the two views of one call, both seen on\n"
	"this node, stay two traces: each view knows the ports but not when the other one began, and ports are used\n"
	"again, so that joining them would be a guess. Ids are derived from the run's seed, the connection and the\n"
	"exchange, so that replaying a recording gives the same ids.\n"
	"\n"
	"A CLIENT span with an HTTP status of 400 or more, a SERVER span with 500 or more, and a call whose body or\n"
	"stream reports an error have status ERROR and `error.type`. A call that ended without an answer is not\n"
	"called an error (the caller may have cancelled it): `kernspan.incomplete` says `no_answer`.\n"
	"\n"
	"| attribute | type | source | stability | meaning |\n"
	"|---|---|---|---|---|\n";

void semconv_docs(FILE *out)
{
	fputs(intro, out);
	for (size_t i = 0; i < ROWS(attr_rows); i++)
		fprintf(out, "| `%s` | %s | %s | %s | %s |\n", attr_rows[i].name, type_text(attr_rows[i].type),
			source_text(attr_rows[i].source), attr_rows[i].stability, attr_rows[i].meaning);
	fputs("\n## Span events\n\n| event | meaning |\n|---|---|\n", out);
	for (size_t i = 0; i < ROWS(event_rows); i++)
		fprintf(out, "| `%s` | %s |\n", event_rows[i].name, event_rows[i].meaning);
	fputs("\n## Values of `kernspan.incomplete`\n\n| value | meaning |\n|---|---|\n", out);
	for (size_t i = 0; i < ROWS(incomplete_rows); i++)
		fprintf(out, "| `%s` | %s |\n", incomplete_rows[i].name, incomplete_rows[i].meaning);
}
