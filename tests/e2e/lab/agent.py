# SPDX-License-Identifier: Apache-2.0
"""kernspan as a child process: started with any arguments, its spans gathered as they come."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

from lab.lab import ROOT, LabError, wait_for

KERNSPAN = pathlib.Path(os.environ.get("KERNSPAN", ROOT / "out/kernspan")).resolve()
READY = "kernspan: ready"
SETTLE = 0.3  # s without a new span before "no further span" is believed


class Agent:
    """`kernspan run -o json ARGS`; stdout and stderr are read by threads, so neither pipe ever fills."""

    def __init__(self, *args, env=None, wrap=(), output="json", store="none", wait=60):
        self.dir = tempfile.TemporaryDirectory(prefix="kernspan-e2e-")
        self.control = os.path.join(self.dir.name, "control.sock")
        base = [str(KERNSPAN), "run", "-o", output, "--control", self.control]
        if store is not None:
            base += ["--store", store]
        cut = args.index("--") if "--" in args else len(args)
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "KERNSPAN"))}
        self.lines, self.errors, self.news = [], [], threading.Condition()
        self.process = subprocess.Popen([*wrap, *base, *map(str, args[:cut]), *map(str, args[cut:])],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                        env={**clean, **(env or {})}, text=True, errors="replace")
        self.threads = [threading.Thread(target=self._read, args=pair, daemon=True) for pair in
                        ((self.process.stdout, self.lines), (self.process.stderr, self.errors))]
        for thread in self.threads:
            thread.start()
        if wait:
            self.wait_ready(wait)

    def _read(self, pipe, rows):
        for line in pipe:
            with self.news:
                rows.append(line.rstrip("\n"))
                self.news.notify_all()

    @property
    def pid(self):
        return self.process.pid

    @property
    def stderr(self):
        with self.news:
            return "\n".join(self.errors)

    def wait_ready(self, seconds=60):
        def ready():
            if self.process.poll() is not None:
                raise LabError(f"kernspan ended with {self.process.returncode}:\n{self.stderr}")
            return READY in self.stderr.splitlines()
        wait_for(ready, "kernspan: ready", seconds)

    def spans(self):
        with self.news:
            lines = list(self.lines)
        return [json.loads(line) for line in lines if line.startswith("{")]

    def wait(self, want, what, seconds=20):
        """Wait until WANT(spans) is true; returns what it returned."""
        end = time.monotonic() + seconds
        while True:
            got = want(self.spans())
            if got:
                return got
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"{what}: not within {seconds} s; {len(self.spans())} spans in all")
            with self.news:
                self.news.wait(min(left, 0.5))

    def of(self, pid, kind="CLIENT"):
        """Spans of one process and kind, oldest first."""
        mine = [span for span in self.spans()
                if span["resource"].get("process.pid") == pid and (kind is None or span["kind"] == kind)]
        return sorted(mine, key=lambda span: int(span["start_time_unix_nano"]))

    def expect(self, pid, count, kind="CLIENT", seconds=20):
        """COUNT spans of a process, and no more of them shortly after."""
        self.wait(lambda _: len(self.of(pid, kind)) >= count, f"{count} {kind} spans of process {pid}", seconds)
        time.sleep(SETTLE)
        spans = self.of(pid, kind)
        assert len(spans) == count, f"{len(spans)} {kind} spans of process {pid}, not {count}: {names(spans)}"
        return spans

    def stats(self):
        done = subprocess.run([KERNSPAN, "stats", "-o", "json", "--control", self.control], capture_output=True,
                              text=True, timeout=20, check=True)
        return json.loads(done.stdout)

    def lost(self, *kinds):
        """The drop counters that are not zero; KINDS: only those whose names begin so.

        Without --pid the agent also sees what else runs on this machine, and counts what it loses of that.
        """
        return {name: count for name, count in self.stats()["lost"].items()
                if count and (not kinds or name.startswith(kinds))}

    def stop(self, with_signal=signal.SIGTERM, seconds=20):
        """Ask it to end; returns the exit status. A hang is a failure."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired as late:
            where = family_state(self.pid)
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"kernspan did not end within {seconds} s of {with_signal!r}: {where}\n"
                                 f"{self.stderr[-2000:]}") from late
        for thread in self.threads:
            thread.join(5)
        self.dir.cleanup()
        return status


def family_state(pid):
    """What each thread of the process and of its children does, for the report of a hang."""
    out = []
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    for one in [str(pid), *children]:
        for task in sorted(pathlib.Path(f"/proc/{one}/task").glob("*")):
            try:
                out.append(f"{one}/{task.name} {(task / 'comm').read_text().strip()} "
                           f"{(task / 'syscall').read_text().split()[0]} {(task / 'wchan').read_text()}")
            except OSError:
                pass
    return "; ".join(out)


def names(spans):
    return [f"{span['kind']} {span['name']} {span['attributes'].get('http.response.status_code')}" for span in spans]


def kernspan(*args, env=None, wrap=(), timeout=30, **more):
    """Run a command of kernspan to its end."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "KERNSPAN"))}
    return subprocess.run([*wrap, KERNSPAN, *map(str, args)], capture_output=True, text=True, errors="replace",
                          timeout=timeout, stdin=subprocess.DEVNULL, env={**clean, **(env or {})}, check=False, **more)
