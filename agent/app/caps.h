/* SPDX-License-Identifier: Apache-2.0 */
/* The capabilities that kernspan needs, by name, with what each is for. Any thread; reads only the own process. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct cap_row {
	int cap, instead; /* another capability that includes it (capabilities(7)), or -1 */
	const char *name, *why;
	bool needed; /* run does not work without it */
};

extern const struct cap_row cap_rows[];
extern const size_t cap_row_cnt;

/* Whether the process has it in its effective set, itself or by the one that includes it. */
bool cap_have(const struct cap_row *row);
/* Names of the needed ones that are missing, comma-separated; returns how many. */
int caps_missing(char *out, size_t len);
