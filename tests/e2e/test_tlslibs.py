# SPDX-License-Identifier: Apache-2.0
"""TLS libraries other than OpenSSL: real clients, the span equals what each client saw, and names the library."""

import ctypes.util
import http.client
import io
import json
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

from lab.compare import differences
from lab.lab import DIR, E2E

sys.path.insert(0, str(pathlib.Path(__file__).parent / "clients"))

from curl_client import MODEL, read_openai, request  # noqa: E402
from seen import Seen  # noqa: E402

HEAD = ["content-type: application/json", "authorization: Bearer lab-key"]
LIBS = {"gnutls": ["-lgnutls"], "mbedtls": ["-lmbedtls", "-lmbedx509", "-lmbedcrypto"], "wolfssl": ["-lwolfssl"]}
CLIENTS = {"wget": "gnutls", "curl-gnutls": "gnutls", **{name: name for name in LIBS}}


def build(name):
    """tls_client for one library; the headers come with its development package."""
    program = DIR / f"tls_client-{name}"
    source = E2E / "clients/tls/tls_client.c"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["gcc", "-O1", "-Wall", "-Werror", f"-DUSE_{name.upper()}", source, "-o", program, *LIBS[name]],
                       check=True, timeout=60)
    return program


def command(client, base, ca, body):
    """The client's command line, what it reads from standard input, and whether its output begins with a head."""
    if client == "wget":
        if not shutil.which("wget"):
            pytest.skip("wget is not installed")
        return ["wget", "-q", "-O", "-", "--ca-certificate", ca, *(f"--header={line}" for line in HEAD),
                "--post-data", body, base + "/v1/chat/completions"], b"", False
    if client == "curl-gnutls":
        if not ctypes.util.find_library("curl-gnutls"):
            pytest.skip("libcurl3-gnutls is not installed")
        return [sys.executable, E2E / "clients/tls/curl_gnutls.py", base + "/v1/chat/completions", ca, *HEAD], \
            body.encode(), False
    host = base.partition("://")[2]
    head = ["POST /v1/chat/completions HTTP/1.1", f"host: {host}", *HEAD, f"content-length: {len(body)}",
            "connection: close"]
    return [build(client), host.partition(":")[2], ca], ("\r\n".join(head) + "\r\n\r\n" + body).encode(), True


class Pipe:
    """Enough of a socket for http.client to read an answer from."""

    def __init__(self, data):
        self.data = data

    def makefile(self, _):
        return io.BytesIO(self.data)


def unwrap(raw):
    answer = http.client.HTTPResponse(Pipe(raw))
    answer.begin()
    assert answer.status == 200, raw
    return answer.read()


def call(client, base, ca, case):
    """One call; (pid, what the client saw of it)."""
    _, name, *flags = case.split(":")
    stream = "stream" in flags
    seen = Seen(case, MODEL["openai"], stream)
    args, given, wrapped = command(client, base, ca, json.dumps(request("openai", name, stream)))
    begin = time.monotonic()
    process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(given, timeout=30)
    assert process.returncode == 0, err
    body = (unwrap(out) if wrapped else out).decode()
    for event in [line[5:].strip() for line in body.split("\n") if line.startswith("data:")] if stream else [body]:
        if event != "[DONE]":
            read_openai(seen, json.loads(event))
    seen.done()
    seen["total"] = time.monotonic() - begin
    seen["ttfc"] = seen.row["total"] if stream else None
    return process.pid, seen.row


@pytest.mark.parametrize("case", ["openai:plain", "openai:tool:stream", "openai:length:stream"])
@pytest.mark.parametrize("client", CLIENTS)
def test_call(lab, agent, client, case):
    base = lab.url("tls")
    pid, row = call(client, base, str(lab.ca), case)
    span = agent.expect(pid, 1)[0]
    assert not differences(span, row, base), (row, span)
    attrs = span["attributes"]
    assert attrs["kernspan.capture.source"] == CLIENTS[client] and attrs["kernspan.binding"] == "nested"
    assert "kernspan.tls.handshake" in [event["name"] for event in span["events"]]


def test_first_user(lab, start):
    """A library that no process maps when the agent starts: its first user ends within milliseconds and is not missed."""
    base = lab.url("tls")
    agent = start()
    found = {lib["kind"]: lib for lib in agent.stats()["attached"] if "libwolfssl" in lib["path"]}
    assert found["wolfssl"]["processes"] == 0 and found["wolfssl"]["error"] is None
    pid, row = call("wolfssl", base, str(lab.ca), "openai:plain")
    assert not differences(agent.expect(pid, 1)[0], row, base)
