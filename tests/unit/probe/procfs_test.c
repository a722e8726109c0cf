/* SPDX-License-Identifier: Apache-2.0 */
/* Parsers of /proc text, cgroup paths, and the rule that names a service. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/cgroup.h"
#include "probe/ident.h"
#include "probe/procfs.h"

#define ID    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static void maps(void **state)
{
	struct procfs_map m;

	(void)state;
	assert_true(procfs_map_parse(
		SLICE("7f00-7f10 r-xp 00002000 103:02 4026 /opt/my app/lib ssl.so (deleted)"), &m));
	assert_int_equal(m.start, 0x7f00);
	assert_int_equal(m.end, 0x7f10);
	assert_int_equal(m.offset, 0x2000);
	assert_int_equal(m.dev, 0x103 << 20 | 2);
	assert_int_equal(m.ino, 4026);
	assert_true(m.exec);
	assert_true(slice_eq(m.path, SLICE("/opt/my app/lib ssl.so (deleted)")));
	assert_true(procfs_map_parse(
		SLICE("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]"),
		&m));
	assert_int_equal(m.ino, 0);
	assert_true(procfs_map_parse(SLICE("1-2 rw-p 0 0:0 0 "), &m));
	assert_false(m.exec);
	assert_int_equal(m.path.len, 0);
	assert_false(procfs_map_parse(SLICE(""), &m));
	assert_false(procfs_map_parse(SLICE("1-2"), &m));
	assert_false(procfs_map_parse(SLICE("1-2 r-xp"), &m));
	assert_false(procfs_map_parse(SLICE("1-2 r-xp 0 0:0 "), &m));
	assert_false(procfs_map_parse(SLICE("11111111111111111-2 r-xp 0 0:0 0"), &m));
}

static void status_and_stat(void **state)
{
	struct procfs_status s;
	uint64_t ticks;

	(void)state;
	procfs_status_parse(
		SLICE("Name:\tx\nPPid:\t7\nUid:\t1\t2\t3\t4\nNSpid:\t900\t12\t1\nSeccomp:\t2\nSeccomp_filters:\t3"),
		&s);
	assert_int_equal(s.ppid, 7);
	assert_int_equal(s.uid, 2);
	assert_int_equal(s.nspid, 1);
	assert_int_equal(s.seccomp, 2);
	procfs_status_parse(SLICE("Uid:\nPPid:"), &s);
	assert_int_equal(s.uid, 0);
	/* the name may hold blanks, parentheses and numbers */
	assert_true(procfs_stat_parse(
		SLICE("12 (a) 1 (b c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20"),
		&ticks));
	assert_int_equal(ticks, 4711);
	assert_false(procfs_stat_parse(SLICE("12 (a) S 1 2 3"), &ticks));
	assert_false(procfs_stat_parse(SLICE("12 a S 1 2 3"), &ticks));
}

static void start_time(void **state)
{
	int proc = open("/proc", O_PATH), fd = procfs_open(proc, getpid());
	struct timespec now;
	uint64_t ns, now_ns;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(procfs_start_ns(fd, &ns), 0);
	clock_gettime(CLOCK_BOOTTIME, &now);
	now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	assert_true(ns <= now_ns && now_ns - ns < 60000000000ULL);
	assert_int_equal(ns % 10000000, 0);
	assert_true(procfs_open(proc, 0x3ffffff) < 0);
	close(fd);
	close(proc);
}

/* Whatever the pieces, the result is the same. */
static void environment(void **state)
{
	static const char text[] =
		"OTEL_SERVICE_NAM=no\0PATH=/bin\0XOTEL_SERVICE_NAME=no\0"
		"OTEL_RESOURCE_ATTRIBUTES=a=b, service.name =chat%20b%C3%B6t ,service.namespace=c\0"
		"OTEL_SERVICE_NAME= front end \0OTEL_SERVICE_NAMES=no\0SECRET=x";
	struct procfs_env env;

	(void)state;
	for (size_t piece = 1; piece < sizeof(text); piece++) {
		procfs_env_init(&env);
		for (size_t at = 0; at < sizeof(text); at += piece) {
			size_t len = sizeof(text) - at < piece ? sizeof(text) - at : piece;

			procfs_env_feed(&env, (struct slice){ text + at, len });
		}
		procfs_env_done(&env);
		assert_string_equal(env.service, "front end");
		assert_string_equal(env.attr_service, "chat böt");
		for (size_t i = 0; i < sizeof(env.entry); i++)
			assert_int_equal(env.entry[i], 0);
	}
}

static void environment_cut(void **state)
{
	struct procfs_env env;
	char big[3 * PROCFS_ENV_ENTRY];

	(void)state;
	memset(big, 'x', sizeof(big));
	memcpy(big, "OTEL_SERVICE_NAME=", 18);
	procfs_env_init(&env);
	procfs_env_feed(&env, (struct slice){ big, sizeof(big) });
	procfs_env_done(&env); /* no NUL at the end */
	assert_int_equal(strlen(env.service), KS_NAME_LEN - 1);
	memcpy(big, "OTEL_RESOURCE_ATTRIBUTES=service.name=a,", 40);
	procfs_env_init(&env);
	procfs_env_feed(&env, (struct slice){ big, sizeof(big) });
	procfs_env_feed(&env, (struct slice){ "\0OTEL_SERVICE_NAME=%61", 22 });
	procfs_env_done(&env);
	assert_string_equal(env.attr_service, "a");
	assert_string_equal(env.service, "%61"); /* only attribute values are encoded */
}

static void cleaning(void **state)
{
	char text[] = "a\tb\x7f\xff\xc3\xb6\xc0\xaf\xed\xa0\x80z\xe2\x82";

	(void)state;
	procfs_clean(text);
	assert_string_equal(text, "a_b_?\xc3\xb6?????z??");
}

static void containers(void **state)
{
	static const struct {
		const char *text;
		bool found;
	} cases[] = {
		{ "0::/system.slice/docker-" ID ".scope\n", true },
		{ "12:pids:/docker/" ID "\n0::/docker/" ID "\n", true },
		{ "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-" ID
		  ".scope",
		  true },
		{ "0::/kubepods/besteffort/pod11-22/" ID "\n", true },
		{ "0::/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope", true },
		{ "0::/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope/container", true },
		{ "0::/machine.slice/libpod-" ID ".scope/container", true },
		{ "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope",
		  true },
		{ "0::/system.slice/containerd.service/kubepods-burstable-pod1.slice:cri-containerd:" ID,
		  true },
		{ "0::/docker/" OTHER "/kubelet/kubepods/pod1/" ID, true },
		{ "0::/../../cri-containerd-" ID ".scope", true },
		{ "1:cpu:/\n0::/docker/" ID "\n", true },
		{ "0::/\n", false },
		{ "0::/system.slice/ssh.service\n", false },
		{ "0::/machine.slice/libpod-conmon-" ID ".scope", false },
		{ "0::/kubepods.slice/crio-conmon-" ID ".scope", false },
		{ "0::/docker/0123", false },
		{ "0::/docker/" ID "0", false },
		{ "", false },
	};
	char id[CGROUP_ID_LEN + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool found = cgroup_container(slice_str(cases[i].text), id);

		if (found != cases[i].found)
			fail_msg("%s", cases[i].text);
		if (found)
			assert_string_equal(id, ID);
	}
}

static void scripts(void **state)
{
#define CMD(exe, words, want) { exe, words, sizeof(words), want }
	static const struct {
		const char *exe, *words;
		size_t len;
		const char *want;
	} cases[] = {
		CMD("/usr/bin/python3.11",
		    "python3\0app.py\0--port\0"
		    "80",
		    "app"),
		CMD("/usr/bin/python3.11", "python3\0-u\0/srv/bot/main.py", "main"),
		CMD("/usr/bin/python3.13", "python\0-X\0dev\0-m\0uvicorn\0app:app", "uvicorn"),
		CMD("/usr/bin/python3", "python3\0-um\0pkg.cli", "pkg.cli"),
		CMD("/usr/bin/python3", "python3\0-c\0print(1)\0x.py", ""),
		CMD("/usr/bin/python3", "python3\0/venv/bin/gunicorn\0app", "gunicorn"),
		CMD("/usr/bin/python3", "python3\0/srv/agent/__main__.py", "agent"),
		CMD("/usr/bin/python3", "python3\0__main__.py", "__main__"),
		CMD("/usr/bin/python3", "python3\0/srv/agent/", "agent"),
		CMD("/usr/bin/python3", "python3", ""),
		CMD("/usr/bin/python3", "python3\0-", ""),
		CMD("/usr/bin/node",
		    "node\0--max-old-space-size=4\0-r\0./trace.js\0/app/server.mjs", "server"),
		CMD("/usr/bin/node", "node\0-e\0fetch()", ""),
		CMD("/usr/bin/node", "node\0--\0a.js", "a"),
		CMD("/usr/bin/deno", "deno\0run\0-A\0bot.ts", "bot"),
		CMD("/opt/jdk/bin/java", "java\0-Xmx1g\0-cp\0a.jar:b.jar\0com.x.Main",
		    "com.x.Main"),
		CMD("/opt/jdk/bin/java", "java\0-jar\0/opt/app.jar\0x", "app"),
		CMD("/usr/bin/ruby3.1", "ruby\0bot.rb", "bot"),
		CMD("/usr/bin/curl", "curl\0http://x", ""),
		CMD("/usr/bin/pythonx", "pythonx\0a.py", ""),
		CMD("", "", ""),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice got = ident_script(slice_str(cases[i].exe),
						(struct slice){ cases[i].words, cases[i].len });

		if (!slice_eq(got, slice_str(cases[i].want)))
			fail_msg("%zu: want %s, got %.*s", i, cases[i].want, (int)got.len, got.ptr);
	}
}

/* A child with its own environment, identified from outside. */
static void ident_of(const char *const *argv, const char *const *envp, struct ks_ev_ident *ret)
{
	int proc = open("/proc", O_PATH), fd, out[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		dup2(out[1], 1);
		execve(argv[0], (char *const *)argv, (char *const *)envp);
		_exit(1);
	}
	assert_int_equal(read(out[0], &byte, 1), 1); /* it runs */
	fd = procfs_open(proc, pid);
	assert_true(fd >= 0);
	assert_int_equal(ident_read(fd, (uint32_t)pid, 5, 6, ret), 0);
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(out[0]);
	close(out[1]);
	close(proc);
}

static void identities(void **state)
{
	static const char *const yes[] = { "/usr/bin/yes", NULL };
	static const char *const bare[] = { NULL };
	static const char *const named[] = { "A=1", "OTEL_SERVICE_NAME=chat\nbot", NULL };
	static const char *const attrs[] = { "OTEL_RESOURCE_ATTRIBUTES=service.name=a%2Cb", NULL };
	struct ks_ev_ident id;

	(void)state;
	ident_of(yes, bare, &id);
	assert_int_equal(id.h.kind, KS_EV_IDENT);
	assert_int_equal(id.h.len, sizeof(id));
	assert_int_equal(id.h.proc_start_ns, 5);
	assert_int_equal(id.h.ts_ns, 6);
	assert_int_equal(id.ppid, getpid());
	assert_int_equal(id.uid, geteuid());
	assert_string_equal(id.comm, "yes");
	assert_string_equal(id.exe, "/usr/bin/yes");
	assert_string_equal(id.service, "yes");
	ident_of(yes, named, &id);
	assert_string_equal(id.service, "chat_bot");
	ident_of(yes, attrs, &id);
	assert_string_equal(id.service, "a,b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps),
		cmocka_unit_test(status_and_stat),
		cmocka_unit_test(start_time),
		cmocka_unit_test(environment),
		cmocka_unit_test(environment_cut),
		cmocka_unit_test(cleaning),
		cmocka_unit_test(containers),
		cmocka_unit_test(scripts),
		cmocka_unit_test(identities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
