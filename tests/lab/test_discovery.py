# SPDX-License-Identifier: MIT
r"""A stock client (coturn's) names NATs by what `wend serve` answers: two addresses, two ports.

    laptop ---- home (NAT) ---- wan ---- server 198.18.x.x:3478, :3479, and a second address

Its requests are padded (-P): a request gets no answer that is longer than itself.
"""
import os
import re
import shutil

import pytest

from lab import Lab, Nat
from wendtool import WendServer, wend

CLIENT = "turnutils_natdiscovery"
NATS = {
    "full-cone": (Nat.full_cone(), "Endpoint Independent", "Endpoint Independent"),
    "restricted": (Nat.eim("adf"), "Endpoint Independent", "Address Dependent"),
    "home": (Nat.eim(), "Endpoint Independent", "Address and Port Dependent"),
    # Its third request goes to the OTHER-ADDRESS of the second answer, back to the first address:
    # so this client cannot tell address-dependent mapping.
    "address-dependent": (Nat.address_dependent(), None, "Address Dependent"),
    "symmetric": (Nat.symmetric_random(), "Address and Port Dependent",
                  "Address and Port Dependent"),
    "sequential": (Nat.symmetric_sequential(), "Address and Port Dependent",
                   "Address and Port Dependent"),
}

pytestmark = pytest.mark.skipif(shutil.which(CLIENT) is None,
                                reason=f"no {CLIENT} (package coturn)")


@pytest.fixture(scope="module")
def lab(lab_possible):
    with Lab() as made:
        yield made


@pytest.fixture(scope="module", params=["bound", "wildcard"])
def server(lab, request):
    """Its host; sockets bound to their addresses, or sockets that serve all addresses."""
    host = lab.public(f"server-{request.param}", addresses=2)
    if request.param == "bound":
        return WendServer(host).host
    process = host.start([wend(), "serve", "--state", os.path.join(host.dir, "state"),
                          "--alt", host.addresses[1], "--ports", "3479,3480"], "serve")
    process.wait_for(r"^ready udp=0\.0\.0\.0:3478", 10)
    return host


def said(host, flag, address):
    """What the client concludes of mapping (-m) or filtering (-f)."""
    shown = host.run([CLIENT, flag, "-P", "-L", host.address, address], timeout=60).stdout
    named = re.findall(r"NAT with (.*) (Mapping|Filtering)!", shown)
    assert named, shown
    return named[-1][0]


@pytest.mark.parametrize("kind", NATS)
def test_named_rightly(lab, server, kind):
    nat, mapping, filtering = NATS[kind]
    site = lab.site(f"{kind}-{server.name}", nat=nat)
    host = site.host(f"laptop-{site.name}")
    address = server.addresses[0]
    assert mapping is None or said(host, "-m", address) == mapping
    assert said(host, "-f", address) == filtering
