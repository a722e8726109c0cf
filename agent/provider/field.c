/* SPDX-License-Identifier: Apache-2.0 */
/* Joins and compiles the field maps of one side of an API, once at start. The set owns its rows and path strings. */
#include <errno.h>
#include <stdlib.h>

#include "provider/decode.h"

static size_t rows_cnt(const struct map *maps, size_t *ret_text_len)
{
	size_t cnt = 0;

	*ret_text_len = 0;
	for (const struct map *m = maps; m < maps + MAPS_MAX && m->prefix; m++) {
		for (size_t i = 0; i < m->cnt; i++)
			*ret_text_len += strlen(m->prefix) + strlen(m->rows[i].path) + 1;
		cnt += m->cnt;
	}
	return cnt;
}

static void rows_join(const struct map *maps, struct field *rows, char *text,
		      struct json_path *paths)
{
	int id = 0;

	for (const struct map *m = maps; m < maps + MAPS_MAX && m->prefix; m++)
		for (size_t i = 0; i < m->cnt; i++, id++) {
			size_t prefix = strlen(m->prefix), len = strlen(m->rows[i].path) + 1;

			memcpy(text, m->prefix, prefix);
			memcpy(text + prefix, m->rows[i].path, len);
			rows[id] = m->rows[i];
			rows[id].path = text;
			paths[id] = (struct json_path){ text, id, m->rows[i].each };
			text += prefix + len;
		}
}

int field_set_init(struct field_set *set, const struct map maps[MAPS_MAX])
{
	size_t text_len, cnt = rows_cnt(maps, &text_len);
	struct json_path *paths = calloc(cnt + 1, sizeof(*paths));
	struct field *rows = calloc(cnt + 1, sizeof(*rows));
	char *text = malloc(text_len + 1);

	*set = (struct field_set){ .rows = rows, .cnt = cnt, .text = text };
	if (paths && rows && text) {
		rows_join(maps, rows, text, paths);
		set->paths = json_paths_new(paths, cnt);
	}
	free(paths);
	if (set->paths)
		return 0;
	field_set_done(set);
	return rows && text ? -EINVAL : -ENOMEM;
}

void field_set_done(struct field_set *set)
{
	json_paths_free(set->paths);
	free((void *)(uintptr_t)set->rows);
	free(set->text);
	*set = (struct field_set){ 0 };
}
