#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A second implementation of the session's handshake, to check the first one against.

Written from the text of the Noise specification, WireGuard's paper and docs/protocol.md section 2,
over python3-cryptography and hashlib, and sharing nothing with src/. It prints the header
tests/unit/session/vectors.h; `--check FILE` compares that file with what it would print.
"""

import hashlib
import hmac
import struct
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

NAME = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"


def blake2s(data):
    return hashlib.blake2s(data).digest()


def mac(key, data):
    return hashlib.blake2s(data, key=key, digest_size=16).digest()


def kdf(key, data, count):
    secret = hmac.new(key, data, hashlib.blake2s).digest()
    outputs = [b""]
    for number in range(1, count + 1):
        outputs.append(hmac.new(secret, outputs[-1] + bytes([number]), hashlib.blake2s).digest())
    return outputs[1:]


def public(private):
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def dh(private, other):
    return X25519PrivateKey.from_private_bytes(private).exchange(
        X25519PublicKey.from_public_bytes(other))


def aead(key, counter, text, ad):
    return ChaCha20Poly1305(key).encrypt(bytes(4) + struct.pack("<Q", counter), text, ad)


def rotl(value, count):
    return ((value << count) | (value >> (32 - count))) & 0xFFFFFFFF


def hchacha20(key, nonce):
    """draft-irtf-cfrg-xchacha-03 section 2.2."""
    state = list(struct.unpack("<4I", b"expand 32-byte k")) + list(struct.unpack("<8I", key))
    state += list(struct.unpack("<4I", nonce))

    def quarter(a, b, c, d):
        for first, second, third, count in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8),
                                            (c, d, b, 7)):
            state[first] = (state[first] + state[second]) & 0xFFFFFFFF
            state[third] = rotl(state[third] ^ state[first], count)

    for _ in range(10):
        for column in range(4):
            quarter(column, column + 4, column + 8, column + 12)
        for column in range(4):
            quarter(column, (column + 1) % 4 + 4, (column + 2) % 4 + 8, (column + 3) % 4 + 12)
    return struct.pack("<8I", *(state[0:4] + state[12:16]))


def xaead(key, nonce, text, ad):
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])).encrypt(bytes(4) + nonce[16:], text, ad)


class Symmetric:
    """CipherState and SymmetricState of noise.md section 5, with 'e' as in PSK handshakes."""

    def __init__(self, prologue, responder):
        self.ck = blake2s(NAME)  # the name is longer than 32 bytes
        self.h = self.ck
        self.mix_hash(prologue)
        self.mix_hash(responder)
        self.key = None

    def mix_hash(self, data):
        self.h = blake2s(self.h + data)

    def mix_key(self, data):
        self.ck, self.key = kdf(self.ck, data, 2)

    def mix_key_and_hash(self, data):
        self.ck, temporary, self.key = kdf(self.ck, data, 3)
        self.mix_hash(temporary)

    def mix_ephemeral(self, key):
        self.mix_hash(key)
        self.mix_key(key)

    def seal(self, text):
        sealed = aead(self.key, 0, text, self.h)
        self.mix_hash(sealed)
        return sealed


def with_macs(message, receiver, cookie):
    message += mac(blake2s(b"mac1----" + receiver), message)
    return message + (mac(cookie, message) if cookie else bytes(16))


def handshake(case):
    """Both messages and all keys of one exchange, from the initiator's and responder's secrets."""
    types = (1, 2) if case["kind"] == "wireguard" else (5, 6)
    i_static, r_static = public(case["i_static"]), public(case["r_static"])
    i_eph, r_eph = public(case["i_ephemeral"]), public(case["r_ephemeral"])

    s = Symmetric(case["prologue"], r_static)
    s.mix_ephemeral(i_eph)
    s.mix_key(dh(case["i_ephemeral"], r_static))
    sealed_static = s.seal(i_static)
    s.mix_key(dh(case["i_static"], r_static))
    sealed_payload = s.seal(case["label"] + case["i_attributes"])
    first = struct.pack("<II", types[0], case["i_index"]) + i_eph + sealed_static + sealed_payload

    s.mix_ephemeral(r_eph)
    s.mix_key(dh(case["r_ephemeral"], i_eph))
    s.mix_key(dh(case["r_ephemeral"], i_static))
    s.mix_key_and_hash(case["psk"])
    sealed_answer = s.seal(case["r_attributes"])
    second = struct.pack("<III", types[1], case["r_index"], case["i_index"])
    second += r_eph + sealed_answer

    data = kdf(s.ck, b"", 2)
    control = kdf(s.ck, b"wend control", 2)
    text = case["text"] + bytes(-len(case["text"]) % 16)
    header = struct.pack("<IIQ", 4, case["r_index"], 0)
    return {
        "initiation": with_macs(first, r_static, case["cookie"]),
        "response": with_macs(second, i_static, None),
        "initiator_data": data[0],
        "responder_data": data[1],
        "initiator_control": control[0],
        "responder_control": control[1],
        "handshake_hash": s.h,
        "message": header + aead(data[0], 0, text, b""),
        "control_message": struct.pack("<IIQ", 9, case["r_index"], 0) + aead(
            control[0], 0, text, b""),
    }


def tai64n(seconds, nanoseconds):
    return struct.pack(">QI", 0x400000000000000A + seconds, nanoseconds)


def number(name):
    """32 bytes that nobody chose."""
    return hashlib.sha256(b"wend vector " + name.encode()).digest()


def cases():
    common = {
        "i_static": number("initiator"),
        "r_static": number("responder"),
        "i_ephemeral": number("initiator ephemeral"),
        "r_ephemeral": number("responder ephemeral"),
        "label": tai64n(1700000000, 123456789),
        "i_index": 0x01020304,
        "r_index": 0xA1B2C3D4,
        "text": b"an inner packet of 29 bytes..",
        "psk": bytes(32),
        "cookie": None,
        "i_attributes": b"",
        "r_attributes": b"",
    }
    wireguard = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
    return {
        "wireguard": dict(common, kind="wireguard", prologue=wireguard),
        "wireguard_psk": dict(common, kind="wireguard", prologue=wireguard, psk=number("psk"),
                              cookie=number("cookie")[:16]),
        "server": dict(common, kind="server", prologue=b"wend v1 server",
                       i_attributes=number("capabilities")[:20], r_attributes=b"\x01"),
        "peer": dict(common, kind="peer", prologue=b"wend v1 peer" + number("network"),
                     i_attributes=number("a") * 31 + number("b")[:20],
                     r_attributes=number("c") * 32, psk=number("psk")),
    }


def cookie_reply(initiation):
    """A cookie reply by the responder to `initiation`: cookie, nonce, and the message."""
    cookie, nonce = number("cookie")[:16], number("nonce")[:24]
    key = blake2s(b"cookie--" + public(number("responder")))
    sealed = xaead(key, nonce, cookie, initiation[-32:-16])
    return struct.pack("<I", 3) + initiation[4:8] + nonce + sealed


def array(name, data):
    lines = [f"static const uint8_t {name}[{len(data)}] = {{"]
    for at in range(0, len(data), 16):
        lines.append("    " + ", ".join(f"0x{byte:02x}" for byte in data[at:at + 16]) + ",")
    return lines + ["};"]


def header():
    lines = [
        "// SPDX-License-Identifier: MIT",
        "// Made by tests/interop/noise_reference.py, which says how. Not edited by hand.",
        "// clang-format off",
        "#ifndef WEND_TESTS_SESSION_VECTORS_H",
        "#define WEND_TESTS_SESSION_VECTORS_H",
        "",
        "#include <stdint.h>",
        "",
    ]
    for name in ("initiator", "responder", "initiator ephemeral", "responder ephemeral", "psk",
                 "network", "cookie", "nonce", "capabilities", "a", "b", "c"):
        lines += array("vector_" + name.replace(" ", "_"), number(name))
    for name, case in cases().items():
        for field, data in handshake(case).items():
            lines += array(f"vector_{name}_{field}", data)
    first = handshake(cases()["wireguard"])["initiation"]
    lines += array("vector_cookie_reply", cookie_reply(first))
    return "\n".join(lines + ["", "#endif", ""])


def self_check():
    """HChaCha20 is ours, so it is checked against draft-irtf-cfrg-xchacha-03 section 2.2.1."""
    key = bytes(range(32))
    nonce = bytes.fromhex("000000090000004a0000000031415927")
    expected = "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
    assert hchacha20(key, nonce).hex() == expected


if __name__ == "__main__":
    self_check()
    if len(sys.argv) == 3 and sys.argv[1] == "--check":
        with open(sys.argv[2], encoding="ascii") as file:
            sys.exit(0 if file.read() == header() else f"{sys.argv[2]}: not what this prints")
    sys.stdout.write(header())
