# SPDX-License-Identifier: Apache-2.0
"""What a privileged program must not do by mistake: to files, to other users' directories, to its own other half."""

import os
import shutil
import signal
import stat
import subprocess
import time

import pytest

from lab.agent import KERNSPAN, Agent, kernspan

BASE = ("--store", "none", "--control", "none")


def record(path, env=None):
    return kernspan("record", str(path), *BASE, "--", "true", env=env, timeout=60)


@pytest.fixture(name="foreign")
def foreign_file(tmp_path):
    path = tmp_path / "theirs"
    path.write_text("kept", encoding="ascii")
    os.chown(path, 65534, 65534)
    return path


def test_recording_to_a_device(tmp_path):
    """A device keeps its mode and owner: `record /dev/null` must not take it from the machine."""
    node = tmp_path / "null"
    os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.chmod(node, 0o666)
    assert record(node, {"SUDO_UID": "65534", "SUDO_GID": "65534"}).returncode == 0
    after = os.stat(node)
    assert stat.S_IMODE(after.st_mode) == 0o666 and after.st_uid == 0


def test_recording_over_a_foreign_file(foreign, tmp_path):
    """Who lays down the file beforehand, or holds it by another name, would read the prompts."""
    done = record(foreign)
    assert done.returncode == 1 and "belongs to another user" in done.stderr
    assert foreign.read_text(encoding="ascii") == "kept"
    mine = tmp_path / "mine"
    mine.write_text("kept", encoding="ascii")
    os.link(mine, tmp_path / "second")
    assert record(mine).returncode == 1 and mine.read_text(encoding="ascii") == "kept"


def test_recording_belongs_to_the_invoker(foreign):
    assert record(foreign, {"SUDO_UID": "65534", "SUDO_GID": "65534"}).returncode == 0
    after = os.stat(foreign)
    assert (after.st_uid, stat.S_IMODE(after.st_mode)) == (65534, 0o600) and after.st_size > 8


@pytest.mark.parametrize("uid", ["", "x", "-1", "4294967295", "99999999999"])
def test_sudo_uid_is_a_number(uid):
    """Not an id: the program is not run as root instead."""
    done = kernspan("run", "-o", "json", *BASE, "--", "id", "-u", env={"SUDO_UID": uid, "SUDO_GID": "65534"}, timeout=60)
    assert done.returncode == 127 and "\n0\n" not in done.stderr


def test_control_path_typed_wrong(tmp_path):
    """Only a socket is taken for one that was left behind."""
    path = tmp_path / "precious"
    path.write_text("kept", encoding="ascii")
    done = kernspan("run", "-o", "none", "--store", "none", "--control", str(path), "--", "true", timeout=60)
    assert done.returncode == 0 and "no stats socket" in done.stderr
    assert path.read_text(encoding="ascii") == "kept"


def test_store_is_not_a_link(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "target")
    done = kernspan("run", "-o", "none", "--store", str(tmp_path / "store"), "--control", "none", "--", "true", timeout=60)
    assert done.returncode == 1 and os.stat(tmp_path / "target").st_uid == 0


def test_store_is_closed_to_others(tmp_path):
    store = tmp_path / "store"
    store.mkdir(mode=0o777)
    os.chmod(store, 0o777)
    os.chown(store, 65534, 65534)
    done = kernspan("run", "-o", "none", "--store", str(store), "--control", "none", "--user", "nobody", "--", "true",
                    timeout=60)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(os.stat(store).st_mode) == 0o750
    assert all(stat.S_IMODE(os.stat(file).st_mode) == 0o600 for file in store.iterdir())


def test_store_is_read_as_its_owner(tmp_path):
    """The parsing process writes the store; root does not read what it may have been made to leave there."""
    agent = Agent(store=str(tmp_path / "store"))
    with subprocess.Popen([KERNSPAN, "observe", "--store", tmp_path / "store", "--follow"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as observe:
        time.sleep(1)
        with open(f"/proc/{observe.pid}/status", encoding="ascii") as f:
            ids = {line.split()[1] for line in f if line.startswith("Uid:")}
        observe.terminate()
        assert observe.wait(10) == 0, observe.stderr.read()
    assert ids == {str(os.stat(tmp_path / "store").st_uid)} and "0" not in ids
    assert agent.stop() == 0


def test_parser_has_no_input():
    """Standard input of the parsing process is nobody's terminal and no directory."""
    agent = Agent()
    assert os.readlink(f"/proc/{agent.stats()['agent_pid']}/fd/0").startswith("pipe:")
    assert agent.stop() == 0


def test_program_ends_but_the_parser_has_its_time():
    """SIGTERM ends the program of `run -- CMD` at once; that does not shorten what the parser may take to drain."""
    agent = Agent("--", "sleep", "60")
    parser = agent.stats()["agent_pid"]
    os.kill(parser, signal.SIGSTOP)
    agent.process.send_signal(signal.SIGTERM)
    time.sleep(3)
    os.kill(parser, signal.SIGCONT)
    assert agent.process.wait(15) == 128 + signal.SIGTERM, agent.stderr  # the program's status
    agent.stop()
    assert "signal 9" not in agent.stderr


def test_parser_that_stands_still(tmp_path):
    """Identities that the parser does not take cost the privileged process one wait, not one each: it answers, and ends."""
    agent = Agent()
    parser = agent.stats()["agent_pid"]
    os.kill(parser, signal.SIGSTOP)
    script = tmp_path / "again"  # each exec is an identity; the socket holds some 1600
    script.write_text('[ "$1" = 0 ] && exit; sleep 0.003; exec sh "$0" $(($1 - 1))\n', encoding="ascii")
    subprocess.run(["sh", script, "2000"], check=True, timeout=120)
    began = time.monotonic()
    agent.stats()
    assert time.monotonic() - began < 3 and "too busy" in agent.stderr
    os.kill(parser, signal.SIGCONT)
    assert agent.stop() == 0


@pytest.mark.skipif(not shutil.which("nohup"), reason="no nohup")
def test_nohup():
    agent = Agent(wrap=("nohup",))
    agent.process.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert agent.process.poll() is None
    assert agent.stop() == 0


def test_nobody_reads_the_log():
    """Standard error full and never read: both processes go on, and end when asked."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(write, bytes(4096))
    os.set_blocking(write, True)
    with subprocess.Popen([KERNSPAN, "run", "-o", "none", *BASE], stderr=write) as process:
        time.sleep(4)
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(20) == 0
        finally:
            process.kill()
            os.close(read)
            os.close(write)
