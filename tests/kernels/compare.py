#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare.py SENT COPIED DUMP: TAP lines, one for each exchange of traffic.py: every direction at both ends, as tests/bpf/dump
wrote it, equals what was sent; parts that DUMP says were not copied (clipped) are left out of the comparison."""
import glob
import os
import re
import sys


def main():
    sent, copied, dump = sys.argv[1:4]
    text = open(dump, errors="replace").read()
    holes = {}
    ends = {}
    for line in text.splitlines():
        m = re.match(r"DATA (\w+) (\w+) tgid=(\d+) id=(\d+) sock=\d+ off=(\d+) call=(\d+) cap=(\d+)", line)
        if m:
            key = "%s.%s.%s.%s" % (m[1], m[3], m[4], m[2])
            at = ends.get(key, 0)
            if int(m[5]) > at:
                holes.setdefault(key, []).append((at, int(m[5])))
            ends[key] = int(m[5]) + int(m[7])
    files = {}
    for path in glob.glob(copied + "/*"):
        files.setdefault(open(path, "rb").read(12), []).append(path)
    blobs = {p: open(p, "rb").read() for ps in files.values() for p in ps}
    cnt = bad = 0
    for path in sorted(glob.glob(sent + "/*.request")):
        name = os.path.basename(path)[:-8]
        request = open(path, "rb").read()
        response = open(path[:-8] + ".response", "rb").read()
        mark = b"POST /v1/%s HTTP" % name.encode()
        problems = []
        for side, q_dir, r_dir in (("client", "out", "in"), ("server", "in", "out")):
            found = [p for p in blobs if p.endswith("." + q_dir) and blobs[p].startswith(mark)]
            if not found:
                problems.append(side + " not seen")
                continue
            for p, want in ((found[0], request), (found[0][:-len(q_dir)] + r_dir, response)):
                got = bytearray(blobs.get(p, b""))
                for a, b in holes.get(os.path.basename(p), []):
                    got[a:b] = want[a:b]
                clipped = sum(b - a for a, b in holes.get(os.path.basename(p), []))
                if bytes(got) != want[:len(got)] or len(got) + 2000000 < len(want) or \
                        (len(got) < len(want) and "clipped" not in text):
                    same = os.path.commonprefix([bytes(got), want])
                    problems.append("%s %s: %d of %d bytes right, %d seen, %d in holes" % (
                        side, os.path.basename(p), len(same), len(want), len(got), clipped))
        cnt += 1
        bad += bool(problems)
        print("%sok %d - %s%s" % ("not " if problems else "", cnt, name, "".join("\n# " + p for p in problems)))
    print("1..%d" % cnt)
    sys.exit(1 if bad else 0)


main()
