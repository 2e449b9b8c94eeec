# SPDX-License-Identifier: MIT
r"""Both devices behind NATs that keep their mapping: each pair of filterings becomes direct.

    left-eif ---- (NAT) ----\                     /---- (NAT) ---- right-eif
    left-adf ---- (NAT) -------- wan -- server -------- (NAT) ---- right-adf
    left-apdf --- (NAT) ----/                     \---- (NAT) ---- right-apdf

One network for all nine: no two of them share a pair of devices, and no NAT has a rule for an
address that is not of the same pair.
"""
import pytest

from lab import Lab, Nat
from scenes import become_direct, download, join, network, pings_through, speed

FILTERINGS = {"eif": "endpoint-independent", "adf": "address-dependent",
              "apdf": "address-and-port-dependent"}


@pytest.fixture(scope="module")
def lab(lab_possible):
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def devices(lab):
    names = [f"{side}-{kind}" for side in ("left", "right") for kind in FILTERINGS]
    sites = {name: lab.site(f"at-{name}", nat=Nat.eim(name.split("-")[1])) for name in names}
    joined = join(network(lab), *(sites[name].host(name) for name in names))
    return {device.name: device for device in joined}


@pytest.mark.parametrize("right", FILTERINGS)
@pytest.mark.parametrize("left", FILTERINGS)
def test_cones(lab, devices, left, right):
    one, two = devices[f"left-{left}"], devices[f"right-{right}"]
    become_direct(one, two)
    assert not pings_through(two, one, count=3).lost
    download(one, two)
    if left == right:
        assert speed(one, two) > 1e6
