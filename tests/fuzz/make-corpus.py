#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the seeds in tests/fuzz/corpus/ from the unit tests' vectors and a few made here.

    tests/fuzz/make-corpus.py           writes them; files that a fuzzer found are left alone
    tests/fuzz/make-corpus.py --check   fails if a seed is missing or differs
"""

import re
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent / "unit" / "wire" / "stun_vectors.h"
RECORD_VECTORS = HERE.parent / "unit" / "crypto" / "record_vectors.h"
COOKIE = bytes.fromhex("2112a442")
TRANSACTION = bytes(range(1, 13))


def c_arrays(path):
    """The byte arrays of a C header, by name."""
    text = re.sub(r"//.*", "", path.read_text())
    found = re.findall(r"const uint8_t (\w+)\[\d*\] = \{(.*?)\};", text, re.S)
    return {name: bytes(int(n, 16) for n in re.findall(r"0x[0-9a-f]{2}", body))
            for name, body in found}


def attribute(kind, value):
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def stun_message(kind, *attributes):
    body = b"".join(attributes)
    return struct.pack(">HH", kind, len(body)) + COOKIE + TRANSACTION + body


def stun():
    seeds = c_arrays(VECTORS)
    printed = seeds["rfc8489_sha256"]
    seeds["rfc8489_sha256_right_length"] = printed[:3] + b"\x88" + printed[4:]
    seeds["binding_request"] = stun_message(0x0001)
    seeds["discovery_request"] = stun_message(
        0x0001, attribute(0x0003, bytes([0, 0, 0, 6])), attribute(0x0027, b"\x12\x34"),
        attribute(0x0026, bytes(20)))
    seeds["discovery_response"] = stun_message(
        0x0101, attribute(0x0020, bytes.fromhex("0001a147e112a643")),
        attribute(0x0001, bytes.fromhex("00010050cb007109")),
        attribute(0x802B, bytes.fromhex("00010d96c6336401")),
        attribute(0x802C, bytes.fromhex("00020d97") + bytes.fromhex("20010db8") + bytes(12)))
    seeds["unknown_attribute"] = stun_message(
        0x0111, attribute(0x0009, b"\0\0\x04\x14Unknown Attribute"),
        attribute(0x000A, b"\x00\x24\x7f\xff\x00\x19"))
    seeds["try_alternate"] = stun_message(
        0x0111, attribute(0x0009, b"\0\0\x03\0"), attribute(0x0014, b"example.org"),
        attribute(0x0015, b"nonce"), attribute(0x8023, bytes.fromhex("00010d96c6336402")),
        attribute(0x0008, bytes(20)), attribute(0x001C, bytes(16)))
    # As verbs: method, class, transaction, capacity, then verb and detail each with its bytes.
    head = b"\x00\x01\x02" + TRANSACTION + b"\x04\x00"
    seeds["verbs_all"] = (head + b"\0\x04alice" + b"\x01\x02\x01\x0d\x96\x01\x02\x03\x04" +
                          b"\x02\0\0\x0d\x96" + bytes(16) + b"\x03\x03" + b"\x04\0\x12\x34" +
                          b"\x05\x03why" + b"\x06\x02\x7f\xff" + b"\x07\0\x01" + b"\x07\0\x04" +
                          b"\0")
    seeds["verbs_no_room"] = head[:-2] + b"\0\x20" + b"\0\x10" + bytes(16)
    return seeds


def session():
    def message(kind, length):
        return bytes([kind, 0, 0, 0]) + bytes(i % 256 for i in range(4, length))

    return {
        "wireguard_initiation": message(1, 148),
        "wireguard_response": message(2, 92),
        "cookie": message(3, 64),
        "data_empty": message(4, 32),
        "data": message(4, 96),
        "initiation": message(5, 136),
        "initiation_payload": message(5, 136 + 200),
        "initiation_largest": message(5, 136 + 1024),
        "response": message(6, 92),
        "response_payload": message(6, 92 + 100),
        "control": message(9, 80),
        "not_zero": b"\x01\x01\0\0" + bytes(144),
    }


def frame():
    def chunks(*parts):
        return b"".join(bytes([len(part)]) + part for part in parts)

    def pieces(stream, size):
        return chunks(*(stream[i:i + size] for i in range(0, len(stream), size)))

    small = b"\0\x01a\0\x05hello\0\x02ok"
    largest = b"\x08\x00" + bytes(2048) + b"\0\x01z"
    return {
        "frame": bytes.fromhex("08000000cafebabe") + bytes([4, 0, 0, 0]) + bytes(28),
        "hint_session": bytes.fromhex("07010000deadbeef"),
        "hint_channel": bytes.fromhex("07020000cafebabe"),
        "hint_source": bytes.fromhex("0703000000000000"),
        "stream_whole": chunks(small),
        "stream_bytes": pieces(small, 1),
        "stream_threes": pieces(small, 3),
        "stream_pauses": chunks(b"", b"\0", b"", b"\x03ab", b"", b"c\0\x01d"),
        "stream_largest": pieces(largest, 250),
        "stream_empty_datagram": chunks(b"\0\x01a\0\0\0\x01b"),
        "stream_too_long": chunks(b"\0\x01a\x08", b"\x01zzz"),
        "stream_unfinished": chunks(b"\0\x09abc"),
    }


def demux():
    ipv4 = bytes.fromhex("4500001c0001400040110000" "64400002" "64400003") + bytes(8)
    options = bytes.fromhex("460000180001400040060000" "64400002" "64400003") + bytes(4)
    ipv6 = bytes.fromhex("6000000800001140") + bytes.fromhex("fd12") + bytes(13) + b"\x01" + \
        bytes.fromhex("fd12") + bytes(13) + b"\x02" + bytes(8)
    return {
        "session_with_cookie_index": b"\x01\0\0\0" + COOKIE + bytes(140),
        "stun_without_attributes": b"\x01\0\0\0" + COOKIE + bytes(12),
        "stun_request": stun_message(0x0001, attribute(0x8022, b"wend")),
        "stun_odd_length": b"\0\x01\0\x02" + COOKIE + bytes(14),
        "hint": bytes.fromhex("0701000001020304"),
        "frame": bytes.fromhex("0800000001020304ff"),
        "control": b"\x09\0\0\0" + bytes(28),
        "dtls": bytes.fromhex("16fefd0000000000000000000401000000"),
        "turn_channel": bytes.fromhex("4000000401020304"),
        "ipv4": ipv4,
        "ipv4_options": options,
        "ipv4_padded": ipv4 + bytes(4),
        "ipv6": ipv6,
    }


def host():
    # Kind, MTU; then a packet of the host, or the body of a Switch.
    def ipv4(protocol, rest, flags=0x4000, options=b""):
        return struct.pack(">BBHHHBBH", 0x45 + len(options) // 4, 0,
                           20 + len(options) + len(rest), 7, flags, 61, protocol, 0) + \
            bytes([100, 64, 0, 1, 100, 64, 0, 2]) + options + rest

    def ipv6(protocol, rest):
        return struct.pack(">IHBB", 0x60000000, len(rest), protocol, 61) + \
            bytes([0xFD] + 14 * [0] + [1] + [0xFD] + 14 * [0] + [2]) + rest

    def syn(options):
        return struct.pack(">HHIIBBHHH", 5001, 443, 1, 0, (20 + len(options)) // 4 << 4, 2,
                           65535, 0x1234, 0) + options

    mss = bytes.fromhex("020405500402080a0000000100000000 01030307")
    big, nobody = b"\x01\x05\x14", b"\x02\x04\xd8"
    return {
        "big4": big + ipv4(17, bytes(1381)),
        "big6": big + ipv6(17, bytes(1361)),
        "cut": big + ipv4(17, bytes(range(230)) * 6, 0),
        "cut_again": b"\x01\x02\x04" + ipv4(17, bytes(1040), 0x2082),
        "cut_options": b"\x01\0\x64" + ipv4(17, bytes(500), 0, bytes.fromhex(
            "820b010203040506070809 01 0704040a 8804abcd")),
        "nobody4": nobody + ipv4(1, b"\x08\0" + bytes(10)),
        "nobody6": nobody + ipv6(58, b"\x80\0" + bytes(10)),
        "error4": nobody + ipv4(1, b"\x03\x01" + bytes(34)),
        "error6": nobody + ipv6(58, b"\x01\0" + bytes(54)),
        "syn4": nobody + ipv4(6, syn(mss)),
        "syn6": nobody + ipv6(6, syn(mss)),
        "syn_odd": nobody + ipv4(6, syn(b"\x01\x02\x04\xff\xff\0\0\0")),
        "enter": b"\0\0\0" + bytes.fromhex("01020000 0000000000000007 00000000"),
    }


def offload():
    # Split: choice, flags, type, size, checksum start and offset, longest piece; then the packet.
    def split(kind, start, offset, packet):
        return struct.pack(">BBBHHHH", 0, 1, kind, 100, start, offset, 1500) + packet

    def tcp(flags):
        return (bytes.fromhex("1389 01bb 00000001 00000002 50") + bytes([flags]) +
                bytes.fromhex("0100 1234 0000") + bytes(350))

    def udp(length):
        return struct.pack(">HHHH", 5001, 443, length, 0x1234) + bytes(length - 8)

    def ipv4(protocol, rest):
        return struct.pack(">BBHHBBBBH", 0x45, 0, 20 + len(rest), 7, 64, 0, 61, protocol, 0) + \
            bytes([100, 64, 0, 1, 100, 64, 0, 2]) + rest

    def ipv6(protocol, rest):
        return struct.pack(">IHBB", 0x60000000, len(rest), protocol, 61) + \
            bytes([0xFD] + 14 * [0] + [1] + [0xFD] + 14 * [0] + [2]) + rest

    # Coalesce: choice, then verbs of seven bytes, as fuzz_offload.c reads them.
    def batch(choice, *verbs):
        return bytes([choice]) + b"".join(verbs)

    def packet(verb, length=200, number=0, flags=0x10, damage=0):
        return struct.pack(">BBHBBB", verb, length, number, flags, 7, damage)

    whole = ipv4(6, tcp(0x10))[:100]
    return {
        "split_tcp4": split(1, 20, 16, ipv4(6, tcp(0x99))),
        "split_tcp6": split(4, 40, 16, ipv6(6, tcp(0x18))),
        "split_udp4": split(5, 20, 6, ipv4(17, udp(333))),
        "split_udp6": split(5, 40, 6, ipv6(17, udp(333))),
        "split_whole": split(0, 20, 16, ipv4(6, tcp(0x10))),
        "tcp4": batch(1, *(packet(3, number=n) for n in range(5)), packet(3, 30, 5)),
        "tcp6": batch(1, *[packet(2)] * 90),
        "udp4": batch(3, *(packet(1, number=n) for n in range(70))),
        "udp6": batch(3, *[packet(0)] * 5, packet(0, 9)), "udp_alone": batch(1, *[packet(0)] * 3),
        "mixed": batch(3, *(packet(n & 3, number=n // 4) for n in range(40))),
        "damaged": batch(3, packet(3), packet(0x23, number=1, damage=40), packet(3, number=2)),
        "push": batch(1, packet(3), packet(0x43, number=1, flags=0x18), packet(3, number=2)),
        "gap": batch(1, packet(3), packet(0x83, number=1), packet(3, number=2)),
        "raw": batch(3, packet(3), b"\x1c" + bytes([len(whole)]) + whole, packet(3, number=1)),
    }


def text():
    lines = {
        "ipv4": "192.0.2.1:3478", "ipv4_bare": "100.64.0.2", "ipv6": "[2001:db8::7]:5555",
        "ipv6_bare": "fd12::1", "ipv6_full": "2001:db8:1:2:3:4:5:6",
        "ipv6_mapped": "::ffff:1.2.3.4", "ipv6_any": "[::]:0", "port_too_large": "192.0.2.1:65536",
        "leading_zero": "010.0.0.1",
        "prefix_ipv4": "100.64.0.0/20", "prefix_ipv6": "fd12:3456::/32", "prefix_all": "0.0.0.0/0",
        "prefix_host_bits": "10.0.0.1/8", "base64": "Zm9vYmE=", "base64_two": "Zg==",
        "base64url": "_-8", "base64_not_canonical": "Zh==", "name": "laptop-2",
        "name_bad": "-laptop", "empty": "",
    }
    return {name: line.encode() for name, line in lines.items()}


def volley():
    def message(kind, body=b"", stage=0):
        return bytes([kind, stage, 1, 0]) + struct.pack(">I", 7) + body

    ipv4 = bytes.fromhex("04001122cb007109")
    ipv6 = bytes.fromhex("0600112220010db8") + bytes(11) + b"\x01"
    return {
        "offer": message(1, bytes(4) + ipv4 + b"\x33\x44"),
        "offer_ipv6": message(1, bytes(4) + ipv6 + b"\x33\x44", 2),
        "go": message(2, struct.pack(">I", 50000)), "still": message(3),
        "hit": message(4, bytes(range(8))), "aim": message(5, b"\x9c\x40"),
        "stop": message(6, b"\0\1not wanted"), "stop_bare": message(6, b"\0\0"),
    }


def endpoints():
    # Verbs of fuzz_endpoints.c: name, side, argument.
    numbers = {"start": 0, "take": 1, "seal": 2, "deliver": 3, "touch": 4, "pass": 5, "expire": 6,
               "cookie": 7}

    def play(*verbs):
        return b"".join(bytes([numbers[name] | side << 7, argument])
                        for name, side, argument in verbs)

    connect = [("start", 0, 0), ("take", 0, 0), ("deliver", 1, 0), ("take", 1, 0),
               ("deliver", 0, 1), ("seal", 0, 0), ("deliver", 1, 2), ("seal", 1, 0),
               ("deliver", 0, 3)]
    late = [("pass", 0, 240), ("pass", 0, 240), ("pass", 0, 90)]
    return {
        "connect": play(*connect, ("deliver", 1, 2), ("deliver", 1, 0), ("deliver", 0, 1)),
        "touched": play(*(verb for step in connect for verb in
                          ((("touch",) + step[1:], step) if step[0] == "deliver" else (step,)))),
        "retry": play(("start", 1, 0), *[("expire", 1, 0), ("take", 1, 0), ("pass", 0, 20)] * 8,
                      ("deliver", 0, 7), ("deliver", 0, 2), ("take", 0, 0), ("deliver", 1, 8)),
        "crossing": play(("start", 0, 0), ("start", 1, 0), ("take", 0, 0), ("take", 1, 0),
                         ("deliver", 1, 0), ("deliver", 0, 1), ("take", 0, 0), ("take", 1, 0),
                         ("deliver", 1, 2), ("deliver", 0, 3), ("seal", 0, 0), ("deliver", 1, 4)),
        "cookie": play(("start", 0, 0), ("take", 0, 0), ("cookie", 1, 0), ("deliver", 0, 1),
                       ("take", 0, 0), ("deliver", 1, 2), ("take", 1, 0), ("deliver", 0, 3)),
        "rekey": play(*connect, *late, ("seal", 0, 0), ("start", 0, 0), ("take", 0, 0),
                      ("deliver", 1, 5), ("take", 1, 0), ("deliver", 0, 6), ("seal", 0, 0),
                      ("deliver", 1, 7), *late, ("expire", 0, 0), ("expire", 1, 0)),
    }


def wend_attribute(kind, value=b""):
    return struct.pack(">HH", kind, len(value)) + value


def control():
    def message(kind, *attributes, padding=0):
        body = b"".join(attributes)
        return struct.pack(">HHI", kind, len(body), 7) + body + bytes(padding)

    records = c_arrays(RECORD_VECTORS)
    device, address = b"\x05" * 32, bytes.fromhex("04000d96c0000207")
    chain = [wend_attribute(kind, records["vector_" + name]) for kind, name in
             ((0x000F, "membership"), (0x000E, "delegation"), (0x0010, "receipt"))]
    position = wend_attribute(0x0015, struct.pack(">QQ", 5, 9))
    entry = wend_attribute(0x0016, b"".join(
        [wend_attribute(2, device), wend_attribute(0x22, b"\x02"), wend_attribute(8, bytes(8))] +
        chain))
    candidates = wend_attribute(4, b"\x01" + bytes([4]) + address[2:] +
                                bytes.fromhex("02060d96") + bytes(16))
    datagram = wend_attribute(0x000A, b"\x05\0\0\0" + bytes(40))
    return {
        "configuration": message(1, wend_attribute(1, records["vector_network_key"]), *chain,
                                 wend_attribute(3, bytes(4)), wend_attribute(8, bytes(8))),
        "keepalive_response": message(0x4004, wend_attribute(9, address), position,
                                      wend_attribute(6, bytes(8)), padding=4),
        "peer_service": message(5, wend_attribute(2, device), datagram, datagram,
                                wend_attribute(0x000B, b"abcd"), entry),
        "notify": message(8, position, position, entry, entry, wend_attribute(0x0017)),
        "fetch_response": message(0x4009, wend_attribute(0x0021, b"\x02"),
                                  wend_attribute(0x001E, bytes(4)),
                                  wend_attribute(0x001F, bytes(4)), wend_attribute(0x0020)),
        "join": message(0x0010, chain[1], wend_attribute(0x0012, b"laptop"),
                        wend_attribute(0x001A, bytes(8))),
        "show_response": message(0x4021, entry, wend_attribute(
            0x0025, chain[1] + wend_attribute(0x0014, bytes(4)))),
        "probe": message(0x0101, wend_attribute(0x001C, bytes(4)),
                         wend_attribute(0x001D, bytes(16)),
                         wend_attribute(9, b"\x06\0\0\x01" + bytes(16)), padding=9),
        "failure": message(0x4010, wend_attribute(0x000C, b"\x01\x99name")),
        "payload": candidates + wend_attribute(0x8001, bytes(4)) + wend_attribute(0x8777, b"?"),
        "unknown": message(0x8123, wend_attribute(0x0777)),
        "address_short": message(4, wend_attribute(9, address[:7])),
    }


def record():
    records = c_arrays(RECORD_VECTORS)
    seeds = {name: records["vector_" + name] for name in
             ("network_record", "delegation", "membership", "receipt", "revocation")}
    seeds["newer"] = seeds["receipt"][:1] + b"\x02" + seeds["receipt"][2:]
    seeds["revocation_none"] = seeds["revocation"][:50] + bytes(2 + 64)
    text = RECORD_VECTORS.read_text()
    for name in ("invite_text", "claim_text"):
        body = re.search(rf"char vector_{name}\[\] =(.*?);", text, re.S)[1]
        seeds[name] = "".join(re.findall(r'"(.*?)"', body)).encode()
        seeds[name + "_cut"] = seeds[name][:-9]
    return seeds


def nat_model():
    def told(classes, delta, newest, follow, rest=b""):
        return (struct.pack(">I", 7) + bytes(classes) + struct.pack(">hHI", delta, *newest) +
                bytes([follow]) + rest)

    public = bytes([203, 0, 113, 9]) + struct.pack(">H", 40000)
    six = bytes.fromhex("20010db8000000000000000000000007") + struct.pack(">H", 40000)
    rate = struct.pack(">3I", 100, 3500, 9000)
    ports = struct.pack(">3H", 40000, 40100, 40200) + struct.pack(">3H", 41000, 41100, 41200)
    seconds = struct.pack(">3H", 30, 30, 31) + struct.pack(">3H", 15, 15, 16)
    sequence = told([0x44, 0x30, 0x91, 0x84], -2, (40010, 250), 1, public + rate)
    return {
        "least": told([0, 0, 0, 0], 0, (0, 0), 0),
        "sequence": sequence,
        "later_version": sequence + b"more",
        "cut": sequence[:-1],
        "swapped": told([0x44, 0x30, 0x90, 0xa4], 1, (40010, 250), 0, public),
        "block": told([0x44, 0x40, 0x90, 0x84], 0, (40010, 9), 6, public + ports),
        "mapped": told([0x24, 0x25, 0x90, 0x87], 0, (0, 0), 24, public + b"\x9c\x41" + seconds),
        "ipv6": told([0x14, 0x10, 0x82, 0x4a], 0, (0, 0), 31, six + six[1:] + b"\x01" + rate +
                     ports + seconds),
        "reserved": told([0, 0, 0, 0x10], 0, (0, 0), 0),
        "no_delta": told([0x44, 0x30, 0x91, 0x84], 0, (40010, 250), 0, public),
    }


def node():
    # Verbs of fuzz_node.c: name, side, what follows. Of the datagrams kept, the first two are the
    # nodes' calls to their server; the answer to the handshake is the third.
    numbers = {"pass": 0, "bytes": 1, "replay": 2, "damage": 3, "seal": 4, "lie": 5, "notice": 6,
               "move": 7, "hand": 8}

    def play(*verbs):
        return b"".join(bytes([numbers[name] | side << 7]) + rest for name, side, rest in verbs)

    def padded(body):
        body += bytes(-len(body) % 4)
        return bytes([len(body) // 4]) + body

    def replays(first, last):
        return [("replay", 0, bytes([i % 16])) for i in range(first, last)]

    want = ("notice", 0, b"\x01\x00")
    meet = [want, ("hand", 0, b""), *replays(2, 9), ("pass", 0, b"\x05")]
    candidates = (wend_attribute(4, bytes.fromhex("01041388cb007109")) +
                  wend_attribute(0x24, b"\0\0\0\5"))
    moved = struct.pack(">HHI", 0x0102, len(candidates), 9) + candidates
    fetch = bytes.fromhex("0009000d00000007002100010100 1e0004 00000000".replace(" ", ""))
    goodbye = bytes.fromhex("0103000000000008")
    position = wend_attribute(0x15, struct.pack(">QQ", 5, 9))
    return {
        "meet": play(*meet, *replays(0, 16), ("pass", 0, b"\xff"), *replays(0, 16)),
        "both": play(want, ("notice", 1, b"\x01\x00"), ("hand", 0, b""), ("hand", 1, b""),
                     *replays(2, 16), ("pass", 0, b"\x20"), *replays(0, 16)),
        "damaged": play(want, ("hand", 0, b""), ("damage", 0, b"\x02\x01\x00\x20"),
                        ("replay", 0, b"\x02"), ("damage", 0, b"\x03\x80\x00\x05")),
        "moved": play(*meet, ("seal", 1, padded(moved)), ("move", 0, b"\x09"), *replays(0, 16),
                      ("pass", 0, b"\x30")),
        "fetch": play(*meet, ("seal", 1, padded(fetch)), ("seal", 0, padded(fetch))),
        "goodbye": play(*meet, ("seal", 0, padded(goodbye)), ("seal", 1, padded(goodbye))),
        "lies": play(("lie", 0, b"\x01" + padded(position)), ("lie", 0, b"\x00" + padded(
            wend_attribute(2, b"\x05" * 32) + wend_attribute(0x22, b"\x02"))), want,
            ("lie", 0, b"\x02" + padded(wend_attribute(0x0B, b"abcd"))), ("pass", 0, b"\x40")),
        "idle": play(*meet, *[("pass", 0, b"\xf0")] * 6, want, ("hand", 0, b""), *replays(0, 16)),
    }


def resolver():
    """DNS queries: id, flags, four counts, then the question."""
    def query(name, kind, more=b"", counts=(1, 0, 0, 0), flags=0x0100):
        labels = b"".join(bytes([len(n)]) + n for n in name.split(b".") if n) + b"\0"
        return struct.pack(">6H", 0x1234, flags, *counts) + labels + struct.pack(
            ">2H", kind, 1) + more
    options = struct.pack(">BHHIH", 0, 41, 1232, 0, 0)
    cookie = struct.pack(">BHHIH2H", 0, 41, 4096, 0x8000, 12, 10, 8) + bytes(range(8))
    return {
        "a": query(b"phone.home.wend", 1),
        "aaaa_short": query(b"TV", 28, options, (1, 0, 0, 1)),
        "any_cookie": query(b"tv.Home.wend", 255, cookie, (1, 0, 0, 1)),
        "ptr": query(b"3.0.64.100.in-addr.arpa", 12),
        "ptr6": query(b"0." * 28 + b"2.1.d.f.ip6.arpa", 12),
        "unknown": query(b"printer.home.wend", 1),
        "refused": query(b"example.com", 15),
        "pointer": query(b"", 1)[:12] + b"\xc0\x0c\0\x01\0\x01",
        "additional": query(b"phone", 1, b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + bytes(4)
                            + options, (1, 0, 0, 2)),
        "bad_version": query(b"phone", 1, b"\0\0\x29\x02\0\0\x01\0\0\0\0", (1, 0, 0, 1)),
        "notify": query(b"home.wend", 6, flags=0x2000),
        "response": query(b"phone", 1, flags=0x8180),
    }


def pcp_message(opcode, lifetime, *parts, version=2):
    body = b"".join(parts)
    return struct.pack(">BBHI", version, opcode, 0, lifetime) + body


def pcp():
    """PCP and NAT-PMP datagrams."""
    client = bytes(10) + b"\xff\xff\xc0\xa8\x01\x0a"
    epoch = struct.pack(">I", 4711) + bytes(12)
    mapping = bytes(range(12)) + b"\x11\0\0\0\x1f\x90\x1f\x90" + bytes(10) + b"\xff\xff" + bytes(4)
    peer = mapping + b"\x0d\x96\0\0" + bytes(10) + b"\xff\xff\xc6\x33\x64\x01"
    third = b"\x01\0\0\x10" + client
    only = b"\x02\0\0\0"
    filtered = b"\x03\0\0\x14\0\x78\0\0" + client
    clear = b"\x03\0\0\x14" + bytes(20)
    return {
        "announce": pcp_message(0, 0, client),
        "announced": pcp_message(0x80, 0, epoch),
        "map": pcp_message(1, 7200, client, mapping),
        "map_options": pcp_message(1, 7200, client, mapping, third, only, clear, filtered),
        "map_unknown": pcp_message(1, 7200, client, mapping, b"\x84\0\0\x01a\0\0\0", b"\x20\0\0\0"),
        "map_cut": pcp_message(1, 7200, client, mapping[:32]),
        "mapped": pcp_message(0x81, 3600, epoch, mapping),
        "refused": struct.pack(">BBBBI", 2, 0x81, 0, 2, 1800) + epoch + mapping,
        "peer": pcp_message(2, 7200, client, peer),
        "peered": pcp_message(0x82, 7200, epoch, peer),
        "option_too_long": pcp_message(1, 7200, client, mapping, b"\x03\0\xff\xff"),
        "version_zero": b"\0\0\0\1\0\0\x12\x34",
        "version_one": b"\1\x81\0\1" + bytes(20),
        "natpmp_address": b"\0\0",
        "natpmp_addressed": b"\0\x80\0\0\0\0\x12\x34\xcb\0\x71\x01",
        "natpmp_map": b"\0\1\0\0\x1f\x90\x1f\x90\0\0\x1c\x20",
        "natpmp_mapped": b"\0\x81\0\0\0\0\x12\x34\x1f\x90\x1f\x91\0\0\x0e\x10",
        "natpmp_refused": b"\0\x81\0\2\0\0\x12\x34\x1f\x90\0\0\0\0\0\0",
    }


def discovery():
    """Verbs of discovery: verb and detail, then what the verb takes. The first byte, too, says how
    many servers there are."""
    def answers(how, *more):
        return b"".join(bytes([3, i, how | 16]) + b"".join(more) for i in range(9))

    counted = b"\x04\x05" + answers(0)
    later = b"".join(bytes([3, i, 16]) for i in range(9, 12))
    wait = b"\x05\0" * 24
    return {
        "silence": b"\x04\x01" + wait,
        "counted": counted + later + wait,
        "preserved": b"\x04\x05" + answers(1) + wait,
        "few": b"\x04\x05" + b"".join(bytes([3, i, 18, 17 * i]) for i in range(12)) + wait,
        "private": b"\x04\x05" + answers(3, bytes.fromhex("0a0000071f90")) + wait,
        "twice": counted + answers(0) + wait,
        "elsewhere": b"\x04\x05" + answers(4) + answers(12) + wait,
        "errors": b"\x04\x05" + answers(32) + wait,
        "anew": counted + b"\x06\x02" + counted[2:] + b"\x07\0\x06\x03" + wait,
        "seen": b"\x08\x01" + wait + b"\x06\x02" + wait,
        "learnt": counted + wait + b"".join(
            bytes([9, 32 + i, 0x75, i, 0, 0, 4, 40 + i]) for i in range(16)),
        "no_sockets": b"\x0a\0\x06\x09" + wait,
        "raw": b"\x0b\x14" + stun_message(0x0101)[:20] + wait,
    }


def mapping():
    """Verbs of the mapping machine: verb and detail, then what the verb takes."""
    def answer(result=0, lifetime=3600, epoch=9, ip=0xCB007109, port=4242):
        return b"\6\0" + struct.pack(">BIIIH", result, lifetime, epoch, ip, port)
    start, stop, later, due = b"\0\0", b"\1\0", b"\4\x06", b"\7\0"
    version = b"\5\x08\0\0\0\1\0\0\0\t"
    return {
        "pcp": start + answer() + due + answer() + stop + answer(),
        "natpmp": start + version + due + answer() + due + answer() + due * 3 + answer(),
        "refused": start + answer(2) + due + answer(8, 5) + due + answer(),
        "nonsense": start + answer(0, 0) + due + answer(0, 9, 9, 0) + due + answer(port=0),
        "silent": start + due * 30 + answer(),
        "nested": start + answer(ip=0x0A000102) + b"\3\1" + answer() + later + b"\0\1" + stop,
        "nowhere": start + answer(ip=0x0A000102) + b"\3\xff" + b"\2\0" + b"\0\xff",
        "restart": start + answer(epoch=900) + later * 4 + b"\0\0" + answer(epoch=1) + due
                   + answer(),
    }


def canary():
    return {"wend": b"wend"}


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit("usage: make-corpus.py [--check]")
    wrong = []
    for target in (canary, control, demux, discovery, endpoints, frame, host, mapping, nat_model,
                   node, offload, pcp, record, resolver, session, stun, text, volley):
        folder = HERE / "corpus" / target.__name__
        folder.mkdir(parents=True, exist_ok=True)
        for name, seed in target().items():
            path = folder / name
            if not check:
                path.write_bytes(seed)
            elif not path.is_file() or path.read_bytes() != seed:
                wrong.append(str(path))
    for path in wrong:
        print(f"make-corpus.py: missing or different: {path}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
