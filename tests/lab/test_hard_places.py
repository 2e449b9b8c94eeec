# SPDX-License-Identifier: MIT
r"""Direct paths, or the reason why there is none, where more than one NAT a side decides.

    laptop ---- home (NAT) ---- wan ---- server, two addresses of two ports each
    phone ----- cafe (NAT) ------/

What differs from that is drawn with each test.
"""
import ipaddress

import pytest

from lab import Nat, wait_until
from scenes import become_direct, join, network, remote_ip
from test_hard_nats import COUNTING, RANDOM, STRICT, says_so, speak
from test_nat_model import known, nat_of
from upnp import PUBLIC, MiniUpnpd

PORT = 41641
COUNTER = "table ip count {{\n chain pass {{\n type filter hook forward priority -10;\n{}\n}}\n}}\n"


class Counter:
    """Counts the internet's UDP datagrams between two public addresses, both ways."""

    def __init__(self, wan, one, two):
        self.wan = wan
        wan.nft(COUNTER.format("\n".join(f"  ip saddr {a} ip daddr {b} meta l4proto udp counter"
                                         for a, b in ((one, two), (two, one)))))

    def datagrams(self):
        words = self.wan.run(["nft", "list", "table", "ip", "count"]).stdout.split()
        return sum(int(words[i + 1]) for i, word in enumerate(words) if word == "packets")


def opened(laptop, phone, patience=15):
    speak(laptop, phone)
    laptop.wait_path("phone", timeout=patience)
    phone.wait_path("laptop", timeout=patience)


def with_port(host, net, port=PORT):
    """`wend up --port`, which keeps what it knows of the network."""
    device = host.wend_up(net.first_invite)
    device.stop()
    device.options = ("--port", str(port))
    device.start()
    return device


# --- one NAT for both ---

@pytest.mark.parametrize("hairpin", [False, True])
@pytest.mark.parametrize("nat", [STRICT, RANDOM], ids=["cone", "random"])
def test_same_nat(lab, nat, hairpin):
    r"""
        laptop ----\
                    home (NAT, with and without hairpin) ---- wan ---- server
        phone -----/
    """
    home = lab.site("home", nat=nat.but(hairpin=hairpin))
    laptop, phone = join(network(lab), home.host("laptop"), home.host("phone"))
    known(laptop)
    known(phone)
    opened(laptop, phone)
    assert str(remote_ip(laptop.peer("phone"))) == phone.host.address
    assert laptop.peer("phone")["why"].startswith(("direct (same NAT): ", "direct (probes): "))


# --- Linux masquerade ---

def test_masquerade_colliding_port(lab):
    r"""
        laptop ----\
                    home (masquerade) ---- wan ---- server
        tablet ----/                        |
        phone ----- cafe (masquerade) -----/

        Tablet speaks to the server and to the phone from the port that laptop has, and was first.
    """
    net = network(lab)
    home, cafe = lab.site("home"), lab.site("cafe")
    tablet, phone = with_port(home.host("tablet"), net), with_port(cafe.host("phone"), net)
    become_direct(tablet, phone)
    laptop = with_port(home.host("laptop"), net)
    assert not nat_of(laptop)["public"].endswith(f":{PORT}")
    known(laptop)
    opened(laptop, phone)
    assert tablet.peer("phone")["path"]["kind"] == "direct"


@pytest.mark.parametrize("delays", [("10ms", "10ms"), ("5ms", "30ms"), ("30ms", "5ms")])
def test_masquerade_early_packet(lab, delays):
    r"""
        laptop ---- home (masquerade) ==delay==\
                                               wan ==5 ms== server
        phone ---- cafe (masquerade) ==delay===/

        A packet that comes in before our own went out takes our port away.
    """
    net = network(lab, link={"delay": "5ms"})
    sites = [lab.site(name, nat=Nat.eim(input_drop=False), link={"delay": delay})
             for name, delay in zip(("home", "cafe"), delays)]
    laptop, phone = join(net, sites[0].host("laptop"), sites[1].host("phone"))
    known(laptop)
    known(phone)
    opened(laptop, phone)
    says_so(laptop, "phone", "direct (")


# --- NATs in a row ---

# Inner NAT, outer NAT, the peer's NAT.
NESTED = {
    "cone-in-cone": (STRICT, STRICT, STRICT),
    "cone-in-random": (STRICT, RANDOM, Nat.eim("adf")),
    "cone-in-counting": (STRICT, COUNTING, STRICT),
    "random-in-cone": (RANDOM, STRICT, Nat.eim("adf")),
    "counting-in-cone": (COUNTING, STRICT, STRICT),
    "random-in-cone-strict": (RANDOM, STRICT, STRICT),
}


@pytest.mark.parametrize("kind", NESTED)
def test_nested(lab, kind):
    r"""
        laptop ---- home (NAT) ---- carrier (NAT) ----\
                                                       wan ---- server
        phone ---- cafe (NAT) ------------------------/
    """
    inner, outer, other = NESTED[kind]
    net = network(lab)
    carrier = lab.site("carrier", nat=outer, lan="10.64.0.0/24")
    home = lab.site("home", nat=inner, upstream=carrier)
    laptop, phone = join(net, home.host("laptop"), lab.site("cafe", nat=other).host("phone"))
    known(laptop)
    known(phone)
    opened(laptop, phone, 60)
    assert str(remote_ip(phone.peer("laptop"))) == carrier.external


# --- firewalls ---

def test_ipv6_firewalls(lab):
    r"""
        laptop ---- home (IPv6 only, firewall) ----\
                                                    wan ---- server (dual stack)
        phone ---- cafe (IPv6 only, firewall) -----/
    """
    net = network(lab, ipv6=True)
    sites = [lab.site(name, ipv4=False, ipv6=True) for name in ("home", "cafe")]
    laptop, phone = join(net, sites[0].host("laptop"), sites[1].host("phone"))
    opened(laptop, phone)
    assert remote_ip(laptop.peer("phone")) == ipaddress.ip_address(phone.host.address6)
    says_so(laptop, "phone", "direct (")


@pytest.mark.parametrize("cafe_nat", [STRICT, RANDOM], ids=["cone", "random"])
def test_udp_blocked(lab, cafe_nat):
    r"""
        laptop ---- home (no UDP) ----\
                                       wan ---- server
        phone ---- cafe (NAT) --------/

        Seen before the first datagram: none goes to the other side, the relay carries by TCP.
    """
    home, cafe = lab.site("home", nat=Nat.eim(udp=False)), lab.site("cafe", nat=cafe_nat)
    counter = Counter(lab.wan, home.external, cafe.external)
    laptop, phone = join(network(lab), home.host("laptop"), cafe.host("phone"))
    known(phone)
    wait_until(lambda: "UDP is blocked" in nat_of(laptop)["words"], 15, "laptop: no UDP")
    speak(laptop, phone)
    for device, peer in ((laptop, "phone"), (phone, "laptop")):
        device.wait_peer(peer, lambda p: p["volley"]["state"] == "no-way")
        says_so(device, peer, "relay: UDP is blocked on one side")
    assert laptop.peer("phone")["path"]["transport"] == "tcp"
    assert counter.datagrams() == 0


def test_egress_to_chosen_ports(lab):
    r"""
        laptop ---- home (UDP to 443, 3478 and 41641 alone) ----\
                                                                 wan ---- server
        phone, port 41641 --------------------------------------/
    """
    net = network(lab)
    home = lab.site("home", nat=STRICT.but(udp_to=(443, 3478, PORT)))
    laptop = home.host("laptop").wend_up(net.first_invite)
    phone = with_port(lab.public("phone"), net)
    opened(laptop, phone)
    assert laptop.peer("phone")["path"]["remote"] == f"{phone.host.address}:{PORT}"


# --- what a provider or a gateway does ---

POOL = ["203.0.113.201", "203.0.113.202", "203.0.113.203", "203.0.113.204"]


def test_arbitrary_pooling(lab):
    r"""
        laptop ---- home (each flow from another of four addresses) ----\
                                                                         wan ---- server
        phone ---- cafe (NAT) ------------------------------------------/
    """
    home = lab.site("home", nat=Nat.pooling(POOL), public=POOL)
    laptop, phone = join(network(lab), home.host("laptop"), lab.site("cafe").host("phone"))
    known(phone)
    known(laptop)
    speak(laptop, phone)
    for device, peer in ((laptop, "phone"), (phone, "laptop")):
        device.wait_peer(peer, lambda p: p["volley"]["state"] == "no-way")
        says_so(device, peer, "relay: a NAT sends each mapping from another address")


def test_mapped_port(lab):
    r"""
        laptop ---- home (symmetric, miniupnpd) ----\
                                                     wan ---- server
        phone ---- cafe (symmetric, random) --------/

        Out of reach, but for the gateway.
    """
    net = network(lab)
    home = lab.site("home", nat=RANDOM, public=[PUBLIC[0]])
    gateway = MiniUpnpd(home, ("pcp",))
    laptop, phone = join(net, home.host("laptop"), lab.site("cafe", nat=RANDOM).host("phone"))
    wait_until(lambda: nat_of(laptop)["port_mapping"] == "pcp", 15, "laptop: a mapped port")
    assert (nat_of(laptop)["gateways"], nat_of(phone)["gateways"]) == (1, None)
    known(laptop)
    known(phone)
    opened(laptop, phone)
    says_so(phone, "laptop", "direct (")
    assert phone.peer("laptop")["path"]["remote"] == f"{PUBLIC[0]}:{gateway.mapped()[0]}"
    assert "The gateway has mapped a port for this device, by pcp." in laptop.words()
