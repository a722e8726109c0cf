/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_client PORT CA-FILE: TLS to localhost by the library that -DUSE_... names, without help of an HTTP library:
 * sends what stands on standard input, prints what comes until the server closes. One thread; leaves memory to exit.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(USE_GNUTLS)
#include <gnutls/gnutls.h>
#elif defined(USE_MBEDTLS)
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#elif defined(USE_WOLFSSL)
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#else
#error "which library?"
#endif

static void check(int bad, const char *what)
{
	if (!bad)
		return;
	fprintf(stderr, "tls_client: %s: %d\n", what, bad);
	exit(1);
}

static int dial(const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(connect(fd, (struct sockaddr *)&to, sizeof(to)), "connect");
	return fd;
}

#if defined(USE_GNUTLS)

static gnutls_session_t session;

static void tls_open(int fd, const char *ca)
{
	gnutls_certificate_credentials_t cred;

	gnutls_certificate_allocate_credentials(&cred);
	check(gnutls_certificate_set_x509_trust_file(cred, ca, GNUTLS_X509_FMT_PEM) != 1, "authority");
	gnutls_init(&session, GNUTLS_CLIENT);
	gnutls_set_default_priority(session);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, cred);
	gnutls_session_set_verify_cert(session, "localhost", 0);
	gnutls_transport_set_int(session, fd);
	check(gnutls_handshake(session), "handshake");
}

static int tls_write(const char *buf, size_t len)
{
	return (int)gnutls_record_send(session, buf, len);
}

static int tls_read(char *buf, size_t len)
{
	ssize_t n;

	do { /* also after a session ticket (gnutls_record_recv(3)) */
		n = gnutls_record_recv(session, buf, len);
	} while (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED);
	return (int)n;
}

static void tls_close(void)
{
	gnutls_deinit(session);
}

#elif defined(USE_MBEDTLS)

static mbedtls_ssl_context ssl;
static mbedtls_net_context net;

static void tls_open(int fd, const char *ca)
{
	static mbedtls_ssl_config conf;
	static mbedtls_entropy_context entropy;
	static mbedtls_ctr_drbg_context rng;
	static mbedtls_x509_crt chain;

	net.fd = fd;
	mbedtls_ssl_init(&ssl);
	mbedtls_ssl_config_init(&conf);
	mbedtls_entropy_init(&entropy);
	mbedtls_ctr_drbg_init(&rng);
	mbedtls_x509_crt_init(&chain);
	check(mbedtls_ctr_drbg_seed(&rng, mbedtls_entropy_func, &entropy, NULL, 0), "entropy");
	check(mbedtls_x509_crt_parse_file(&chain, ca), "authority");
	mbedtls_ssl_config_defaults(&conf, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
				    MBEDTLS_SSL_PRESET_DEFAULT);
	mbedtls_ssl_conf_ca_chain(&conf, &chain, NULL);
	mbedtls_ssl_conf_rng(&conf, mbedtls_ctr_drbg_random, &rng);
	check(mbedtls_ssl_setup(&ssl, &conf), "setup");
	check(mbedtls_ssl_set_hostname(&ssl, "localhost"), "name");
	mbedtls_ssl_set_bio(&ssl, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
	check(mbedtls_ssl_handshake(&ssl), "handshake");
}

static int tls_write(const char *buf, size_t len)
{
	return mbedtls_ssl_write(&ssl, (const unsigned char *)buf, len);
}

static int tls_read(char *buf, size_t len)
{
	return mbedtls_ssl_read(&ssl, (unsigned char *)buf, len);
}

static void tls_close(void)
{
	mbedtls_ssl_free(&ssl);
}

#else

static WOLFSSL *ssl;

static void tls_open(int fd, const char *ca)
{
	WOLFSSL_CTX *ctx;

	wolfSSL_Init();
	ctx = wolfSSL_CTX_new(wolfTLS_client_method());
	check(wolfSSL_CTX_load_verify_locations(ctx, ca, NULL) != WOLFSSL_SUCCESS, "authority");
	ssl = wolfSSL_new(ctx);
	check(wolfSSL_check_domain_name(ssl, "localhost") != WOLFSSL_SUCCESS, "name");
	wolfSSL_set_fd(ssl, fd);
	check(wolfSSL_connect(ssl) != WOLFSSL_SUCCESS, "handshake");
}

static int tls_write(const char *buf, size_t len)
{
	return wolfSSL_write(ssl, buf, (int)len);
}

static int tls_read(char *buf, size_t len)
{
	return wolfSSL_read(ssl, buf, (int)len);
}

static void tls_close(void)
{
	wolfSSL_free(ssl);
}

#endif

int main(int argc, char **argv)
{
	static char buf[16384];
	int n = 0;

	(void)argc;
	tls_open(dial(argv[1]), argv[2]);
	for (size_t len = fread(buf, 1, sizeof(buf), stdin), at = 0; at < len; at += (size_t)n) {
		n = tls_write(buf + at, len - at);
		check(n <= 0, "write");
	}
	while ((n = tls_read(buf, sizeof(buf))) > 0) {
		fwrite(buf, 1, (size_t)n, stdout);
		fflush(stdout);
	}
	tls_close();
	return 0;
}
