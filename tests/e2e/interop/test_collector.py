# SPDX-License-Identifier: Apache-2.0
"""A real OpenTelemetry collector, built from its own modules, receives the spans; what it writes equals the JSON lines."""

import json
import pathlib
import shutil
import subprocess

import pytest

from lab.lab import DIR, Server, free_port, run_client, wait_for

HERE = pathlib.Path(__file__).parent
KINDS = {2: "SERVER", 3: "CLIENT"}
CODES = {0: "UNSET", 1: "OK", 2: "ERROR"}
CONFIG = """
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:{port}
exporters:
  debug:
    verbosity: basic
  file:
    path: {out}
    flush_interval: 100ms
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [debug, file]
"""

pytestmark = [pytest.mark.interop, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def program():
    """Built once for each go.sum; some minutes the first time."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    assert go, "Go is needed to build the collector"
    DIR.mkdir(parents=True, exist_ok=True)
    binary = DIR / "collector"
    subprocess.run([go, "build", "-mod=readonly", "-trimpath", "-o", binary, "."], cwd=HERE / "collector", check=True,
                   timeout=1700, stdin=subprocess.DEVNULL)
    return binary


def value(any_value):
    [(kind, what)] = any_value.items() if any_value else [("none", None)]
    if kind == "intValue":
        return int(what)
    if kind == "arrayValue":
        return [value(item) for item in what.get("values", [])]
    return what


def attributes(pairs):
    return {pair["key"]: value(pair["value"]) for pair in pairs or []}


def as_lines(text):
    """OTLP JSON, one export a line, in the shape of our lines."""
    out = {}
    for line in text.splitlines():
        for resource_spans in json.loads(line)["resourceSpans"]:
            for scope_spans in resource_spans["scopeSpans"]:
                for span in scope_spans["spans"]:
                    out[span["spanId"]] = {
                        "trace_id": span["traceId"], "span_id": span["spanId"],
                        "parent_span_id": span.get("parentSpanId", ""), "name": span["name"],
                        "kind": KINDS[span["kind"]], "start_time_unix_nano": int(span["startTimeUnixNano"]),
                        "end_time_unix_nano": int(span["endTimeUnixNano"]),
                        "status": {"code": CODES[span.get("status", {}).get("code", 0)],
                                   "message": span.get("status", {}).get("message", "")},
                        "attributes": attributes(span.get("attributes")),
                        "events": [{"name": event["name"], "time_unix_nano": int(event["timeUnixNano"]),
                                    "attributes": attributes(event.get("attributes"))}
                                   for event in span.get("events", [])],
                        "resource": attributes(resource_spans["resource"].get("attributes"))}
    return out


def test_collector(lab, start, program, tmp_path):
    port, out, config = free_port(), tmp_path / "out.json", tmp_path / "collector.yaml"
    config.write_text(CONFIG.format(port=port, out=out))
    base = lab.url("tls")
    collector = Server("collector", [program, "--config", f"file:{config}"], ports=[port])
    try:
        agent = start("--otlp-endpoint", f"http://127.0.0.1:{port}", env={"OTEL_BSP_SCHEDULE_DELAY": "100"})
        for client in ("python-openai-sync", "python-anthropic-async"):
            rows = run_client(lab, client, base, ["plain", "plain:stream", "tool:stream", "utf8:stream", "e429"])
            agent.expect(rows[0]["pid"], 5)
        assert agent.stop() == 0
        lines = {span["span_id"]: span for span in agent.spans()}
        assert len(lines) >= 10
        wait_for(lambda: len(out.read_text().splitlines()) and len(as_lines(out.read_text())) >= len(lines),
                 "the collector's file")
        received = as_lines(out.read_text())
        assert received.keys() == lines.keys()
        for span_id, line in lines.items():
            for key, what in received[span_id].items():
                assert line[key] == what, (key, line[key], what)
    finally:
        collector.stop()
