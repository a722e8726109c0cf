# SPDX-License-Identifier: Apache-2.0
"""The laboratory: real servers nobody here wrote, on loopback, and the clients that call them.

Everything third-party comes from the package registries at test time, into O/lab.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
E2E = HERE.parent
ROOT = E2E.parent.parent
OUT = pathlib.Path(os.environ.get("O", ROOT / "out")).resolve()
DIR = OUT / "lab"
KEY = "lab-key"


class LabError(RuntimeError):
    pass


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_for(probe, what, seconds=30):
    """Poll PROBE until it is true; a deadline is a failure of WHAT, not of the thing under test."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = probe()
        if got:
            return got
        time.sleep(0.02)
    raise LabError(f"{what}: not within {seconds} s")


def answers(port):
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", port)) == 0


def node_modules():
    """npm ci into O/lab, once for each lock file."""
    lock = (E2E / "package-lock.json").read_bytes()
    stamp = DIR / "npm-stamp"
    if not shutil.which("npm"):
        raise LabError("npm is missing: the end-to-end tests need Node.js 20.15 or newer")
    if not stamp.exists() or stamp.read_bytes() != lock:
        DIR.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(E2E / name, DIR / name)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                       cwd=DIR, check=True, timeout=300, stdin=subprocess.DEVNULL)
        stamp.write_bytes(lock)
    return DIR / "node_modules"


class Server:
    """A child process with its own log; ended by its id."""

    def __init__(self, name, command, env=None, ports=()):
        self.name = name
        self.log = DIR / f"{name}.log"
        with open(self.log, "wb") as log:
            # setpriv: whatever ends the tests, the server ends too
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *command], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
        for port in ports:
            wait_for(lambda port=port: self.alive() and answers(port), f"{name} on port {port}")

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        if self.process.poll() is not None:
            tail = self.log.read_text(errors="replace")[-2000:]
            raise LabError(f"{self.name} ended with {self.process.returncode}:\n{tail}")
        return True

    def pids(self):
        """The process and its children (nginx has workers)."""
        path = f"/proc/{self.pid}/task/{self.pid}/children"
        with open(path, encoding="ascii") as file:
            return [self.pid, *map(int, file.read().split())]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Lab:
    """aimock, nginx with TLS 1.3 before it, llama.cpp; each started when first asked for."""

    def __init__(self):
        DIR.mkdir(parents=True, exist_ok=True)
        self.servers = {}
        self.ports = {}

    def stop(self):
        for server in self.servers.values():
            server.stop()

    @property
    def certs(self):
        subprocess.run([HERE / "certs.sh", DIR / "certs"], check=True, timeout=60)
        return DIR / "certs"

    @property
    def ca(self):
        return self.certs / "ca.pem"

    def server(self, name, start):
        if name not in self.servers:
            self.ports[name] = free_port()
            self.servers[name] = start(self.ports[name])
        self.servers[name].alive()
        return self.servers[name]

    def aimock(self):
        def start(port):
            return Server("aimock", ["node", node_modules() / "@copilotkit/aimock/dist/cli.js", "-p", str(port),
                                     "-f", HERE / "fixtures.json", "--strict", "--log-level", "warn",
                                     "--journal-max", "10"],
                          env={"AIMOCK_API_KEYS": KEY}, ports=[port])
        return self.server("aimock", start)

    def nginx(self, name, backend):
        """TLS before BACKEND (a name of self.ports)."""
        def start(port):
            where = DIR / name
            where.mkdir(exist_ok=True)
            conf = (HERE / "nginx.conf.in").read_text()
            for key, value in {"DIR": where, "CERTS": self.certs, "LISTEN": port, "BACKEND": self.ports[backend],
                               "USER": "user root;"}.items():
                conf = conf.replace(f"@{key}@", str(value))
            (where / "nginx.conf").write_text(conf)
            nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
            return Server(name, [nginx, "-p", where, "-e", where / "nginx.err", "-c", where / "nginx.conf"],
                          ports=[port])
        return self.server(name, start)

    def llama(self):
        def start(port):
            model = DIR / "tiny.gguf"
            subprocess.run([sys.executable, HERE / "mkgguf.py", model], check=True, timeout=60)
            server = Server("llama", [sys.executable, HERE / "llama.py", model, str(port)], ports=[port])
            wait_for(lambda: server.alive() and b"ok" in http_get(f"http://127.0.0.1:{port}/health"),
                     "llama.cpp's model")
            return server
        return self.server("llama", start)

    def url(self, transport):
        """Base URL of aimock by "plain" or "tls"."""
        self.aimock()
        if transport == "plain":
            return f"http://127.0.0.1:{self.ports['aimock']}"
        self.nginx("nginx", "aimock")
        return f"https://localhost:{self.ports['nginx']}"

    def client_env(self):
        """What a user who trusts a private authority sets; no key of a real service is kept."""
        env = {key: value for key, value in os.environ.items()
               if not key.startswith(("OTEL_", "OPENAI_", "ANTHROPIC_", "KERNSPAN")) and
               key.lower() not in ("http_proxy", "https_proxy", "all_proxy")}
        return {**env, "SSL_CERT_FILE": str(self.ca), "NODE_EXTRA_CA_CERTS": str(self.ca),
                "CURL_CA_BUNDLE": str(self.ca), "LAB_MODULES": str(DIR), "NO_PROXY": "*"}


def http_get(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read()
    except OSError:
        return b""


CLIENTS = {
    "python-openai-sync": ["openai", sys.executable, E2E / "clients/openai_client.py", "sync"],
    "python-openai-async": ["openai", sys.executable, E2E / "clients/openai_client.py", "async"],
    "python-openai-gather": ["gather", sys.executable, E2E / "clients/openai_client.py", "gather"],
    "python-anthropic-sync": ["anthropic", sys.executable, E2E / "clients/anthropic_client.py", "sync"],
    "python-anthropic-async": ["anthropic", sys.executable, E2E / "clients/anthropic_client.py", "async"],
    "node-openai": ["openai", "node", E2E / "clients/openai_client.mjs"],
    "node-anthropic": ["anthropic", "node", E2E / "clients/anthropic_client.mjs"],
    "curl": ["curl", sys.executable, E2E / "clients/curl_client.py"],
}
CASES = {
    "openai": ["plain", "plain:stream", "plain:stream:nousage", "tool", "tool:stream", "length", "length:stream",
               "utf8:stream", "disconnect:stream", "responses", "responses:stream", "embed", "e401", "e429", "e400"],
    "anthropic": ["plain", "plain:stream", "tool", "tool:stream", "length", "length:stream", "utf8:stream",
                  "disconnect:stream", "e401", "e429", "e529"],
    "gather": ["plain:stream", "length:stream", "tool:stream", "utf8:stream", "plain", "tool"] * 4,
    "curl": ["openai:plain", "openai:plain:stream", "openai:tool", "openai:tool:stream", "openai:length",
             "openai:disconnect:stream", "openai:e401", "openai:e429", "anthropic:plain", "anthropic:plain:stream",
             "anthropic:tool:stream", "anthropic:e529"],
}


def begin_client(lab, name, base, cases, env=None, wrap=()):
    return subprocess.Popen([*wrap, *CLIENTS[name][1:], base, *cases], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            stdin=subprocess.DEVNULL, env={**lab.client_env(), **(env or {})}, text=True)


def end_client(client, name, cases, timeout=120):
    """What the client saw, each row with the pid that made the call."""
    try:
        out, err = client.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as late:
        client.kill()
        raise LabError(f"{name} did not end within {timeout} s") from late
    if client.returncode:
        raise LabError(f"{name} ended with {client.returncode}:\n{err[-3000:]}")
    rows = [json.loads(line) for line in out.split("\n") if line]
    if len(rows) != len(cases):
        raise LabError(f"{name} made {len(rows)} calls, not {len(cases)}:\n{err[-3000:]}")
    return [{"pid": client.pid, **row} for row in rows]


def run_client(lab, name, base, cases, timeout=120, **more):
    return end_client(begin_client(lab, name, base, cases, **more), name, cases, timeout)
