# SPDX-License-Identifier: Apache-2.0
"""The two processes: what the one that parses has given up, that they end together, what each exit status means."""

import os
import re
import signal
import socket
import subprocess
import time

import pytest

from lab.agent import KERNSPAN, Agent, kernspan


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def wait_gone(pid, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not os.path.exists(f"/proc/{pid}") or status(pid)["State"].startswith("Z"):
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(name="agent")
def running_agent():
    agent = Agent()
    yield agent
    agent.stop()


def test_sandbox_refuses():
    """From inside the sandbox: foreign files, bpf(), ptrace() and the like are refused."""
    done = kernspan("selftest", "sandbox")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == f"1..{len(lines) - 1}"
    assert all(re.match(r"ok \d+ - ", line) for line in lines[:-1]), done.stdout
    for what in ("/etc/shadow", "/proc/1/environ", "bpf(BPF_MAP_CREATE)", "ptrace(PTRACE_ATTACH)", "execve"):
        assert f"{what} is refused" in done.stdout


def test_agent_process_has_nothing(agent):
    """The running process: an ordinary user, no capability, no new privileges, a filter, an empty root, few descriptors."""
    pid = agent.stats()["agent_pid"]
    has = status(pid)
    assert has["Uid"].split()[0] != "0" and len(set(has["Uid"].split())) == 1
    assert has["Groups"].strip() == ""
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(has[name], 16) == 0, name
    assert has["NoNewPrivs"] == "1" and has["Seccomp"] == "2"
    assert os.listdir(f"/proc/{pid}/root") == []
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd") if int(fd) > 2]
    assert all(re.match(r"socket:|anon_inode:\[?(eventpoll|signalfd)", link) for link in links), links
    assert not any("bpf" in link for link in links)


def test_store_is_the_only_place(tmp_path):
    agent = Agent(store=str(tmp_path / "store"))
    pid = agent.stats()["agent_pid"]
    assert os.path.realpath(f"/proc/{pid}/root") == str(tmp_path / "store")
    assert oct(os.stat(tmp_path / "store").st_mode & 0o777) == "0o700"
    assert agent.stop() == 0


@pytest.mark.parametrize("who", ["warden", "agent"])
def test_they_end_together(who):
    agent = Agent()
    stats = agent.stats()
    os.kill(stats["agent_pid"] if who == "agent" else stats["pid"], signal.SIGKILL)
    assert wait_gone(stats["pid"]) and wait_gone(stats["agent_pid"])
    assert agent.stop() != 0


def test_signals_are_clean():
    for how in (signal.SIGINT, signal.SIGTERM):
        agent = Agent()
        assert agent.stop(how) == 0
        assert re.search(r"\d+ calls seen, .* (nothing lost|lost: )", agent.stderr)


def test_reader_leaves():
    """`kernspan run -o json | head -1` ends by itself, with status 0."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen([KERNSPAN, "run", "-o", "json", "--store", "none", "--control", "none"],
                               stdout=theirs, stderr=subprocess.PIPE, text=True)
    theirs.close()
    for line in process.stderr:
        if line == "kernspan: ready\n":
            break
    ours.close()
    assert process.wait(20) == 0


def test_run_command():
    """The program's exit status is ours, its output is not mixed with data, and it has no more privilege than its user."""
    env = {"SUDO_UID": "65534", "SUDO_GID": "65534"}
    done = kernspan("run", "-o", "json", "--store", "none", "--control", "none", "--",
                    "sh", "-c", "id -u; grep CapEff /proc/self/status; exit 7", env=env, timeout=60)
    assert done.returncode == 7 and done.stdout == ""
    assert "\n65534\n" in done.stderr and "CapEff:\t0000000000000000" in done.stderr
    done = kernspan("run", "-o", "json", "--store", "none", "--control", "none", "--", "/no/such/program", timeout=60)
    assert done.returncode == 127


NOBODY = ("setpriv", "--reuid", "65534", "--clear-groups")
NO_BPF = ("setpriv", "--bounding-set", "-bpf,-sys_admin")


@pytest.mark.parametrize("wrap,env,code,says", [
    (NOBODY, {}, 3, "missing  capability  CAP_BPF"),
    (NO_BPF, {}, 3, "missing  capability  CAP_BPF"),
    ((), {"KERNSPAN_BTF": "/nonexistent"}, 4, "missing  kernel      type information"),
    ((), {}, 0, "kernspan can run here"),
])
def test_doctor(wrap, env, code, says):
    done = kernspan("doctor", "-o", "text", wrap=wrap, env=env, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stdout


@pytest.mark.parametrize("wrap,names", [(NOBODY, "CAP_BPF, CAP_PERFMON"), (NO_BPF, "CAP_BPF")])
def test_run_without_privilege(wrap, names):
    done = kernspan("run", wrap=wrap)
    assert done.returncode == 3 and f"missing {names}" in done.stderr


@pytest.mark.parametrize("args,code,says", [
    (("rnu",), 2, "did you mean run?"),
    (("run", "--outptu", "json"), 2, "did you mean --output?"),
    (("run", "--ring-bytes", "3000000"), 2, "expected a power of two"),
    (("run", "--user", "root"), 2, "must be unprivileged"),
    (("run", "--user", "no-such-user"), 2, "there is no user no-such-user"),
    (("run", "--store", "/proc/kernspan"), 1, "cannot use the store directory"),
    (("run", "--pid", "4194303"), 1, "there is no process 4194303"),
    (("replay", "/etc/hostname"), 1, "not a recording"),
    (("stats", "--control", "/nonexistent.sock"), 1, "no agent answers"),
])
def test_errors_say_what_to_do(args, code, says):
    done = kernspan(*args)
    assert done.returncode == code, done.stderr
    assert says in done.stderr and done.stdout == ""
