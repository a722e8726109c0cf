/* SPDX-License-Identifier: Apache-2.0 */
/* Compiles JSON paths to a trie, once at start; the result is read-only. Owns its nodes and edges, borrows the keys. */
#include <stdlib.h>

#include "base/json_trie.h"

#define NODES_MAX 4096

static uint16_t node_add(struct json_paths *paths)
{
	struct json_node *n = &paths->node[paths->node_cnt];

	*n = (struct json_node){ .id = -1 };
	return (uint16_t)paths->node_cnt++;
}

static uint16_t edge_add(struct json_paths *paths, uint16_t node, struct slice key)
{
	uint64_t head = json_key_head(key.ptr, key.len);
	uint32_t at = json_key_slot(paths, node, head, key.len);
	uint16_t child = json_child(paths, node, key.ptr, key.len);

	if (child != paths->node[node].any)
		return child;
	while (paths->edge[at].node)
		at = (at + 1) & paths->edge_mask;
	child = node_add(paths);
	paths->edge[at] = (struct json_edge){
		.head = head, .key = key.ptr, .len = (uint32_t)key.len, .node = node, .child = child
	};
	paths->node[node].keys = true;
	return child;
}

/* The child for the next step of the path; JSON_NODE_NONE if it is malformed. *at moves behind the step. */
static uint16_t step(struct json_paths *paths, uint16_t node, const char **at)
{
	const char *p = *at;
	size_t len;

	if (p[0] == '[') {
		if (p[1] != ']')
			return JSON_NODE_NONE;
		*at = p + 2;
		if (!paths->node[node].elem)
			paths->node[node].elem = node_add(paths);
		return paths->node[node].elem;
	}
	if (p[0] == '.')
		p++;
	len = strcspn(p, ".[");
	if (len == 0 || len > KS_JSON_KEY_CAP)
		return JSON_NODE_NONE;
	*at = p + len;
	if (len == 1 && p[0] == '*') {
		if (!paths->node[node].any)
			paths->node[node].any = node_add(paths);
		return paths->node[node].any;
	}
	return edge_add(paths, node, (struct slice){ p, len });
}

static bool path_add(struct json_paths *paths, const struct json_path *path)
{
	const char *p = path->path;
	uint16_t node = JSON_NODE_ROOT;

	for (int depth = 0; *p; depth++) {
		if (depth == KS_JSON_DEPTH)
			return false;
		node = step(paths, node, &p);
		if (node == JSON_NODE_NONE)
			return false;
	}
	if (node == JSON_NODE_ROOT || path->id < 0 || path->id > INT16_MAX ||
	    paths->node[node].id >= 0)
		return false;
	paths->node[node].id = (int16_t)path->id;
	paths->node[node].each = path->each;
	return true;
}

struct json_paths *json_paths_new(const struct json_path *path, size_t cnt)
{
	struct json_paths *paths = calloc(1, sizeof(*paths));
	size_t steps = 2, slots = 16;

	for (size_t i = 0; i < cnt; i++)
		for (const char *p = path[i].path; *p; p++)
			steps += p == path[i].path || *p == '.' || *p == '[';
	while (slots < steps * 4)
		slots *= 2;
	if (!paths || steps > NODES_MAX) {
		free(paths);
		return NULL;
	}
	paths->edge_mask = (uint32_t)slots - 1;
	paths->shift = 64 - (uint32_t)__builtin_ctzll(slots);
	paths->node = calloc(steps, sizeof(*paths->node));
	paths->edge = calloc(slots, sizeof(*paths->edge));
	if (!paths->node || !paths->edge) {
		json_paths_free(paths);
		return NULL;
	}
	node_add(paths); /* JSON_NODE_NONE */
	node_add(paths); /* JSON_NODE_ROOT */
	for (size_t i = 0; i < cnt; i++)
		if (!path_add(paths, &path[i])) {
			json_paths_free(paths);
			return NULL;
		}
	return paths;
}

void json_paths_free(struct json_paths *paths)
{
	if (!paths)
		return;
	free(paths->node);
	free(paths->edge);
	free(paths);
}
