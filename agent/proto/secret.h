/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials by name, from secrets.def, and how to take them out. Pure functions. */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

/* The value of a header field of this name is a credential. */
bool secret_header(struct slice name);
/* The target (path and query) without the values of parameters that are credentials: the target itself when there is
 * none, else a copy in buf, which has room for target.len bytes. */
struct slice secret_target(struct slice target, char *buf);
