#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A flow of numbered UDP packets, and what became of it.

    flow.py send ADDRESS PORT PER_SECOND SIZE    until a signal; prints `sent COUNT` at the end
    flow.py receive PORT                         prints `got COUNT lost N doubled N reordered N
                                                 gap_ms N` every 100 ms in which something came

`lost` is what is missing below the greatest number so far, `gap_ms` the longest time without a
packet.
"""
import signal
import socket
import struct
import sys
import time

HEADER = struct.Struct("!Q")


class Stop(Exception):
    pass


def stop(*_):
    raise Stop


def send(address, port, per_second, size):
    flow = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    body = bytes(max(size - HEADER.size, 0))
    number, due = 0, time.monotonic()
    try:
        while True:
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            try:
                flow.sendto(HEADER.pack(number) + body, (address, port))
                number += 1
            except OSError:
                pass  # no route for a moment: the packet was never sent
            due += 1 / per_second
    except Stop:
        print(f"sent {number}", flush=True)


class Seen:
    """What came so far."""

    def __init__(self):
        self.numbers, self.count, self.doubled, self.reordered = set(), 0, 0, 0
        self.highest, self.last, self.gap = -1, None, 0.0

    def take(self, number, now):
        if number in self.numbers:
            self.doubled += 1
            return
        self.numbers.add(number)
        self.count += 1
        self.reordered += number < self.highest
        self.highest = max(self.highest, number)
        if self.last is not None:
            self.gap = max(self.gap, now - self.last)
        self.last = now

    def __str__(self):
        return (f"got {self.count} lost {self.highest + 1 - self.count} doubled {self.doubled} "
                f"reordered {self.reordered} gap_ms {self.gap * 1000:.0f}")


def receive(port):
    flow = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    flow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    flow.bind(("::", port))
    print("ready", flush=True)
    seen, told = Seen(), 0.0
    try:
        while True:
            data = flow.recv(2048)
            now = time.monotonic()
            seen.take(HEADER.unpack_from(data)[0], now)
            if now - told >= 0.1:
                print(seen, flush=True)
                told = now
    except Stop:
        print(seen, flush=True)


def main():
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if sys.argv[1] == "send":
        send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))
    else:
        receive(int(sys.argv[2]))


if __name__ == "__main__":
    try:
        main()
    except Stop:
        pass
