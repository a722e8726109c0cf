/* SPDX-License-Identifier: Apache-2.0 */
/* Show rows of the store: an aligned table for people, JSON lines for programs. One thread. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "store/query.h"

#define RED "\033[31m"
#define YELLOW "\033[33m"
#define PLAIN "\033[0m"

static bool head_byte(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80; /* not a UTF-8 continuation byte */
}

static int characters(const char *text)
{
	int cnt = 0;

	for (; *text; text++)
		cnt += head_byte(*text);
	return cnt;
}

/* Exactly `width` characters, or all of them if width is 0. A terminal must not obey what a stranger put into a
 * model's name. */
static void put(FILE *out, const char *text, int width)
{
	int cnt = characters(text), room = !width || cnt <= width ? cnt : width - 1;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (head_byte(*text) && room-- == 0)
			break;
		fputc(c < 0x20 || c == 0x7f ? '?' : c, out);
	}
	if (*text)
		fputs("…", out);
	for (; cnt < width; cnt++)
		fputc(' ', out);
}

static void duration(char *out, size_t len, double s)
{
	if (isnan(s))
		snprintf(out, len, "-");
	else if (s < 0.9995)
		snprintf(out, len, "%.0f ms", s * 1e3);
	else if (s < 100)
		snprintf(out, len, "%.2f s", s);
	else
		snprintf(out, len, "%.0f s", s);
}

static void count(char *out, size_t len, int64_t n)
{
	if (n < 0)
		snprintf(out, len, "-");
	else
		snprintf(out, len, "%lld", (long long)n);
}

static void header(struct query_print *p)
{
	if (p->header_done)
		return;
	p->header_done = true;
	fprintf(p->out, "%-19s  %-6s  %-14s  %7s  %-28s  %8s  %8s  %7s  %7s  %s\n", "START", "KIND", "SERVICE", "PID",
		"NAME", "DURATION", "FIRST", "IN", "OUT", "STATUS");
}

int query_print_table(void *ctx, const struct query_row *row)
{
	struct query_print *p = ctx;
	char start[32], took[16], first[16], in[24], out[24];
	time_t s = (time_t)(row->start_ns / 1000000000u);
	struct tm tm;

	header(p);
	localtime_r(&s, &tm);
	strftime(start, sizeof(start), "%Y-%m-%d %H:%M:%S", &tm);
	duration(took, sizeof(took), (double)row->duration_ns / 1e9);
	duration(first, sizeof(first), row->ttfc_s);
	count(in, sizeof(in), row->input_tokens);
	count(out, sizeof(out), row->output_tokens);
	fprintf(p->out, "%-19s  %-6s  ", start, row->kind);
	put(p->out, row->service, 14);
	fprintf(p->out, "  %7u  ", row->pid);
	put(p->out, row->name, 28);
	fprintf(p->out, "  %8s  %8s  %7s  %7s  ", took, first, in, out);
	if (row->error) {
		fputs(p->color ? RED : "", p->out);
		put(p->out, row->error_type, 0);
		fputs(p->color ? PLAIN : "", p->out);
	} else if (row->http_status) {
		fprintf(p->out, "%d", row->http_status);
	} else {
		fputs("-", p->out);
	}
	if (row->incomplete[0])
		fprintf(p->out, "  %s(incomplete: %s)%s", p->color ? YELLOW : "", row->incomplete,
			p->color ? PLAIN : "");
	fputc('\n', p->out);
	return ferror(p->out) ? -EIO : 0;
}

int query_print_json(void *ctx, const struct query_row *row)
{
	struct query_print *p = ctx;

	fwrite(row->json, 1, row->json_len, p->out);
	fputc('\n', p->out);
	return ferror(p->out) ? -EIO : 0;
}
