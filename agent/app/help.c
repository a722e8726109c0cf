/* SPDX-License-Identifier: Apache-2.0 */
/* --help, from the tables of commands and options. Main thread; keeps nothing. */
#include <stdio.h>
#include <string.h>

#include "app/commands.h"

static const char *const examples[CMD_CNT] = {
	[CMD_run] =
		"  sudo kernspan run                          everything on this node, as a table\n"
		"  sudo kernspan run -o json -- python app.py one program and its children\n"
		"  sudo kernspan run --otlp-endpoint http://127.0.0.1:4318 -o none\n",
	[CMD_observe] = "  sudo kernspan observe -n 50 --status error\n"
			"  sudo kernspan observe -f -o json --provider anthropic\n",
	[CMD_record] = "  sudo kernspan record --redact bug.wire -- curl ...\n",
	[CMD_replay] = "  kernspan replay bug.wire -o json\n",
	[CMD_stats] = "  sudo kernspan stats -o json\n",
	[CMD_doctor] = "  sudo kernspan doctor\n",
};

void help_main(FILE *out)
{
	fprintf(out,
		"kernspan sees the AI calls of this node and prints them as OpenTelemetry GenAI spans.\n\n"
		"  sudo kernspan run              watch everything\n"
		"  sudo kernspan run -- CMD       watch one program\n"
		"  sudo kernspan doctor           what works here, and what to do\n\nCommands:\n");
	for (int i = 0; i < CMD_CNT; i++)
		if (command_row((enum cmd)i)->summary[0])
			fprintf(out, "  %-9s %s\n", command_row((enum cmd)i)->name,
				command_row((enum cmd)i)->summary);
	fprintf(out,
		"\n`kernspan COMMAND --help` lists its options. Each is also a key of the YAML file and a\n"
		"variable KERNSPAN_NAME; the file gives way to the environment, the environment to flags.\n"
		"Exit status: 0 ok, 1 failure, 2 usage, 3 no privilege, 4 kernel not supported;\n"
		"`run -- CMD` ends with the status of CMD.\n");
}

void help_command(FILE *out, enum cmd cmd)
{
	const struct command_row *row = command_row(cmd);
	char left[80];

	fprintf(out, "kernspan %s: %s\n\n", row->name, row->summary);
	if (examples[cmd])
		fprintf(out, "%s\n", examples[cmd]);
	fprintf(out, "Usage: kernspan %s [OPTION]... %s\n\n", row->name, row->args);
	for (int i = 0; i < OPT_CNT; i++) {
		const struct option_row *o = option_row((enum option_id)i);
		if (!(o->cmds & (1u << cmd)) || o->where == OPTION_TEST)
			continue;
		if (o->brief)
			snprintf(left, sizeof(left), "-%c, --%s%s%s", o->brief, o->flag,
				 o->arg[0] ? " " : "", o->arg);
		else
			snprintf(left, sizeof(left), "    --%s%s%s", o->flag, o->arg[0] ? " " : "",
				 o->arg);
		if (strlen(left) > 30)
			fprintf(out, "  %s\n%34s%s", left, "", o->help);
		else
			fprintf(out, "  %-31s %s", left, o->help);
		if (o->def[0] && o->kind != OPTION_BOOL && strcmp(o->def, "0") != 0)
			fprintf(out, " [%s]", o->def);
		fputc('\n', out);
	}
}

int cmd_help(struct config *c)
{
	enum cmd cmd = c->arg_cnt ? command_find(c->args[0]) : CMD_CNT;

	if (cmd == CMD_CNT) {
		help_main(stdout);
		return c->arg_cnt ? EXIT_USAGE : EXIT_OK;
	}
	help_command(stdout, cmd);
	return EXIT_OK;
}
