# SPDX-License-Identifier: Apache-2.0
"""The figures of kernspan: each is measured, printed with method and spread, and kept in out/bench.json.

usage: bench.py [NAME...]     names: pipeline size idle connections complete first_chunk sdk floor
Ratios come from interleaved rounds of one run, because this kind of machine is shared and its traps are dear.
"""
import atexit
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
OUT = os.path.abspath(os.environ.get("O", os.path.join(ROOT, "out")))
BENCH = os.path.join(OUT, "bench")
KERNSPAN = os.path.abspath(os.environ.get("KERNSPAN", os.path.join(OUT, "kernspan")))
LOAD = os.path.join(OUT, "tests/e2e/load")
RESULTS = {}


def result(name, value, unit, goal, met, how):
    RESULTS[name] = {"value": value, "unit": unit, "goal": goal, "met": met, "how": how}
    shown = f"{value:.4g}" if isinstance(value, float) else str(value)
    print(f"{name:34} {shown:>12} {unit:10} goal {goal:14} {'met' if met else 'NOT MET':8} {how}", flush=True)


def certificate():
    cert, key = os.path.join(BENCH, "cert.pem"), os.path.join(BENCH, "key.pem")
    if not os.path.exists(cert):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert,
                        "-days", "30", "-subj", "/CN=localhost"], check=True, capture_output=True)
    return cert, key


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """The load server; its own copy of libssl when `private`, so that only it is probed."""

    def __init__(self, chunks, interval_us=0, tls=True, private=None):
        self.port = free_port()
        args = [os.path.join(LOAD, "sse_server"), str(self.port), str(chunks), str(interval_us)]
        env = dict(os.environ)
        if private:
            env["LD_LIBRARY_PATH"] = private
        self.proc = subprocess.Popen(args + (list(certificate()) if tls else []), stdout=subprocess.DEVNULL, env=env)
        atexit.register(self.proc.kill)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise SystemExit("the load server did not start")

    def cpu_ns(self):
        return process_cpu_ns(self.proc.pid)

    def stop(self):
        self.proc.kill()
        self.proc.wait()


def process_cpu_ns(pid):
    """User and system time of a process with its dead threads, ns: its CPU clock (linux/posix-timers.h, CPUCLOCK_SCHED)."""
    return time.clock_gettime_ns((~pid << 3) | 2)


class Agent:
    """kernspan run, spans to a file; what it lost from its closing line."""

    def __init__(self, *args):
        self.spans_path = os.path.join(BENCH, "spans.jsonl")
        self.log_path = os.path.join(BENCH, "agent.log")
        self.out = open(self.spans_path, "w")
        self.log = open(self.log_path, "w")
        self.proc = subprocess.Popen([KERNSPAN, "run", "-o", "json", "--store", "none", *args], stdout=self.out,
                                     stderr=self.log)
        atexit.register(self.proc.terminate)
        deadline = time.monotonic() + 30
        while "kernspan: ready" not in open(self.log_path).read():
            if self.proc.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the agent did not start: " + open(self.log_path).read()[-2000:])
            time.sleep(0.05)

    def pids(self):
        with open(f"/proc/{self.proc.pid}/task/{self.proc.pid}/children") as f:
            return [self.proc.pid] + [int(p) for p in f.read().split()]

    def stop(self):
        self.proc.send_signal(signal.SIGINT)
        self.proc.wait(timeout=30)
        self.out.close()
        with open(self.log_path) as f:
            closing = re.search(r'spans; (nothing lost|lost: [^"]*)', f.read())
        self.lost = closing.group(1) if closing else "no closing line"
        with open(self.spans_path) as f:
            return [json.loads(line) for line in f]


def client(port, threads, calls):
    """What the load client saw of each call over TLS: response id, events, ns to the first event on its own clock."""
    done = subprocess.run([os.path.join(LOAD, "sse_client"), str(port), str(calls), str(threads), "tls"],
                          capture_output=True, text=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    return [{"id": f"chatcmpl-load-{n}", "events": int(events), "ttfc_ns": int(ns)} for n, events, ns in rows]


def rss_beyond_ring(pids):
    """Resident bytes of both processes without the mappings of BPF maps (rings, counters, verdicts)."""
    total = 0
    for pid in pids:
        name = ""
        with open(f"/proc/{pid}/smaps") as f:
            for line in f:
                if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                    name = line.split(None, 5)[5].strip() if len(line.split(None, 5)) > 5 else ""
                elif line.startswith("Pss:") and "bpf" not in name:
                    total += int(line.split()[1]) * 1024
    return total


def bench_pipeline():
    done = subprocess.run([os.path.join(OUT, "tests/bench/pipeline_bench")], capture_output=True, text=True, check=True)
    r = json.loads(done.stdout)
    result("pipeline.sse_bytes_per_s", r["bytes_per_s"] / 1e9, "GB/s", ">= 1", r["bytes_per_s"] >= 1e9,
           f"records of 16 KiB, {r['rounds']} rounds, median; min {r['bytes_min'] / 1e9:.2f} max {r['bytes_max'] / 1e9:.2f}")
    result("pipeline.token_bytes_per_s", r["token_bytes_per_s"] / 1e9, "GB/s", "(shown)", True,
           "the same stream, one record for each server-sent event")
    result("pipeline.events_per_s", r["events_per_s"] / 1e6, "M/s", ">= 1", r["events_per_s"] >= 1e6,
           f"one record a token; min {r['events_min'] / 1e6:.2f} max {r['events_max'] / 1e6:.2f}")
    result("pipeline.allocations_per_event", r["allocs"] / r["events"], "count", "0", r["allocs"] == 0,
           f"{r['allocs']} calls of malloc for {r['events']} events of warm streams")


def bench_size():
    stripped = os.path.join(BENCH, "kernspan.stripped")
    subprocess.run(["strip", "-o", stripped, KERNSPAN], check=True)
    size = os.path.getsize(stripped) / 1e6
    result("binary.stripped", size, "MB", "<= 4", size <= 4, "strip -o, BPF objects included")


def bench_idle():
    agent = Agent()
    time.sleep(3)
    cpu = [process_cpu_ns(p) for p in agent.pids()]
    time.sleep(5)
    used = sum(process_cpu_ns(p) - c for p, c in zip(agent.pids(), cpu)) / 5e9
    rss = rss_beyond_ring(agent.pids()) / 1e6
    agent.stop()
    result("idle.rss", rss, "MB", "<= 20", rss <= 20, "PSS of both processes without BPF map mappings")
    result("idle.cpu", used * 100, "% of core", "(shown)", True, "both processes over 5 s, nothing to see")


def bench_connections():
    worst = subprocess.run([KERNSPAN, "run", "--check-config", "-o", "json"], capture_output=True, text=True)
    limit = re.search(r"worst[ _-]case.*?(\d+)", worst.stdout)
    limit = int(limit.group(1)) if limit else 0
    agent = Agent()
    many = subprocess.Popen([sys.executable, os.path.join(ROOT, "tests/bench/many.py"), "10000"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    opened = int(many.stdout.readline())
    time.sleep(2)
    rss = rss_beyond_ring(agent.pids())
    many.communicate("\n")
    spans = agent.stop()
    result("connections.spans", len(spans), "spans", f"= {2 * opened}", len(spans) == 2 * opened, "client and server views")
    result("connections.rss", rss / 1e6, "MB", f"<= {limit / 1e6:.0f}", rss <= limit,
           f"{opened} connections open, both ends here, a call done on each; {len(spans)} spans, {agent.lost}")


def bench_complete():
    server = Server(200)
    agent = Agent()
    calls = client(server.port, 64, 2000)
    time.sleep(1)
    spans = agent.stop()
    server.stop()
    seen = {}
    for s in spans:
        a = s["attributes"]
        seen.setdefault(s["kind"], set())
        if "kernspan.incomplete" not in a and a.get("gen_ai.usage.output_tokens") == 200:
            seen[s["kind"]].add(a.get("gen_ai.response.id"))
    ids = {c["id"] for c in calls}
    for kind in ("CLIENT", "SERVER"):
        share = len(ids & seen.get(kind, set())) / 2000 * 100
        result(f"complete.{kind.lower()}", share, "%", "= 100", share == 100,
               "2,000 streams of 200 chunks, 64 clients, TLS, keep-alive; whole spans by response id")
    lost = sum(int(n) for n in re.findall(r"(\d+) (?:records|bytes|spans)", agent.lost))
    result("complete.dropped", lost, "events", "= 0", agent.lost == "nothing lost", f"the agent's closing line: {agent.lost}")


def bench_first_chunk():
    server = Server(20, 2000)
    agent = Agent()
    calls = client(server.port, 1, 300)
    time.sleep(1)
    spans = agent.stop()
    server.stop()
    ours = {s["attributes"].get("gen_ai.response.id"): s["attributes"].get("gen_ai.response.time_to_first_chunk")
            for s in spans if s["kind"] == "CLIENT"}
    errors = sorted(abs(ours[c["id"]] * 1e3 - c["ttfc_ns"] / 1e6) for c in calls if ours.get(c["id"]) is not None)
    if not errors:
        result("first_chunk.median", -1.0, "ms", "<= 0.2", False, "no span matched")
        return
    median, p99 = statistics.median(errors), errors[int(len(errors) * 0.99)]
    how = f"|span - client's clock|, {len(errors)} of {len(calls)} calls, unloaded, TLS"
    result("first_chunk.median", median, "ms", "<= 0.2", median <= 0.2, how)
    result("first_chunk.p99", p99, "ms", "<= 1", p99 <= 1, how)


def bench_sdk():
    python = next((p for p in (os.path.join(OUT, d, "venv/bin/python") for d in ("lab", "")) if os.path.exists(p)), "")
    if not python:
        result("first_chunk.sdk", -1.0, "ms", "<= 5", False, "not measured: `make test` installs the SDKs first")
        return
    done = subprocess.run([python, os.path.join(ROOT, "tests/bench/sdk.py")], capture_output=True, text=True, env={
        **os.environ, "PATH": os.path.dirname(python) + ":" + os.environ["PATH"]})
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    for name, apart in json.loads(done.stdout).items():
        value = statistics.median(abs(d) for d in apart)
        result(f"first_chunk.{name}", value, "ms", "<= 5", value <= 5,
               f"median |SDK's clock - span|, {len(apart)} calls over TLS, {min(apart):.1f}..{max(apart):.1f}")


def find_libssl():
    out = subprocess.run(["ldd", os.path.join(LOAD, "sse_server")], capture_output=True, text=True).stdout
    return re.search(r"libssl\S* => (\S+)", out).group(1)


def floor_offsets(lib):
    """SSL_read, SSL_write and the internal functions they call, in this libssl; the floor's own are those of another build."""
    symbols = subprocess.run(["nm", "-D", lib], capture_output=True, text=True).stdout
    found = []
    for name in ("SSL_read", "SSL_write"):
        m = re.search(rf"([0-9a-f]+) T {name}@", symbols)
        if not m:
            return None
        at = int(m.group(1), 16)
        code = subprocess.run(["objdump", "-d", f"--start-address={at}", f"--stop-address={at + 64}", lib],
                              capture_output=True, text=True).stdout
        call = re.search(r"\bcall\s+([0-9a-f]+)", code)
        if not call:
            return None
        found.append((at, int(call.group(1), 16)))
    (read, read_internal), (write, write_internal) = found
    return {"0x35430": read, "0x35980": write, "0x35290": read_internal, "0x355a0": write_internal}


def build_floor(lib):
    """The floor tracer of the reference, its offsets set to those of this libssl (whose text begins where its file says)."""
    src = os.path.join(ROOT, "../shared/tools/floor")
    offsets = floor_offsets(lib)
    if not os.path.isdir(src) or not offsets:
        return None
    with open(src + "/floor.c") as f:
        text = re.sub("0x35430|0x35980|0x35290|0x355a0", lambda m: hex(offsets[m.group(0)]), f.read())
    with open(BENCH + "/floor.c", "w") as f:
        f.write(text)
    vm = os.path.join(BENCH, "vmlinux.h")
    with open(vm, "w") as f:
        subprocess.run(["bpftool", "btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c"], stdout=f, check=True)
    subprocess.run(["clang-19", "-O2", "-g", "-target", "bpf", "-D__TARGET_ARCH_x86", "-I" + BENCH, "-c",
                    src + "/floor.bpf.c", "-o", BENCH + "/floor.bpf.o"], check=True, capture_output=True)
    subprocess.run(["gcc", "-O2", "-w", BENCH + "/floor.c", "-o", BENCH + "/floor", "-lbpf", "-lelf", "-lz"], check=True)
    return BENCH + "/floor"


def floor_once(name, floor, lib, private):
    """ns of thread CPU of one SSL_write() of 210 bytes under a tracer: tenth percentile of 400 batches of 50."""
    writer = subprocess.Popen([os.path.join(OUT, "tests/bench/ssl_cost_bench"), *certificate(), "400"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True, env=dict(os.environ, LD_LIBRARY_PATH=private))
    writer.stdout.readline()
    tracer = None
    if name.startswith("floor"):
        tracer = subprocess.Popen([floor, BENCH + "/floor.bpf.o", lib, name.split(".")[1], "1", "/dev/null"],
                                  stderr=subprocess.PIPE, text=True)
        tracer.stderr.readline()
    elif name == "kernspan":
        tracer = Agent("--family", "none", "--pid", str(writer.pid))
    cost = float(writer.communicate("\n")[0].split()[0])
    if isinstance(tracer, Agent):
        tracer.stop()
    elif tracer:
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
    return cost


def floor_round(floor, lib, private):
    return {name: floor_once(name, floor, lib, private) for name in ("none", "floor.entry", "floor.internal", "kernspan")}


def bench_floor():
    private = os.path.join(BENCH, "lib")
    os.makedirs(private, exist_ok=True)
    lib = shutil.copy(find_libssl(), private)
    floor = build_floor(lib)
    if not floor:
        result("floor.ratio", -1.0, "x", "<= 1.4", False, "not measured: no floor, or its calls are not found in this libssl")
        return
    rounds = [floor_round(floor, lib, private) for _ in range(int(os.environ.get("FLOOR_ROUNDS", "5")))]
    added = {k: [r[k] - r["none"] for r in rounds] for k in rounds[0] if k != "none"}
    for base in ("floor.entry", "floor.internal"):
        ratios = sorted(k / f for k, f in zip(added["kernspan"], added[base]) if f > 0)
        value = statistics.median(ratios)
        result(f"cost.vs_{base}", value, "x", "<= 1.4", value <= 1.4,
               f"thread CPU added to an SSL_write of 210 bytes, {len(ratios)} interleaved rounds, {ratios[0]:.2f}..{ratios[-1]:.2f}; ours "
               f"{statistics.median(added['kernspan']):.0f} ns, floor {statistics.median(added[base]):.0f} ns")


BENCHES = [("pipeline", bench_pipeline), ("size", bench_size), ("idle", bench_idle), ("connections", bench_connections),
           ("complete", bench_complete), ("first_chunk", bench_first_chunk), ("sdk", bench_sdk), ("floor", bench_floor)]


def main():
    os.makedirs(BENCH, exist_ok=True)
    wanted = sys.argv[1:] or [name for name, _ in BENCHES]
    for name, fn in BENCHES:
        if name in wanted:
            fn()
    with open(os.path.join(OUT, "bench.json"), "w") as f:
        json.dump(RESULTS, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
