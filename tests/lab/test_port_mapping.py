# SPDX-License-Identifier: MIT
"""Ports mapped by the gateway: symmetric NATs that only a mapping opens."""
import pytest

from lab import Nat
from proc import wait_until
from scenes import become_direct, join, network, remote_ip, stays_relayed, use
from upnp import PUBLIC, MiniUpnpd, PcpGateway


def home_and_carrier(lab):
    """Two symmetric NATs with random ports, which filter by address and port."""
    home = lab.site("home", nat=Nat.symmetric_random(), public=[PUBLIC[0]])
    return home, lab.site("carrier", nat=Nat.symmetric_random())


def source(device):
    return device.status()["self"]["nat"]["port_mapping"]


def wait_source(device, wanted, timeout=15):
    wait_until(lambda: source(device) == wanted, timeout, f"port mapping {wanted}", interval=0.05)


@pytest.mark.parametrize("protocols, version, by", [
    (("pcp",), 2, "pcp"), (("pcp", "igd"), 2, "pcp"), (("igd",), 2, "igd"), (("igd",), 1, "igd"),
])
def test_mapped_port(lab, protocols, version, by):
    r"""
        laptop ---- home (symmetric, miniupnpd) ----\
                                                     wan ---- server
        phone ---- carrier (symmetric, random) -----/
    """
    net = network(lab)
    home, carrier = home_and_carrier(lab)
    gateway = MiniUpnpd(home, protocols, version)
    laptop, phone = join(net, home.host("laptop"), carrier.host("phone"))
    wait_source(laptop, by)
    assert len(gateway.mapped()) == 1
    status = become_direct(phone, laptop)
    assert str(remote_ip(status)) == home.external
    assert status["path"]["remote"].endswith(f":{gateway.mapped()[0]}")
    use(laptop, phone)
    assert source(phone) == "none"
    assert laptop.down() == 0
    assert not gateway.mapped()


def test_not_wanted(lab):
    r"""
        laptop (--no-port-mapping) ---- home (symmetric, miniupnpd) ----\
                                                                         wan ---- server
        phone ---- carrier (symmetric, random) -------------------------/
    """
    net = network(lab)
    home, carrier = home_and_carrier(lab)
    gateway = MiniUpnpd(home)
    laptop = home.host("laptop").wend_up(net.first_invite, None)
    wait_source(laptop, "pcp")
    assert gateway.mapped()
    laptop.stop()
    laptop.options = ("--no-port-mapping",)
    laptop.start()
    (phone,) = join(net, carrier.host("phone"))
    stays_relayed(laptop, phone)
    assert source(laptop) == "none" and not gateway.mapped()


def test_gateway_restarts(lab):
    r"""
        laptop ---- home (symmetric, miniupnpd that forgets) ---- wan ---- server
    """
    net = network(lab)
    home, _ = home_and_carrier(lab)
    gateway = MiniUpnpd(home, ("pcp",))
    (laptop,) = join(net, home.host("laptop"))
    wait_source(laptop, "pcp")
    before = gateway.mapped()
    # An epoch that is behind by less than this is no sign of anything (RFC 6887 section 8.5).
    wait_until(lambda: gateway.age() > 6, 10, "the gateway's epoch")
    gateway.restart()
    wait_until(lambda: gateway.mapped() == before, 15, "mapped again", interval=0.05)
    assert laptop.process.wait_for(r"port-lost.*why=restarted")
    wait_source(laptop, "pcp")


def test_after_a_crash(lab):
    r"""
        laptop (crashes, comes back) ---- home (symmetric, miniupnpd) ---- wan ---- server
    """
    net = network(lab)
    home, _ = home_and_carrier(lab)
    gateway = MiniUpnpd(home, ("pcp",))
    (laptop,) = join(net, home.host("laptop"))
    wait_source(laptop, "pcp")
    before = gateway.mapped()
    laptop.crash()
    assert gateway.mapped() == before
    laptop.start()
    wait_source(laptop, "pcp")
    assert gateway.mapped() == before


def test_taken_port(lab):
    r"""
        tablet ----\
                    home (symmetric, miniupnpd) ---- wan ---- server
        laptop ----/

        Both want the same port outside; the second gets another one.
    """
    net = network(lab)
    home, carrier = home_and_carrier(lab)
    gateway = MiniUpnpd(home, ("pcp",))
    tablet, laptop = (home.host(name).wend_up(net.first_invite, None, *[]) for name in
                      ("tablet", "laptop"))
    wait_source(tablet, "pcp")
    laptop.stop()
    tablet_port = gateway.mapped()[0]
    laptop.options = ("--port", str(tablet_port))
    laptop.start()
    wait_source(laptop, "pcp")
    assert len(gateway.mapped()) == 2 and tablet_port in gateway.mapped()
    (phone,) = join(net, carrier.host("phone"))
    become_direct(phone, laptop)
    become_direct(phone, tablet)


def test_nested_gateways(lab):
    r"""
        laptop ---- home (symmetric, PCP) ---- carrier (symmetric, miniupnpd) ----\
                                                                                  wan ---- server
        phone ---- cafe (symmetric, random) --------------------------------------/

        miniupnpd itself gives up where its own outside is private: home has a gateway of the lab's.
    """
    net = network(lab)
    carrier = lab.site("carrier", nat=Nat.symmetric_random(), lan="10.64.0.0/24",
                       public=[PUBLIC[1]])
    home = lab.site("home", nat=Nat.symmetric_random(), upstream=carrier)
    outer = MiniUpnpd(carrier, ("pcp",))
    inner = PcpGateway(home)
    (laptop,) = join(net, home.host("laptop"))
    port = laptop.process.wait_for(r"port-mapping source=pcp address=11.0.0.2:(\d+)")[1]
    assert len(outer.mapped()) == 1 and outer.mapped() == [int(port)]
    assert inner.mapped() == [int(port)]
    assert laptop.status()["self"]["nat"]["gateways"] == 2
    assert "At least 2 NATs are in a row before this device." in laptop.words()
    (phone,) = join(net, lab.site("cafe", nat=Nat.symmetric_random()).host("phone"))
    status = become_direct(phone, laptop)
    assert status["path"]["remote"] == f"11.0.0.2:{port}"
    use(laptop, phone)
    assert laptop.down() == 0
    assert not inner.mapped() and not outer.mapped()
