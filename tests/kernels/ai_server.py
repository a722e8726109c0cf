#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ai_server.py PLAIN_PORT TLS_PORT CERT KEY: one fixed chat completion, streamed when asked for; blocking threads."""
import http.server
import json
import ssl
import sys
import threading

USAGE = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.answer(b"ok", "text/plain")

    def answer(self, body, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = {"id": "chatcmpl-guest", "model": request["model"] + "-2026", "created": 1}
        if not request.get("stream"):
            reply.update(object="chat.completion", usage=USAGE, choices=[{
                "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}])
            return self.answer(json.dumps(reply).encode(), "application/json")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for i, word in enumerate(["a", "b", "c", None]):
            choice = {"index": 0, "delta": {"content": word} if word else {}, "finish_reason": None if word else "stop"}
            event = dict(reply, object="chat.completion.chunk", choices=[choice])
            if not word:
                event["usage"] = USAGE
            data = b"data: " + json.dumps(event).encode() + b"\n\n" + (b"" if word else b"data: [DONE]\n\n")
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")


def main():
    plain = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    tls = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    tls.socket = context.wrap_socket(tls.socket, server_side=True)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    tls.serve_forever()


main()
