#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare.py SENT COPIED DUMP: TAP lines, one for each exchange of traffic.py. At both ends and in both directions, each byte that
tests/bpf/dump wrote equals what was sent at that place, and the bytes written, lost and clipped add up to the bytes sent."""
import glob
import os
import re
import sys

CALL_CAP = 1 << 20  # KS_CALL_CAP


def read_dump(path):
    """By direction of a stream, as its file is called: the parts that were copied; of the bytes that were not, how many
    are accounted for; and how many there were at the end."""
    parts, missing, total = {}, {}, {}
    for line in open(path, errors="replace"):
        m = re.match(r"DATA (\w+) (\w+) tgid=(\d+) id=(\d+) sock=\d+ off=(\d+) call=(\d+) cap=(\d+) part=(\d+)", line)
        if m:
            key = "%s.%s.%s.%s" % (m[1], m[3], m[4], m[2])
            parts.setdefault(key, []).append((int(m[5]), int(m[5]) + int(m[7])))
            if m[8] == "0" and " CLIPPED" in line:
                missing[key] = missing.get(key, 0) + int(m[6]) - CALL_CAP
        m = re.match(r"CLOSE (\w+) tgid=(\d+) id=(\d+) .* bytes=(\d+)/(\d+) lost=(\d+)/(\d+)", line)
        for i, direction in enumerate(("out", "in")) if m else ():
            key = "%s.%s.%s.%s" % (m[1], m[2], m[3], direction)
            missing[key] = missing.get(key, 0) + int(m[6 + i])
            total[key] = int(m[4 + i])
    return parts, missing, total


def compare(key, blob, want, parts, missing, total):
    """What is wrong with one direction, or None."""
    wrong = [a for a, b in parts if blob[a:b] != want[a:b]]
    seen = sum(b - a for a, b in parts)
    if not wrong and total == len(want) == seen + missing:
        return None
    return "%s: %d sent, %s counted: %d seen, %d known to be missing; different at %s" % (
        key, len(want), total, seen, missing, wrong[:3] or "no place")


def main():
    sent, copied, dump = sys.argv[1:4]
    parts, missing, total = read_dump(dump)
    blobs = {os.path.basename(p): open(p, "rb").read() for p in glob.glob(copied + "/*")}
    cnt = bad = 0
    for path in sorted(glob.glob(sent + "/*.request")):
        name = os.path.basename(path)[:-8]
        want = {"request": open(path, "rb").read(), "response": open(path[:-8] + ".response", "rb").read()}
        mark = b"POST /v1/%s HTTP" % name.encode()
        problems, lost = [], 0
        for side, q_dir, r_dir in (("client", "out", "in"), ("server", "in", "out")):
            found = [p for p in blobs if p.endswith("." + q_dir) and blobs[p].startswith(mark)]
            if not found:
                problems.append(side + " not seen")
                continue
            for what, direction in (("request", q_dir), ("response", r_dir)):
                key = found[0][:-len(q_dir)] + direction
                problem = compare(key, blobs.get(key, b""), want[what], parts.get(key, []), missing.get(key, 0), total.get(key))
                problems += ["%s %s" % (side, problem)] if problem else []
                lost += missing.get(key, 0)
        cnt += 1
        bad += bool(problems)
        print("%sok %d - %s, %d bytes not copied and counted%s" % (
            "not " if problems else "", cnt, name, lost, "".join("\n# " + p for p in problems)))
    print("1..%d" % cnt)
    sys.exit(1 if bad else 0)


main()
