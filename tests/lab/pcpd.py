# SPDX-License-Identifier: MIT
"""pcpd.py INSIDE OUTSIDE: maps UDP ports by PCP's MAP (RFC 6887), with nftables.

For the lab's inner gateways, whose outside is private. Knows no nonces, options, lifetimes.
"""
import socket
import struct
import subprocess
import sys
import time

HEADER = struct.Struct(">BBHI16s")
MAP = struct.Struct(">12sB3xHH16s")


def show(maps, outside):
    rules = "".join(
        f'add rule ip pcpd pre iifname "wan" ip daddr {outside} udp dport {port} dnat to {to}\n'
        for port, to in maps.items())
    subprocess.run(["nft", "-f", "-"], input="flush chain ip pcpd pre\n" + rules, text=True,
                   check=True)


def main():
    inside, outside = sys.argv[1:]
    begun = time.monotonic()
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    door.bind((inside, 5351))
    maps = {}
    print("ready", flush=True)
    while True:
        request, client = door.recvfrom(1100)
        version, opcode, _, lifetime, _ = HEADER.unpack_from(request)
        epoch = int(time.monotonic() - begun)
        answer = struct.pack(">BBBBII12x", version, opcode | 0x80, 0, 0, lifetime, epoch)
        if opcode == 1:
            nonce, protocol, port, wanted, _ = MAP.unpack_from(request, HEADER.size)
            to = f"{client[0]}:{port}"
            maps = {key: value for key, value in maps.items() if value != to}
            if lifetime:
                maps[wanted] = to
            show(maps, outside)
            address = bytes(10) + b"\xff\xff" + socket.inet_aton(outside)
            answer += MAP.pack(nonce, protocol, port, wanted, address)
        door.sendto(answer, client)


if __name__ == "__main__":
    main()
