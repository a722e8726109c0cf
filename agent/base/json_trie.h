/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled paths: a trie of nodes, its edges in one hash table. Node 0 is "nothing asked for", node 1 the document.
 * Read-only once built. Only base/json_*.c include this.
 */
#pragma once

#include "base/json.h"
#include "base/json_simd.h"

enum { JSON_NODE_NONE = 0, JSON_NODE_ROOT = 1 };

struct json_node {
	int16_t id;	    /* -1: only on the way to others */
	uint16_t elem, any; /* child for "[]" and "*"; 0 none */
	bool keys;	    /* has a child for some key */
	bool each;
};

struct json_edge {
	uint64_t head; /* json_key_head() */
	const char *key;
	uint32_t len;
	uint16_t node, child; /* node 0: empty slot */
};

struct json_paths {
	uint32_t node_cnt, edge_mask, shift;
	struct json_node *node;
	struct json_edge *edge;
};

/* Up to 8 bytes of a key that, with its length, tell keys of at most 8 bytes apart. */
JSON_INLINE uint64_t json_key_head(const char *key, size_t len)
{
	uint64_t head = 0;
	uint32_t lo, hi;

	if (len >= 8) {
		memcpy(&head, key, 8);
	} else if (len >= 4) {
		memcpy(&lo, key, 4);
		memcpy(&hi, key + len - 4, 4);
		head = (uint64_t)hi << 32 | lo;
	} else if (len) {
		head = (uint64_t)(uint8_t)key[0] << 16 | (uint64_t)(uint8_t)key[len / 2] << 8 |
		       (uint8_t)key[len - 1];
	}
	return head;
}

JSON_INLINE uint32_t json_key_slot(const struct json_paths *paths, uint16_t node, uint64_t head,
				   size_t len)
{
	uint64_t mix = (head ^ ((uint64_t)node << 56 | (uint64_t)node << 40 | len << 48)) *
		       0x9e3779b97f4a7c15u;

	return (uint32_t)(mix >> paths->shift);
}

/* The node of a key's value, JSON_NODE_NONE if no path goes there. */
JSON_INLINE uint16_t json_child(const struct json_paths *paths, uint16_t node, const char *key,
				size_t len)
{
	uint64_t head = json_key_head(key, len);
	uint32_t at = json_key_slot(paths, node, head, len);

	for (;; at = (at + 1) & paths->edge_mask) {
		const struct json_edge *e = &paths->edge[at];

		if (e->node == node && e->head == head && e->len == len &&
		    (len <= 8 || memcmp(e->key + 8, key + 8, len - 8) == 0))
			return e->child;
		if (e->node == JSON_NODE_NONE)
			return paths->node[node].any;
	}
}
