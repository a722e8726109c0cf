#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rules about the text of C sources; prints FILE:LINE: what. A line that must break one says why: /* lint-ok: reason */.

- functions of at most 70 lines, files of at most 600, lines of at most 120 columns (tab 8; aim at 100); not for tables (.def) and tests
- no // comments
- banned calls: BANNED below, but in tests; malloc() and friends in a stage only in functions that build or free something at start
- no clock reads in flow, proto, provider, span; no output in the stages; no "%.*s" in a log line (payload would get there)
- attribute names stand in agent/span/semconv.def only
"""
import re
import sys
from pathlib import Path

FUNCTION_MAX, FILE_MAX, COLUMN_MAX = 70, 600, 120
STAGES = ("flow", "proto", "provider", "span")
BANNED = {
    r"strcpy|strcat|strncpy|strncat|stpcpy|gets|sprintf|vsprintf": "unbounded, or without its NUL; use snprintf or memcpy",
    r"atoi|atol|atoll|atof": "says nothing about errors; use strtol with a check",
    r"s?scanf|fscanf|strtok": "hidden state or unbounded; parse by hand",
    r"alloca": "unbounded stack",
    r"system|popen|tmpnam|tempnam|mktemp": "a shell, or a race",
    r"rand|srand|random|drand48": "not reproducible; take a seed",
    r"localtime|gmtime|ctime|asctime": "static buffer; use the _r form",
}
BPF_BANNED = {r"bpf_printk|bpf_trace_printk": "debug output must not stay"}
CLOCK = r"clock_gettime|clock_gettime64|gettimeofday|time|timespec_get|clock"
ALLOC = r"malloc|calloc|realloc|reallocarray|strdup|strndup|aligned_alloc|posix_memalign|asprintf|vasprintf|getline"
BUILDER = re.compile(r"(_|^)(new|free|init|done|open|close|load|start|grow|compile)$|^main$")
OUTPUT = r"printf|fprintf|vprintf|puts|fputs|putchar|fwrite|perror|syslog|log_err|log_warn|log_info"


def call(names):
    return re.compile(r"(?<![\w.>])(?:%s)\s*\(" % names)


def blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


TOKENS = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def strip(text, keep_strings):
    """The text with comments (and strings) blanked, lines kept; and where // comments start."""
    slashes = []

    def sub(m):
        token = m.group(0)
        if token.startswith("//"):
            slashes.append(text.count("\n", 0, m.start()) + 1)
        return token if keep_strings and token[0] in "\"'" else blank(m)

    return TOKENS.sub(sub, text), slashes


def functions(lines):
    """(first line, last line, name) of each function: kernel style has its braces in the first column."""
    start = None
    for i, line in enumerate(lines):
        if line.rstrip() == "{":
            start = i
        elif line.startswith("}") and start is not None:
            head = start
            while head > 0 and lines[head - 1].strip() and not lines[head - 1].rstrip().endswith((";", "}")):
                head -= 1
            name = re.search(r"(\w+)\s*\(", " ".join(lines[head:start]))
            macro = re.search(r"\b(?:BPF_\w+|SEC\(.*?\)\s*\w*\s*\w+)\(\s*(\w+)", " ".join(lines[head:start]))
            yield start + 1, i + 1, (macro or name).group(1) if macro or name else "?"
            start = None


class Lint:
    def __init__(self):
        self.bad = 0
        semconv = Path("agent/span/semconv.def")
        names = re.findall(r'ATTR\(\w+, "([^"]+)"', strip(semconv.read_text(), True)[0]) if semconv.exists() else []
        self.attribute = re.compile(r'"(?:%s)"' % "|".join([r"gen_ai\.[\w.]+", r"kernspan\.[\w.]+"] + [re.escape(n) for n in names]))

    def file(self, path):
        text = path.read_text(errors="replace")
        self.raw = text.split("\n")
        self.path = path
        if len(self.raw) - 1 > FILE_MAX and path.suffix != ".def":
            self.no(FILE_MAX + 1, f"{len(self.raw) - 1} lines, at most {FILE_MAX}")
        code, slashes = strip(text, False)
        for n in slashes:
            self.no(n, "// comment")
        code = code.split("\n")
        spans = list(functions(code))
        for first, last, name in spans:
            if last - first + 1 > FUNCTION_MAX:
                self.no(first, f"{name}(): {last - first + 1} lines, at most {FUNCTION_MAX}")
        for n, line in enumerate(self.raw, 1):
            if path.suffix != ".def" and path.parts[0] != "tests" and len(line.expandtabs(8)) > COLUMN_MAX:
                self.no(n, f"{len(line.expandtabs(8))} columns, at most {COLUMN_MAX}")
        self.calls(code, spans)
        if str(path).startswith("agent/") and path.name != "semconv.def":
            for n, line in enumerate(strip(text, True)[0].split("\n"), 1):
                self.strings(n, line)

    def calls(self, code, spans):
        top, module = self.path.parts[0], self.path.parts[1]
        banned = {} if top == "tests" else dict(BANNED)
        if top == "bpf":
            banned.update(BPF_BANNED)
        stage = top == "agent" and module in STAGES
        if stage:
            banned[CLOCK] = "a stage reads no clock: time is an argument"
        rules = [(call(names), why) for names, why in banned.items()]
        alloc, output = call(ALLOC), call(OUTPUT)
        for n, line in enumerate(code, 1):
            for pattern, why in rules:
                m = pattern.search(line)
                if m and not re.match(r"\s*(static|extern)\b", line):
                    self.no(n, f"{m.group(0).rstrip('( ')}(): {why}")
            if not stage:
                continue
            name = next((f for a, b, f in spans if a <= n <= b), "?")
            if output.search(line) and not name.endswith("_docs"):
                self.no(n, f"output in {name}(): a stage prints and logs nothing (but NAME_docs(), for the generator)")
            if alloc.search(line):
                if not BUILDER.search(name):
                    self.no(n, f"allocation in {name}(): only at start (_new, _init, ...), else pools and arenas")

    def strings(self, n, line):
        if line.lstrip().startswith("#"):
            return
        if re.search(r"\blog_\w+\s*\(.*%\.\*s", line):
            self.no(n, 'no "%.*s" in a log line: a slice holds captured bytes')
        m = self.attribute.search(line)
        # A provider speaks of JSON paths ("error.type"), which are not attributes.
        if m and not (self.path.parts[1] == "provider" and not m.group(0).startswith(('"gen_ai.', '"kernspan.'))):
            self.no(n, f"attribute name {m.group(0)}: only in agent/span/semconv.def")

    def no(self, n, what):
        if n <= len(self.raw) and "lint-ok:" in self.raw[n - 1]:
            return
        print(f"{self.path}:{n}: {what}")
        self.bad = 1


def main():
    lint = Lint()
    for pattern in ("agent/**/*", "bpf/**/*", "include/*", "tests/**/*"):
        for path in sorted(Path(".").glob(pattern)):
            if path.suffix in (".c", ".h", ".def") and path.is_file():
                lint.file(path)
    limit = len(Path("Makefile").read_text().split("\n")) - 1
    if limit > 200:
        print(f"Makefile:201: {limit} lines, at most 200")
        lint.bad = 1
    return lint.bad


sys.exit(main())
