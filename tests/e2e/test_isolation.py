# SPDX-License-Identifier: Apache-2.0
"""Streams are not mixed up, the watched are not disturbed, and what was not wholly seen says so."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import sys
import time

import pytest

from lab.agent import SETTLE
from lab.lab import CASES, E2E, KEY, begin_client, end_client, run_client, wait_for

TRANSPORTS = ["tls", "plain"]


def connection(lab, transport):
    """A keep-alive connection of this very process, which the agent sees as any other."""
    host, port = lab.url(transport).rsplit("/", 1)[1].split(":")
    if transport == "tls":
        return http.client.HTTPSConnection(host, int(port), timeout=60,
                                           context=ssl.create_default_context(cafile=str(lab.ca)))
    return http.client.HTTPConnection(host, int(port), timeout=60)


def ask(conn, case, stream=True, model="own-model"):
    conn.request("POST", "/v1/chat/completions", headers={"authorization": f"Bearer {KEY}"}, body=json.dumps(
        {"model": model, "stream": stream, "messages": [{"role": "user", "content": f"case:{case}"}]}))
    return conn.getresponse()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_processes_apart(lab, agent, transport):
    """Clients that run side by side, each with names of its own: none shows in another's spans."""
    base = lab.url(transport)
    owners = ["alpha", "beta", "gamma", "delta"]
    clients = {owner: begin_client(lab, "python-openai-gather", base, CASES["gather"],
                                   env={"LAB_MODEL": f"{owner}-model"}) for owner in owners}
    for owner, client in clients.items():
        rows = end_client(client, owner, CASES["gather"])
        spans = agent.expect(client.pid, len(rows))
        assert {span["attributes"]["gen_ai.response.id"] for span in spans} == {row["id"] for row in rows}
        for span in spans:
            text = json.dumps(span)
            assert span["attributes"]["gen_ai.request.model"] == f"{owner}-model"
            assert not [other for other in owners if other != owner and f"{other}-model" in text]


def test_no_content(lab, agent):
    """Prompt and answer text is off by default: neither shows in spans or in the log."""
    rows = run_client(lab, "python-openai-sync", lab.url("tls"), ["plain", "plain:stream", "tool:stream", "e400"])
    agent.expect(rows[0]["pid"], 4)
    everything = "\n".join(agent.lines) + agent.stderr
    for text in ("case:plain", "A plain answer", "some words", "Ulm", "celsius", "No such thing", KEY):
        assert text not in everything, text


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_client_killed(lab, agent, transport):
    """A client that dies in the middle of a stream leaves a span that says so."""
    client = begin_client(lab, "python-openai-sync", lab.url(transport), ["plain", "slow:stream"])
    client.stdout.readline()
    time.sleep(1)
    client.kill()
    client.communicate()
    spans = agent.expect(client.pid, 2)
    assert "kernspan.incomplete" not in spans[0]["attributes"]
    assert "cut" in spans[1]["attributes"]["kernspan.incomplete"]
    assert spans[1]["attributes"]["gen_ai.response.model"] == "lab-answer-5"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_attach_midstream(lab, start, transport):
    """Watching begins inside an answer: that call is missing or marked; the next one on the connection is whole."""
    conn = connection(lab, transport)
    first = ask(conn, "slow")
    first.read(10)
    agent = start()
    first.read()
    second = ask(conn, "plain", stream=False)
    answer = json.loads(second.read())
    agent.wait(lambda _: [span for span in agent.of(os.getpid())
                          if span["attributes"].get("gen_ai.response.id") == answer["id"]], "the second call")
    time.sleep(SETTLE)
    *before, span = agent.of(os.getpid())
    assert span["attributes"]["gen_ai.response.id"] == answer["id"]
    assert "kernspan.incomplete" not in span["attributes"]
    assert span["attributes"]["gen_ai.usage.output_tokens"] == answer["usage"]["completion_tokens"]
    assert len(before) <= 1
    for half in before:
        assert "midstream" in half["attributes"]["kernspan.incomplete"]
    conn.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_agent_killed(lab, start, transport):
    """kill -9 of the agent in the middle of traffic: the clients notice nothing, and a new agent sees the rest."""
    agent = start()
    parser = agent.stats()["agent_pid"]
    cases = ["slow:stream", "plain:stream", "plain"]
    client = begin_client(lab, "python-openai-sync", lab.url(transport), cases)
    time.sleep(1.5)
    agent.process.kill()
    agent.process.wait()
    wait_for(lambda: not pathlib.Path(f"/proc/{parser}").exists(), "the end of the unprivileged process", 10)
    again = start()
    rows = end_client(client, "client", cases)
    assert all(row["ok"] for row in rows)
    rows = run_client(lab, "python-openai-sync", lab.url(transport), ["plain:stream"])
    [span] = again.expect(rows[0]["pid"], 1)
    assert "kernspan.incomplete" not in span["attributes"]


def test_parser_killed(start):
    """The unprivileged process dies: the other one does not go on pretending."""
    agent = start()
    os.kill(agent.stats()["agent_pid"], signal.SIGKILL)
    assert agent.process.wait(20) != 0
    assert agent.stderr.splitlines()[-1]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_short_lived(lab, agent, transport):
    """Programs that live for one call are all seen."""
    rows = run_client(lab, "curl", lab.url(transport), ["openai:plain", "anthropic:plain"] * 10)
    for row in rows:
        [span] = agent.expect(row["pid"], 1)
        assert span["attributes"]["gen_ai.response.id"] == row["id"]


def own_libssl(where):
    """A private copy of libssl: another file, another inode."""
    where.mkdir(exist_ok=True)
    for name in ("libssl.so.3", "libcrypto.so.3"):
        found = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True,
                               env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}).stdout
        path = next(line.split("=>")[1].strip() for line in found.splitlines() if line.split()[:1] == [name])
        shutil.copy(path, where / name)
    return where


WAITING = """
import http.client, json, ssl, sys
host, port, ca = sys.argv[1:4]
context = ssl.create_default_context(cafile=ca)
print("loaded", flush=True)
sys.stdin.readline()
conn = http.client.HTTPSConnection(host, int(port), context=context, timeout=30)
conn.request("POST", "/v1/chat/completions", headers={"authorization": "Bearer lab-key"},
             body=json.dumps({"model": "private", "messages": [{"role": "user", "content": "case:plain"}]}))
print(json.load(conn.getresponse())["id"], flush=True)
"""


def waiting(command, env):
    """A process that has loaded its libraries and makes its call when told to."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    assert process.stdout.readline() == "loaded\n"
    return process


def go_on(process):
    """The id of the answer it got."""
    out, _ = process.communicate("\n", timeout=60)
    assert process.returncode == 0
    return out.strip()


def test_private_library(lab, agent, tmp_path):
    """A process that brings its own libssl is followed while it runs."""
    host, port = lab.url("tls").rsplit("/", 1)[1].split(":")
    env = {**lab.client_env(), "LD_LIBRARY_PATH": str(own_libssl(tmp_path / "lib"))}
    process = waiting([sys.executable, "-c", WAITING, host, port, lab.ca], env)
    wait_for(lambda: str(tmp_path) in json.dumps(agent.stats()["attached"]), "the private library")
    answer = go_on(process)
    [span] = agent.expect(process.pid, 1)
    assert span["attributes"]["gen_ai.response.id"] == answer
    assert span["attributes"]["gen_ai.request.model"] == "private"


def test_mount_namespace(lab, agent, tmp_path):
    """The same in a mount namespace of its own, where the path is not to be found from outside."""
    host, port = lab.url("tls").rsplit("/", 1)[1].split(":")
    copy, hidden = own_libssl(tmp_path / "lib"), tmp_path / "hidden"
    hidden.mkdir()
    script = (f'mount -t tmpfs none {hidden} && cp {copy}/* {hidden}/ && LD_LIBRARY_PATH={hidden} '
              f'exec {sys.executable} -c "$0" {host} {port} {lab.ca}')
    process = waiting(["unshare", "-m", "sh", "-c", script, WAITING], lab.client_env())
    wait_for(lambda: str(hidden) in json.dumps(agent.stats()["attached"]), "the hidden library")
    answer = go_on(process)
    [span] = agent.expect(process.pid, 1)
    assert span["attributes"]["gen_ai.response.id"] == answer


def test_one_process_only(lab, start):
    """--pid: that process's calls and nobody else's."""
    base = lab.url("tls")
    host, port = base.rsplit("/", 1)[1].split(":")
    process = waiting([sys.executable, "-c", WAITING, host, port, lab.ca], lab.client_env())
    agent = start("--pid", process.pid)
    run_client(lab, "python-openai-sync", base, ["plain"])
    answer = go_on(process)
    [span] = agent.expect(process.pid, 1)
    assert span["attributes"]["gen_ai.response.id"] == answer
    assert {span["resource"]["process.pid"] for span in agent.spans()} == {process.pid}


def test_run_command(lab, start):
    """run -- CMD: watches the command from its first call, and ends with it."""
    base = lab.url("tls")
    out = pathlib.Path(lab.certs.parent / "command.out")
    command = [sys.executable, E2E / "clients/openai_client.py", "sync", base, "plain", "plain:stream"]
    agent = start("--", "sh", "-c", f'exec "$@" > {out}', "sh", *command, env=lab.client_env(), wait=0)
    assert agent.process.wait(60) == 0
    for thread in agent.threads:
        thread.join(5)
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").split("\n") if line]
    spans = [span for span in agent.spans() if span["kind"] == "CLIENT"]
    assert [span["attributes"]["gen_ai.response.id"] for span in spans] == [row["id"] for row in rows]


def test_not_http(agent, lab):
    """TLS and plain traffic that is no HTTP gives no span and no error."""
    lab.url("tls")
    noise = subprocess.run(["openssl", "s_client", "-quiet", "-connect", f"localhost:{lab.ports['nginx']}"],
                           input=b"\x00\x01\x02 not http at all\r\n\r\n" * 50, capture_output=True, timeout=30,
                           check=False)
    del noise
    assert agent.process.poll() is None
