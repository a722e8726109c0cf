/* SPDX-License-Identifier: Apache-2.0 */
/* Read the OTEL_* variables; a signal's own (..._TRACES_...) wins over the general one. Main thread, at start. */
#include "export/otlp_cfg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "limits.h"

struct reader {
	const struct exporter_cfg *env;
	char *why;
	size_t why_len;
};

static const char *var(const struct reader *r, const char *name)
{
	const char *value = r->env->env ? r->env->env(r->env->env_ctx, name) : getenv(name);

	return value && *value ? value : NULL; /* empty is the same as not set */
}

/* OTEL_EXPORTER_OTLP_[TRACES_]<what> */
static const char *otlp_var(const struct reader *r, const char *what)
{
	char name[64];
	const char *value;

	snprintf(name, sizeof(name), "OTEL_EXPORTER_OTLP_TRACES_%s", what);
	value = var(r, name);
	if (value)
		return value;
	snprintf(name, sizeof(name), "OTEL_EXPORTER_OTLP_%s", what);
	return var(r, name);
}

static int fail(const struct reader *r, int err, const char *text, const char *name)
{
	snprintf(r->why, r->why_len, text, name);
	return err;
}

/* Not an error of ours to repeat the value in `why`: it may hold credentials. */
static int endpoint(const struct reader *r, struct otlp_cfg *c, const char *url, const char *name, bool base)
{
	const char *host, *host_end, *port = NULL, *path;
	char *end;
	unsigned long number = 0;
	size_t len;

	c->https = !strncasecmp(url, "https://", 8);
	if (!c->https && strncasecmp(url, "http://", 7))
		return fail(r, -EINVAL, "%s must begin with http:// or https://", name);
	host = url + (c->https ? 8 : 7);
	len = strcspn(host, "/?#");
	path = host + len;
	if (memchr(host, '@', len))
		return fail(r, -EINVAL, "%s: put credentials into OTEL_EXPORTER_OTLP_HEADERS, not into the URL", name);
	if (*host == '[') {
		host_end = memchr(host, ']', len);
		host++;
		if (host_end && host_end[1] == ':')
			port = host_end + 2;
	} else {
		host_end = memchr(host, ':', len);
		if (host_end)
			port = host_end + 1;
		else
			host_end = path;
	}
	if (port)
		number = strtoul(port, &end, 10);
	if (!host_end || host_end == host || (size_t)(host_end - host) >= sizeof(c->host) ||
	    (port && (end != path || end == port || !number || number > 65535)))
		return fail(r, -EINVAL, "%s is not a URL: expected http://host:port/path", name);
	memcpy(c->host, host, (size_t)(host_end - host));
	c->host[host_end - host] = 0;
	c->port = (uint16_t)(port ? number : c->https ? 443 : 80);
	len = strcspn(path, "#");
	if (len + sizeof("/v1/traces") >= sizeof(c->path))
		return fail(r, -EINVAL, "%s is too long", name);
	while (base && len && path[len - 1] == '/')
		len--;
	snprintf(c->path, sizeof(c->path), "%.*s%s", (int)len, path, base ? "/v1/traces" : len ? "" : "/");
	for (const char *at = c->path; *at; at++)
		if (*at <= ' ' || *at == 0x7f)
			return fail(r, -EINVAL, "%s holds a blank or a control character", name);
	return 0;
}

static int read_endpoint(const struct reader *r, struct otlp_cfg *c)
{
	const char *name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", *url = var(r, name);

	if (url)
		return endpoint(r, c, url, name, false);
	name = "OTEL_EXPORTER_OTLP_ENDPOINT";
	url = var(r, name);
	return endpoint(r, c, url ? url : "http://localhost:4318", name, true);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static bool token_char(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* One "key=value" of the list: W3C baggage syntax, the value percent-encoded; properties after ';' are not used. */
static bool header(struct otlp_cfg *c, struct slice pair)
{
	const char *eq = memchr(pair.ptr, '=', pair.len);
	size_t name = eq ? (size_t)(eq - pair.ptr) : 0;
	struct slice value = slice_from(pair, name + 1);

	while (name && (pair.ptr[name - 1] == ' ' || pair.ptr[name - 1] == '\t'))
		name--;
	for (size_t i = 0; i < name; i++)
		if (!token_char(pair.ptr[i]))
			return false;
	buf_put(&c->headers, pair.ptr, name);
	buf_str(&c->headers, SLICE(": "));
	while (value.len && (value.ptr[0] == ' ' || value.ptr[0] == '\t'))
		value = slice_from(value, 1);
	for (size_t i = 0; i < value.len; i++) {
		char ch = value.ptr[i];

		if (ch == '%' && i + 2 < value.len && hex_digit(value.ptr[i + 1]) >= 0 &&
		    hex_digit(value.ptr[i + 2]) >= 0) {
			ch = (char)(hex_digit(value.ptr[i + 1]) << 4 | hex_digit(value.ptr[i + 2]));
			i += 2;
		}
		if (((unsigned char)ch < ' ' && ch != '\t') || ch == 0x7f)
			return false; /* a line break here would be a header of its own */
		buf_put(&c->headers, &ch, 1);
	}
	buf_str(&c->headers, SLICE("\r\n"));
	return name > 0;
}

static int read_headers(const struct reader *r, struct otlp_cfg *c)
{
	const char *at = otlp_var(r, "HEADERS");

	buf_init(&c->headers, 16 * 1024);
	while (at && *at) {
		size_t len = strcspn(at, ",");
		struct slice pair = { at, len };

		while (pair.len && (pair.ptr[0] == ' ' || pair.ptr[0] == '\t'))
			pair = slice_from(pair, 1);
		while (pair.len && (pair.ptr[pair.len - 1] == ' ' || pair.ptr[pair.len - 1] == '\t'))
			pair.len--;
		if ((pair.len && !header(c, pair)) || c->headers.failed)
			return fail(r, -EINVAL, "OTEL_EXPORTER_OTLP_%s: expected key=value,key=value", "HEADERS");
		at += len + (at[len] == ',');
	}
	return 0;
}

static int read_number(const struct reader *r, const char *text, const char *name, uint64_t min, uint64_t max,
		       uint64_t *ret)
{
	char *end;
	unsigned long long v;

	if (!text)
		return 0;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || *end || *text == '-' || v < min || v > max) {
		snprintf(r->why, r->why_len, "%s must be a number from %llu to %llu", name, (unsigned long long)min,
			 (unsigned long long)max);
		return -EINVAL;
	}
	*ret = v;
	return 0;
}

static int read_protocol(const struct reader *r, struct otlp_cfg *c)
{
	const char *protocol = otlp_var(r, "PROTOCOL"), *compression = otlp_var(r, "COMPRESSION");

	if (protocol && strcmp(protocol, "http/protobuf")) {
		snprintf(r->why, r->why_len, "OTEL_EXPORTER_OTLP_PROTOCOL: only http/protobuf is supported, usually on "
			 "port 4318; unset the variable, or set it to http/protobuf");
		return -EPROTONOSUPPORT;
	}
	c->gzip = compression && !strcmp(compression, "gzip");
	if (compression && !c->gzip && strcmp(compression, "none"))
		return fail(r, -EINVAL, "OTEL_EXPORTER_OTLP_%s must be gzip or none", "COMPRESSION");
	return 0;
}

static int read_limits(const struct reader *r, struct otlp_cfg *c)
{
	uint64_t timeout_ms = 10000, delay_ms = 5000, batch = KS_BATCH_SPANS; /* the specification's defaults */
	int err = read_number(r, otlp_var(r, "TIMEOUT"), "OTEL_EXPORTER_OTLP_TIMEOUT (milliseconds)", 1, 3600000,
			      &timeout_ms);

	if (!err)
		err = read_number(r, var(r, "OTEL_BSP_SCHEDULE_DELAY"), "OTEL_BSP_SCHEDULE_DELAY (milliseconds)", 0,
				  3600000, &delay_ms);
	if (!err)
		err = read_number(r, var(r, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"), "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1,
				  KS_BATCH_SPANS, &batch);
	c->timeout_ns = timeout_ms * 1000000;
	c->delay_ns = delay_ms * 1000000;
	c->batch_max = batch;
	return err;
}

static int turned_off(const struct reader *r)
{
	const char *off = var(r, "OTEL_SDK_DISABLED"), *list = var(r, "OTEL_TRACES_EXPORTER");

	if (off && !strcasecmp(off, "true"))
		return fail(r, -ECANCELED, "turned off by %s", "OTEL_SDK_DISABLED=true");
	while (list && *list) {
		size_t len = strcspn(list, ",");

		if (len == 4 && !strncmp(list, "otlp", 4))
			return 0;
		list += len;
		if (!*list)
			return fail(r, -ECANCELED, "turned off: %s does not name otlp", "OTEL_TRACES_EXPORTER");
		list++;
	}
	return 0;
}

int otlp_cfg_read(struct otlp_cfg *c, const struct exporter_cfg *env, char *why, size_t why_len)
{
	struct reader r = { env, why, why_len };
	int err = turned_off(&r);

	memset(c, 0, sizeof(*c));
	if (!err)
		err = read_protocol(&r, c);
	if (!err)
		err = read_endpoint(&r, c);
	if (!err)
		err = read_limits(&r, c);
	if (!err)
		err = read_headers(&r, c);
	c->ca = otlp_var(&r, "CERTIFICATE");
	c->client_cert = otlp_var(&r, "CLIENT_CERTIFICATE");
	c->client_key = otlp_var(&r, "CLIENT_KEY");
	if (err)
		otlp_cfg_done(c);
	return err;
}

void otlp_cfg_done(struct otlp_cfg *c)
{
	buf_done(&c->headers);
}
