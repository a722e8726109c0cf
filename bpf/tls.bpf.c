/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * OpenSSL and its relatives, and libraries with functions of the same shape: SSL_read, SSL_write and
 * the like as pairs of entry and return probes.
 * Arguments are kept at entry, bytes are emitted at return by what the call says it moved (Node
 * calls SSL_write three times with the same buffer before one success: tls.md section 0). Only the
 * outermost call of a thread counts: AWS-LC's SSL_read_ex calls SSL_read. A call entered before the
 * probes were attached has no entry here and is ignored at its return.
 */
#include "sock.bpf.h"
#include "tls_func.h"

#include <bpf/bpf_tracing.h>

#define KS_EEXIST 17 /* asm-generic/errno-base.h */

extern void bpf_preempt_disable(void) __weak __ksym;
extern void bpf_preempt_enable(void) __weak __ksym;

/*
 * From 6.13 a uprobe program may have a per-CPU stack of its own and still be preempted; another
 * task that runs it on that CPU then overwrites the stack (tls.md section 0.1). The guards exist
 * since 6.10; before them libbpf resolves the weak symbols to 0 and the verifier drops the
 * branches.
 */
#define KS_UPROBE(section, name)                                      \
	static __always_inline void name##_body(struct pt_regs *ctx); \
	SEC(section)                                                  \
	int name(struct pt_regs *ctx)                                 \
	{                                                             \
		if (bpf_ksym_exists(bpf_preempt_disable))             \
			bpf_preempt_disable();                        \
		name##_body(ctx);                                     \
		if (bpf_ksym_exists(bpf_preempt_enable))              \
			bpf_preempt_enable();                         \
		return 0;                                             \
	}                                                             \
	static __always_inline void name##_body(struct pt_regs *ctx)

/*
 * x86: `ret` has popped the return address, which the call had pushed; elsewhere it lives in a
 * register.
 */
#if defined(__TARGET_ARCH_x86)
#define KS_RET_POP 8
#else
#define KS_RET_POP 0
#endif

/* Bytes of a direction, their number unknown, are not followed: the next record says so. */
static __noinline int ks_tls_lost(__u64 handle, __u8 dir, __u32 reason)
{
	struct ks_stream *s;
	struct ks_key key;

	ks_count(reason, 1);
	ks_key_of(&key, handle);
	s = bpf_map_lookup_elem(&ks_streams, &key);
	if (s)
		s->pending[dir & 1] |= KS_F_LOST;
	return 0;
}

/* Stacks grow down: a call nested in the kept one starts below it. */
static __always_inline bool ks_is_nested(const struct ks_call *outer, const struct ks_call *call)
{
	return outer && call->sp < outer->sp;
}

static __always_inline void ks_tls_keep_inner(__u64 key, struct ks_call *call,
					      const struct ks_call *outer)
{
	struct ks_call *inner;

	if (call->dir == outer->dir && call->kind == outer->kind)
		return;
	key |= KS_INNER;
	inner = bpf_map_lookup_elem(&ks_calls, &key);
	/* one that is older than the outer call never returned (longjmp(), a probe that came late) */
	if (ks_is_nested(inner, call) && inner->enter_ns >= outer->enter_ns)
		return;
	if (bpf_map_update_elem(&ks_calls, &key, call, BPF_ANY))
		ks_count(KS_DROP_calls_full, 1);
}

/*
 * A call that starts at or above the kept one is a tail call of it, which returns in its place, or finds the rest of a
 * call that was left by longjmp() or exit: either way it replaces it.
 */
static __always_inline void ks_tls_enter(struct pt_regs *ctx, __u8 source, __u8 dir, __u8 kind,
					 __u64 ret)
{
	__u64 key = bpf_get_current_pid_tgid();
	struct ks_call call = {}, *outer;
	long err;

	if (!ks_watched(key >> 32))
		return;
	call.owner = PT_REGS_PARM1(ctx);
	call.buf = PT_REGS_PARM2(ctx);
	call.ret = ret;
	call.sp = PT_REGS_SP(ctx);
	call.enter_ns = bpf_ktime_get_ns();
	call.source = source;
	call.kind = kind;
	call.dir = dir;
	err = bpf_map_update_elem(&ks_calls, &key, &call, BPF_NOEXIST);
	if (err == -KS_EEXIST) {
		outer = bpf_map_lookup_elem(&ks_calls, &key);
		if (ks_is_nested(outer, &call)) {
			ks_tls_keep_inner(key, &call, outer);
			return;
		}
		err = bpf_map_update_elem(&ks_calls, &key, &call, BPF_ANY);
	}
	if (err)
		ks_tls_lost(call.owner, dir, KS_DROP_calls_full);
}

/*
 * int SSL_read(SSL *, void *, int), int SSL_read_ex(SSL *, void *, size_t, size_t *), int
 * SSL_write_ex2(SSL *, const void *, size_t, uint64_t flags, size_t *) since OpenSSL 3.3; an
 * internal function that stands in for one of the _ex functions has its arguments
 * (agent/probe/site.h).
 */
static __always_inline void ks_tls_move(struct pt_regs *ctx, __u64 func, __u8 source)
{
	__u8 dir = func == TLS_SSL_READ || func == TLS_SSL_READ_EX ? KS_IN : KS_OUT;
	__u64 arg4 = PT_REGS_PARM4(ctx), arg5 = PT_REGS_PARM5(ctx), ret = 0;

	barrier_var(
		arg4); /* or both become one load from a chosen place, which the verifier refuses */
	barrier_var(arg5);
	if (func == TLS_SSL_READ_EX || func == TLS_SSL_WRITE_EX)
		ret = arg4;
	else if (func == TLS_SSL_WRITE_EX2)
		ret = arg5;
	ks_tls_enter(ctx, source, dir, KS_BUF_USER, ret);
}

/* SSL_connect() and SSL_accept() end here too. Called again and again on a non-blocking socket. */
static __noinline int ks_tls_handshake(struct pt_regs *ctx, __u8 source)
{
	struct ks_stream *s;

	ks_tls_enter(ctx, source, KS_OUT, KS_BUF_NONE, 0);
	if (!ks_watched(ks_tgid()))
		return 0;
	s = ks_tls_get(PT_REGS_PARM1(ctx));
	if (!s || s->hs_start_ns)
		return 0;
	s->hs_start_ns = bpf_ktime_get_ns();
	if (!s->opened)
		s->born = 1;
	return 0;
}

static __always_inline void ks_handshake_done(struct ks_stream *s)
{
	if (s->hs_end_ns || !s->hs_start_ns)
		return;
	s->hs_end_ns = bpf_ktime_get_ns();
	if (s->opened)
		ks_emit_stream(s, KS_EV_BIND, 0);
}

/*
 * SSL_do_handshake(3) and wolfSSL_connect() say 1 when they are done; gnutls_handshake(3),
 * mbedtls_ssl_handshake() and s2n_negotiate() say 0.
 */
static __always_inline bool ks_succeeded(const struct ks_call *call, int ret)
{
	if (call->kind != KS_BUF_NONE)
		return ret > 0;
	return ret == (call->source == KS_SRC_OPENSSL || call->source == KS_SRC_WOLFSSL);
}

static __always_inline void ks_tls_done(struct ks_call *call, int ret)
{
	struct ks_stream *s;
	__u64 n = ret;

	if (!ks_succeeded(call, ret))
		return;
	if (call->ret && bpf_probe_read_user(&n, sizeof(n), (void *)call->ret)) {
		ks_tls_lost(call->owner, call->dir, KS_DROP_fault);
		return;
	}
	s = ks_tls_get(call->owner);
	if (!s)
		return;
	s->source = call->source;
	if (call->kind == KS_BUF_NONE)
		ks_handshake_done(s);
	else if (n &&
		 n <= 0x7fffffff) /* no call moves more: SSL_read() counts in int, a record is 16 KiB */
		ks_moved(s, call, n, ks_head_of(ks_first_word(call, n, KS_BUF_USER)), KS_BUF_USER);
}

static __always_inline bool ks_is_return(const struct ks_call *call, __u64 sp)
{
	return call && call->sp + KS_RET_POP == sp;
}

/* The return of them all. The stack pointer says whose return it is; a nested call's is lower. */
static __always_inline void ks_tls_return(struct pt_regs *ctx)
{
	__u64 key = bpf_get_current_pid_tgid(), sp = PT_REGS_SP(ctx);
	int ret = (int)PT_REGS_RC(ctx);
	struct ks_call *call = bpf_map_lookup_elem(&ks_calls, &key);

	if (!call)
		return;
	if (!ks_is_return(call, sp)) {
		key |= KS_INNER;
		call = bpf_map_lookup_elem(&ks_calls, &key);
	}
	if (!ks_is_return(call, sp))
		return;
	ks_tls_done(call, ret);
	bpf_map_delete_elem(&ks_calls, &key);
}

static __noinline int ks_tls_set_fd(struct pt_regs *ctx)
{
	struct ks_stream *s, *sock;
	struct sock *sk;

	if (!ks_watched(ks_tgid()))
		return 0;
	sk = ks_sock_of_fd(PT_REGS_PARM2(ctx));
	if (!sk)
		return 0;
	sock = ks_sock_find(sk);
	if (!sock)
		sock = ks_sock_make(sk, KS_ROLE_UNKNOWN, 0, false);
	if (!sock)
		return 0;
	if (!sock->rport)
		ks_read_tuple(sock, sk);
	s = ks_tls_get(PT_REGS_PARM1(ctx));
	if (s)
		ks_bind(s, sock, KS_RUNG_SET_FD);
	return 0;
}

/*
 * The allocator may hand the same address out at once: the next stream there is another generation.
 */
static __noinline int ks_tls_free(struct pt_regs *ctx)
{
	struct ks_key key;
	__u32 *gen, next = 1;

	if (!PT_REGS_PARM1(ctx) || !ks_watched(ks_tgid()))
		return 0;
	ks_key_of(&key, PT_REGS_PARM1(ctx));
	if (!bpf_map_lookup_elem(&ks_streams, &key))
		return 0;
	ks_tls_end(&key);
	gen = bpf_map_lookup_elem(&ks_gens, &key);
	if (gen)
		next = *gen + 1;
	bpf_map_update_elem(&ks_gens, &key, &next, BPF_ANY);
	return 0;
}

/* Without a cookie (before 5.15, or because none is needed) the library is OpenSSL. */
static __always_inline __u8 ks_source_of(struct pt_regs *ctx)
{
	__u8 source = 0;

	if (bpf_core_enum_value_exists(enum bpf_func_id___ks, BPF_FUNC_get_attach_cookie___ks))
		source = TLS_COOKIE_SOURCE(bpf_get_attach_cookie(ctx));
	return source ? source : KS_SRC_OPENSSL;
}

/* Since 6.6: one link puts one program at all functions of a library, and goes at once. */
KS_UPROBE("?uprobe.multi", tlsm_in)
{
	__u64 cookie = bpf_get_attach_cookie(ctx), func = TLS_COOKIE_FUNC(cookie);
	__u8 source = TLS_COOKIE_SOURCE(cookie);

	if (func <= TLS_SSL_WRITE_EX2)
		ks_tls_move(ctx, func, source);
	else if (func == TLS_SSL_DO_HANDSHAKE || func == TLS_SSL_ACCEPT)
		ks_tls_handshake(ctx, source);
	else if (func == TLS_SSL_SET_FD)
		ks_tls_set_fd(ctx);
	else
		ks_tls_free(ctx);
}

KS_UPROBE("?uretprobe.multi", tlsm_out)
{
	ks_tls_return(ctx);
}

/* Before: a program for each function. */
#define KS_ONE(section, name, ...) \
	KS_UPROBE(section, name)   \
	{                          \
		__VA_ARGS__;       \
	}
KS_ONE("?uprobe", tls_read_in, ks_tls_move(ctx, TLS_SSL_READ, ks_source_of(ctx)))
KS_ONE("?uprobe", tls_write_in, ks_tls_move(ctx, TLS_SSL_WRITE, ks_source_of(ctx)))
KS_ONE("?uprobe", tls_read_ex_in, ks_tls_move(ctx, TLS_SSL_READ_EX, KS_SRC_OPENSSL))
KS_ONE("?uprobe", tls_write_ex_in, ks_tls_move(ctx, TLS_SSL_WRITE_EX, KS_SRC_OPENSSL))
KS_ONE("?uprobe", tls_write_ex2_in, ks_tls_move(ctx, TLS_SSL_WRITE_EX2, KS_SRC_OPENSSL))
KS_ONE("?uprobe", tls_handshake_in, ks_tls_handshake(ctx, ks_source_of(ctx)))
KS_ONE("?uprobe", tls_set_fd_in, ks_tls_set_fd(ctx))
KS_ONE("?uprobe", tls_free_in, ks_tls_free(ctx))
KS_ONE("?uretprobe", tls_out, ks_tls_return(ctx))
