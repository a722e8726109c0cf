/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symbols of real ELF files: a small library is built with the compiler in every form that matters (hash tables, no
 * section headers, symbols in .symtab only, 32 bit, Go marks), cut and spoilt; then what this machine has installed.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/elfsym.h"
#include "probe/tlslib.h"

static char dir[64];

static const char source[] =
	"typedef int f(void *, void *, int);\n"
	"int SSL_read(void *a, void *b, int n) { (void)a; (void)b; return n + 1; }\n"
	"int SSL_write(void *a, void *b, int n) { (void)a; (void)b; return n + 2; }\n"
	"int BIO_SSL_read(void *a, void *b, int n) { (void)a; (void)b; return n + 3; }\n"
	"int SSL_set_fd(void *a, int n) { (void)a; return n + 4; }\n"
	"int SSL_free = 7;\n" /* an object of that name is no function */
	"extern f SSL_do_handshake;\n"
	"f *use = SSL_do_handshake;\n" /* an undefined symbol is none either */
	"#ifdef GO\n"
	"__attribute__((section(\".go.buildinfo\"), aligned(16), used)) char go[32] = \"\\377 Go buildinf:\";\n"
	"#endif\n";

static const char *const names[] = { "SSL_read",	 "SSL_write",  "SSL_free",
				     "SSL_do_handshake", "SSL_set_fd", "SSL_x" };
#define NAMES (sizeof(names) / sizeof(names[0]))

static int setup(void **state)
{
	char path[128];
	FILE *f;

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/elfsym.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/a.c", dir);
	f = fopen(path, "w");
	if (!f || fwrite(source, 1, sizeof(source) - 1, f) != sizeof(source) - 1)
		return -1;
	return fclose(f);
}

static int teardown(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	return system(cmd);
}

/* Build the library; returns a descriptor, or -1 when the compiler cannot. */
static int build(const char *flags, const char *then)
{
	char cmd[512], path[128];

	snprintf(path, sizeof(path), "%s/a.so", dir);
	snprintf(cmd, sizeof(cmd),
		 "cd %s && gcc -shared -nostdlib -fPIC -O1 %s -o a.so a.c 2>/dev/null && %s", dir,
		 flags, then);
	if (system(cmd))
		return -1;
	return open(path, O_RDWR | O_CLOEXEC);
}

static void spoil_sections(int fd)
{
	const uint64_t zero = 0;

	assert_int_equal(pwrite(fd, &zero, 8, offsetof(Elf64_Ehdr, e_shoff)), 8);
	assert_int_equal(pwrite(fd, &zero, 6, offsetof(Elf64_Ehdr, e_shentsize)), 6);
}

/* The three functions are there, at distinct places, and no other name is. */
static void check(int fd, bool is64)
{
	struct elfsym_hit hits[NAMES];
	struct elfsym_file file;

	assert_int_equal(elfsym_find(fd, names, NAMES, &file, hits), 3);
	assert_true(file.elf);
	assert_int_equal(file.is64, is64);
	assert_true(hits[0].offset && hits[1].offset && hits[4].offset);
	assert_true(hits[0].size && hits[1].size && hits[4].size);
	assert_true(hits[0].offset != hits[1].offset && hits[1].offset != hits[4].offset);
	assert_int_equal(hits[2].offset, 0);
	assert_int_equal(hits[3].offset, 0);
	assert_int_equal(hits[5].offset, 0);
}

/* The code at the offset is SSL_read's: on x86-64 and at -O1, lea 0x1(%rdx),%eax. */
static void check_code(int fd)
{
	struct elfsym_hit hits[NAMES];
	struct elfsym_file file;
	unsigned char code[8];

	if (elfsym_find(fd, names, NAMES, &file, hits) != 3 || file.machine != EM_X86_64)
		return;
	assert_int_equal(pread(fd, code, sizeof(code), (off_t)hits[0].offset), sizeof(code));
	assert_non_null(memmem(code, sizeof(code), "\x8d\x42\x01", 3));
}

static void finds_by_hash(void **state)
{
	static const char *const styles[] = { "-Wl,--hash-style=gnu", "-Wl,--hash-style=sysv",
					      "-Wl,--hash-style=both -s" };
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		int fd = build(styles[i], "true");

		assert_true(fd >= 0);
		check(fd, true);
		check_code(fd);
		spoil_sections(fd); /* program headers are enough */
		check(fd, true);
		close(fd);
	}
}

static void finds_in_symtab(void **state)
{
	int fd = build("-fvisibility=hidden -g", "true");

	(void)state;
	assert_true(fd >= 0);
	check(fd, true);
	check_code(fd);
	spoil_sections(fd);
	struct elfsym_hit hits[NAMES];
	struct elfsym_file file;

	assert_int_equal(elfsym_find(fd, names, NAMES, &file, hits), 0);
	assert_true(file.elf);
	close(fd);
	fd = build("-fvisibility=hidden", "strip a.so");
	assert_true(fd >= 0);
	assert_int_equal(elfsym_find(fd, names, NAMES, &file, hits), 0);
	close(fd);
}

static void finds_in_32_bit(void **state)
{
	struct tlslib lib;
	int fd = build("-m32 -Wl,--hash-style=gnu", "true");

	(void)state;
	if (fd < 0)
		skip();
	check(fd, false);
	assert_int_equal(tlslib_find(fd, &lib),
			 -ENOTSUP); /* its calls pass arguments on the stack */
	close(fd);
	fd = build("-m32 -Wl,--hash-style=sysv", "true");
	assert_true(fd >= 0);
	check(fd, false);
	close(fd);
	fd = build("-m32 -fvisibility=hidden", "true");
	assert_true(fd >= 0);
	check(fd, false);
	close(fd);
}

static void refuses_go(void **state)
{
	struct tlslib lib = { 0 };
	int fd = build("-DGO", "true");

	(void)state;
	assert_true(fd >= 0);
	assert_true(elfsym_is_go(fd));
	assert_int_equal(tlslib_find(fd, &lib), -ENOTSUP);
	assert_string_equal(lib.kind, "openssl");
	spoil_sections(fd); /* the magic in the data segment is left */
	assert_int_equal(tlslib_find(fd, &lib), -ENOTSUP);
	close(fd);
	fd = build("", "true");
	assert_false(elfsym_is_go(fd));
	assert_int_equal(tlslib_find(fd, &lib), 0);
	assert_int_equal(lib.funcs,
			 1u << TLS_SSL_READ | 1u << TLS_SSL_WRITE | 1u << TLS_SSL_SET_FD);
	close(fd);
}

/* Cut anywhere, and with any one byte of the headers turned over: an answer, and no offset outside the file. */
static void survives_damage(void **state)
{
	struct elfsym_hit hits[NAMES];
	struct elfsym_file file;
	int fd = build("-g", "true");
	struct stat st;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	for (off_t at = 0; at < 4096; at++) {
		unsigned char byte, bad;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		bad = (unsigned char)~byte;
		assert_int_equal(pwrite(fd, &bad, 1, at), 1);
		elfsym_find(fd, names, NAMES, &file, hits);
		(void)elfsym_is_go(fd);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	check(fd, true);
	for (off_t len = st.st_size - 1; len >= 0; len -= 1 + len / 200) {
		assert_int_equal(ftruncate(fd, len), 0);
		elfsym_find(fd, names, NAMES, &file, hits);
	}
	close(fd);
}

static void not_elf(void **state)
{
	static const char *const paths[] = { "/proc/self/status", "/etc/passwd", "/dev/null" };
	struct elfsym_hit hits[NAMES];
	struct elfsym_file file;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);

		assert_int_equal(elfsym_find(fd, names, NAMES, &file, hits), 0);
		assert_false(file.elf);
		close(fd);
	}
	assert_int_equal(elfsym_find(-1, names, NAMES, &file, hits), 0);
}

#define STRTAB 8192 /* where the string table of made() begins */

/* An ELF file in memory with one symbol called by the bytes at str_off of its string table, and sections symbol tables
 * that share both. The caller writes the string table. */
static int made(uint64_t strtab_len, uint32_t str_off, uint16_t sections)
{
	const Elf64_Ehdr eh = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_phoff = sizeof(eh),
		.e_shoff = STRTAB + strtab_len,
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = sections + 1,
	};
	const Elf64_Phdr ph = {
		.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = 4096, .p_memsz = 4096
	};
	const Elf64_Sym sym = { .st_name = str_off,
				.st_info = STT_FUNC,
				.st_shndx = 1,
				.st_value = 1024,
				.st_size = 16 };
	const Elf64_Shdr str = { .sh_type = SHT_STRTAB, .sh_offset = STRTAB, .sh_size = strtab_len };
	const Elf64_Shdr tab = { .sh_type = SHT_SYMTAB,
				 .sh_offset = 4096,
				 .sh_size = sizeof(sym),
				 .sh_entsize = sizeof(sym) };
	off_t at = (off_t)(STRTAB + strtab_len);
	int fd = memfd_create("elf", MFD_CLOEXEC);

	assert_int_equal(pwrite(fd, &eh, sizeof(eh), 0), sizeof(eh));
	assert_int_equal(pwrite(fd, &ph, sizeof(ph), sizeof(eh)), sizeof(ph));
	assert_int_equal(pwrite(fd, &sym, sizeof(sym), 4096), sizeof(sym));
	assert_int_equal(pwrite(fd, &str, sizeof(str), at), sizeof(str));
	for (uint16_t i = 0; i < sections; i++) {
		at += (off_t)sizeof(tab);
		assert_int_equal(pwrite(fd, &tab, sizeof(tab), at), sizeof(tab));
	}
	return fd;
}

/* The table is read in blocks: wherever a name lies, it is found. */
static void finds_across_blocks(void **state)
{
	struct elfsym_hit hits[NAMES];
	struct elfsym_file file;

	(void)state;
	for (uint32_t off = 0; off < 3 * 16384; off += off % 16384 < 16370 && off % 16384 > 4 ? 16365 : 1) {
		int fd = made(4 * 16384, off, 1);

		assert_int_equal(pwrite(fd, "SSL_read", 9, STRTAB + off), 9);
		assert_int_equal(elfsym_find(fd, names, NAMES, &file, hits), 1);
		assert_int_equal(hits[0].offset, 1024);
		close(fd);
	}
}

static uint64_t cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Files made to keep us busy: a string table that is a hole of 250 MB, and a short one that 4000 symbol tables share
 * and in which every second byte ends what may be a name. */
static void gives_up_in_time(void **state)
{
	struct elfsym_hit hits[NAMES];
	struct elfsym_file file;
	static char text[1 << 20];
	uint64_t begin = cpu_ms();
	int fd = made(250 << 20, 0, 1);

	(void)state;
	assert_int_equal(elfsym_find(fd, names, NAMES, &file, hits), 0);
	close(fd);
	assert_true(cpu_ms() - begin < 400);
	for (size_t i = 0; i < sizeof(text); i += 2)
		text[i] = 'd';
	fd = made(sizeof(text), 0, 4000);
	assert_int_equal(pwrite(fd, text, sizeof(text), STRTAB), sizeof(text));
	begin = cpu_ms();
	assert_int_equal(elfsym_find(fd, names, NAMES, &file, hits), 0);
	assert_true(cpu_ms() - begin < 400);
	close(fd);
}

static int find_in(const char *path, struct tlslib *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return -EBADF;
	err = tlslib_find(fd, ret);
	close(fd);
	return err;
}

/* What is installed here; files that are not are passed over. */
static void installed(void **state)
{
	const uint32_t all = (1u << TLS_FUNC_CNT) - 1, no_ex2 = all & ~(1u << TLS_SSL_WRITE_EX2 | 1u << TLS_SSL_ACCEPT);
	struct tlslib lib = { 0 };
	int err;

	(void)state;
	err = find_in("/usr/lib/x86_64-linux-gnu/libssl.so.3", &lib);
	assert_true(err == -EBADF || (err == 0 && (lib.funcs & no_ex2) == no_ex2));
	err = find_in("/usr/lib/x86_64-linux-gnu/libgnutls.so.30", &lib);
	assert_true(err == -EBADF || (err == 0 && lib.source == KS_SRC_GNUTLS && __builtin_popcount(lib.funcs) == 5));
	err = find_in("/usr/bin/node", &lib);
	assert_true(err == -EBADF || err == -ENOENT ||
		    (err == 0 && (lib.funcs & no_ex2) == no_ex2));
	err = find_in("/usr/local/go/bin/go", &lib);
	assert_true(err == -EBADF || err == -ENOENT);
	err = find_in("/usr/lib/x86_64-linux-gnu/libcrypto.so.3", &lib);
	assert_true(err == -EBADF || err == -ENOENT);
	assert_int_equal(find_in("/proc/self/exe", &lib), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_by_hash),   cmocka_unit_test(finds_in_symtab),
		cmocka_unit_test(finds_in_32_bit), cmocka_unit_test(refuses_go),
		cmocka_unit_test(survives_damage), cmocka_unit_test(not_elf),
		cmocka_unit_test(finds_across_blocks), cmocka_unit_test(gives_up_in_time),
		cmocka_unit_test(installed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
