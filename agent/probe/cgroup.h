/* SPDX-License-Identifier: Apache-2.0 */
/* The container a process runs in, from the text of /proc/PID/cgroup. Pure; any thread. */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

#define CGROUP_ID_LEN 64 /* lower-case hex digits of a container id */

/* Find the innermost container id of docker, containerd, CRI-O or podman, alone or under kubepods, in the forms of
 * cgroup v1 and v2, cgroupfs and systemd drivers. text: whole file, hostile. ret_id is NUL-terminated. */
bool cgroup_container(struct slice text, char ret_id[CGROUP_ID_LEN + 1]);
