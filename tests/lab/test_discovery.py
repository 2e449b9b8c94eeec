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


def test_a_port_that_is_taken(lab):
    """Ours of choice is done without; one that was asked for is an error."""
    host = lab.public("busy", addresses=2)
    taken = host.start(["/usr/bin/python3", "-uc", "import socket, sys\n"
                        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                        "s.bind((sys.argv[1], 3479))\nprint('bound')\nsys.stdin.read()\n"
                        "while True: s.recv(9)", host.addresses[1]], "taken")
    taken.wait_for("^bound", 10)
    state = os.path.join(host.dir, "refused")
    refused = host.run([wend(), "serve", "--state", state, "--listen", host.addresses[0],
                        "--alt", host.addresses[1], "--ports", "3479"], check=False)
    assert refused.returncode == 1
    assert f"cannot listen on UDP: {host.addresses[1]}:3479: " in refused.stderr
    server = WendServer(host)
    assert f"discovery-port-refused address={host.addresses[1]}:3479" in server.process.err
    # One port alone is no server of RFC 5780: no other address is named.
    laptop = lab.public("laptop")
    shown = laptop.run([CLIENT, "-m", "-P", "-L", laptop.address, host.addresses[0]], timeout=60)
    assert "UDP reflexive addr" in shown.stdout and "Other addr" not in shown.stdout
    assert server.stop() == 0
