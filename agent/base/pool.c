/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries live in one mapping; links are indexes kept in front of each entry. Index 0 is the head of the order of
 * use, so that no list operation has a special case. Free entries wait in a stack; entries behind `high` were never
 * touched. Owner: one thread.
 */
#include "base/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct node { /* 16 bytes, so that the entry behind it is aligned */
	uint32_t prev,
		next; /* order of use: next is older. Free: next in the stack. Pinned: self */
	uint32_t pad[2];
};

struct pool {
	char *mem;
	size_t stride, mem_len;
	uint32_t cap, cnt;
	uint32_t high; /* entries 1..high have been taken at least once */
	uint32_t free; /* top of the stack, 0 none */
};

/* Entries may own memory of libraries; the leak sanitizer, where it is linked in, does not look into mappings. */
extern void __lsan_register_root_region(const void *mem, size_t len) __attribute__((weak));
extern void __lsan_unregister_root_region(const void *mem, size_t len) __attribute__((weak));

static struct node *node_at(const struct pool *p, uint32_t i)
{
	return (struct node *)(p->mem + (size_t)i * p->stride);
}

static uint32_t node_index(const struct pool *p, const void *entry)
{
	return (uint32_t)(((const char *)entry - sizeof(struct node) - p->mem) / p->stride);
}

static size_t stride(size_t len)
{
	return sizeof(struct node) + ((len + 15) & ~(size_t)15);
}

static size_t mapping(size_t len, uint32_t cap)
{
	return stride(len) * ((size_t)cap + 1);
}

size_t pool_bytes(size_t len, uint32_t cap)
{
	return sizeof(struct pool) + mapping(len, cap);
}

int pool_new(size_t len, uint32_t cap, struct pool **ret)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->stride = stride(len);
	p->cap = cap;
	p->mem_len = mapping(len, cap);
	p->mem = mmap(NULL, p->mem_len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p->mem == MAP_FAILED) {
		free(p);
		return -ENOMEM;
	}
	if (__lsan_register_root_region)
		__lsan_register_root_region(p->mem, p->mem_len);
	*ret = p;
	return 0;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	if (__lsan_unregister_root_region)
		__lsan_unregister_root_region(p->mem, p->mem_len);
	munmap(p->mem, p->mem_len);
	free(p);
}

static void link_newest(struct pool *p, uint32_t i)
{
	struct node *head = node_at(p, 0), *n = node_at(p, i);

	n->prev = 0;
	n->next = head->next;
	node_at(p, head->next)->prev = i;
	head->next = i;
}

static void unlink_node(struct pool *p, uint32_t i)
{
	struct node *n = node_at(p, i);

	node_at(p, n->prev)->next = n->next;
	node_at(p, n->next)->prev = n->prev;
	n->prev = n->next = i;
}

void *pool_take(struct pool *p)
{
	uint32_t i = p->free;

	if (i)
		p->free = node_at(p, i)->next;
	else if (p->high < p->cap)
		i = ++p->high;
	else
		return NULL;
	p->cnt++;
	link_newest(p, i);
	return node_at(p, i) + 1;
}

void pool_give(struct pool *p, void *entry, size_t dirty)
{
	uint32_t i = node_index(p, entry);

	unlink_node(p, i);
	explicit_bzero(entry, dirty);
	node_at(p, i)->next = p->free;
	p->free = i;
	p->cnt--;
}

void pool_touch(struct pool *p, void *entry)
{
	uint32_t i = node_index(p, entry);

	if (node_at(p, 0)->next == i || node_at(p, i)->next == i) /* newest already, or pinned */
		return;
	unlink_node(p, i);
	link_newest(p, i);
}

void pool_pin(struct pool *p, void *entry)
{
	unlink_node(p, node_index(p, entry));
}

void pool_unpin(struct pool *p, void *entry)
{
	uint32_t i = node_index(p, entry);

	unlink_node(p, i);
	link_newest(p, i);
}

void *pool_oldest(const struct pool *p)
{
	uint32_t i = node_at(p, 0)->prev;

	return i ? node_at(p, i) + 1 : NULL;
}

uint32_t pool_cnt(const struct pool *p)
{
	return p->cnt;
}

uint32_t pool_cap(const struct pool *p)
{
	return p->cap;
}

uint32_t pool_index(const struct pool *p, const void *entry)
{
	return node_index(p, entry) - 1;
}

void *pool_at(const struct pool *p, uint32_t index)
{
	return node_at(p, index + 1) + 1;
}
