/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libssl 3 by dlopen: prototypes and numbers are those of its stable ABI (openssl/ssl.h of 3.0). Exporter's thread;
 * `struct tls` is made by the main thread before the sandbox closes.
 */
#include "export/tls.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/net.h"

enum {
	SSL_FILETYPE_PEM = 1,
	SSL_VERIFY_PEER = 1,
	SSL_ERROR_WANT_READ = 2,
	SSL_ERROR_WANT_WRITE = 3,
	SSL_ERROR_SYSCALL = 5,
	SSL_ERROR_ZERO_RETURN = 6,
	SSL_CTRL_SET_TLSEXT_HOSTNAME = 55,
	SSL_CTRL_SET_MIN_PROTO_VERSION = 123,
	TLS1_2_VERSION = 0x0303,
};

#define FUNCTIONS(F)                                                                     \
	F(const void *, TLS_client_method, (void))                                       \
	F(void *, SSL_CTX_new, (const void *method))                                     \
	F(void, SSL_CTX_free, (void *ctx))                                               \
	F(void, SSL_CTX_set_verify, (void *ctx, int mode, void *callback))               \
	F(long, SSL_CTX_ctrl, (void *ctx, int cmd, long arg, void *parg))                \
	F(int, SSL_CTX_load_verify_locations, (void *ctx, const char *file, const char *dir)) \
	F(int, SSL_CTX_use_certificate_chain_file, (void *ctx, const char *file))        \
	F(int, SSL_CTX_use_PrivateKey_file, (void *ctx, const char *file, int type))     \
	F(void *, SSL_new, (void *ctx))                                                  \
	F(void, SSL_free, (void *ssl))                                                   \
	F(int, SSL_set_fd, (void *ssl, int fd))                                          \
	F(int, SSL_set1_host, (void *ssl, const char *host))                             \
	F(void *, SSL_get0_param, (void *ssl))                                           \
	F(long, SSL_ctrl, (void *ssl, int cmd, long arg, void *parg))                    \
	F(int, SSL_connect, (void *ssl))                                                 \
	F(int, SSL_read, (void *ssl, void *data, int len))                               \
	F(int, SSL_write, (void *ssl, const void *data, int len))                        \
	F(int, SSL_shutdown, (void *ssl))                                                \
	F(int, SSL_get_error, (const void *ssl, int ret))                                \
	F(long, SSL_get_verify_result, (const void *ssl))

#define CRYPTO_FUNCTIONS(F)                                                              \
	F(int, X509_VERIFY_PARAM_set1_ip_asc, (void *param, const char *address))        \
	F(const char *, X509_verify_cert_error_string, (long result))                    \
	F(void, ERR_clear_error, (void))

struct tls {
	void *ssl_lib, *crypto_lib, *ctx;
#define MEMBER(ret, name, args) ret(*name) args;
	FUNCTIONS(MEMBER)
	CRYPTO_FUNCTIONS(MEMBER)
#undef MEMBER
};

struct tls_conn {
	const struct tls *t;
	void *ssl;
	int fd;
};

static bool load(struct tls *t)
{
	bool ok;

	t->ssl_lib = dlopen("libssl.so.3", RTLD_NOW | RTLD_LOCAL);
	t->crypto_lib = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
	ok = t->ssl_lib && t->crypto_lib;
#define LOAD(ret, name, args) ok = ok && (*(void **)&t->name = dlsym(t->ssl_lib, #name));
	FUNCTIONS(LOAD)
#undef LOAD
#define LOAD(ret, name, args) ok = ok && (*(void **)&t->name = dlsym(t->crypto_lib, #name));
	CRYPTO_FUNCTIONS(LOAD)
#undef LOAD
	return ok;
}

/* As a file, because a directory of certificates would be read during the handshake, inside the sandbox. */
static bool system_store(struct tls *t)
{
	static const char *const files[] = {
		"/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
		"/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
		"/etc/ssl/ca-bundle.pem",	      /* SUSE */
		"/etc/ssl/cert.pem",
	};
	const char *own = getenv("SSL_CERT_FILE");

	if (own)
		return t->SSL_CTX_load_verify_locations(t->ctx, own, NULL) == 1;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (t->SSL_CTX_load_verify_locations(t->ctx, files[i], NULL) == 1)
			return true;
	return false;
}

static const char *set_up(struct tls *t, const char *ca, const char *cert, const char *key)
{
	if (!load(t))
		return "https needs OpenSSL 3: install libssl3, or use http:// to a collector on this node";
	t->ctx = t->SSL_CTX_new(t->TLS_client_method());
	if (!t->ctx)
		return "OpenSSL could not be set up; see its openssl.cnf";
	t->SSL_CTX_ctrl(t->ctx, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, NULL);
	t->SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
	if (ca ? t->SSL_CTX_load_verify_locations(t->ctx, ca, NULL) != 1 : !system_store(t))
		return ca ? "OTEL_EXPORTER_OTLP_CERTIFICATE: not a readable PEM file"
			  : "no certificate authorities: install ca-certificates or set OTEL_EXPORTER_OTLP_CERTIFICATE";
	if (cert && t->SSL_CTX_use_certificate_chain_file(t->ctx, cert) != 1)
		return "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: not a readable PEM file";
	if (key && t->SSL_CTX_use_PrivateKey_file(t->ctx, key, SSL_FILETYPE_PEM) != 1)
		return "OTEL_EXPORTER_OTLP_CLIENT_KEY: not a readable PEM file, or not the certificate's key";
	return NULL;
}

int tls_new(const char *ca, const char *client_cert, const char *client_key, struct tls **ret, char *why,
	    size_t why_len)
{
	struct tls *t = calloc(1, sizeof(*t));
	const char *trouble = t ? set_up(t, ca, client_cert, client_key) : "out of memory";

	if (trouble) {
		snprintf(why, why_len, "%s", trouble);
		tls_free(t);
		return t ? -EINVAL : -ENOMEM;
	}
	t->ERR_clear_error();
	*ret = t;
	return 0;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	if (t->ctx)
		t->SSL_CTX_free(t->ctx);
	/* the libraries stay: OpenSSL registers handlers that run at exit */
	free(t);
}

/* What SSL_get_error() asks for: 0 after the socket became ready, 1 at the end of input, else -errno. */
static int want(const struct tls_conn *c, int result, uint64_t until_ns)
{
	int error;

	/* errno is read before anything can change it */
	int err = errno;

	error = c->t->SSL_get_error(c->ssl, result);
	switch (error) {
	case SSL_ERROR_WANT_READ:
		return net_wait(c->fd, false, until_ns);
	case SSL_ERROR_WANT_WRITE:
		return net_wait(c->fd, true, until_ns);
	case SSL_ERROR_ZERO_RETURN:
		return 1;
	case SSL_ERROR_SYSCALL:
		return err ? -err : -ECONNRESET;
	default:
		return -EPROTO;
	}
}

static bool set_name(const struct tls *t, void *ssl, const char *host)
{
	struct in6_addr any;

	if (inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1)
		return t->X509_VERIFY_PARAM_set1_ip_asc(t->SSL_get0_param(ssl), host) == 1;
	/* RFC 6066 section 3: no server name for addresses */
	return t->SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, 0, (void *)(uintptr_t)host) == 1 &&
	       t->SSL_set1_host(ssl, host) == 1;
}

int tls_connect(struct tls *t, int fd, const char *host, uint64_t until_ns, struct tls_conn **ret,
		const char **ret_why)
{
	struct tls_conn *c = malloc(sizeof(*c));
	int err = 0, done;
	long verify;

	if (!c)
		return -ENOMEM;
	*c = (struct tls_conn){ t, t->SSL_new(t->ctx), fd };
	if (!c->ssl || t->SSL_set_fd(c->ssl, fd) != 1 || !set_name(t, c->ssl, host))
		err = -ENOMEM;
	while (!err) {
		errno = 0;
		t->ERR_clear_error();
		done = t->SSL_connect(c->ssl);
		if (done == 1)
			break;
		err = want(c, done, until_ns);
		if (err > 0)
			err = -ECONNRESET;
	}
	if (!err) {
		*ret = c;
		return 0;
	}
	verify = c->ssl ? t->SSL_get_verify_result(c->ssl) : 0;
	*ret_why = verify ? t->X509_verify_cert_error_string(verify) : "TLS handshake failed";
	tls_close(c);
	return err;
}

ssize_t tls_read(struct tls_conn *c, void *data, size_t len, uint64_t until_ns)
{
	for (;;) {
		int n, err;

		errno = 0;
		c->t->ERR_clear_error();
		n = c->t->SSL_read(c->ssl, data, len > 1 << 20 ? 1 << 20 : (int)len);
		if (n > 0)
			return n;
		err = want(c, n, until_ns);
		if (err)
			return err > 0 ? 0 : err;
	}
}

ssize_t tls_write(struct tls_conn *c, const void *data, size_t len, uint64_t until_ns)
{
	for (;;) {
		int n, err;

		errno = 0;
		c->t->ERR_clear_error();
		n = c->t->SSL_write(c->ssl, data, len > 1 << 20 ? 1 << 20 : (int)len);
		if (n > 0)
			return n;
		err = want(c, n, until_ns);
		if (err)
			return err > 0 ? -EPIPE : err;
	}
}

void tls_close(struct tls_conn *c)
{
	if (!c)
		return;
	if (c->ssl) {
		c->t->SSL_shutdown(c->ssl);
		c->t->SSL_free(c->ssl);
	}
	c->t->ERR_clear_error();
	free(c);
}
