# SPDX-License-Identifier: MIT
r"""Direct paths where a NAT gives each destination another port: both devices' models are known, a
plan is made of them, a volley carries it out.

    laptop ---- home (NAT) ---- wan ---- server, two addresses of two ports each
    phone ----- cafe (NAT) ------/
"""
import pytest

from lab import Nat
from stopwatch import PingLog
from scenes import join, network
from test_nat_model import known

# Rows of the matrix that kernel NATs can make: home's NAT, cafe's NAT, patience in seconds, and the
# method that opens the way.
PAIRS = {
    "any-open": (Nat.symmetric_random(), Nat.full_cone(), 10, "direct"),
    "cone-cone": (Nat.eim(), Nat.eim(), 10, "simultaneous"),
    "adf-symmetric": (Nat.eim("adf"), Nat.symmetric_random(), 10, "reversal"),
    "apdf-sequential": (Nat.eim(), Nat.symmetric_sequential(), 20, "bracket"),
    "apdf-block": (Nat.eim(), Nat.symmetric_block(), 30, "spread"),
    "apdf-random": (Nat.eim(), Nat.symmetric_random(), 60, "spread"),
    "sequential-sequential": (Nat.symmetric_sequential(), Nat.symmetric_sequential(), 30, "scan"),
}


def pair(lab, home_nat, cafe_nat):
    """Laptop and phone, registered, each knowing its own NAT."""
    home, cafe = lab.site("home", nat=home_nat), lab.site("cafe", nat=cafe_nat)
    laptop, phone = join(network(lab), home.host("laptop"), cafe.host("phone"))
    known(laptop)
    known(phone)
    return laptop, phone


@pytest.mark.parametrize("kind", PAIRS)
def test_opened(lab, kind):
    home_nat, cafe_nat, patience, method = PAIRS[kind]
    laptop, phone = pair(lab, home_nat, cafe_nat)
    pings = PingLog(laptop.host, phone.address)
    pings.wait_for(lambda a: True)
    laptop.wait_path("phone", timeout=patience)
    phone.wait_path("laptop", timeout=patience)
    assert "volley=won" in laptop.process.text
    for device, peer in ((laptop, "phone"), (phone, "laptop")):
        says = device.peer(peer)
        assert (says["volley"]["state"], says["volley"]["method"]) == ("won", method)
        assert says["why"].startswith(f"direct ({method}): ")
        assert f"{peer}: {says['why']}\n" in device.words()


def test_out_of_reach(lab):
    """Random ports on both sides, filtering by port: said before the first datagram."""
    laptop, phone = pair(lab, Nat.symmetric_random(), Nat.symmetric_random())
    pings = PingLog(laptop.host, phone.address)
    pings.wait_for(lambda a: True)
    laptop.process.wait_for(r"volley=none reason=.*random ports on one side", 10)
    for device, peer in ((laptop, "phone"), (phone, "laptop")):
        says = device.wait_peer(peer, lambda s: s["volley"]["state"] == "no-way")
        assert says["path"]["kind"] == "relay" and says["volley"]["method"] is None
        assert says["why"] == f"relay: out of reach: {says['volley']['plan']}"
        assert f"{peer}: {says['why']}\n" in device.words()
