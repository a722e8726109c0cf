# SPDX-License-Identifier: Apache-2.0
"""OTLP/HTTP: what arrives is what the JSON lines say, and no collector can hold the agent up."""

import socket
import time

import pytest

from lab.lab import free_port, run_client, wait_for
from lab.receiver import Receiver, success

FAST = {"OTEL_BSP_SCHEDULE_DELAY": "100"}
PROTOBUF = {"content-type": "application/x-protobuf"}


@pytest.fixture
def receive():
    """receive(script): receivers for one test."""
    running = []

    def begin(script=(), port=0):
        running.append(Receiver(script, port))
        return running[-1]

    yield begin
    for one in running:
        one.stop()


def call(lab, cases=("plain", "plain:stream", "tool:stream", "e429")):
    """Calls of one client process; its pid."""
    return run_client(lab, "python-openai-sync", lab.url("plain"), list(cases))[0]["pid"]


def mine(rows, pid):
    return [row for row in rows if row["resource"].get("process.pid") == pid and row["kind"] == "CLIENT"]


def by_id(rows):
    return {row["span_id"]: row for row in rows}


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_same_as_json(lab, start, receive, compression):
    """Every span of every process, field by field, through the official classes."""
    lab.url("plain")
    receiver = receive()
    agent = start("--otlp-endpoint", receiver.url, env={**FAST, "OTEL_EXPORTER_OTLP_COMPRESSION": compression})
    pid = call(lab, ["plain", "plain:stream", "tool:stream", "utf8:stream", "embed", "e429", "disconnect:stream"])
    agent.expect(pid, 7)
    assert agent.stop() == 0
    lines = by_id(agent.spans())
    assert len(lines) == len(agent.spans())
    receiver.wait(lambda r: len(r.spans) >= len(lines), f"{len(lines)} exported spans")
    assert not receiver.bad
    assert by_id(receiver.spans).keys() == lines.keys()
    for span_id, sent in by_id(receiver.spans).items():
        line = lines[span_id]
        for key, value in sent.items():
            assert line[key] == value, (key, line[key], value)
    for request in receiver.requests:
        assert request["path"] == "/v1/traces"
        assert request["headers"]["content-type"] == "application/x-protobuf"
        assert request["headers"].get("content-encoding") == (None if compression == "none" else "gzip")
        for resource_spans in request["message"].resource_spans:
            for scope_spans in resource_spans.scope_spans:
                assert "kernspan" in scope_spans.scope.name


def test_variables(lab, start, receive):
    """The endpoint, headers and path of the standard variables."""
    lab.url("plain")
    receiver = receive()
    agent = start(env={**FAST, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url + "/base/",
                       "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=a%20b,authorization=Bearer%20t"})
    pid = call(lab, ["plain"])
    agent.expect(pid, 1)
    receiver.wait(lambda r: mine(r.spans, pid), "the span")
    assert receiver.requests[0]["path"] == "/base/v1/traces"
    assert receiver.requests[0]["headers"]["x-tenant"] == "a b"
    assert receiver.requests[0]["headers"]["authorization"] == "Bearer t"
    assert "Bearer t" not in agent.stderr


def test_not_traced_itself(lab, start, receive):
    """The agent's own exports are no AI calls, and it never watches itself."""
    lab.url("plain")
    receiver = receive()
    agent = start("--otlp-endpoint", receiver.url, env=FAST)
    call(lab)
    receiver.wait(lambda r: len(r.requests) >= 1, "an export")
    own = {agent.pid, agent.stats()["agent_pid"]}
    assert not [span for span in agent.spans() if span["resource"].get("process.pid") in own]


def test_retry_after(lab, start, receive):
    """503 with Retry-After: the batch comes again, not sooner than asked, and nothing is lost."""
    lab.url("plain")
    told = []

    def busy():
        told.append(time.monotonic())
        return 503, {"retry-after": "2"}, b""

    def later():
        told.append(time.monotonic())
        return success()

    receiver = receive([busy, later])
    agent = start("--otlp-endpoint", receiver.url, env=FAST)
    pid = call(lab)
    receiver.wait(lambda r: len(mine(r.spans, pid)) == 4, "the spans after the retry", 40)
    assert told[1] - told[0] >= 1.9
    first, second = receiver.requests[:2]
    assert [row["span_id"] for row in first["rows"]] == [row["span_id"] for row in second["rows"]]
    assert agent.lost("export", "queue") == {}


@pytest.mark.parametrize("status", [429, 502, 504])
def test_retryable(lab, start, receive, status):
    lab.url("plain")
    receiver = receive([(status, {}, b"")])
    agent = start("--otlp-endpoint", receiver.url, env=FAST)
    pid = call(lab)
    receiver.wait(lambda r: len(mine(r.spans, pid)) == 4, "the spans after the retry", 60)
    assert agent.lost("export", "queue") == {}


@pytest.mark.parametrize("status", [400, 404, 500])
def test_refused(lab, start, receive, status):
    """What may not be retried is counted, once, and the next batch goes out."""
    lab.url("plain")
    receiver = receive([(status, {}, b"no")])
    agent = start("--otlp-endpoint", receiver.url, env=FAST)
    call(lab)
    receiver.wait(lambda r: len(r.requests) >= 1, "the refused batch")
    refused = len(receiver.requests[0]["rows"])
    pid = call(lab)
    receiver.wait(lambda r: mine(r.spans, pid), "a later batch")
    wait_for(lambda: agent.lost("export", "queue").get("export_rejected", 0) >= refused, "the counter")
    lost = agent.lost("export", "queue")
    assert lost == {"export_rejected": refused}


def test_partial_success(lab, start, receive):
    lab.url("plain")
    receiver = receive([success(rejected_spans=2, error_message="two of them are too old")])
    agent = start("--otlp-endpoint", receiver.url, env=FAST)
    call(lab)
    receiver.wait(lambda r: len(r.requests) >= 1, "the batch")
    wait_for(lambda: agent.lost("export", "queue") == {"export_rejected": 2}, "the counter")
    pid = call(lab)
    receiver.wait(lambda r: len(mine(r.spans, pid)) == 4, "later spans")
    assert agent.lost("export", "queue") == {"export_rejected": 2}


GARBAGE = {
    "not protobuf": (200, PROTOBUF, b"\xff" * 300),
    "html": (200, {"content-type": "text/html"}, b"<html>hello</html>"),
    "empty": (200, {}, b""),
    "hang up": None,
    "long body": (200, PROTOBUF, b"\x00" * 3_000_000),
    "cut body": (200, {"content-length": "1000"}, b"short"),
    "endless length": (200, {"content-length": "99999999999999999999"}, b""),
    "bad chunks": (200, {"transfer-encoding": "chunked"}, b"zz\r\nxx\r\n"),
    "redirect": (302, {"location": "http://127.0.0.1:1/"}, b""),
    "long header": (200, {"x-long": "y" * 100_000}, b""),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage(lab, start, receive, what):
    """A collector that answers nonsense does not end the agent; later batches arrive."""
    lab.url("plain")
    receiver = receive([GARBAGE[what]])
    agent = start("--otlp-endpoint", receiver.url,
                  env={**FAST, "OTEL_EXPORTER_OTLP_TIMEOUT": "1000"})
    call(lab, ["plain"])
    receiver.wait(lambda r: len(r.requests) >= 1, "the first batch")
    pid = call(lab, ["plain"])
    agent.expect(pid, 1)
    receiver.wait(lambda r: mine(r.spans, pid), "a later batch", 60)


def test_dead_collector(lab, start, receive):
    """Nothing listens: spans go on to the other outputs, and arrive once a collector is there."""
    lab.url("plain")
    port = free_port()
    agent = start("--otlp-endpoint", f"http://127.0.0.1:{port}", env=FAST)
    pid = call(lab)
    agent.expect(pid, 4)
    receiver = receive(port=port)
    receiver.wait(lambda r: len(mine(r.spans, pid)) == 4, "the spans, late", 60)
    assert agent.lost("export", "queue") == {}


def test_dead_collector_at_the_end(lab, start):
    """The agent ends in time although its spans cannot be delivered, and says how many."""
    lab.url("plain")
    agent = start("--otlp-endpoint", f"http://127.0.0.1:{free_port()}", env=FAST)
    pid = call(lab)
    agent.expect(pid, 4)
    assert agent.stop(seconds=30) == 0
    assert "export_failed" in agent.stderr


def test_slow_collector(lab, start):
    """One that accepts and never answers holds up nobody."""
    lab.url("plain")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        agent = start("--otlp-endpoint", f"http://127.0.0.1:{listener.getsockname()[1]}", env=FAST)
        for _ in range(3):
            agent.expect(call(lab), 4)
        assert agent.stop(seconds=30) == 0


def test_tls_collector(lab, start):
    """https with a private authority, through nginx, to a receiver."""
    receiver = Receiver()
    lab.ports["otlp"] = receiver.port
    try:
        lab.nginx("nginx-otlp", "otlp")
        lab.url("plain")
        agent = start("--otlp-endpoint", f"https://localhost:{lab.ports['nginx-otlp']}",
                      env={**FAST, "OTEL_EXPORTER_OTLP_CERTIFICATE": str(lab.ca)})
        pid = call(lab)
        receiver.wait(lambda r: len(mine(r.spans, pid)) == 4, "the spans over TLS")
        assert agent.lost("export", "queue") == {}
    finally:
        receiver.stop()


def test_untrusted_collector(lab, start):
    """A certificate of an unknown authority is refused: nothing is sent."""
    receiver = Receiver()
    lab.ports["otlp2"] = receiver.port
    try:
        lab.nginx("nginx-otlp2", "otlp2")
        lab.url("plain")
        agent = start("--otlp-endpoint", f"https://localhost:{lab.ports['nginx-otlp2']}", env=FAST)
        agent.expect(call(lab), 4)
        time.sleep(1)
        assert not receiver.requests
        assert agent.stop(seconds=30) == 0
    finally:
        receiver.stop()
