# SPDX-License-Identifier: Apache-2.0
"""llama.cpp's own server over plaintext: the calling side and the serving side of each call."""

import json
import subprocess
import urllib.request

import pytest

from lab.lab import run_client

MODEL = "tiny-random"


@pytest.fixture(scope="module")
def base(lab):
    lab.llama()
    return f"http://127.0.0.1:{lab.ports['llama']}"


def ask(base, path, body):
    """One call by curl: its pid and what came back."""
    curl = subprocess.Popen(["curl", "-sSN", "--max-time", "30", base + path, "-H", "content-type: application/json",
                             "--data-binary", json.dumps(body)], stdout=subprocess.PIPE, text=True)
    out, _ = curl.communicate(timeout=60)
    assert curl.returncode == 0
    if not body.get("stream"):
        return curl.pid, json.loads(out)
    events = [line[5:].strip() for line in out.splitlines() if line.startswith("data:")]
    return curl.pid, [json.loads(event) for event in events if event != "[DONE]"]


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
    curl = subprocess.Popen(["curl", "-s", base + "/v1/chat/completions", "-d", '{"model":"x","messages":['],
                            stdout=subprocess.PIPE)
    curl.communicate(timeout=30)
    [span] = agent.expect(curl.pid, 1)
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
    curl = subprocess.Popen(["curl", "-s", base + "/v1/chat/completions", "-H", f"traceparent: 00-{trace}-{parent}-01",
                             "-d", json.dumps({"model": MODEL, "max_tokens": 3,
                                               "messages": [{"role": "user", "content": "x"}]})],
                            stdout=subprocess.PIPE)
    out, _ = curl.communicate(timeout=30)
    [client] = agent.expect(curl.pid, 1)
    assert (client["trace_id"], client["parent_span_id"]) == (trace, parent)
    [server] = agent.wait(lambda _: [span for span in agent.of(lab.servers["llama"].pid, "SERVER")
                                     if span["attributes"].get("gen_ai.response.id") == json.loads(out)["id"]],
                          "the SERVER span")
    assert server["trace_id"] == trace


def test_large_prompt(lab, agent, base):
    """A request far larger than any copy of one call still gives a whole span."""
    text = "tell me of the river " * 15000
    pid, said = ask(base, "/tokenize", {"content": text})
    assert len(said["tokens"]) > 1000
    body = {"model": MODEL, "max_tokens": 5, "messages": [{"role": "user", "content": "x"}], "user": text,
            "ignore_eos": True}
    path = lab.certs.parent / "large.json"
    path.write_text(json.dumps(body))
    curl = subprocess.Popen(["curl", "-s", base + "/v1/chat/completions", "-H", "content-type: application/json",
                             "--data-binary", f"@{path}"], stdout=subprocess.PIPE)
    out, _ = curl.communicate(timeout=60)
    [span] = agent.expect(curl.pid, 1)
    assert span["attributes"]["gen_ai.response.id"] == json.loads(out)["id"]
    assert span["attributes"]["gen_ai.request.model"] == MODEL
    assert span["attributes"]["gen_ai.usage.output_tokens"] == 5
    del pid


def test_server_answers(base):
    with urllib.request.urlopen(base + "/health", timeout=5) as answer:
        assert json.load(answer)["status"] == "ok"
