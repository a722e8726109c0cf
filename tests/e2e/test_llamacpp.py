# SPDX-License-Identifier: Apache-2.0
"""llama.cpp's own server over plaintext: the calling side and the serving side of each call."""

import json
import subprocess

import pytest

from lab.lab import run_client

MODEL = "tiny-random"


@pytest.fixture(scope="module")
def base(lab):
    lab.llama()
    return f"http://127.0.0.1:{lab.ports['llama']}"


def curl_of(base, path, body, *more):
    """One call by curl: the process, and what it printed."""
    curl = subprocess.Popen(["curl", "-sSN", "--max-time", "30", base + path, "-H", "content-type: application/json",
                             "--data-binary", "@-", *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    out, _ = curl.communicate(body, timeout=60)
    assert curl.returncode == 0
    return curl.pid, out


def ask(base, path, body, *more):
    """Its pid and what came back, decoded."""
    pid, out = curl_of(base, path, json.dumps(body), *more)
    if not body.get("stream"):
        return pid, json.loads(out)
    events = [line[5:].strip() for line in out.splitlines() if line.startswith("data:")]
    return pid, [json.loads(event) for event in events if event != "[DONE]"]


def both_sides(lab, agent, pid, answer):
    """The CLIENT span of PID and the SERVER span of llama.cpp with the same answer."""
    [client] = agent.expect(pid, 1)
    assert client["attributes"]["gen_ai.response.id"] == answer
    [server] = agent.wait(lambda _: [span for span in agent.of(lab.servers["llama"].pid, "SERVER")
                                     if span["attributes"].get("gen_ai.response.id") == answer], "the SERVER span")
    same = ["gen_ai.request.model", "gen_ai.response.model", "gen_ai.response.finish_reasons", "gen_ai.request.stream",
            "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "http.response.status_code"]
    for name in same:
        assert client["attributes"].get(name) == server["attributes"].get(name), name
    assert client["span_id"] != server["span_id"]
    assert int(client["start_time_unix_nano"]) <= int(server["start_time_unix_nano"])
    assert int(server["start_time_unix_nano"]) < int(client["end_time_unix_nano"])
    for span in (client, server):
        assert "kernspan.incomplete" not in span["attributes"], span
    return client["attributes"]


@pytest.mark.parametrize("max_tokens", [1, 40, 400])
def test_plain(lab, agent, base, max_tokens):
    pid, said = ask(base, "/v1/chat/completions", {"model": MODEL, "max_tokens": max_tokens, "ignore_eos": True,
                                                   "messages": [{"role": "user", "content": "tell me of the river"}]})
    attrs = both_sides(lab, agent, pid, said["id"])
    assert attrs["gen_ai.response.model"] == MODEL
    assert attrs["gen_ai.usage.input_tokens"] == said["usage"]["prompt_tokens"]
    assert attrs["gen_ai.usage.output_tokens"] == said["usage"]["completion_tokens"] == max_tokens
    assert attrs["gen_ai.response.finish_reasons"] == ["length"]


@pytest.mark.parametrize("usage", [True, False])
def test_stream(lab, agent, base, usage):
    body = {"model": MODEL, "max_tokens": 60, "ignore_eos": True, "stream": True,
            "messages": [{"role": "user", "content": "tell me of the garden"}]}
    if usage:
        body["stream_options"] = {"include_usage": True}
    pid, said = ask(base, "/v1/chat/completions", body)
    attrs = both_sides(lab, agent, pid, said[0]["id"])
    assert attrs["gen_ai.request.stream"] is True
    assert 0 < attrs["gen_ai.response.time_to_first_chunk"] < 30
    if usage:
        assert attrs["gen_ai.usage.output_tokens"] == said[-1]["usage"]["completion_tokens"] == 60
        assert attrs["gen_ai.usage.input_tokens"] == said[-1]["usage"]["prompt_tokens"]
    else:
        assert "gen_ai.usage.output_tokens" not in attrs
        assert attrs["kernspan.usage.source"] == "none"


def test_sdk(lab, agent, base):
    rows = run_client(lab, "python-openai-sync", base, ["plain", "plain:stream", "responses"])
    spans = agent.expect(rows[0]["pid"], 3)
    for row, span in zip(rows, spans):
        assert row["ok"]
        for key, name in (("id", "id"), ("model", "model")):
            assert span["attributes"][f"gen_ai.response.{name}"] == row[key]
        assert span["attributes"]["gen_ai.usage.output_tokens"] == row["output"]


def test_error(agent, base):
    pid, _ = curl_of(base, "/v1/chat/completions", '{"model":"x","messages":[')
    [span] = agent.expect(pid, 1)
    assert span["attributes"]["http.response.status_code"] == 400
    assert span["attributes"]["error.type"] == "invalid_request_error"


def test_not_ai(agent, base):
    """Health checks and model lists are not inference: no span of them."""
    curl = subprocess.Popen(["curl", "-s", base + "/health", base + "/v1/models", base + "/props"],
                            stdout=subprocess.PIPE)
    curl.communicate(timeout=30)
    marker, _ = ask(base, "/v1/chat/completions", {"model": MODEL, "max_tokens": 1,
                                                   "messages": [{"role": "user", "content": "x"}]})
    agent.expect(marker, 1)
    assert agent.of(curl.pid, None) == []


def test_traceparent(lab, agent, base):
    """The caller's trace context becomes trace id and parent, on both sides."""
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    pid, said = ask(base, "/v1/chat/completions", {"model": MODEL, "max_tokens": 3,
                                                   "messages": [{"role": "user", "content": "x"}]},
                    "-H", f"traceparent: 00-{trace}-{parent}-01")
    [client] = agent.expect(pid, 1)
    assert (client["trace_id"], client["parent_span_id"]) == (trace, parent)
    [server] = agent.wait(lambda _: [span for span in agent.of(lab.servers["llama"].pid, "SERVER")
                                     if span["attributes"].get("gen_ai.response.id") == said["id"]],
                          "the SERVER span")
    assert server["trace_id"] == trace


def test_large_request(agent, base):
    """A request far larger than any copy of one call still gives a whole span."""
    body = {"model": MODEL, "max_tokens": 5, "ignore_eos": True, "user": "tell me of the river " * 30000,
            "messages": [{"role": "user", "content": "x"}]}
    pid, said = ask(base, "/v1/chat/completions", body)
    [span] = agent.expect(pid, 1)
    assert span["attributes"]["gen_ai.response.id"] == said["id"]
    assert span["attributes"]["gen_ai.request.model"] == MODEL
    assert span["attributes"]["gen_ai.usage.output_tokens"] == 5
    assert "kernspan.incomplete" not in span["attributes"]
