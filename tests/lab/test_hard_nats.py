# SPDX-License-Identifier: MIT
r"""Direct paths where a NAT gives each destination another port: both devices' models are known, a
plan is made of them, a volley carries it out. What the status says of it is right as well.

    laptop ---- home (NAT) ---- wan ---- server, two addresses of two ports each
    phone ----- cafe (NAT) ------/

Rows of the matrix that kernel NATs can make; test_hard_places.py has those with more boxes.
"""
import pytest

from lab import Nat
from stopwatch import PingLog
from scenes import join, network
from test_nat_model import known

CONE, STRICT = Nat.eim("adf"), Nat.eim()
RANDOM, COUNTING = Nat.symmetric_random(), Nat.symmetric_sequential()
BY_ADDRESS = Nat.address_dependent("random", ports=(20000, 39999))
LOOSE = Nat.symmetric_random(filtering="adf")

# Home's NAT, cafe's NAT, patience in seconds, and the method that opens the way.
PAIRS = {
    "any-open": (RANDOM, Nat.full_cone(), 10, "direct"),
    "cone-cone": (STRICT, STRICT, 10, "simultaneous"),
    "adf-symmetric": (CONE, RANDOM, 10, "reversal"),
    "apdf-preserving": (STRICT, Nat.symmetric_preserving(), 20, "guess"),
    "apdf-sequential": (STRICT, COUNTING, 20, "bracket"),
    "apdf-swapped": (STRICT, Nat.symmetric_swapped(), 20, "bracket"),
    "apdf-block": (STRICT, Nat.symmetric_block(), 60, "spread"),
    "apdf-random": (STRICT, RANDOM, 60, "spread"),
    "apdf-by-address": (STRICT, Nat.address_dependent(), 20, "bracket"),
    "by-address-both": (BY_ADDRESS, BY_ADDRESS, 60, "spread"),
    "by-address-random": (BY_ADDRESS, RANDOM, 60, "spread"),
    "loose-random-both": (LOOSE, LOOSE, 60, "spread"),
    "sequential-sequential": (COUNTING, COUNTING, 30, "scan"),
}
# Home's NAT, cafe's NAT: of these nothing is sent.
APART = {
    "random-random": (RANDOM, RANDOM),
    "random-sequential": (RANDOM, COUNTING),
    "block-random": (Nat.symmetric_block(), RANDOM),
}


def pair(lab, home_nat, cafe_nat):
    """Laptop and phone, registered, each knowing its own NAT."""
    home, cafe = lab.site("home", nat=home_nat), lab.site("cafe", nat=cafe_nat)
    laptop, phone = join(network(lab), home.host("laptop"), cafe.host("phone"))
    known(laptop)
    known(phone)
    return laptop, phone


def speak(laptop, phone):
    """Pings from one to the other, which the relay carries at once."""
    pings = PingLog(laptop.host, phone.address)
    pings.wait_for(lambda a: True)
    return pings


def says_so(device, peer, what):
    """Whether `wend status` ends with why the peer's path is what it is."""
    why = device.peer(peer)["why"]
    assert why.startswith(what), why
    assert f"\n{peer}: {why}\n" in device.words()


@pytest.mark.parametrize("kind", PAIRS)
def test_opened(lab, kind):
    home_nat, cafe_nat, patience, method = PAIRS[kind]
    laptop, phone = pair(lab, home_nat, cafe_nat)
    speak(laptop, phone)
    for device, peer in ((laptop, "phone"), (phone, "laptop")):
        device.wait_path(peer, timeout=patience)
        volley = device.wait_peer(peer, lambda p: p["volley"]["state"] == "won")["volley"]
        assert volley["method"] == method, volley
        says_so(device, peer, f"direct ({method}): {volley['plan']}")


@pytest.mark.parametrize("kind", APART)
def test_out_of_reach(lab, kind):
    """Random ports on one side and filtering by port on both: said before the first datagram."""
    laptop, phone = pair(lab, *APART[kind])
    speak(laptop, phone)
    laptop.process.wait_for(r"volley=none reason=.*random ports on one side", 10)
    for device, peer in ((laptop, "phone"), (phone, "laptop")):
        volley = device.wait_peer(peer, lambda p: p["volley"]["state"] == "no-way")["volley"]
        assert volley["method"] is None
        says_so(device, peer, f"relay: out of reach: {volley['plan']}")
        assert device.peer(peer)["path"]["kind"] == "relay"
