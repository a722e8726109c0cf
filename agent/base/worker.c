/* SPDX-License-Identifier: Apache-2.0 */
/* Worker threads: all signals blocked, a small stack. The worker struct belongs to whoever started it. */
#include "base/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#define WORKER_STACK (512 * 1024) /* TLS handshakes and SQLite both stay well below */

struct worker {
	pthread_t thread;
	void (*fn)(void *ctx);
	void *ctx;
};

static void *run(void *arg)
{
	struct worker *w = arg;

	(void)setpriority(PRIO_PROCESS, 0, 0); /* the loop may run at a higher priority; slow work does not */
	w->fn(w->ctx);
	return NULL;
}

int worker_start(const char *name, void (*fn)(void *ctx), void *ctx, struct worker **ret)
{
	struct worker *w = malloc(sizeof(*w));
	pthread_attr_t attr;
	sigset_t all, before;
	int err;

	if (!w)
		return -ENOMEM;
	w->fn = fn;
	w->ctx = ctx;
	err = pthread_attr_init(&attr);
	if (err)
		goto out;
	pthread_attr_setstacksize(&attr, WORKER_STACK);
	/* the new thread inherits the mask: signals are the loop's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&w->thread, &attr, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
out:
	if (err) {
		free(w);
		return -err;
	}
	pthread_setname_np(w->thread, name);
	*ret = w;
	return 0;
}

void worker_join(struct worker *w)
{
	if (!w)
		return;
	pthread_join(w->thread, NULL);
	free(w);
}
