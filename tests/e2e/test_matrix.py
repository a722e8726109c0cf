# SPDX-License-Identifier: Apache-2.0
"""Real clients against a real mock server, plain and behind TLS: every field equals what the client saw."""

import os
import statistics

import pytest

from lab.compare import differences
from lab.lab import CASES, CLIENTS, run_client

TRANSPORTS = ["tls", "plain"]
SERVER_TTFT = {"plain": 0.040, "length": 0.020, "tool": 0.020, "utf8": 0.020}  # s, of lab/fixtures.json


@pytest.fixture(scope="module")
def runs(lab, agent):
    """Runs each client once on each transport, when first asked; gives (rows, their spans, base)."""
    done = {}

    def once(name, transport):
        base = lab.url(transport)
        rows = run_client(lab, name, base, CASES[CLIENTS[name][0]])
        wanted = {}
        for row in rows:
            wanted[row["pid"]] = wanted.get(row["pid"], 0) + 1
        spans = {pid: agent.expect(pid, count) for pid, count in wanted.items()}
        return rows, [spans[row["pid"]].pop(0) for row in rows], base

    def run(name, transport):
        if (name, transport) not in done:
            try:
                done[name, transport] = once(name, transport)
            except AssertionError as error:
                done[name, transport] = error
        if isinstance(done[name, transport], AssertionError):
            pytest.fail(f"{name}, {transport}: {done[name, transport]}")
        return done[name, transport]
    return run


ONE_BY_ONE = [name for name in CLIENTS if not name.endswith("gather")]
ALL = [(name, transport, case) for transport in TRANSPORTS for name in ONE_BY_ONE for case in CASES[CLIENTS[name][0]]]


@pytest.mark.parametrize("name,transport,case", ALL, ids=["-".join(row) for row in ALL])
def test_call(runs, name, transport, case):
    rows, spans, base = runs(name, transport)
    at = [row["call"] for row in rows].index(case)
    assert not differences(spans[at], rows[at], base), (rows[at], spans[at])


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_first_chunk(runs, name, transport):
    """The server waits a known time before the first chunk: between that and the client's own figure lies ours."""
    rows, spans, _ = runs(name, transport)
    apart = []
    for row, span in zip(rows, spans):
        least = SERVER_TTFT.get(row["call"].removeprefix("openai:").removeprefix("anthropic:").split(":")[0])
        if row["ttfc"] is None or least is None:
            continue
        ours = span["attributes"]["gen_ai.response.time_to_first_chunk"]
        assert ours >= least - 0.002, (row, span)
        apart.append(row["ttfc"] - ours)
    print(f"{name} {transport}: the client's figure is larger by a median of {statistics.median(apart) * 1e3:.2f} ms")
    assert statistics.median(apart) < 0.25


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_concurrent(lab, agent, transport):
    """Calls of one process that overlap on several connections are not mixed up."""
    base = lab.url(transport)
    rows = run_client(lab, "python-openai-gather", base, CASES["gather"])
    spans = {span["attributes"].get("gen_ai.response.id"): span for span in agent.expect(rows[0]["pid"], len(rows))}
    assert set(spans) == {row["id"] for row in rows}
    for row in rows:
        assert not differences(spans[row["id"]], row, base), (row, spans[row["id"]])


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_server_side(lab, agent, runs, transport):
    """The servers are on this node: each call has its SERVER span there, with the same answer."""
    rows, spans, _ = runs("python-openai-sync", transport)
    ids = {row["id"]: span for row, span in zip(rows, spans) if row["id"] and row["ok"]}
    servers = [lab.servers["aimock"]] + ([lab.servers["nginx"]] if transport == "tls" else [])
    for server in servers:
        pids = set(server.pids())
        seen = {span["attributes"].get("gen_ai.response.id"): span for pid in pids for span in agent.of(pid, "SERVER")}
        for answer, client in ids.items():
            assert answer in seen, f"{server.name} has no SERVER span of {answer}"
            for name in ("gen_ai.request.model", "gen_ai.response.model", "gen_ai.usage.input_tokens",
                         "gen_ai.usage.output_tokens", "http.response.status_code"):
                assert seen[answer]["attributes"].get(name) == client["attributes"].get(name), (name, seen[answer])


def test_no_key_anywhere(agent):
    """Credentials never leave the flow stage."""
    assert "lab-key" not in "\n".join(agent.lines) + agent.stderr


def test_nothing_lost(lab, start):
    """Of what this process and its children do, servers included, no byte and no record is lost."""
    base = lab.url("tls")
    own = start("--pid", os.getpid())
    for name in ("python-openai-gather", "python-anthropic-async", "node-openai"):
        rows = run_client(lab, name, base, CASES[CLIENTS[name][0]])
        own.expect(rows[0]["pid"], len(rows))
    assert own.lost() == {}
