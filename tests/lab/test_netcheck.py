# SPDX-License-Identifier: MIT
r"""`wend netcheck` names what a NAT does, without root, without a daemon, without a network.

    laptop ---- home (NAT) ---- wan ---- server, two addresses of two ports each
"""
import json

import pytest

from lab import Nat
from scenes import fails, network, serve
from test_nat_model import ADM, APDM, EIM, NATS
from upnp import PUBLIC, MiniUpnpd, PcpGateway
from wendtool import wend

# A STUN server (RFC 8489) that sees the same address whoever asks.
LIAR = """
import socket, struct, sys
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.bind(("0.0.0.0", 3478))
print("ready", flush=True)
while True:
    asked, client = door.recvfrom(2048)
    seen = bytes(a ^ b for a, b in zip(socket.inet_aton(sys.argv[1]), asked[4:8]))
    value = struct.pack(">HHBBH4s", 0x0020, 8, 0, 1, client[1] ^ 0x2112, seen)
    door.sendto(struct.pack(">HH", 0x0101, len(value)) + asked[4:20] + value, client)
"""


# One that knows nothing but Binding, and refuses what it does not know.
PLAIN = """
import socket, struct
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.bind(("0.0.0.0", 3478))
print("ready", flush=True)
while True:
    asked, client = door.recvfrom(2048)
    if struct.pack(">HH", 0x0027, 2) in asked:
        value = struct.pack(">HHI", 0x0009, 4, 0x0414) + struct.pack(">HHHH", 0x000A, 2, 0x0027, 0)
        door.sendto(struct.pack(">HH", 0x0111, len(value)) + asked[4:20] + value, client)
        continue
    seen = bytes(a ^ b for a, b in zip(socket.inet_aton(client[0]), asked[4:8]))
    value = struct.pack(">HHBBH4s", 0x0020, 8, 0, 1, client[1] ^ 0x2112, seen)
    door.sendto(struct.pack(">HH", 0x0101, len(value)) + asked[4:20] + value, client)
"""


def netcheck(host, *words, check=True, timeout=60):
    return host.run([wend(), "netcheck", *words], check=check, timeout=timeout)


def checked(host, *words):
    done = netcheck(host, "--json", *words)
    assert done.stderr == "", done.stderr
    return json.loads(done.stdout)


def reach(found):
    return [peer["reach"] for peer in found["reach"]]


@pytest.mark.parametrize("kind", NATS)
def test_named_rightly(lab, kind):
    nat, mapping, filtering, allocation = NATS[kind]
    server = serve(lab)
    laptop = lab.site("home", nat=nat).host("laptop")
    found = checked(laptop, "--server", server.host.addresses[0])
    seen = found["nat"]
    assert (seen["mapping"], seen["filtering"]) == (mapping, filtering)
    assert allocation in (None, seen["allocation"])
    assert (seen["delta"] is not None) == (seen["allocation"] == "sequential")
    assert seen["udp"] is True and seen["port_mapping"] == "none" and seen["lifetime"] is None
    home = lab.nodes["home"]
    for sample in seen["samples"]:
        assert sample["local"].startswith(f"{laptop.address}:")
        assert sample["mapped"].startswith(f"{home.external}:")
    one, = found["servers"]
    assert one["address"] == f"{server.host.addresses[0]}:3478"
    assert one["other_address"].startswith(f"{server.host.addresses[1]}:")
    assert one["udp"]["reachable"] and one["tcp"]["reachable"]
    assert 0 < one["udp"]["rtt_ms"] < 1000 and 0 < one["tcp"]["rtt_ms"] < 1000
    hidden = allocation in ("random", "block")
    assert reach(found)[:2] == ["directly", "directly as a rule" if hidden else "directly"]
    assert (reach(found)[3] == "relay") == (mapping == APDM)


@pytest.mark.parametrize("kind,words", {
    "full-cone": ["one port for everybody, the same as inside", "from anybody"],
    "random": ["each destination another port, at random", "PCP, NAT-PMP or UPnP", "relay"],
    "sequential": ["each destination another port, counted up by 1"],
}.items())
def test_in_words(lab, kind, words):
    server = serve(lab)
    laptop = lab.site("home", nat=NATS[kind][0]).host("laptop")
    said = netcheck(laptop, "--server", server.host.addresses[0]).stdout
    for word in words:
        assert word in said, said


def test_without_nat(lab):
    server = serve(lab)
    laptop = lab.public("laptop")
    seen = checked(laptop, "--server", server.host.addresses[0])
    assert (seen["nat"]["mapping"], seen["nat"]["filtering"]) == ("none", "none")
    assert reach(seen) == ["directly"] * 4 and seen["advice"] == []
    assert "There is no NAT" in netcheck(laptop, "--server", server.host.addresses[0]).stdout


def test_firewall_alone(lab):
    server = serve(lab)
    office = lab.site("office", nat=Nat.none(firewall=True), lan="198.51.101.0/24")
    seen = checked(office.host("laptop"), "--server", server.host.addresses[0])
    assert (seen["nat"]["mapping"], seen["nat"]["filtering"]) == ("none", APDM)


def test_answers_that_cannot_be(lab):
    """A server on the internet that sees a private address: not believed, and not taken for UDP
    that is blocked."""
    server = serve(lab)
    laptop = lab.site("home", nat=Nat.none(), lan="192.168.77.0/24").host("laptop")
    done = netcheck(laptop, "--json", "--server", server.host.addresses[0], check=False)
    assert "cannot be true" in fails(done, "ask others")
    seen = json.loads(done.stdout)
    assert (seen["nat"]["mapping"], seen["nat"]["udp"]) == ("unknown", None)
    assert seen["servers"][0]["udp"]["reachable"]


def test_udp_blocked(lab):
    server = serve(lab)
    laptop = lab.site("home", nat=Nat.eim(udp=False)).host("laptop")
    seen = checked(laptop, "--server", server.host.addresses[0])
    assert seen["nat"]["udp"] is False and seen["nat"]["mapping"] == "unknown"
    one, = seen["servers"]
    assert not one["udp"]["reachable"] and one["tcp"]["reachable"]
    assert reach(seen) == ["relay"] * 4
    said = netcheck(laptop, "--server", server.host.addresses[0]).stdout
    assert "UDP is blocked and TCP is not" in said
    done = netcheck(laptop, "--json", "--lifetime", "--server", server.host.addresses[0],
                    check=False)
    fails(done, "lifetime cannot be measured")
    assert json.loads(done.stdout)["nat"]["lifetime"] is None


def test_ipv6(lab):
    """A firewall without NAT; the server has one IPv6 address."""
    server = serve(lab, ipv6=True)
    laptop = lab.site("home", ipv6=True).host("laptop")
    found = checked(laptop, "--server", f"[{server.host.address6}]:3478")
    assert (found["nat"]["mapping"], found["nat"]["filtering"]) == ("none", "unknown")
    assert found["nat"]["port_mapping"] is None
    one, = found["servers"]
    assert one["udp"]["reachable"] and one["tcp"]["reachable"]


def test_two_plain_servers(lab):
    """
        laptop ---- home (NAT) ---- wan ---- two servers of one address each

    What they cannot tell stays unknown, and what would help is said.
    """
    servers = [lab.public(name) for name in ("one", "two")]
    for host in servers:
        host.start([wend(), "serve", "--state", f"{host.dir}/state", "--listen",
                    f"{host.address}:3478"], "serve").wait_for("^ready ", 10)
    laptop = lab.site("home", nat=Nat.symmetric_sequential()).host("laptop")
    seen = checked(laptop, *(f"--server={host.address}:3478" for host in servers))
    assert seen["nat"]["mapping"] in (ADM, APDM, "unknown")
    assert seen["nat"]["filtering"] == "unknown"
    assert (seen["nat"]["allocation"], seen["nat"]["delta"]) == ("sequential", 1)
    assert any("second address" in line for line in seen["advice"])
    assert [one["other_address"] for one in seen["servers"]] == [None, None]


def test_servers_that_disagree(lab):
    """Each server always sees one address, and not the one that the other sees."""
    servers = [lab.public(name) for name in ("one", "two")]
    for host, lie in zip(servers, ("203.0.113.50", "203.0.113.60")):
        host.start(["/usr/bin/python3", "-uc", LIAR, lie], "liar").wait_for("^ready", 10)
    laptop = lab.site("home").host("laptop")
    done = netcheck(laptop, "--json", *(f"--server={host.address}" for host in servers),
                    check=False)
    fails(done, "contradict each other")
    seen = json.loads(done.stdout)
    assert seen["nat"]["mapping"] == "unknown" and seen["nat"]["public"] is None
    assert [one["tcp"]["reachable"] for one in seen["servers"]] == [False, False]


@pytest.mark.parametrize("protocol", ["pcp", "igd"])
def test_gateway_that_grants_ports(lab, protocol):
    """
        laptop ---- home (symmetric, miniupnpd) ---- wan ---- server
    """
    server = serve(lab)
    home = lab.site("home", nat=Nat.symmetric_random(), public=[PUBLIC[0]])
    gateway = MiniUpnpd(home, (protocol,))
    found = checked(home.host("laptop"), "--server", server.host.addresses[0])
    assert found["nat"]["port_mapping"] == protocol
    assert found["nat"]["mapped"].startswith(f"{home.external}:")
    assert reach(found) == ["directly"] * 4 and found["advice"] == []
    assert not gateway.mapped()


def test_gateways_in_a_row(lab):
    """
        laptop ---- home (NAT, PCP) ---- carrier (NAT) ---- wan ---- server

    What home grants is an address that the internet does not route: another one is behind it.
    """
    server = serve(lab)
    home = lab.site("home", upstream=lab.site("carrier", lan="10.64.0.0/24"))
    PcpGateway(home)
    laptop = home.host("laptop")
    seen = checked(laptop, "--server", server.host.addresses[0])
    assert (seen["nat"]["gateways"], seen["nat"]["port_mapping"]) == (2, "none")
    said = netcheck(laptop, "--server", server.host.addresses[0]).stdout
    assert "At least 2 NATs are in a row before you." in said


def test_servers_of_the_network(lab):
    """Without --server: those of the network that the state directory is in."""
    net = network(lab)
    laptop = lab.site("home", nat=Nat.full_cone()).host("laptop")
    device = laptop.wend_up(net.first_invite)
    seen = checked(laptop, "--state", device.state)
    assert (seen["nat"]["mapping"], seen["nat"]["filtering"]) == (EIM, EIM)


def test_not_root(lab):
    server = serve(lab)
    laptop = lab.site("home").host("laptop")
    done = laptop.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                       "--inh-caps=-all", "--bounding-set=-all", wend(), "netcheck", "--json",
                       "--server", server.host.addresses[0]])
    assert json.loads(done.stdout)["nat"]["mapping"] == EIM


@pytest.mark.parametrize("kind", ["masquerade", "random", "sequential"])
def test_lifetime(lab, kind):
    """Mappings live for 6 s here; the server answers to the silent port."""
    server = serve(lab)
    nat = NATS[kind][0].but(timeout=6, stream_timeout=6)
    laptop = lab.site("home", nat=nat).host("laptop")
    done = netcheck(laptop, "--json", "--lifetime", "--server", server.host.addresses[0],
                    timeout=120)
    assert "620 s at most" in done.stderr
    lifetime = json.loads(done.stdout)["nat"]["lifetime"]
    assert lifetime["method"] == "response-port"
    assert 4000 <= lifetime["least_ms"] < lifetime["most_ms"] <= 9000


def test_lifetime_that_cannot_be_known(lab):
    """Every new mapping has the inside port again, and the server answers to no other port."""
    server = lab.public("server")
    server.start(["/usr/bin/python3", "-uc", PLAIN], "plain").wait_for("^ready", 10)
    laptop = lab.site("home", nat=Nat.eim()).host("laptop")
    said = netcheck(laptop, "--lifetime", "--server", server.address)
    assert "cannot be known from here" in said.stdout


def test_bad_input(lab):
    server = serve(lab)
    laptop = lab.site("home").host("laptop")

    def refused(status, *words):
        done = netcheck(laptop, *words, check=False)
        assert (done.returncode, done.stdout) == (status, ""), done
        assert done.stderr.startswith("wend netcheck: ") and done.stderr.count("\n") == 1, done
        return done.stderr

    assert "in no network" in refused(1, "--state", f"{laptop.dir}/none")
    assert "cannot be resolved" in refused(1, "--server", "no-such-host.invalid")
    assert "not a server" in refused(2, "--server", "host:99999")
    assert "not a server" in refused(2, "--server", "")
    assert "neither over UDP nor over TCP" in refused(1, "--server", "192.0.2.77")
    assert "neither over UDP nor over TCP" in refused(
        1, "--server", f"{server.host.addresses[0]}:9")
