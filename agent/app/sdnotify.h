/* SPDX-License-Identifier: Apache-2.0 */
/* Tell the service manager, as sd_notify(3): one datagram to $NOTIFY_SOCKET. Nothing happens without one. */
#pragma once

#include <stdint.h>

void sdnotify(const char *state); /* "READY=1\nSTATUS=..." */
/* How often WATCHDOG=1 is due, ns (half of WATCHDOG_USEC); 0: never. */
uint64_t sdnotify_watchdog_ns(void);
