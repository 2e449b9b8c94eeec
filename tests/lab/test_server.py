# SPDX-License-Identifier: MIT
"""`wend serve` and `wend claim` as the command line promises them: start, end, crash, a second
network, and what they say when something is wrong. No device takes part."""
import os
import re

from lab import wait_until
from wendtool import Network, WendServer, wend


def refused(host, *words):
    """Runs a command that must fail; returns its exit status and its one line."""
    done = host.run([wend(), *words], check=False)
    lines = done.stderr.strip().split("\n")
    assert len(lines) == 1, done.stderr
    return done.returncode, lines[0]


def test_it_says_ready_and_ends_cleanly(lab):
    server = WendServer(lab.public("server", addresses=2))
    address = server.host.addresses[0]
    assert server.ready["udp"] == server.ready["tcp"] == f"{address}:3478"
    assert re.fullmatch(r"[A-Za-z0-9+/]{43}=", server.ready["key"])
    assert server.claim().startswith("wc1")
    assert os.stat(os.path.join(server.state, "server.db")).st_mode & 0o777 == 0o600
    assert server.stop() == 0


def test_a_crash_loses_nothing(lab):
    server = WendServer(lab.public("server"))
    network = Network(server)
    key, before = server.ready["key"], network.show()
    server.crash()
    server.start()
    assert server.ready["key"] == key
    assert network.show() == before
    assert "claim" not in server.process.out
    # The claim is spent, for this network and for others.
    status, line = refused(network.admin, "network", "new", "home", "--state", network.state,
                           "--claim", f"@{network.admin.dir}/claim-home")
    assert status == 1 and "there already" in line
    status, line = refused(network.admin, "network", "new", "other", "--state", network.state,
                           "--claim", f"@{network.admin.dir}/claim-home")
    assert status == 1 and "used before" in line


def test_a_fresh_claim_lets_another_network_in(lab):
    server = WendServer(lab.public("server"))
    Network(server)
    claim = server.fresh_claim()
    path = os.path.join(server.host.dir, "claim-work")
    with open(path, "w", encoding="ascii") as out:
        out.write(claim)
    state = os.path.join(server.host.dir, "admin-work")
    server.host.run([wend(), "network", "new", "work", "--claim", f"@{path}", "--state", state])
    wait_until(lambda: "claimed name=work" in server.process.err, 5, "the log of the claim")


def test_any_address_names_those_of_the_interfaces(lab):
    host = lab.public("server")
    state = os.path.join(host.dir, "state")
    process = host.start([wend(), "serve", "--state", state], "serve")
    process.wait_for(r"^ready udp=0\.0\.0\.0:3478,\[::\]:3478 tcp=", 10)
    claim = process.wait_for(r"^claim (\S+)", 5)[1]
    admin = lab.public("admin")
    path = os.path.join(admin.dir, "claim")
    with open(path, "w", encoding="ascii") as out:
        out.write(claim)
    admin.run([wend(), "network", "new", "home", "--claim", f"@{path}",
               "--state", os.path.join(admin.dir, "state")])
    shown = admin.run([wend(), "network", "show", "home",
                       "--state", os.path.join(admin.dir, "state")]).stdout
    assert f"{host.address}:3478" in shown
    assert process.stop() == 0


def test_errors_are_one_line(lab):
    server = WendServer(lab.public("server"))
    address = f"{server.host.address}:3478"
    other = os.path.join(server.host.dir, "other")
    status, line = refused(server.host, "serve", "--state", other, "--listen", address)
    assert status == 1 and address in line and "in use" in line
    status, line = refused(server.host, "serve", "--state", other, "--listen", "203.0.113.77")
    assert status == 1 and "203.0.113.77" in line
    status, line = refused(server.host, "serve", "--state", other, "--listen", "nonsense")
    assert status == 2 and "nonsense" in line
    status, line = refused(server.host, "claim", "--state", os.path.join(other, "nothing"))
    assert status == 1 and "wend serve" in line
