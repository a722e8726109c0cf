# SPDX-License-Identifier: Apache-2.0
"""curl_client.py BASE CASE...: each case is one curl process; its own trace gives the times.

The line printed also holds curl's process id, which is not ours.
"""

import json
import os
import re
import subprocess
import sys
import tempfile

from seen import Seen

MODEL = {"openai": "lab-model", "anthropic": "claude-lab"}
STAMP = re.compile(r"^(\d\d):(\d\d):(\d\d\.\d+) (?:=>|<=|==) (Info|Send header|Recv data)")


def times(trace):
    """Seconds of the last word before the first header was sent, and of the first body bytes (curl --trace-time).

    curl notes a header when it has been sent, which may be after the answer's first byte is on its way.
    """
    before, first = None, {}
    for line in trace.splitlines():
        hit = STAMP.match(line)
        if not hit:
            continue
        at = int(hit[1]) * 3600 + int(hit[2]) * 60 + float(hit[3])
        if hit[4] == "Info":
            before = before if "Send header" in first else at
        else:
            first.setdefault(hit[4], at)
    return before, first.get("Recv data")


def request(vendor, name, stream):
    body = {"model": MODEL[vendor], "messages": [{"role": "user", "content": f"case:{name}"}]}
    if vendor == "anthropic":
        body["max_tokens"] = 256
    if stream:
        body["stream"] = True
        if vendor == "openai":
            body["stream_options"] = {"include_usage": True}
    if name == "tool":
        schema = {"type": "object", "properties": {"city": {"type": "string"}}}
        body["tools"] = [{"name": "get_weather", "input_schema": schema} if vendor == "anthropic" else
                         {"type": "function", "function": {"name": "get_weather", "parameters": schema}}]
    return body


def read_anthropic(seen, data):
    if "message" in data:
        data = data["message"]
    if data.get("type") == "message":
        seen["id"], seen["model"] = data["id"], data["model"]
        seen["input"] = data["usage"]["input_tokens"]
        seen["tools"] = [b["name"] for b in data["content"] if b["type"] == "tool_use"]
    if data.get("type") == "content_block_start" and data["content_block"]["type"] == "tool_use":
        seen.row["tools"].append(data["content_block"]["name"])
    if data.get("usage"):
        seen["output"] = data["usage"]["output_tokens"]
    stop = data.get("stop_reason") or data.get("delta", {}).get("stop_reason")
    if stop:
        seen["finish"] = [stop]


def read_openai(seen, data):
    seen["id"], seen["model"] = data["id"], data["model"]
    for choice in data["choices"]:
        said = choice.get("message") or choice.get("delta") or {}
        seen.row["tools"] += [c["function"]["name"] for c in said.get("tool_calls") or []
                              if c["function"].get("name")]
        if choice.get("finish_reason"):
            seen["finish"] = [choice["finish_reason"]]
    if data.get("usage"):
        seen["input"] = data["usage"]["prompt_tokens"]
        seen["output"] = data["usage"]["completion_tokens"]


def one(base, case):
    vendor, name, *flags = case.split(":")
    stream = "stream" in flags
    seen = Seen(case, MODEL[vendor], stream)
    key = "wrong" if name == "e401" else "lab-key"
    head = ["-H", f"authorization: Bearer {key}"] if vendor == "openai" else \
           ["-H", f"x-api-key: {key}", "-H", "anthropic-version: 2023-06-01"]
    path = "/v1/chat/completions" if vendor == "openai" else "/v1/messages"
    with tempfile.TemporaryDirectory() as tmp:
        trace = os.path.join(tmp, "trace")
        command = ["curl", "-sSN", "--trace-ascii", trace, "--trace-time", "-w", "\n%{http_code}",
                   "-H", "content-type: application/json", *head,
                   *(["--compressed"] if "compressed" in flags else []),
                   "--data-binary", json.dumps(request(vendor, "plain" if name == "e401" else name, stream)),
                   base + path]
        curl = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out, err = curl.communicate(timeout=60)
        with open(trace, encoding="utf-8", errors="replace") as file:
            sent, received = times(file.read())
    seen["pid"] = curl.pid
    body, _, status = out.rpartition("\n")
    status = int(status)
    read = read_openai if vendor == "openai" else read_anthropic
    events = [line[5:].strip() for line in body.split("\n") if line.startswith("data:")] if stream else [body]
    if status == 200:
        for event in events:
            if event != "[DONE]":
                read(seen, json.loads(event))
        if stream:
            seen["chunks"], seen["ttfc"] = len(events), received - sent
    if status == 200 and curl.returncode == 0:
        seen.done()
    else:
        error = json.loads(body)["error"] if status >= 400 else {}
        seen.failed(status, error.get("code") or error.get("type") or err.strip())
    seen.show()


if __name__ == "__main__":
    for argument in sys.argv[2:]:
        one(sys.argv[1], argument)
