/* SPDX-License-Identifier: Apache-2.0 */
/* The commands: cmd_<name>(), one for each row of commands.def; each returns an enum exit_code. Main thread. */
#pragma once

#include <stdio.h>

#include "app/config.h"

#define COMMAND(name, ...) int cmd_##name(struct config *c);
#include "app/commands.def"
#undef COMMAND

/* check_config.c: the configuration, every limit, the worst case. */
void config_print(const struct config *c, FILE *out);
/* help.c */
void help_main(FILE *out);
void help_command(FILE *out, enum cmd cmd);
/* Whether OUT_AUTO means a table here. */
enum config_output output_of(const struct config *c);
