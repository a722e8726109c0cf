# SPDX-License-Identifier: Apache-2.0
"""The command line: what is wrong is said in one line, with the place and what to do, and the exit status tells."""

import json
import os
import pathlib
import re
import signal
import stat
import subprocess
import time

import pytest

from lab.agent import KERNSPAN, Agent, kernspan
from lab.lab import run_client

COMMANDS = ["run", "observe", "record", "replay", "stats", "doctor", "version"]
PLAIN_USER = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all",
              "--bounding-set=-all", "--no-new-privs"]
USAGE, PRIVILEGE = 2, 3


@pytest.fixture(scope="module")
def public():
    """A copy of the program that any user can reach."""
    where = pathlib.Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    where.chmod(0o755)
    subprocess.run(["cp", KERNSPAN, where / "kernspan"], check=True)
    yield where / "kernspan"
    subprocess.run(["rm", "-rf", where], check=True)

def as_user(program, *args, wrap=PLAIN_USER):
    return subprocess.run([*wrap, program, *args], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, cwd="/", check=False)


def test_version():
    done = kernspan("version")
    assert done.returncode == 0 and re.match(r"kernspan \S+\n$", done.stdout)


def test_help():
    done = kernspan("help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert command in done.stdout
        one = kernspan(command, "--help")
        assert one.returncode == 0 and f"kernspan {command}" in one.stdout
        assert kernspan("help", command).stdout == one.stdout


def test_no_command():
    assert kernspan().returncode == USAGE


@pytest.mark.parametrize("args,says", [
    (["rnu"], "run"),
    (["run", "--no-such-flag"], "no-such-flag"),
    (["run", "--ring-byte", "1M"], "ring-bytes"),
    (["run", "--ring-bytes", "lots"], "ring-bytes"),
    (["run", "--ring-bytes", "12345"], "65536"),
    (["run", "-o", "yaml"], "json"),
    (["run", "--pid", "x"], "pid"),
    (["run", "stray"], "--"),
    (["run", "--config", "/no/such/file"], "/no/such/file"),
    (["observe", "--last", "-1"], "last"),
    (["replay"], "recording"),
    (["replay", "/no/such/recording"], "/no/such/recording"),
], ids=" ".join)
def test_usage(args, says):
    done = kernspan(*args)
    assert done.returncode != 0
    assert says in done.stderr, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) <= 3


@pytest.mark.parametrize("text,place,says", [
    ("output: json\nring_bytes: lots\n", "2:13", "ring_bytes"),
    ("output: json\n  family: kprobe\n", "1:9", "output"),
    ("outptu: json\n", "1:1", "output"),
    ("output: [json]\n", "1:9", "output"),
    ("a: &x b\n", "1:1", "a"),
    ("output: 'json\n", "2:1", ""),
    ("- output\n", "1:1", ""),
], ids=["value", "indent", "name", "list", "unknown", "quote", "sequence"])
def test_bad_file(tmp_path, text, place, says):
    """file:line:column, and the name meant."""
    path = tmp_path / "kernspan.yaml"
    path.write_text(text)
    done = kernspan("run", "--config", path, "--check-config")
    assert done.returncode != 0
    assert f"{path}:{place}" in done.stderr, done.stderr
    assert says in done.stderr


def test_order_of_sources(tmp_path):
    """File, environment, flags, in that rising order."""
    path = tmp_path / "kernspan.yaml"
    path.write_text("ring_bytes: 1M\ncall_bytes: 64K\nlog_level: warn\n")
    done = kernspan("run", "--config", path, "--call-bytes", "256K", "--check-config",
                    env={"KERNSPAN_CALL_BYTES": "128K", "KERNSPAN_RING_BYTES": "2M"})
    assert done.returncode == 0, done.stderr
    for number in (2 << 20, 256 << 10):
        assert re.search(rf"\b{number}\b|\b{number >> 10}[Kk]|\b{number >> 20}M", done.stdout), done.stdout


def test_check_config_prints_the_worst_case():
    done = kernspan("run", "--check-config")
    assert done.returncode == 0
    assert "worst" in done.stdout.lower()


def test_stats_without_agent(tmp_path):
    done = kernspan("stats", "--control", tmp_path / "none.sock")
    assert done.returncode != 0 and "none.sock" in done.stderr and done.stdout == ""


def test_control_in_use(start):
    """A second agent on the same socket says so, does its work, and leaves the first alone."""
    first = start()
    second = start("--control", first.control)
    assert first.control in second.stderr
    assert first.stats()["pid"] == first.pid
    assert second.stop() == 0
    assert first.stats()["pid"] == first.pid


def test_stale_control(start, tmp_path):
    """A socket left behind by a killed agent is no obstacle."""
    path = tmp_path / "control.sock"
    first = start("--control", path)
    first.process.kill()
    first.process.wait()
    second = start("--control", path)
    second.control = str(path)
    assert second.stats()["pid"] == second.pid


def test_bad_collector_address():
    done = kernspan("run", "-o", "none", "--store", "none", "--control", "none", "--otlp-endpoint", "ftp://x")
    assert done.returncode != 0 and "http://" in done.stderr


def test_store_not_writable(tmp_path):
    (tmp_path / "file").write_text("")
    done = kernspan("run", "-o", "none", "--control", "none", "--store", tmp_path / "file")
    assert done.returncode != 0 and str(tmp_path / "file") in done.stderr


def test_reader_leaves(lab):
    """Standard output is closed by the reader: the agent ends, cleanly and in time."""
    agent = subprocess.Popen([KERNSPAN, "run", "-o", "json", "--store", "none", "--control", "none"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for line in agent.stderr:
            if line.strip() == "kernspan: ready":
                break
        agent.stdout.close()
        run_client(lab, "curl", lab.url("plain"), ["openai:plain"])
        assert agent.wait(20) >= 0, f"killed by signal {-agent.returncode}"
    finally:
        if agent.poll() is None:
            agent.kill()
            agent.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_on_signal(start, number):
    assert start().stop(with_signal=number) == 0


def test_signal_before_ready():
    agent = Agent(wait=0)
    assert agent.stop() in (0, -signal.SIGTERM)


def test_doctor_as_root():
    done = kernspan("doctor")
    assert done.returncode == 0, done.stdout
    assert "missing" not in {line.split()[0] for line in done.stdout.splitlines() if line.strip()}
    rows = json.loads(kernspan("doctor", "-o", "json").stdout)
    assert isinstance(rows, (list, dict)) and rows


def test_doctor_as_plain_user(public):
    done = as_user(public, "doctor")
    assert done.returncode == PRIVILEGE, done.stdout + done.stderr
    missing = [line for line in done.stdout.splitlines() if line.startswith("missing")]
    assert [line for line in missing if "CAP_BPF" in line or "cap_bpf" in line], done.stdout


@pytest.mark.parametrize("cap", ["bpf", "perfmon"])
def test_doctor_without_one_capability(public, cap):
    """root less one capability: the line says which and what to do."""
    wrap = ["setpriv", f"--bounding-set=-{cap},-sys_admin", f"--inh-caps=-{cap},-sys_admin"]
    done = as_user(public, "doctor", wrap=wrap)
    assert done.returncode == PRIVILEGE, done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("missing")]
    assert [line for line in lines if f"cap_{cap}" in line.lower()], done.stdout


def test_run_as_plain_user(public):
    done = as_user(public, "run", "-o", "json")
    assert done.returncode == PRIVILEGE
    assert "root" in done.stderr or "CAP_" in done.stderr
    assert len(done.stderr.splitlines()) <= 3


def test_run_without_bpf(public):
    done = as_user(public, "run", "-o", "json", "--store", "none", "--control", "none",
                   wrap=["setpriv", "--bounding-set=-bpf,-sys_admin", "--inh-caps=-bpf,-sys_admin"])
    assert done.returncode == PRIVILEGE
    assert "bpf" in done.stderr.lower()


def test_store_and_observe(lab, start, tmp_path):
    """What the store keeps is what was printed."""
    store = tmp_path / "store"
    agent = start(store=str(store))
    rows = run_client(lab, "python-openai-sync", lab.url("tls"), ["plain", "plain:stream", "e429"])
    agent.expect(rows[0]["pid"], 3)
    assert agent.stop() == 0
    printed = {span["span_id"]: span for span in agent.spans()}
    done = kernspan("observe", "--store", store, "-o", "json", "--last", "1000")
    assert done.returncode == 0, done.stderr
    kept = {span["span_id"]: span for span in map(json.loads, done.stdout.splitlines())}
    assert kept == printed
    one = kernspan("observe", "--store", store, "-o", "json", "--status", "429", "--pid", rows[0]["pid"])
    [refused] = map(json.loads, one.stdout.splitlines())
    assert refused["attributes"]["error.type"] == "rate_limit_exceeded"
    table = kernspan("observe", "--store", store, "-o", "table").stdout
    assert "lab-model" in table and "429" in table
    assert stat.S_IMODE(os.stat(store).st_mode) & 0o007 == 0


def test_table(lab, start):
    agent = start(output="table")
    run_client(lab, "python-openai-sync", lab.url("tls"), ["plain:stream", "e429"])
    agent.wait(lambda _: "429" in "\n".join(agent.lines), "the calls in the table")
    text = "\n".join(agent.lines)
    assert "lab-answer-1" in text or "lab-model" in text
    assert "\x1b" not in text


def test_record_and_replay(lab, public, tmp_path):
    """A recording gives the same spans each time, with no privilege; it is private and says what it holds."""
    path = tmp_path / "calls.ksr"
    record = subprocess.Popen([KERNSPAN, "record", path, "--control", "none"], stderr=subprocess.PIPE, text=True,
                              stdout=subprocess.DEVNULL)
    errors = []
    for line in record.stderr:
        errors.append(line)
        if line.strip() == "kernspan: ready":
            break
    rows = run_client(lab, "python-openai-sync", lab.url("tls"), ["plain", "plain:stream", "tool:stream", "e429"])
    time.sleep(1)
    record.terminate()
    errors += record.communicate(timeout=20)[1].splitlines()
    assert record.returncode == 0
    assert "prompt" in "\n".join(errors).lower()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    for parent in list(path.parents)[:4]:
        if parent.stat().st_uid == os.geteuid() and str(parent) not in ("/", "/tmp"):
            parent.chmod(0o755)
    runs = [as_user(public, "replay", "-o", "json", path) for _ in range(2)]
    assert runs[0].returncode == 0, runs[0].stderr
    assert runs[0].stdout == runs[1].stdout
    ids = {span["attributes"].get("gen_ai.response.id") for span in map(json.loads, runs[0].stdout.splitlines())
           if span["resource"].get("process.pid") == rows[0]["pid"]}
    assert {row["id"] for row in rows} <= ids


def test_record_redacted(lab, tmp_path):
    path = tmp_path / "calls.ksr"
    record = subprocess.Popen([KERNSPAN, "record", path, "--redact", "--control", "none"], stderr=subprocess.PIPE,
                              text=True, stdout=subprocess.DEVNULL)
    for line in record.stderr:
        if line.strip() == "kernspan: ready":
            break
    rows = run_client(lab, "python-openai-sync", lab.url("tls"), ["plain", "plain:stream"])
    time.sleep(1)
    record.terminate()
    record.communicate(timeout=20)
    data = path.read_bytes()
    for text in (b"case:plain", b"A plain answer", b"some words", b"lab-key"):
        assert text not in data, text
    spans = [json.loads(line) for line in kernspan("replay", "-o", "json", path).stdout.splitlines()]
    assert {row["id"] for row in rows} <= {span["attributes"].get("gen_ai.response.id") for span in spans}

