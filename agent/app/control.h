/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: whoever connects (root only, by file mode) gets one JSON snapshot and the end of the stream.
 * Nothing is read from it. Warden.
 */
#pragma once

#include "app/warden.h"
#include "export/buf.h"

/* -EADDRINUSE: another kernspan answers there. */
int control_new(struct warden *w, const char *path, struct control **ret);
void control_free(struct control *c);
/* The snapshot of `kernspan stats`, one JSON object and a line feed. */
void stats_format(const struct warden *w, struct buf *out);
/* One line for people: what was seen and lost. */
void stats_summary(const struct warden *w, char *out, size_t len);
