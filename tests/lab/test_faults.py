# SPDX-License-Identifier: MIT
"""What goes wrong under way: paths, servers and devices that vanish and come back, and moves."""
import signal

import pytest

from lab import Nat, wait_until
from scenes import (Download, become_direct, cut, download, heal, join, login, network,
                    pings_through, reach, speed, use, wait_connected)
from services import Pinger


def two_homes(lab, **options):
    """A network, and two devices behind NATs."""
    net = network(lab, **options)
    return net, join(net, lab.site("home").host("laptop"), lab.site("cafe").host("phone"))


def test_direct_path_is_cut_and_heals(lab):
    r"""
        laptop ---- home (NAT) ----\ x
                                    wan ---- server
        phone ---- cafe (NAT) -----/ x
    """
    _, (laptop, phone) = two_homes(lab)
    become_direct(laptop, phone)
    ends = [lab.nodes[name].external for name in ("home", "cafe")]
    pinger = Pinger(laptop.host, phone.address)
    pinger.wait_for_answer()
    cut(lab, *ends)
    laptop.wait_path("phone", "relay")
    phone.wait_path("laptop", "relay")
    pinger.wait_for_answer()
    download(laptop, phone)
    heal(lab, *ends)
    laptop.wait_path("phone", "direct", timeout=30)
    phone.wait_path("laptop", "direct", timeout=30)
    pinger.wait_for_answer()
    result = pinger.stop()
    assert result.longest_gap * 0.02 < 3
    assert speed(laptop, phone) > 1e6


def test_download_survives_the_cut(lab):
    r"""
        laptop <==== download ==== phone, while their direct path is cut and heals
    """
    _, (laptop, phone) = two_homes(lab)
    become_direct(laptop, phone)
    ends = [lab.nodes[name].external for name in ("home", "cafe")]
    running = Download(laptop, phone)
    running.wait_for_more()
    cut(lab, *ends)
    laptop.wait_path("phone", "relay")
    running.wait_for_more()
    heal(lab, *ends)
    laptop.wait_path("phone", "direct", timeout=30)
    running.finish()


def test_server_dies_under_a_direct_path(lab):
    r"""
        laptop ---- home (NAT) ----\
        phone ---- cafe (NAT) ------wan ---- server x
        desk ---------------------- /
    """
    net, (laptop, phone) = two_homes(lab)
    [desk] = join(net, lab.public("desk"))
    become_direct(laptop, phone)
    running = Download(laptop, phone)
    running.wait_for_more()
    net.server.crash()
    running.wait_for_more(3_000_000)
    net.server.start()
    running.finish()
    reach(laptop, desk, timeout=60)
    use(laptop, desk)
    assert laptop.peer("phone")["path"]["kind"] == "direct"


def test_server_dies_under_a_relayed_path(lab):
    r"""
        laptop ---- office (symmetric) ----\
                                            wan ---- server x
        phone ---- carrier (symmetric) ----/
    """
    net = network(lab)
    sites = [lab.site(name, nat=Nat.symmetric_random()) for name in ("office", "carrier")]
    laptop, phone = join(net, sites[0].host("laptop"), sites[1].host("phone"))
    reach(laptop, phone)
    running = Download(laptop, phone, size=6_000_000)
    running.wait_for_more()
    net.server.crash()
    net.server.start()
    running.wait_for_more(timeout=60)
    running.finish()
    wait_connected(laptop)
    login(phone, laptop)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_device_restarts(lab, how):
    r"""
        laptop ---- home (NAT) ----\
                                    wan ---- server
        phone x --- cafe (NAT) ----/
    """
    _, (laptop, phone) = two_homes(lab)
    become_direct(laptop, phone)
    addresses = phone.addresses
    phone.process.stop(sig=how)
    assert "wend0" not in phone.host.run(["ip", "link"]).stdout
    phone.start()
    assert phone.addresses == addresses
    reach(laptop, phone, timeout=5)
    become_direct(laptop, phone)
    use(phone, laptop)


def test_device_leaves_and_returns(lab):
    r"""
        laptop ---- home (NAT) ---- wan ---- server, phone (`wend down`)
    """
    net = network(lab)
    laptop, phone = join(net, lab.site("home").host("laptop"), lab.public("phone"))
    become_direct(laptop, phone)
    before = phone.host.run(["sh", "-c", "ip addr; ip route; ip -6 route; ip rule"]).stdout
    assert "wend0" in before
    assert phone.down() == 0
    after = phone.host.run(["sh", "-c", "ip addr; ip route; ip -6 route; ip rule"]).stdout
    assert "wend0" not in after
    assert "phone" not in open(phone.host.etc("hosts"), encoding="utf-8").read()
    laptop.wait_peer("phone", lambda status: status["state"] != "up", what="gone")
    phone.start()
    reach(laptop, phone)
    use(laptop, phone)


@pytest.mark.parametrize("mover", ["sender", "receiver"])
def test_address_changes_in_mid_download(lab, mover):
    r"""
        laptop ---- home (NAT) ----\
                                    wan ---- server
        phone ---- cafe (NAT) -----/
          :                       /
          `....> station (NAT) --'
    """
    _, (laptop, phone) = two_homes(lab)
    station = lab.site("station")
    become_direct(laptop, phone)
    one, two = (laptop, phone) if mover == "sender" else (phone, laptop)
    running = Download(one, two)
    running.wait_for_more()
    phone.host.move(station)
    running.wait_for_more()
    wait_until(lambda: station.external in str(laptop.peer("phone")["path"]["remote"]), 30,
               "a direct path to the new place", interval=0.1)
    running.finish()
    assert not pings_through(laptop, phone, count=3).lost


def test_ipv6_address_changes_in_mid_download(lab):
    r"""
        laptop ---- home (IPv6 only) ----\
                                          wan ---- server
        phone ---- cafe (IPv6 only) -----/
          :                             /
          `....> station (IPv6 only) --'
    """
    net = network(lab, ipv6=True)
    home, cafe, station = (lab.site(name, ipv4=False, ipv6=True)
                           for name in ("home", "cafe", "station"))
    laptop, phone = join(net, home.host("laptop"), cafe.host("phone"))
    become_direct(laptop, phone)
    running = Download(laptop, phone, ipv6=True)
    running.wait_for_more()
    phone.host.move(station, ipv4=False, ipv6=True)
    running.wait_for_more()
    wait_until(lambda: phone.host.address6 in str(laptop.peer("phone")["path"]["remote"]), 30,
               "a direct path to the new place", interval=0.1)
    running.finish()


def test_both_move_at_once(lab):
    r"""
        laptop ---- home ----\        laptop ---- train ----\
                              wan  →                         wan ---- server
        phone ---- cafe -----/        phone ---- station ---/
    """
    _, (laptop, phone) = two_homes(lab)
    train, station = lab.site("train"), lab.site("station")
    become_direct(laptop, phone)
    running = Download(laptop, phone)
    running.wait_for_more()
    laptop.host.move(train)
    phone.host.move(station)
    running.wait_for_more()
    running.finish()
    laptop.wait_path("phone", "direct", timeout=30)
