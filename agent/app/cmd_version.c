/* SPDX-License-Identifier: Apache-2.0 */
/* `version`: what was built, and with -v from what. Main thread. */
#include <bpf/libbpf.h>
#include <seccomp.h>
#include <sqlite3.h>
#include <stdio.h>
#include <yaml.h>
#include <zlib.h>

#include "app/commands.h"
#include "event.h"

int cmd_version(struct config *c)
{
	const struct scmp_version *s = seccomp_version();

	printf("kernspan %s\n", KS_VERSION);
	if (c->verbose)
		printf("event ABI %d\nlibbpf %u.%u\nSQLite %s\nlibyaml %s\nzlib %s\nlibseccomp %u.%u.%u\ncompiler %s\n",
		       KS_EVENT_ABI, libbpf_major_version(), libbpf_minor_version(),
		       sqlite3_libversion(), yaml_get_version_string(), zlibVersion(), s->major,
		       s->minor, s->micro, __VERSION__);
	return EXIT_OK;
}
