/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF symbol search with pread(), see elfsym.h. A miss is the common case and has to be cheap: with a GNU hash
 * table it costs one bloom word for each name; without one, the string table is searched for the names first, and
 * the symbols are walked only when a name is there. Privileged process; all state is on the caller's stack.
 */
#include "probe/elfsym.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "limits.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "headers are read in place");

#define ELF_LOADS     32   /* PT_LOAD segments considered */
#define ELF_PHDRS     128  /* program headers read */
#define ELF_SHDRS     4096 /* section headers read */
#define ELF_DYNS      512  /* dynamic entries read */
#define ELF_CHAIN     8192 /* symbols looked at in one hash chain */
#define ELF_NAME_HITS 128  /* places in a string table where a wanted name ends */
#define ELF_NAME_LEN  64   /* longest wanted name */
#define ELF_BUF	      16384
#define ELF_CPU_NS    100000000ULL /* a file made to be slow is given up after this much of our CPU */
#define ELF_CPU_CHECK (256 * 1024) /* bytes read between two looks at that clock */
#define ELF_READ_COST 1024	   /* what a read costs in bytes, however short */

struct load {
	uint64_t offset, vaddr, filesz;
	uint32_t flags;
};

struct elf {
	int fd;
	uint64_t budget; /* bytes that may still be read; 0 once the CPU time is used up */
	uint64_t cpu_end_ns;
	size_t unchecked; /* bytes since the last look at the clock */
	struct elfsym_file file;
	uint64_t phoff, shoff;
	uint32_t phnum, shnum, shstrndx;
	struct load loads[ELF_LOADS];
	uint32_t load_cnt;
	uint64_t dyn_off, dyn_len;
	bool go_note;
	const char *const *names;
	size_t name_cnt;
	size_t name_len[ELFSYM_NAMES];
	bool last[256]; /* letters that a name ends with */
	struct elfsym_hit *hits;
	size_t found;
};

struct sym { /* either class */
	uint64_t value, size;
	uint32_t name;
	uint16_t shndx;
	uint8_t type;
};

struct section {
	uint64_t offset, size, entsize;
	uint32_t type, link, name;
};

/* CPU, not wall: a cold disk is no reason to give a library up. */
static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Read up to len bytes; fewer at the end of the file, 0 when the budget is used up or on error. */
static size_t elf_read(struct elf *e, uint64_t off, void *buf, size_t len)
{
	size_t done = 0;

	if (off > INT64_MAX - ELF_BUF || len > e->budget)
		return 0;
	while (done < len) {
		ssize_t n = pread(e->fd, (char *)buf + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	e->budget -= done;
	e->unchecked += done + ELF_READ_COST;
	if (e->unchecked >= ELF_CPU_CHECK) {
		e->unchecked = 0;
		if (cpu_ns() > e->cpu_end_ns)
			e->budget = 0;
	}
	return done;
}

static bool elf_get(struct elf *e, uint64_t off, void *buf, size_t len)
{
	return elf_read(e, off, buf, len) == len;
}

static bool elf_u32(struct elf *e, uint64_t off, uint32_t *ret)
{
	return elf_get(e, off, ret, sizeof(*ret));
}

static bool elf_header(struct elf *e)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf64_Ehdr h64;
		Elf32_Ehdr h32;
	} u;
	uint16_t type, phentsize, shentsize;

	if (elf_read(e, 0, &u, sizeof(u)) < sizeof(u.h32))
		return false;
	if (memcmp(u.ident, ELFMAG, SELFMAG) != 0 || u.ident[EI_DATA] != ELFDATA2LSB)
		return false;
	if (u.ident[EI_CLASS] == ELFCLASS64) {
		e->file.is64 = true;
		e->file.machine = u.h64.e_machine;
		type = u.h64.e_type;
		e->phoff = u.h64.e_phoff;
		e->shoff = u.h64.e_shoff;
		e->phnum = u.h64.e_phnum;
		e->shnum = u.h64.e_shnum;
		e->shstrndx = u.h64.e_shstrndx;
		phentsize = u.h64.e_phentsize;
		shentsize = u.h64.e_shentsize;
		if (shentsize != sizeof(Elf64_Shdr))
			e->shnum = 0;
		return (type == ET_EXEC || type == ET_DYN) && phentsize == sizeof(Elf64_Phdr);
	}
	if (u.ident[EI_CLASS] != ELFCLASS32)
		return false;
	e->file.machine = u.h32.e_machine;
	type = u.h32.e_type;
	e->phoff = u.h32.e_phoff;
	e->shoff = u.h32.e_shoff;
	e->phnum = u.h32.e_phnum;
	e->shnum = u.h32.e_shnum;
	e->shstrndx = u.h32.e_shstrndx;
	phentsize = u.h32.e_phentsize;
	shentsize = u.h32.e_shentsize;
	if (shentsize != sizeof(Elf32_Shdr))
		e->shnum = 0;
	return (type == ET_EXEC || type == ET_DYN) && phentsize == sizeof(Elf32_Phdr);
}

static bool elf_phdr(struct elf *e, uint32_t i, Elf64_Phdr *ret)
{
	Elf32_Phdr p32;

	if (e->file.is64)
		return elf_get(e, e->phoff + (uint64_t)i * sizeof(*ret), ret, sizeof(*ret));
	if (!elf_get(e, e->phoff + (uint64_t)i * sizeof(p32), &p32, sizeof(p32)))
		return false;
	*ret = (Elf64_Phdr){
		.p_type = p32.p_type,
		.p_flags = p32.p_flags,
		.p_offset = p32.p_offset,
		.p_vaddr = p32.p_vaddr,
		.p_filesz = p32.p_filesz,
		.p_memsz = p32.p_memsz,
	};
	return true;
}

/* A note is { namesz, descsz, type, name, desc }; the Go linker names its build id note "Go". */
static bool note_is_go(struct elf *e, uint64_t off)
{
	uint32_t note[4];

	return elf_get(e, off, note, sizeof(note)) && note[0] == 4 && note[2] == 4 &&
	       memcmp(&note[3], "Go\0", 4) == 0;
}

static bool elf_segments(struct elf *e)
{
	for (uint32_t i = 0; i < e->phnum && i < ELF_PHDRS; i++) {
		Elf64_Phdr p;

		if (!elf_phdr(e, i, &p))
			return false;
		if (p.p_type == PT_LOAD && e->load_cnt < ELF_LOADS) {
			e->loads[e->load_cnt++] = (struct load){
				.offset = p.p_offset,
				.vaddr = p.p_vaddr,
				.filesz = p.p_filesz,
				.flags = p.p_flags,
			};
		} else if (p.p_type == PT_DYNAMIC) {
			e->dyn_off = p.p_offset;
			e->dyn_len = p.p_filesz;
		} else if (p.p_type == PT_NOTE && !e->go_note) {
			e->go_note = note_is_go(e, p.p_offset);
		}
	}
	return e->load_cnt > 0;
}

static bool elf_open(struct elf *e, int fd)
{
	*e = (struct elf){
		.fd = fd, .budget = KS_ELF_READ_CAP, .cpu_end_ns = cpu_ns() + ELF_CPU_NS
	};
	e->file.elf = elf_header(e) && elf_segments(e);
	return e->file.elf;
}

/* Address to file offset through the segment that holds it; flags: required segment flags. */
static const struct load *elf_load(const struct elf *e, uint64_t addr, uint32_t flags)
{
	for (uint32_t i = 0; i < e->load_cnt; i++) {
		const struct load *l = &e->loads[i];

		if ((l->flags & flags) == flags && addr >= l->vaddr && addr - l->vaddr < l->filesz)
			return l;
	}
	return NULL;
}

static bool elf_offset(const struct elf *e, uint64_t addr, uint32_t flags, uint64_t *ret)
{
	const struct load *l = elf_load(e, addr, flags);

	return l && !__builtin_add_overflow(addr - l->vaddr, l->offset, ret);
}

static size_t sym_len(const struct elf *e)
{
	return e->file.is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
}

static void sym_decode(const struct elf *e, const void *raw, struct sym *ret)
{
	if (e->file.is64) {
		Elf64_Sym s;

		memcpy(&s, raw, sizeof(s));
		*ret = (struct sym){ s.st_value, s.st_size, s.st_name, s.st_shndx,
				     ELF64_ST_TYPE(s.st_info) };
	} else {
		Elf32_Sym s;

		memcpy(&s, raw, sizeof(s));
		*ret = (struct sym){ s.st_value, s.st_size, s.st_name, s.st_shndx,
				     ELF32_ST_TYPE(s.st_info) };
	}
}

/* Take a symbol whose name is names[i]; the first definition wins (a second one is an old symbol version). */
static void hit(struct elf *e, size_t i, const struct sym *s)
{
	const struct load *l;
	uint64_t off, end;

	if (e->hits[i].offset || s->shndx == SHN_UNDEF || s->type != STT_FUNC || s->size == 0)
		return;
	if (!elf_offset(e, s->value, PF_X, &off) || off == 0)
		return;
	l = elf_load(e, s->value, PF_X);
	if (__builtin_add_overflow(l->offset, l->filesz, &end))
		return;
	e->hits[i] = (struct elfsym_hit){ off, s->size, l->offset, end };
	e->found++;
}

/* What PT_DYNAMIC says about the dynamic symbols, as file offsets; 0 = absent. */
struct dynamic {
	uint64_t symtab, strtab, hash, gnu_hash;
};

static bool dyn_get(struct elf *e, uint32_t i, uint64_t *ret_tag, uint64_t *ret_val)
{
	union {
		Elf64_Dyn d64;
		Elf32_Dyn d32;
	} u;
	size_t len = e->file.is64 ? sizeof(u.d64) : sizeof(u.d32);

	if ((i + 1) * len > e->dyn_len || !elf_get(e, e->dyn_off + i * len, &u, len))
		return false;
	*ret_tag = e->file.is64 ? (uint64_t)u.d64.d_tag : (uint64_t)(uint32_t)u.d32.d_tag;
	*ret_val = e->file.is64 ? u.d64.d_un.d_val : u.d32.d_un.d_val;
	return *ret_tag != DT_NULL;
}

static bool dyn_read(struct elf *e, struct dynamic *d)
{
	uint64_t tag, val;

	*d = (struct dynamic){ 0 };
	for (uint32_t i = 0; i < ELF_DYNS && dyn_get(e, i, &tag, &val); i++) {
		uint64_t *to = tag == DT_SYMTAB	    ? &d->symtab
			       : tag == DT_STRTAB   ? &d->strtab
			       : tag == DT_HASH	    ? &d->hash
			       : tag == DT_GNU_HASH ? &d->gnu_hash
						    : NULL;
		if (to && !elf_offset(e, val, 0, to))
			*to = 0;
	}
	return d->symtab && d->strtab && (d->hash || d->gnu_hash);
}

/* Is dynamic symbol idx called names[i]? Then take it. */
static bool dyn_try(struct elf *e, const struct dynamic *d, uint32_t idx, size_t i)
{
	char raw[sizeof(Elf64_Sym)], name[ELF_NAME_LEN];
	size_t len = strlen(e->names[i]) + 1;
	struct sym s;

	if (!elf_get(e, d->symtab + (uint64_t)idx * sym_len(e), raw, sym_len(e)))
		return false;
	sym_decode(e, raw, &s);
	if (!elf_get(e, d->strtab + s.name, name, len) || memcmp(name, e->names[i], len) != 0)
		return false;
	hit(e, i, &s);
	return e->hits[i].offset != 0;
}

static uint32_t gnu_hash(const char *s)
{
	uint32_t h = 5381;

	while (*s)
		h = h * 33 + (unsigned char)*s++;
	return h;
}

static uint32_t sysv_hash(const char *s)
{
	uint32_t h = 0;

	while (*s) {
		h = (h << 4) + (unsigned char)*s++;
		h ^= (h >> 24) & 0xf0;
	}
	return h & 0x0fffffff;
}

static void gnu_lookup(struct elf *e, const struct dynamic *d, size_t i)
{
	uint32_t head[4], word_bits = e->file.is64 ? 64 : 32, h = gnu_hash(e->names[i]), idx;
	uint64_t bloom = 0, at, mask;

	if (!elf_get(e, d->gnu_hash, head, sizeof(head)))
		return;
	/* head: nbuckets, symoffset, bloom_size (a power of two), bloom_shift */
	if (head[0] == 0 || head[2] == 0 || (head[2] & (head[2] - 1)) || head[3] > 31)
		return;
	at = d->gnu_hash + sizeof(head);
	if (!elf_get(e, at + (uint64_t)(h / word_bits & (head[2] - 1)) * (word_bits / 8), &bloom,
		     word_bits / 8))
		return;
	mask = 1ULL << (h % word_bits) | 1ULL << ((h >> head[3]) % word_bits);
	if ((bloom & mask) != mask)
		return;
	at += (uint64_t)head[2] * (word_bits / 8);
	if (!elf_u32(e, at + (uint64_t)(h % head[0]) * 4, &idx) || idx < head[1])
		return;
	at += (uint64_t)head[0] * 4;
	for (uint32_t n = 0; n < ELF_CHAIN; n++, idx++) {
		uint32_t c;

		if (!elf_u32(e, at + (uint64_t)(idx - head[1]) * 4, &c))
			return;
		if ((c | 1) == (h | 1) && dyn_try(e, d, idx, i))
			return;
		if ((c & 1) || idx == UINT32_MAX)
			return;
	}
}

static void sysv_lookup(struct elf *e, const struct dynamic *d, size_t i)
{
	uint32_t head[2], idx;

	if (!elf_get(e, d->hash, head, sizeof(head)) || head[0] == 0)
		return;
	if (!elf_u32(e, d->hash + 8 + (uint64_t)(sysv_hash(e->names[i]) % head[0]) * 4, &idx))
		return;
	for (uint32_t n = 0; n < ELF_CHAIN && idx != STN_UNDEF && idx < head[1]; n++) {
		if (dyn_try(e, d, idx, i))
			return;
		if (!elf_u32(e, d->hash + 8 + (uint64_t)head[0] * 4 + (uint64_t)idx * 4, &idx))
			return;
	}
}

static bool shdr_get(struct elf *e, uint32_t i, struct section *ret)
{
	if (i >= e->shnum)
		return false;
	if (e->file.is64) {
		Elf64_Shdr s;

		if (!elf_get(e, e->shoff + (uint64_t)i * sizeof(s), &s, sizeof(s)))
			return false;
		*ret = (struct section){ s.sh_offset, s.sh_size, s.sh_entsize,
					 s.sh_type,   s.sh_link, s.sh_name };
	} else {
		Elf32_Shdr s;

		if (!elf_get(e, e->shoff + (uint64_t)i * sizeof(s), &s, sizeof(s)))
			return false;
		*ret = (struct section){ s.sh_offset, s.sh_size, s.sh_entsize,
					 s.sh_type,   s.sh_link, s.sh_name };
	}
	return true;
}

/* Offsets in a string table at which a wanted name stands, up to the end of its string: the linker lets a name
 * share the tail of a longer one, so any position may begin a name. */
struct name_hits {
	uint32_t cnt;
	uint64_t filter; /* bit (offset % 64) of each */
	struct {
		uint32_t offset;
		uint32_t name;
	} at[ELF_NAME_HITS];
};

/* end: a string ends here (its NUL); buf holds what stands before. base: table offset of buf[0]. */
static void name_check(struct elf *e, const char *buf, const char *end, uint64_t base,
		       struct name_hits *ret)
{
	for (size_t i = 0; i < e->name_cnt; i++) {
		size_t len = e->name_len[i];
		uint64_t off;

		if ((size_t)(end - buf) < len || end[-1] != e->names[i][len - 1] ||
		    memcmp(end - len, e->names[i], len) != 0)
			continue;
		off = base + (uint64_t)(end - buf) - len;
		if (off > UINT32_MAX || ret->cnt == ELF_NAME_HITS)
			return;
		ret->at[ret->cnt].offset = (uint32_t)off;
		ret->at[ret->cnt++].name = (uint32_t)i;
		ret->filter |= 1ULL << (off % 64);
	}
}

static void names_scan(struct elf *e, const struct section *str, struct name_hits *ret)
{
	char buf[ELF_NAME_LEN + ELF_BUF];
	size_t keep = 0; /* bytes of the block before, so that a name across the border is seen */
	uint64_t at = 0;

	while (at < str->size && ret->cnt < ELF_NAME_HITS) {
		size_t len = str->size - at < ELF_BUF ? (size_t)(str->size - at) : ELF_BUF;
		const char *end;

		len = elf_read(e, str->offset + at, buf + keep, len);
		if (len == 0)
			return;
		end = buf + keep + len;
		for (const char *p = buf + (keep ? keep : 1); p < end; p++)
			if (*p == '\0' && e->last[(unsigned char)p[-1]])
				name_check(e, buf, p, at - keep, ret);
		at += len;
		len += keep;
		keep = len < ELF_NAME_LEN ? len : ELF_NAME_LEN;
		memmove(buf, buf + len - keep, keep);
	}
}

static void sym_check(struct elf *e, const struct sym *s, const struct name_hits *names)
{
	if (!(names->filter & 1ULL << (s->name % 64)))
		return;
	for (uint32_t i = 0; i < names->cnt; i++)
		if (names->at[i].offset == s->name)
			hit(e, names->at[i].name, s);
}

static void table_walk(struct elf *e, const struct section *tab)
{
	struct name_hits names = { 0 };
	size_t entry = sym_len(e);
	char buf[ELF_BUF - ELF_BUF % (3 * 16)]; /* whole symbols of either class: 24 and 16 bytes */
	struct section str;
	uint64_t at = 0;

	if (tab->entsize != entry || !shdr_get(e, tab->link, &str) || str.type != SHT_STRTAB)
		return;
	names_scan(e, &str, &names);
	while (names.cnt && at < tab->size && e->found < e->name_cnt) {
		size_t len = tab->size - at < sizeof(buf) ? (size_t)(tab->size - at) : sizeof(buf);

		len = elf_read(e, tab->offset + at, buf, len);
		if (len < entry)
			return;
		for (size_t i = 0; i + entry <= len; i += entry) {
			struct sym s;

			sym_decode(e, buf + i, &s);
			sym_check(e, &s, &names);
		}
		at += len;
	}
}

size_t elfsym_find(int fd, const char *const *names, size_t cnt, struct elfsym_file *ret_file,
		   struct elfsym_hit *ret_hits)
{
	struct dynamic d;
	bool hashed;
	struct elf e;

	memset(ret_hits, 0, cnt * sizeof(*ret_hits));
	(void)elf_open(&e, fd);
	*ret_file = e.file;
	if (!e.file.elf || cnt > ELFSYM_NAMES)
		return 0;
	e.names = names;
	e.name_cnt = cnt;
	e.hits = ret_hits;
	for (size_t i = 0; i < cnt; i++) {
		e.name_len[i] = strlen(names[i]);
		e.last[(unsigned char)names[i][e.name_len[i] - 1]] = true;
	}
	hashed = dyn_read(&e, &d);
	for (size_t i = 0; hashed && i < cnt; i++) {
		if (d.gnu_hash)
			gnu_lookup(&e, &d, i);
		else
			sysv_lookup(&e, &d, i);
	}
	for (uint32_t i = 0; i < e.shnum && i < ELF_SHDRS && e.found == 0; i++) {
		struct section s;

		if (!shdr_get(&e, i, &s))
			break;
		if (s.type == SHT_SYMTAB || (s.type == SHT_DYNSYM && !hashed))
			table_walk(&e, &s);
	}
	return e.found;
}

static bool go_section(struct elf *e)
{
	struct section names, s;
	char name[sizeof(".go.buildinfo")];

	if (!shdr_get(e, e->shstrndx, &names))
		return false;
	for (uint32_t i = 0; i < e->shnum && i < ELF_SHDRS; i++) {
		if (!shdr_get(e, i, &s))
			return false;
		if (elf_get(e, names.offset + s.name, name, sizeof(name)) &&
		    memcmp(name, ".go.buildinfo", sizeof(name)) == 0)
			return true;
	}
	return false;
}

bool elfsym_is_go(int fd)
{
	static const char magic[14] = "\xff Go buildinf:";
	struct elf e;

	if (!elf_open(&e, fd))
		return false;
	if (e.go_note || go_section(&e))
		return true;
	for (uint32_t i = 0; i < e.load_cnt; i++) {
		char buf[ELF_BUF];
		const struct load *l = &e.loads[i];
		size_t len = l->filesz < sizeof(buf) ? (size_t)l->filesz : sizeof(buf);

		if ((l->flags & (PF_X | PF_W)) != PF_W)
			continue;
		len = elf_read(&e, l->offset, buf, len);
		for (size_t at = 0; at + sizeof(magic) <= len; at += 16) /* aligned to 16 */
			if (memcmp(buf + at, magic, sizeof(magic)) == 0)
				return true;
	}
	return false;
}
