# SPDX-License-Identifier: Apache-2.0
"""A span against what the client itself saw of the same call."""

CLOCK_SLACK = 0.001  # s: the client's clock brackets the kernel's; this allows for rounding only


def is_error(span):
    return span["status"]["code"] in (2, "ERROR", "STATUS_CODE_ERROR")


def seconds(span):
    return (int(span["end_time_unix_nano"]) - int(span["start_time_unix_nano"])) / 1e9


def outcome(span, row):
    """Differences in status and error."""
    attrs, bad = span["attributes"], []
    cut = row["call"].split(":")[-2:] == ["disconnect", "stream"]
    status = 200 if cut else row["status"]
    if attrs.get("http.response.status_code") != status:
        bad.append(f"status {attrs.get('http.response.status_code')}, not {status}")
    if cut:
        if "cut" not in attrs.get("kernspan.incomplete", []):
            bad.append(f"a cut stream is not marked: {attrs.get('kernspan.incomplete')}")
    elif attrs.get("kernspan.incomplete"):
        bad.append(f"incomplete: {attrs['kernspan.incomplete']}")
    if status >= 400:
        if not is_error(span):
            bad.append(f"span status {span['status']}")
        if attrs.get("error.type") != row["error"]:
            bad.append(f"error.type {attrs.get('error.type')!r}, not {row['error']!r}")
    elif not cut and (is_error(span) or "error.type" in attrs):
        bad.append(f"an error where there was none: {span['status']} {attrs.get('error.type')}")
    return bad


def answer(span, row):
    """Differences in what the answer said."""
    attrs, bad = span["attributes"], []
    want = {"gen_ai.response.id": row["id"], "gen_ai.response.model": row["model"]}
    if "disconnect" not in row["call"]:
        want["gen_ai.usage.input_tokens"] = row["input"]
        want["gen_ai.usage.output_tokens"] = row["output"]
        if "responses" in row["call"]:
            want["gen_ai.response.status"] = row["finish"][0]
        else:
            want["gen_ai.response.finish_reasons"] = row["finish"]
        want["kernspan.tool_call.names"] = row["tools"] or None
    for name, value in want.items():
        if attrs.get(name) != value:
            bad.append(f"{name} {attrs.get(name)!r}, not {value!r}")
    return bad


def request(span, row, base):
    attrs, bad = span["attributes"], []
    scheme, _, rest = base.partition("://")
    host, _, port = rest.partition(":")
    operation = "embeddings" if row["call"] == "embed" else "chat"
    want = {"gen_ai.operation.name": operation,
            "gen_ai.provider.name": "anthropic" if row["request_model"].startswith("claude") else "openai",
            "gen_ai.request.model": row["request_model"], "gen_ai.request.stream": row["stream"] or None,
            "server.address": host, "server.port": int(port), "url.scheme": scheme}
    for name, value in want.items():
        if attrs.get(name) != value:
            bad.append(f"{name} {attrs.get(name)!r}, not {value!r}")
    name = f"{operation} {row['request_model']}"
    if span["name"] != name:
        bad.append(f"name {span['name']!r}, not {name!r}")
    return bad


def timing(span, row):
    """The client's clock starts before its first byte and stops after its last: the span lies within."""
    attrs, bad = span["attributes"], []
    ttfc = attrs.get("gen_ai.response.time_to_first_chunk")
    if (ttfc is None) != (row["ttfc"] is None):
        bad.append(f"time to first chunk {ttfc}, the client saw {row['ttfc']}")
    elif ttfc is not None and not 0 < ttfc <= row["ttfc"] + CLOCK_SLACK:
        bad.append(f"time to first chunk {ttfc}, later than the client's {row['ttfc']}")
    # a stream's span ends with its last byte, which an SDK that stops at the end marker reads after its call is over
    if not 0 < seconds(span) <= row["total"] + (1 if row["stream"] else CLOCK_SLACK):
        bad.append(f"lasted {seconds(span)} s, the client's call {row['total']} s")
    return bad


def differences(span, row, base):
    return request(span, row, base) + outcome(span, row) + answer(span, row) + timing(span, row)
