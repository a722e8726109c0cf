# SPDX-License-Identifier: Apache-2.0
"""Time to first chunk, ours against the SDKs' own clocks, over TLS. Prints {client: [difference in ms, ...]}."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../e2e"))

from lab.agent import Agent  # noqa: E402
from lab.lab import Lab, run_client  # noqa: E402

CALLS = ["plain:stream", "length:stream"] * 20


def main():
    lab, agent, apart = Lab(), Agent(), {}
    try:
        base = lab.url("tls")
        for name in ("python-openai-sync", "python-openai-async", "node-openai", "python-anthropic-sync", "node-anthropic"):
            rows = run_client(lab, name, base, CALLS)
            spans = agent.expect(rows[0]["pid"], len(rows))
            apart[name] = [(row["ttfc"] - span["attributes"]["gen_ai.response.time_to_first_chunk"]) * 1e3
                           for row, span in zip(rows, spans)]
    finally:
        agent.stop()
        lab.stop()
    print(json.dumps(apart))


if __name__ == "__main__":
    main()
