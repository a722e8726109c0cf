# SPDX-License-Identifier: Apache-2.0
"""Two processes: the one that parses holds no capability and reaches no foreign file, and cannot call bpf() or ptrace()."""

import os
import pathlib
import re

import pytest

from lab.agent import kernspan
from lab.lab import run_client


def status(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


@pytest.fixture(scope="module")
def parser(agent):
    return agent.stats()["agent_pid"]


def test_from_inside():
    """The sandbox tries what must fail, from inside: files, bpf(), ptrace(), sockets, exec."""
    done = kernspan("selftest", "sandbox")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len([line for line in lines if line.startswith("ok ")]) >= 15
    assert not [line for line in lines if line.startswith("not ok")]
    for what in ("bpf(", "ptrace(", "/etc/passwd"):
        assert [line for line in lines if line.startswith("ok ") and what in line], what


def test_no_capability(parser):
    now = status(parser)
    for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb"):
        assert int(now[f"Cap{kind}"], 16) == 0, kind


def test_unprivileged_user(parser):
    now = status(parser)
    assert "0" not in now["Uid"].split()
    assert "0" not in now["Gid"].split()
    assert now["Groups"].split() in ([], now["Gid"].split()[:1])


def test_no_new_privileges(parser):
    now = status(parser)
    assert now["NoNewPrivs"].strip() == "1"
    assert now["Seccomp"].strip() == "2"


def test_own_root(parser):
    """Its root directory is empty and not the system's."""
    root = f"/proc/{parser}/root"
    assert os.stat(root).st_ino != os.stat("/").st_ino or os.stat(root).st_dev != os.stat("/").st_dev
    assert not pathlib.Path(root, "etc").exists()


def test_no_program_descriptors(parser):
    """It holds the maps it was given, and no program, no link, no /proc."""
    held = [os.readlink(f"/proc/{parser}/fd/{fd}") for fd in os.listdir(f"/proc/{parser}/fd")]
    assert not [name for name in held if re.search(r"bpf-prog|bpf_link|bpf-link|perf_event|^/proc", name)], held


def test_it_is_the_one_that_parses(lab, agent, parser):
    """The process looked at above is the one that makes the spans: it alone reads the ring."""
    assert parser != agent.pid and status(parser)["PPid"].strip() == str(agent.pid)
    before = agent.stats()["pipeline"]["spans"]
    rows = run_client(lab, "python-openai-sync", lab.url("tls"), ["plain"])
    agent.expect(rows[0]["pid"], 1)
    assert agent.stats()["pipeline"]["spans"] > before
    assert int(status(agent.pid)["CapEff"], 16) != 0


def test_not_dumpable(parser):
    """A core file would hold prompts."""
    assert os.stat(f"/proc/{parser}/mem").st_uid == 0
