# SPDX-License-Identifier: MIT
"""Which path packets between two devices take, for each kind of place that they are in."""
import ipaddress

import pytest

from lab import Nat
from scenes import (become_direct, download, join, login, network, pings_through, reach, remote_ip,
                    serve, speed, stays_relayed, use)
from wendtool import Network


def test_no_nat(lab):
    r"""
        laptop ---- wan ---- phone
                     |
                   server
    """
    net = network(lab)
    laptop, phone = join(net, lab.public("laptop"), lab.public("phone"))
    status = become_direct(laptop, phone)
    assert str(remote_ip(status)) == phone.host.address
    use(laptop, phone)


@pytest.mark.parametrize("who", ["inside", "outside"])
def test_one_nat(lab, who):
    r"""
        laptop ---- home (NAT) ---- wan ---- phone
                                     |
                                   server
    """
    net = network(lab)
    laptop, phone = join(net, lab.site("home").host("laptop"), lab.public("phone"))
    first, second = (laptop, phone) if who == "inside" else (phone, laptop)
    become_direct(first, second)
    assert str(remote_ip(phone.peer("laptop"))) == lab.nodes["home"].external
    use(first, second)


@pytest.mark.parametrize("delays", [("10ms", "10ms"), ("5ms", "30ms"), ("30ms", "5ms")])
def test_masquerade_trap(lab, delays):
    r"""
        laptop ---- home ==delay==\
                                   wan ==5 ms== server
        phone ---- cafe ==delay===/

        Plain masquerade: a packet that comes in before our own went out takes our port away.
    """
    net = network(lab, link={"delay": "5ms"})
    sites = [lab.site(name, nat=Nat.eim(input_drop=False), link={"delay": delay})
             for name, delay in zip(("home", "cafe"), delays)]
    laptop, phone = join(net, sites[0].host("laptop"), sites[1].host("phone"))
    become_direct(laptop, phone)
    download(laptop, phone)


def test_same_nat(lab):
    r"""
        laptop ----\
                    home (NAT, no hairpin) ---- wan ---- server
        phone -----/
    """
    net = network(lab)
    home = lab.site("home")
    laptop, phone = join(net, home.host("laptop"), home.host("phone"))
    assert str(remote_ip(become_direct(laptop, phone))) == phone.host.address
    assert str(remote_ip(phone.peer("laptop"))) == laptop.host.address
    use(laptop, phone)


def test_two_nats_in_a_row(lab):
    r"""
        laptop ---- home (NAT) ---- carrier (NAT) ----\
                                                       wan ---- server
        phone ---- cafe (NAT) ------------------------/
    """
    net = network(lab)
    carrier = lab.site("carrier", lan="10.64.0.0/24")
    home = lab.site("home", upstream=carrier)
    laptop, phone = join(net, home.host("laptop"), lab.site("cafe").host("phone"))
    become_direct(laptop, phone)
    assert str(remote_ip(phone.peer("laptop"))) == carrier.external
    use(laptop, phone)


def test_symmetric_and_full_cone(lab):
    r"""
        laptop ---- office (symmetric, random) ----\
                                                    wan ---- server
        phone ---- cafe (full cone) ---------------/
    """
    net = network(lab)
    office = lab.site("office", nat=Nat.symmetric_random())
    cafe = lab.site("cafe", nat=Nat.full_cone())
    laptop, phone = join(net, office.host("laptop"), cafe.host("phone"))
    become_direct(laptop, phone)
    use(laptop, phone)


def test_both_symmetric(lab):
    r"""
        laptop ---- office (symmetric, random) ----\
                                                    wan ---- server
        phone ---- carrier (symmetric, random) ----/
    """
    net = network(lab)
    sites = [lab.site(name, nat=Nat.symmetric_random()) for name in ("office", "carrier")]
    laptop, phone = join(net, sites[0].host("laptop"), sites[1].host("phone"))
    status = stays_relayed(laptop, phone)
    assert status["path"]["transport"] == "udp"


def test_udp_blocked(lab):
    r"""
        laptop ---- office (no UDP) ----\
                                         wan ---- server
        phone ---- cafe (NAT) ----------/
    """
    net = network(lab)
    office = lab.site("office", nat=Nat.eim(udp=False))
    laptop, phone = join(net, office.host("laptop"), lab.site("cafe").host("phone"))
    assert laptop.status()["servers"][0]["transport"] == "tcp"
    status = stays_relayed(laptop, phone)
    assert status["path"]["transport"] == "tcp"


def test_both_sides_without_udp(lab):
    r"""
        laptop ---- office (no UDP) ----\
                                         wan ---- server
        phone ---- hotel (no UDP) ------/
    """
    net = network(lab)
    sites = [lab.site(name, nat=Nat.eim(udp=False)) for name in ("office", "hotel")]
    laptop, phone = join(net, sites[0].host("laptop"), sites[1].host("phone"))
    reach(laptop, phone)
    download(laptop, phone)
    assert phone.peer("laptop")["path"]["transport"] == "tcp"


def test_ipv6_only(lab):
    r"""
        laptop ---- home (IPv6 only, firewall) ----\
                                                    wan ---- server (dual stack)
        phone ---- cafe (IPv6 only, firewall) -----/
    """
    net = network(lab, ipv6=True)
    sites = [lab.site(name, ipv4=False, ipv6=True) for name in ("home", "cafe")]
    laptop, phone = join(net, sites[0].host("laptop"), sites[1].host("phone"))
    status = become_direct(laptop, phone)
    assert remote_ip(status) == ipaddress.ip_address(phone.host.address6)
    use(laptop, phone)
    download(phone, laptop, ipv6=True)


def test_ipv4_only_meets_ipv6_only(lab):
    r"""
        laptop ---- home (IPv4 only, NAT) --------\
                                                   wan ---- server (dual stack)
        phone ---- cafe (IPv6 only, firewall) ----/
    """
    net = network(lab, ipv6=True)
    cafe = lab.site("cafe", ipv4=False, ipv6=True)
    laptop, phone = join(net, lab.site("home").host("laptop"), cafe.host("phone"))
    stays_relayed(laptop, phone)
    download(phone, laptop, ipv6=True)


def test_dual_stack(lab):
    r"""
        laptop ---- home (IPv4 NAT, IPv6 firewall) ----\
                                                        wan ---- server (dual stack)
        phone ---- cafe (IPv4 NAT, IPv6 firewall) -----/
    """
    net = network(lab, ipv6=True)
    sites = [lab.site(name, ipv6=True) for name in ("home", "cafe")]
    laptop, phone = join(net, sites[0].host("laptop"), sites[1].host("phone"))
    become_direct(laptop, phone)
    download(laptop, phone)


def test_three_devices(lab):
    r"""
        laptop ---- home (port-restricted) ----\
        phone ---- cafe (full cone) ------------wan ---- server
        desk --------------------------------- /
    """
    net = Network(serve(lab), "home")
    hosts = (lab.site("home").host("laptop"),
             lab.site("cafe", nat=Nat.full_cone()).host("phone"), lab.public("desk"))
    devices = join(net, *hosts)
    pairs = [(a, b) for a in devices for b in devices if a is not b]
    for one, two in pairs:
        reach(one, two)
    for one, two in pairs:
        one.wait_path(two.name, "direct")
        assert not pings_through(one, two, count=3).lost
    download(devices[0], devices[2])
    login(devices[1], devices[0])
    assert speed(devices[2], devices[1]) > 1e6
