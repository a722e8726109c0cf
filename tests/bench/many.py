# SPDX-License-Identifier: Apache-2.0
"""Opens N connections to a server of its own on loopback, sends an AI request on each, leaves them unanswered.

Prints how many are open, waits for a line on standard input, then answers nothing and leaves.
"""
import asyncio
import os
import resource
import sys

BODY = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}'
REQUEST = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
           b"Content-Length: %d\r\n\r\n" % len(BODY)) + BODY


async def main(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * count + 200) if hard > 0 else soft, hard))

    async def hold(reader, writer):
        await reader.read(65536)
        await asyncio.sleep(600)

    server = await asyncio.start_server(hold, "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    opened = []
    for i in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        opened.append((reader, writer))
    await asyncio.sleep(1)
    print(len(opened), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    os._exit(0)  # thousands of open tasks: nothing to tidy


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(main(int(sys.argv[1])), 120))
