# SPDX-License-Identifier: MIT
r"""A device finds out what its NAT does, and says so in its status.

    laptop ---- home (NAT) ---- wan ---- server, two addresses of two ports each
"""
import pytest

from lab import Nat
from scenes import join, network
from proc import wait_until

EIM, ADM, APDM = "endpoint-independent", "address-dependent", "address-and-port-dependent"

# NAT: mapping, filtering, allocation (None: not to be told apart from here)
NATS = {
    "full-cone": (Nat.full_cone(), EIM, EIM, "preserving"),
    "restricted": (Nat.eim("adf"), EIM, ADM, "preserving"),
    "masquerade": (Nat.eim(), EIM, APDM, "preserving"),
    "address-dependent": (Nat.address_dependent(), ADM, ADM, None),
    "random": (Nat.symmetric_random(), APDM, APDM, "random"),
    "sequential": (Nat.symmetric_sequential(), APDM, APDM, "sequential"),
    "swapped": (Nat.symmetric_swapped(), APDM, APDM, "sequential"),
    "block": (Nat.symmetric_block(), APDM, APDM, "block"),
    "preserving": (Nat.symmetric_preserving(), APDM, APDM, "preserving"),
    "by-address-block": (Nat.address_dependent("random", ports=(40000, 42047)), ADM, ADM, "block"),
    "loose-random": (Nat.symmetric_random(filtering="adf"), APDM, ADM, "random"),
}


def nat_of(device):
    return device.status()["self"]["nat"]


def known(device):
    """Its NAT's behaviours, once they have been found out."""
    return wait_until(lambda: nat_of(device)["filtering"] != "unknown" and nat_of(device), 10,
                      f"{device.name}: knows its NAT")


@pytest.mark.parametrize("kind", NATS)
def test_named_rightly(lab, kind):
    nat, mapping, filtering, allocation = NATS[kind]
    home = lab.site("home", nat=nat)
    laptop, = join(network(lab), home.host("laptop"))
    seen = known(laptop)
    assert (seen["mapping"], seen["filtering"]) == (mapping, filtering)
    assert allocation in (None, seen["allocation"])
    assert (seen["delta"] is not None) == (seen["allocation"] == "sequential")


def test_found_out_anew_elsewhere(lab):
    """
        laptop ---- home (full cone) ---- wan ---- server
             \\----- cafe (symmetric) ---/
    """
    home = lab.site("home", nat=Nat.full_cone())
    cafe = lab.site("cafe", nat=Nat.symmetric_random())
    host = home.host("laptop")
    laptop, = join(network(lab), host)
    assert known(laptop)["mapping"] == EIM
    host.move(cafe)
    wait_until(lambda: nat_of(laptop)["mapping"] == APDM, 15, "laptop: knows the cafe's NAT")


def test_without_nat(lab):
    laptop, = join(network(lab), lab.public("laptop"))
    wait_until(lambda: nat_of(laptop)["mapping"] == "none", 10, "laptop: no NAT")
