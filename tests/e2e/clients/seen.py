# SPDX-License-Identifier: Apache-2.0
"""What a client program saw of one call, as one JSON line; shared by the Python clients."""

import json
import time


class Seen:
    """Filled in by the client's own view: its SDK's objects and its own monotonic clock."""

    def __init__(self, call, request_model, stream):
        self.row = {"call": call, "request_model": request_model, "stream": stream, "ok": False,
                    "status": None, "error": None, "model": None, "id": None, "input": None,
                    "output": None, "finish": None, "tools": [], "chunks": 0, "ttfc": None,
                    "total": None, "text": ""}
        self.start = time.monotonic()

    def __setitem__(self, key, value):
        self.row[key] = value

    def chunk(self):
        if self.row["ttfc"] is None:
            self.row["ttfc"] = time.monotonic() - self.start
        self.row["chunks"] += 1

    def text(self, piece):
        self.row["text"] += piece or ""

    def failed(self, status, error):
        self.row["status"], self.row["error"] = status, error

    def done(self, status=200):
        self.row["ok"], self.row["status"] = True, status

    def show(self):
        self.row["total"] = time.monotonic() - self.start
        print(json.dumps(self.row), flush=True)
