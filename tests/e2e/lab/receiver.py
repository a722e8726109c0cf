# SPDX-License-Identifier: Apache-2.0
"""A small OTLP/HTTP receiver: official protobuf classes decode what arrives; each answer can be scripted."""

import gzip
import http.server
import threading

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest, ExportTraceServiceResponse)

KINDS = {0: "UNSPECIFIED", 1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}
CODES = {0: "UNSET", 1: "OK", 2: "ERROR"}


def value(any_value):
    which = any_value.WhichOneof("value")
    if which == "array_value":
        return [value(item) for item in any_value.array_value.values]
    return getattr(any_value, which) if which else None


def attributes(pairs):
    return {pair.key: value(pair.value) for pair in pairs}


def as_lines(request):
    """The spans of an export request in the shape of the JSON lines."""
    out = []
    for resource_spans in request.resource_spans:
        resource = attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                out.append({
                    "trace_id": span.trace_id.hex(), "span_id": span.span_id.hex(),
                    "parent_span_id": span.parent_span_id.hex(), "name": span.name, "kind": KINDS[span.kind],
                    "start_time_unix_nano": span.start_time_unix_nano,
                    "end_time_unix_nano": span.end_time_unix_nano,
                    "status": {"code": CODES[span.status.code], "message": span.status.message},
                    "attributes": attributes(span.attributes),
                    "events": [{"name": event.name, "time_unix_nano": event.time_unix_nano,
                                "attributes": attributes(event.attributes)} for event in span.events],
                    "resource": resource})
    return out


def success(**partial):
    body = ExportTraceServiceResponse()
    for key, what in partial.items():
        setattr(body.partial_success, key, what)
    return 200, {"content-type": "application/x-protobuf"}, body.SerializeToString()


class Receiver:
    """Listens on loopback. script: answers (status, headers, body), callables or None (hang up), one a request; then success."""

    def __init__(self, script=(), port=0):
        self.requests, self.spans, self.bad = [], [], []
        self.script, self.lock = list(script), threading.Condition()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):  # noqa: N802 -- the base class calls it by this name
                receiver.take(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a peer that hangs up is part of the tests

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def take(self, handler):
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        with self.lock:
            answer = self.script.pop(0) if self.script else success()
        if callable(answer):
            answer = answer()
        self.note(handler, body, accepted=bool(answer) and answer[0] == 200)
        if answer is None:
            handler.close_connection = True
            handler.connection.close()
            return
        status, headers, said = answer
        handler.send_response(status)
        for name, what in headers.items():
            handler.send_header(name, what)
        if "content-length" not in headers:
            handler.send_header("content-length", str(len(said)))
        handler.end_headers()
        handler.wfile.write(said)

    def note(self, handler, body, accepted):
        try:
            plain = gzip.decompress(body) if handler.headers.get("content-encoding") == "gzip" else body
            request = ExportTraceServiceRequest()
            request.ParseFromString(plain)
            rows = as_lines(request)
        except Exception as error:  # noqa: BLE001 -- whatever the official classes refuse
            with self.lock:
                self.bad.append(repr(error))
                self.lock.notify_all()
            return
        with self.lock:
            self.requests.append({"path": handler.path, "headers": {k.lower(): v for k, v in handler.headers.items()},
                                  "message": request, "rows": rows, "accepted": accepted})
            if accepted:
                self.spans += rows
            self.lock.notify_all()

    def wait(self, want, what, seconds=30):
        with self.lock:
            if not self.lock.wait_for(lambda: want(self), seconds):
                raise AssertionError(f"{what}: not within {seconds} s; {len(self.requests)} requests, {self.bad}")

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
