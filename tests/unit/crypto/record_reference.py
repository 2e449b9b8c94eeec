#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Signed records, invites and claims, made without any of wend's code: docs/protocol.md section 5
over Python's own struct and hashlib, and Ed25519 of the `cryptography` module.

    tests/unit/crypto/record_reference.py > tests/unit/crypto/record_vectors.h
"""

import base64
import hashlib
import ipaddress
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

NETWORK_SEED, INVITE_SEED, SERVER_SEED = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
SERVER_SESSION_KEY, DEVICE, SECRET = b"\x04" * 32, b"\x05" * 32, b"\x06" * 16
ISSUED = 1_700_000_000
DAY = 86_400


def h(data):
    return hashlib.blake2s(data).digest()


def public(seed):
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign(kind, seed, body):
    message = b"wend " + kind.encode() + b" v1\0" + body
    return body + Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def ip(text):
    return ipaddress.ip_address(text).packed


def counted(text):
    return bytes([len(text)]) + text.encode()


NETWORK = public(NETWORK_SEED)
INVITE = public(INVITE_SEED)
SERVER = public(SERVER_SEED)
INVITE_ID = h(b"wend invite" + INVITE)[:8]

ADDRESSES = [
    struct.pack(">BH", 4, 3478) + ip("198.51.100.1"),
    struct.pack(">BH", 6, 3479) + ip("2001:db8::1"),
    struct.pack(">BH", 1, 443) + counted("relay.example.net"),
]


def server_addresses():
    return bytes([len(ADDRESSES)]) + b"".join(ADDRESSES)


def network_record():
    body = b"\x01\x01" + NETWORK + struct.pack(">QQ", 7, ISSUED) + counted("home")
    body += ip("100.64.0.0") + b"\x14"
    body += b"\x01" + SERVER_SESSION_KEY + SERVER + ip("100.64.8.0") + b"\x15" + server_addresses()
    return sign("network", NETWORK_SEED, body)


def delegation():
    body = b"\x02\x01" + NETWORK + INVITE
    body += struct.pack(">QQIQ", ISSUED, ISSUED + DAY, 2, 180 * DAY)
    return sign("delegation", NETWORK_SEED, body)


def membership():
    body = b"\x03\x01" + NETWORK + INVITE_ID + DEVICE + struct.pack(">I", 1) + ip("100.64.8.9")
    body += struct.pack(">QQ", ISSUED + 100, 180 * DAY) + counted("laptop")
    return sign("membership", INVITE_SEED, body)


def receipt():
    body = b"\x04\x01" + h(membership()) + SERVER + struct.pack(">IQ", 1, ISSUED + 105)
    return sign("receipt", SERVER_SEED, body)


def revocation():
    entries = [b"\x01" + b"\x07" * 32, b"\x01" + b"\x08" * 32, b"\x02" + b"\x09" * 8]
    body = b"\x05\x01" + NETWORK + struct.pack(">QQH", 3, ISSUED + 200, len(entries))
    return sign("revocation", NETWORK_SEED, body + b"".join(entries))


def text(prefix, body):
    body += h(body)[:4]
    return prefix + base64.urlsafe_b64encode(body).decode().rstrip("=")


def invite_text():
    record = network_record()
    head = b"\x01" + INVITE_SEED + struct.pack(">H", len(record))
    return text("wi1", head + record + delegation())


def claim_text():
    return text("wc1", b"\x01" + SERVER_SESSION_KEY + SERVER + SECRET + server_addresses())


def inside_prefix():
    return b"\xfd" + h(b"wend prefix" + NETWORK)[:5] + bytes(2)


def preset_pool():
    number = int.from_bytes(h(b"wend pool" + NETWORK)[:2], "big") >> 6
    return (int.from_bytes(ip("100.64.0.0"), "big") + (number << 12)).to_bytes(4, "big")


def show_signature():
    message = b"wend show v1\0" + b"\x0a" * 32 + struct.pack(">Q", ISSUED)
    return Ed25519PrivateKey.from_private_bytes(NETWORK_SEED).sign(message)


def print_bytes(name, data):
    lines = [data[i:i + 14] for i in range(0, len(data), 14)]
    rows = ",\n".join("    " + ", ".join(f"0x{b:02x}" for b in line) for line in lines)
    print(f"static const uint8_t {name}[{len(data)}] = {{\n{rows}}};\n")


def print_text(name, value):
    rows = "\n".join(f'    "{value[i:i + 90]}"' for i in range(0, len(value), 90))
    print(f"static const char {name}[] =\n{rows};\n")


def main():
    print("// SPDX-License-Identifier: MIT")
    print("// Made by tests/unit/crypto/record_reference.py, which shares no code with wend.")
    print("// clang-format off")
    print("#ifndef WEND_TESTS_RECORD_VECTORS_H\n#define WEND_TESTS_RECORD_VECTORS_H\n")
    print("#include <stdint.h>\n")
    for name, value in (
            ("network_key", NETWORK), ("invite_key", INVITE), ("server_key", SERVER),
            ("invite_id", INVITE_ID), ("network_record", network_record()),
            ("delegation", delegation()), ("membership", membership()), ("receipt", receipt()),
            ("revocation", revocation()), ("membership_hash", h(membership())),
            ("inside_prefix", inside_prefix()),
            ("inside_address", inside_prefix() + h(b"wend address" + DEVICE)[:8]),
            ("preset_pool", preset_pool()), ("show_signature", show_signature())):
        print_bytes("vector_" + name, value)
    print_text("vector_invite_text", invite_text())
    print_text("vector_claim_text", claim_text())
    print("#endif")


if __name__ == "__main__":
    main()
