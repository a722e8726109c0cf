# SPDX-License-Identifier: Apache-2.0
"""Opens N connections on loopback, makes one AI call on each, and leaves them open: N idle clients of an API.

The server is a process of its own, so that each has N descriptors. Prints how many calls were answered, waits for a
line on standard input, and leaves.
"""
import asyncio
import os
import resource
import sys

BODY = b'{"model":"m","messages":[{"role":"user","content":"hello"}]}'
REQUEST = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
           b"Content-Length: %d\r\n\r\n" % len(BODY)) + BODY
REPLY = (b'{"id":"chatcmpl-1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant",'
         b'"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}')
RESPONSE = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(REPLY)) + REPLY


class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(RESPONSE)


class Client(asyncio.Protocol):
    answered = 0

    def connection_made(self, transport):
        transport.write(REQUEST)

    def data_received(self, data):
        Client.answered += 1


async def serve(pipe):
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0, backlog=4096)
    os.write(pipe, b"%d\n" % server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def call(count, port):
    loop, kept = asyncio.get_running_loop(), []
    for i in range(count):
        while i - Client.answered > 500:  # in flight at once
            await asyncio.sleep(0)
        kept.append(await loop.create_connection(Client, "127.0.0.1", port))
    while Client.answered < count:
        await asyncio.sleep(0.05)
    print(Client.answered, flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)


def main(count):
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 200, max(count + 200, resource.getrlimit(
        resource.RLIMIT_NOFILE)[1])))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        asyncio.run(serve(writer))
    port = int(os.read(reader, 16))
    try:
        asyncio.run(asyncio.wait_for(call(count, port), 120))
    finally:
        os.kill(child, 9)


if __name__ == "__main__":
    main(int(sys.argv[1]))
