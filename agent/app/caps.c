/* SPDX-License-Identifier: Apache-2.0 */
/* The table of capabilities, over capget(2) through libcap. */
#include "app/caps.h"

#include <linux/capability.h>
#include <stdio.h>
#include <sys/capability.h>

#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

const struct cap_row cap_rows[] = {
	{ CAP_BPF, CAP_SYS_ADMIN, "CAP_BPF", "load programs and maps", true },
	{ CAP_PERFMON, CAP_SYS_ADMIN, "CAP_PERFMON", "attach probes, read kernel memory from them",
	  true },
	{ CAP_SYS_PTRACE, -1, "CAP_SYS_PTRACE", "read /proc/PID/maps, exe and root of other users",
	  true },
	{ CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE, "CAP_DAC_READ_SEARCH",
	  "read libraries of other users", true },
	{ CAP_SETUID, -1, "CAP_SETUID", "become the unprivileged user", true },
	{ CAP_SETGID, -1, "CAP_SETGID", "become the unprivileged user", true },
	{ CAP_SYS_CHROOT, -1, "CAP_SYS_CHROOT", "shut the parsing process into an empty directory",
	  true },
	{ CAP_KILL, -1, "CAP_KILL", "end the parsing process", false },
	{ CAP_CHOWN, -1, "CAP_CHOWN", "give the store to the unprivileged user", false },
	{ CAP_SETPCAP, -1, "CAP_SETPCAP", "empty the bounding set of the parsing process", false },
	{ CAP_SYS_RESOURCE, -1, "CAP_SYS_RESOURCE",
	  "raise the limit of locked memory (kernels before 5.11)", false },
};
const size_t cap_row_cnt = sizeof(cap_rows) / sizeof(*cap_rows);

bool cap_have(const struct cap_row *row)
{
	cap_flag_value_t own = CAP_CLEAR, wide = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	if (!caps)
		return false;
	(void)cap_get_flag(caps, row->cap, CAP_EFFECTIVE, &own);
	if (row->instead >= 0)
		(void)cap_get_flag(caps, row->instead, CAP_EFFECTIVE, &wide);
	cap_free(caps);
	return own == CAP_SET || wide == CAP_SET;
}

int caps_missing(char *out, size_t len)
{
	size_t n = 0;
	int cnt = 0;

	out[0] = 0;
	for (size_t i = 0; i < cap_row_cnt; i++) {
		if (!cap_rows[i].needed || cap_have(&cap_rows[i]))
			continue;
		if (n < len)
			n += (size_t)snprintf(out + n, len - n, "%s%s", cnt ? ", " : "",
					      cap_rows[i].name);
		cnt++;
	}
	return cnt;
}
