#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Loopback HTTP in every way a program can move bytes: known bodies, kept in DIR, so that a tracer's copy can be compared.

traffic.py DIR plain|tls [CERT KEY]: each case is one connection; DIR/NAME.request and DIR/NAME.response hold what was
sent, and DIR/NAME.port says which local port the client had.
"""
import os
import socket
import ssl
import struct
import sys
import threading

SIZES = {"small": (40, 30), "medium": (5000, 70000), "large": (700000, 900000), "huge": (1500000, 2500000)}


def pattern(n, seed):
    return b"".join(b"%08d" % (i * 7 + seed) for i in range(n // 8 + 1))[:n]


def recv_all(sock, how):
    """One HTTP message, read the way `how` says."""
    data, need = b"", None
    while need is None or len(data) < need:
        if how == "recvmsg":
            bufs = [bytearray(100), bytearray(3000), bytearray(30000)]
            n = sock.recvmsg_into(bufs)[0]
            part = b"".join(bytes(b) for b in bufs)[:n]
        elif how == "readv":
            bufs = [bytearray(64), bytearray(20000)]
            n = os.readv(sock.fileno(), bufs)
            part = b"".join(bytes(b) for b in bufs)[:n]
        elif how == "read":
            part = os.read(sock.fileno(), 50000)
        elif how == "peek":
            sock.recv(1000, socket.MSG_PEEK)
            part = sock.recv(100000)
        else:
            part = sock.recv(100000)
        if not part:
            break
        data += part
        end = data.find(b"\r\n\r\n")
        if need is None and end >= 0:
            length = data[:end].lower().split(b"content-length:")[1].split(b"\r\n")[0]
            need = end + 4 + int(length)
    return data


def pieces(data, cnt):
    step = max(1, len(data) // cnt)
    cut = [data[i:i + step] for i in range(0, step * (cnt - 1), step)]
    return cut + [data[step * (cnt - 1):]]


def send_all(sock, data, how):
    while data:
        if how == "sendmsg":
            n = sock.sendmsg(pieces(data, 7))
        elif how == "writev":
            n = os.writev(sock.fileno(), [p for p in pieces(data, 12)] + [b""])
        elif how == "write":
            n = os.write(sock.fileno(), data)
        else:
            n = sock.send(data)
        data = data[n:]


def serve(listener, context, responses, how_in, how_out):
    conn, _ = listener.accept()
    if context:
        conn = context.wrap_socket(conn, server_side=True)
    for response in responses:
        recv_all(conn, how_in)
        send_all(conn, response, how_out)
    try:
        conn.recv(1)
    except OSError:
        pass
    conn.close()


def head(first, n):
    return b"%s\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (first, n)


def case(folder, name, ways, size, tls, rounds=1, reset=False):
    c_out, c_in, s_in, s_out = ways
    requests, responses = [], []
    for i in range(rounds):
        q, r = SIZES[size]
        requests.append(head(b"POST /v1/%s HTTP/1.1" % name.encode(), q) + pattern(q, i))
        responses.append(head(b"HTTP/1.1 200 OK", r) + pattern(r, i + 1))
    listener = socket.create_server(("127.0.0.1", 0))
    server_ctx = client_ctx = None
    if tls:
        server_ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_ctx.load_cert_chain(*tls)
        client_ctx = ssl._create_unverified_context()
    thread = threading.Thread(target=serve, args=(listener, server_ctx, responses, s_in, s_out))
    thread.start()
    sock = socket.create_connection(listener.getsockname())
    port = sock.getsockname()[1]
    if client_ctx:
        sock = client_ctx.wrap_socket(sock)
    for request, response in zip(requests, responses):
        send_all(sock, request, c_out)
        assert recv_all(sock, c_in) == response
    if reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    thread.join()
    for what, data in (("request", requests), ("response", responses), ("port", [b"%d" % port])):
        with open(os.path.join(folder, "%s.%s" % (name, what)), "wb") as f:
            f.write(b"".join(data))


def main():
    folder, mode = sys.argv[1:3]
    os.makedirs(folder, exist_ok=True)
    if mode == "tls":
        for size in SIZES:
            case(folder, "tls-" + size, ("send", "recv", "recv", "send"), size, sys.argv[3:5], 2)
        return
    case(folder, "reset", ("send", "recv", "recv", "send"), "small", None, reset=True)
    case(folder, "sendmsg", ("sendmsg", "recvmsg", "recvmsg", "sendmsg"), "medium", None, 3)
    case(folder, "writev", ("writev", "readv", "readv", "writev"), "medium", None, 3)
    case(folder, "write", ("write", "read", "read", "write"), "large", None, 2)
    case(folder, "peek", ("send", "peek", "peek", "send"), "medium", None, 2)
    case(folder, "large", ("sendmsg", "recvmsg", "recvmsg", "sendmsg"), "large", None)
    case(folder, "huge", ("send", "recv", "recv", "send"), "huge", None)


main()
