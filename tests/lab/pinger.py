#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Sends an ICMP echo request every INTERVAL seconds, on time, and prints what happens to each.

    pinger.py ADDRESS INTERVAL

Lines: `sent NUMBER TIME` and `came NUMBER TIME`, numbers from 1, times in seconds of Unix time.
ping(8) takes up to twice as long between two requests as it is told, and does not tell when it
sent one that had no answer. Runs until a signal ends it.
"""
import os
import select
import socket
import struct
import sys
import time

ECHO_REQUEST, ECHO_REPLY = 8, 0
BODY = bytes(48)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def request(identity, number):
    header = struct.pack("!BBHHHQ", ECHO_REQUEST, 0, 0, identity, number & 0xFFFF, number)
    return header[:2] + struct.pack("!H", checksum(header + BODY)) + header[4:] + BODY


def read_reply(packet, identity):
    """The number of our request that this packet answers; None: it is none."""
    start = (packet[0] & 15) * 4
    if len(packet) < start + 16:
        return None
    kind, _, _, whose, _, number = struct.unpack_from("!BBHHHQ", packet, start)
    return number if kind == ECHO_REPLY and whose == identity else None


def main():
    address, interval = sys.argv[1], float(sys.argv[2])
    identity = os.getpid() & 0xFFFF
    icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    number, due = 0, time.monotonic()
    while True:
        if time.monotonic() >= due:
            number, due = number + 1, due + interval
            print(f"sent {number} {time.time():.6f}", flush=True)
            try:
                icmp.sendto(request(identity, number), (address, 0))
            except OSError as error:
                print(f"refused {number} {error.strerror}", flush=True)
        wait = max(due - time.monotonic(), 0)
        if select.select([icmp], [], [], wait)[0]:
            answered = read_reply(icmp.recv(2048), identity)
            if answered is not None:
                print(f"came {answered} {time.time():.6f}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
