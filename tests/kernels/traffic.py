#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Loopback HTTP in every way a program can move bytes: known bodies, kept in DIR, so that a tracer's copy can be compared.

traffic.py DIR plain|tls [CERT KEY]: each case is one connection; DIR/NAME.request and DIR/NAME.response hold what was
sent, and DIR/NAME.port says which local port the client had.
"""
import ctypes
import os
import socket
import ssl
import struct
import sys
import tempfile
import threading

SIZES = {"small": (40, 30), "medium": (5000, 70000), "large": (700000, 900000), "huge": (1500000, 2500000)}


def pattern(n, seed):
    return b"".join(b"%08d" % (i * 7 + seed) for i in range(n // 8 + 1))[:n]


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Msghdr(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint), ("iov", ctypes.POINTER(Iovec)),
                ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                ("flags", ctypes.c_int), ("pad", ctypes.c_int), ("moved", ctypes.c_uint)]


libc = ctypes.CDLL(None, use_errno=True)


def mmsg(func, sock, bufs):
    """sendmmsg(2) or recvmmsg(2), one buffer a message: what each message moved."""
    iovs = (Iovec * len(bufs))(*[Iovec(ctypes.addressof(b), len(b)) for b in bufs])
    msgs = (Msghdr * len(bufs))()
    for i in range(len(bufs)):
        msgs[i].iov, msgs[i].iovlen = ctypes.pointer(iovs[i]), 1
    cnt = func(sock.fileno(), msgs, len(bufs), 0x10000 if func == libc.recvmmsg else 0, None)  # MSG_WAITFORONE
    assert cnt > 0, os.strerror(ctypes.get_errno())
    return [msgs[i].moved for i in range(cnt)]


def recv_body(sock, n, how):
    """n bytes in a way that gives no copy of them to the program, or not through recv()."""
    data = b""
    while len(data) < n:
        if how == "trunc":
            data += b"?" * len(sock.recv(n - len(data), socket.MSG_TRUNC))
            continue
        r, w = os.pipe()
        part = os.read(r, os.splice(sock.fileno(), w, min(n - len(data), 60000)))
        os.close(r)
        os.close(w)
        data += part
    return data


def recv_all(sock, how):
    """One HTTP message, read the way `how` says."""
    data, need = b"", None
    if how in ("splice", "trunc"):
        while b"\r\n\r\n" not in data:
            data = sock.recv(1000, socket.MSG_PEEK)
        data = sock.recv(data.index(b"\r\n\r\n") + 4)
        return data + recv_body(sock, int(data.lower().split(b"content-length:")[1].split(b"\r\n")[0]), how)
    while need is None or len(data) < need:
        if how == "recvmsg":
            bufs = [bytearray(100), bytearray(3000), bytearray(30000)]
            n = sock.recvmsg_into(bufs)[0]
            part = b"".join(bytes(b) for b in bufs)[:n]
        elif how == "readv":
            bufs = [bytearray(64), bytearray(20000)]
            n = os.readv(sock.fileno(), bufs)
            part = b"".join(bytes(b) for b in bufs)[:n]
        elif how == "recvmmsg":
            bufs = [ctypes.create_string_buffer(n) for n in (300, 3000, 30000)]
            part = b"".join(b.raw[:n] for b, n in zip(bufs, mmsg(libc.recvmmsg, sock, bufs)))
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


def send_file(sock, data, how):
    """The head as ever, the body from a file."""
    body = data.index(b"\r\n\r\n") + 4
    sock.sendall(data[:body])
    with tempfile.TemporaryFile() as f:
        f.write(data[body:])
        f.flush()
        os.lseek(f.fileno(), 0, os.SEEK_SET)
        left = len(data) - body
        r, w = os.pipe()
        while left:
            if how == "sendfile":
                left -= os.sendfile(sock.fileno(), f.fileno(), None, left)
                continue
            n = os.splice(f.fileno(), w, min(left, 60000))
            while n:
                moved = os.splice(r, sock.fileno(), n)
                n -= moved
                left -= moved
        os.close(r)
        os.close(w)


def send_all(sock, data, how):
    if how in ("sendfile", "splice"):
        return send_file(sock, data, how)
    while data:
        if how == "sendmsg":
            n = sock.sendmsg(pieces(data, 7))
        elif how == "writev":
            n = os.writev(sock.fileno(), [p for p in pieces(data, 12)] + [b""])
        elif how == "sendmmsg":
            n = sum(mmsg(libc.sendmmsg, sock, [ctypes.create_string_buffer(p, len(p)) for p in pieces(data, 5)]))
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
    thread = threading.Thread(target=serve, daemon=True, args=(listener, server_ctx, responses, s_in, s_out))
    thread.start()
    sock = socket.create_connection(listener.getsockname())
    port = sock.getsockname()[1]
    if client_ctx:
        sock = client_ctx.wrap_socket(sock)
    for request, response in zip(requests, responses):
        send_all(sock, request, c_out)
        got = recv_all(sock, c_in)
        assert got == response or (c_in == "trunc" and len(got) == len(response))
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
    case(folder, "sendfile", ("sendfile", "recv", "recv", "sendfile"), "medium", None, 3)
    case(folder, "splice", ("splice", "splice", "splice", "splice"), "medium", None, 3)
    case(folder, "trunc", ("send", "trunc", "recv", "send"), "medium", None, 3)
    case(folder, "mmsg", ("sendmmsg", "recvmmsg", "recvmmsg", "sendmmsg"), "medium", None, 3)
    case(folder, "large", ("sendmsg", "recvmsg", "recvmsg", "sendmsg"), "large", None)
    case(folder, "huge", ("send", "recv", "recv", "send"), "huge", None)


main()
