# SPDX-License-Identifier: Apache-2.0
"""Completeness: 2,000 streamed responses of 200 chunks from 64 concurrent clients; every call seen, nothing dropped."""

import os
import pathlib
import subprocess

import pytest

from lab.lab import OUT, free_port, wait_for, answers

CALLS, CHUNKS, CLIENTS = 2000, 200, 64
INTERVAL_US = int(os.environ.get("KS_LOAD_INTERVAL_US", "2000"))  # between the chunks of one stream: 500 a second
# Events dropped for want of room or time, by anybody; what other programs move in ways of their own is not of these calls.
DROPPED = ("ring_full", "ctl_ring_full", "fault", "calls_full", "bad_event", "conns_full", "procs_full", "exchanges_full",
           "pipeline_full", "inflaters_full", "arena_full", "span_attrs", "queue_full", "output_failed")


def program(name):
    """Built by `make progs`; by hand if pytest is run by hand."""
    built = OUT / "tests/e2e/load" / name
    source = pathlib.Path(__file__).parent / "load" / f"{name}.c"
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        built.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu11", "-O2", "-g", "-D_GNU_SOURCE", source, "-o", built,
                        "-lssl", "-lcrypto", "-lpthread"], check=True, timeout=120)
    return built


@pytest.mark.load
@pytest.mark.timeout(240)
@pytest.mark.parametrize("transport", ["tls", "plain"])
def test_every_call(lab, start, transport):
    agent = start()
    port = free_port()
    tls = [lab.certs / "server.pem", lab.certs / "server.key"] if transport == "tls" else []
    server = subprocess.Popen([program("sse_server"), str(port), str(CHUNKS), str(INTERVAL_US), *tls])
    try:
        wait_for(lambda: answers(port), "the load server")
        client = subprocess.Popen([program("sse_client"), str(port), str(CALLS), str(CLIENTS), transport],
                                  stdout=subprocess.PIPE, text=True)
        out, _ = client.communicate(timeout=200)
        assert client.returncode == 0
        rows = [line.split() for line in out.splitlines()]
        assert len(rows) == CALLS and {row[1] for row in rows} == {str(CHUNKS + 2)}
        for pid, kind in ((client.pid, "CLIENT"), (server.pid, "SERVER")):
            spans = agent.expect(pid, CALLS, kind, seconds=60)
            ids = [span["attributes"]["gen_ai.response.id"] for span in spans]
            assert sorted(ids) == sorted(f"chatcmpl-load-{row[0]}" for row in rows), kind
            for span in spans:
                attrs = span["attributes"]
                assert "kernspan.incomplete" not in attrs, span
                assert attrs["gen_ai.usage.output_tokens"] == attrs["kernspan.stream.chunks"] == CHUNKS, span
                assert attrs["gen_ai.response.finish_reasons"] == ["stop"]
        own = {f"chatcmpl-load-{row[0]}": int(row[2]) / 1e9 for row in rows}
        late = sorted(own[span["attributes"]["gen_ai.response.id"]] -
                      span["attributes"]["gen_ai.response.time_to_first_chunk"]
                      for span in agent.of(client.pid))
        assert late[0] > -0.001, "a first chunk before the client's own"
        print(f"{transport}: first chunk apart from the client's clock by {late[len(late) // 2] * 1e3:.3f} ms at the "
              f"median, {late[len(late) * 99 // 100] * 1e3:.3f} ms at p99; ring filled to "
              f"{agent.stats()['ring']['fill_max']} bytes")
        assert agent.lost(*DROPPED) == {}
    finally:
        server.terminate()
        server.wait()
