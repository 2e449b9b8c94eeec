#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Many TCP connections at once, each asked and answered in turn.

    crowd.py serve PORT
    crowd.py connect ADDRESS PORT COUNT

The client prints `open COUNT` once all are open. Then, for each line on its standard input, it asks
once on every connection and prints `alive N dead N ms LONGEST` when each has answered or 20 s have
passed.
"""
import asyncio
import resource
import sys
import time

PATIENCE = 20


async def answer(reader, writer):
    try:
        while data := await reader.read(64):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def serve(port):
    server = await asyncio.start_server(answer, None, port, backlog=4096)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


async def ask(number, connection):
    """Returns how long the answer took; None: no answer, or another one."""
    reader, writer = connection
    begin, question = time.monotonic(), f"{number:07d}\n".encode()
    try:
        writer.write(question)
        got = await asyncio.wait_for(reader.readexactly(len(question)), PATIENCE)
        return time.monotonic() - begin if got == question else None
    except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
        return None


async def connect(address, port, count):
    connections = []
    for first in range(0, count, 50):
        connections += await asyncio.gather(
            *(asyncio.open_connection(address, port) for _ in range(first, min(first + 50, count))))
    print(f"open {len(connections)}", flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        took = await asyncio.gather(*(ask(i, c) for i, c in enumerate(connections)))
        alive = [seconds for seconds in took if seconds is not None]
        print(f"alive {len(alive)} dead {len(took) - len(alive)} "
              f"ms {max(alive, default=0) * 1000:.0f}", flush=True)


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if sys.argv[1] == "serve":
        asyncio.run(serve(int(sys.argv[2])))
    else:
        asyncio.run(connect(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
