#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record.py [CASE...]: record the fixtures anew from real clients and servers of the laboratory (root; out/kernspan is built).

What is written is looked at before it is committed: tests/replay/run.sh --write, then git diff.
"""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from lab.lab import CLIENTS, E2E, ROOT, Lab, Server, free_port, wait_for  # noqa: E402

KERNSPAN = os.environ.get("KERNSPAN", ROOT / "out/kernspan")
HOST = slice(8 + 4 * 4 + 16 + 64, 8 + 4 * 4 + 16 + 64 + 256)  # struct record_head: the name of this machine


def client(name, *cases):
    return lambda lab, base: [*CLIENTS[name][1:], base, *cases]


def curl(path, body, *options, key="lab-key"):
    return lambda lab, base: ["curl", "-sN", "-o", "/dev/null", *options, "-H", f"authorization: Bearer {key}",
                              "-H", "content-type: application/json", "--data-binary", body, base + path]


def chat(case, **more):
    extra = "".join(f',"{key}":{value}' for key, value in more.items())
    return f'{{"model":"lab-model","messages":[{{"role":"user","content":"case:{case}"}}]{extra}}}'


STREAM = {"stream": "true", "stream_options": '{"include_usage":true}'}


def raw(*parts):
    """A client of one socket: PARTS are sent as they are, a number is a pause; then all is read, until the server closes."""
    def command(lab, base):
        host, port = base.split("//")[1].split(":")
        script = f"import socket, time\ns = socket.create_connection(({host!r}, {port}))\n"
        for part in parts:
            script += f"time.sleep({part})\n" if isinstance(part, float) else f"s.sendall({part.encode()!r})\n"
        return [sys.executable, "-c", script + "while s.recv(65536): pass\n"]
    return command


def request(body, version="1.1", *headers):
    lines = [f"POST /v1/chat/completions HTTP/{version}", "Host: lab.example", "Authorization: Bearer lab-key",
             "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines) + "\r\n\r\n" + body


CLOSE = "Connection: close"
WHOLE = request(chat("length"), "1.1", CLOSE)

# name: (transport, command of the client, servers watched too)
CASES = {
    "openai-tls": ("tls", client("python-openai-sync", "plain", "tool", "embed", "e429")),
    "openai-tls-stream": ("tls", client("python-openai-sync", "plain:stream", "plain:stream:nousage")),
    "openai-async-tls": ("tls", client("python-openai-async", "length:stream", "tool:stream")),
    "openai-node": ("plain", client("node-openai", "plain", "utf8:stream", "e400")),
    "openai-responses": ("plain", client("python-openai-sync", "responses", "responses:stream")),
    "openai-e401": ("tls", curl("/v1/chat/completions", chat("plain"), key="wrong")),
    "openai-parallel": ("plain", client("python-openai-gather", "length:stream", "tool", "length")),
    "openai-cut": ("plain", client("python-openai-sync", "disconnect:stream")),
    "openai-killed": ("tls", curl("/v1/chat/completions", chat("slow", **STREAM), "--max-time", "1.2")),
    "openai-gzip": ("gzip", curl("/v1/chat/completions", chat("plain"), "--compressed")),
    "openai-gzip-stream": ("gzip", curl("/v1/chat/completions", chat("length", **STREAM), "--compressed")),
    "openai-pipelined": ("plain", raw(request(chat("length")) + request(chat("tool")) + request(chat("plain"), "1.1", CLOSE))),
    "openai-http10": ("plain", raw(request(chat("length", **STREAM), "1.0"))),
    "openai-pieces": ("plain", raw(WHOLE[:60], 0.02, WHOLE[60:200], 0.02, WHOLE[200:])),
    "openai-proxy": ("tls", curl("/v1/chat/completions", chat("length", **STREAM)), "nginx", "aimock"),
    "anthropic-tls": ("tls", client("python-anthropic-sync", "plain", "e529", "tool")),
    "anthropic-stream": ("plain", client("python-anthropic-sync", "length:stream", "tool:stream")),
    "anthropic-node": ("plain", client("node-anthropic", "plain:stream", "disconnect:stream")),
    "llama-stream": ("llama", curl("/v1/chat/completions", '{"model":"tiny-random","max_tokens":12,"ignore_eos":true,'
                                   '"stream":true,"messages":[{"role":"user","content":"tell me of the river"}]}'), "llama"),
    "foreign": ("plain", lambda lab, base: ["curl", "-s", "-o", "/dev/null", base + "/v1/models", base + "/health"]),
}


def gzip_nginx(lab):
    """nginx that compresses whatever it is given."""
    def start(port):
        where = pathlib.Path(lab.certs).parent / "gzip"
        where.mkdir(exist_ok=True)
        conf = (E2E / "lab/nginx.conf.in").read_text().replace("location /", "gzip on; gzip_min_length 1; gzip_types *;\n\t\tlocation /")
        for key, value in {"DIR": where, "CERTS": lab.certs, "LISTEN": port, "BACKEND": lab.ports["aimock"],
                           "USER": "user root;"}.items():
            conf = conf.replace(f"@{key}@", str(value))
        (where / "nginx.conf").write_text(conf)
        return Server("gzip", ["/usr/sbin/nginx", "-p", where, "-e", where / "nginx.err", "-c", where / "nginx.conf"],
                      ports=[port])
    lab.aimock()
    lab.server("gzip", start)
    return f"https://localhost:{lab.ports['gzip']}"


def base_of(lab, transport):
    if transport == "gzip":
        return gzip_nginx(lab)
    if transport == "llama":
        lab.llama()
        return f"http://127.0.0.1:{lab.ports['llama']}"
    return lab.url(transport)


def record(lab, name):
    transport, command, *servers = CASES[name]
    base = base_of(lab, transport)
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    wire = folder / "in.wire"
    line = [str(part) for part in command(lab, base)]
    pids = [str(pid) for server in servers for pid in lab.servers[server].pids()]
    agent = [KERNSPAN, "record", "--store", "none", "--control", "none", "--seed", "1", "--log-level", "info"]
    with tempfile.TemporaryFile("w+") as log:
        if pids:  # servers are watched by their ids; so is the client, which waits until the agent is ready
            gate = subprocess.Popen(["sh", "-c", 'read go; exec "$@"', "sh", *line], stdin=subprocess.PIPE,
                                    env=lab.client_env(), text=True)
            run = subprocess.Popen([*agent, "--pid", ",".join([*pids, str(gate.pid)]), wire], stderr=log)
            time.sleep(3)
            gate.communicate("go\n", timeout=30)
            time.sleep(1)
            run.send_signal(signal.SIGTERM)
        else:
            run = subprocess.Popen([*agent, wire, "--", *line], stderr=log, stdout=subprocess.DEVNULL, env=lab.client_env())
        status = run.wait(60)
        log.seek(0)
        if status and pids:
            sys.exit(f"{name}: status {status}: {log.read()}")
    data = bytearray(wire.read_bytes())
    data[HOST] = b"lab".ljust(256, b"\0")
    wire.write_bytes(data)
    wire.chmod(0o644)
    print(f"{name}: {len(data)} bytes", flush=True)


def main(names):
    lab = Lab()
    try:
        for name in names or CASES:
            record(lab, name)
    finally:
        lab.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
