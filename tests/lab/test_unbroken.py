# SPDX-License-Identifier: MIT
"""Nothing waits, nothing is lost or reordered: first packets, moves between paths, dying paths,
short paths, idle and sleeping devices, moving devices. Each as a user sees it."""
import os
import signal
import time

import pytest

from flows import Counter, Flow
from lab import Nat, wait_until
from scenes import (become_direct, cut, download, join, network, pings_through, reach,
                    wait_connected)
from services import HttpServer, curl
from stopwatch import PingLog, round_trip

LINK = {"delay": "20ms"}


def far_homes(lab):
    r"""
        laptop ---- home (NAT) ==20 ms==\
                                         wan ==20 ms== server
        phone ---- cafe (NAT) ==20 ms===/
    """
    net = network(lab, link=LINK)
    sites = [lab.site(name, nat=Nat.eim(), link=LINK) for name in ("home", "cafe")]
    laptop, phone = join(net, sites[0].host("laptop"), sites[1].host("phone"))
    server = net.server.host.address
    relay_rtt = round_trip(laptop.host, server) + round_trip(phone.host, server)
    return net, laptop, phone, relay_rtt


# First packets ----------------------------------------------------------------------------------

def test_first_ping_takes_one_round_trip(lab):
    _, laptop, phone, relay_rtt = far_homes(lab)
    pings = PingLog(laptop.host, phone.address)
    first = pings.wait_for(lambda a: True)
    pings.stop()
    assert first.sequence == 1
    assert relay_rtt * 0.9 < first.rtt < relay_rtt * 1.6  # a handshake before it would make two
    assert laptop.peer("phone")["early_data"]
    assert pings.duplicates == 0


def test_first_connection_takes_two_round_trips(lab):
    _, laptop, phone, relay_rtt = far_homes(lab)
    http = HttpServer(phone.host)
    digest = http.make_file("small", 200)
    got = curl(laptop.host, http.url(phone.address, "small"))
    assert (got.exit_status, got.sha256) == (0, digest)
    # SYN and its answer, request and its answer; three with a handshake before them.
    assert got.seconds < relay_rtt * 2.7


# Moves between paths that live ------------------------------------------------------------------

def test_moves_lose_nothing(lab):
    r"""
        laptop ---- home (NAT) ==10 ms==\
                                         wan ==5 ms== server
        phone ---- cafe (NAT) ==10 ms===/
    """
    net = network(lab, link={"delay": "5ms"})
    sites = [lab.site(name, nat=Nat.eim(), link={"delay": "10ms"}) for name in ("home", "cafe")]
    laptop, phone = join(net, sites[0].host("laptop"), sites[1].host("phone"))
    become_direct(laptop, phone)
    flows = [Flow(laptop, phone, 500, 1200), Flow(phone, laptop, 500, 300)]
    for kind in ("relay", "direct") * 5:
        laptop.prefer("phone", kind)
        phone.prefer("laptop", kind)
        laptop.wait_path("phone", kind)
        phone.wait_path("laptop", kind)
        for flow in flows:
            flow.wait_for_more(100)
    for flow in flows:
        score = flow.stop()
        assert (score.lost, score.doubled, score.reordered) == (0, 0, 0), score
    assert laptop.peer("phone")["switches"] >= 10


# Paths that die ---------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["both ways", "one way", "the other way", "a third is lost"])
def test_a_dying_path_is_left(lab, how):
    r"""
        laptop ---- home (NAT) ==20 ms==\ x
                                         wan ==20 ms== server
        phone ---- cafe (NAT) ==20 ms===/ x
    """
    _, laptop, phone, _ = far_homes(lab)
    become_direct(laptop, phone)
    flows = [Flow(laptop, phone, 100), Flow(phone, laptop, 100)]
    for flow in flows:
        flow.wait_for_more(50)
    ends = [lab.nodes[name].external for name in ("home", "cafe")]
    if how == "both ways":
        cut(lab, *ends)
    else:
        lose(lab, *(ends[::-1] if how == "the other way" else ends),
             percent=30 if how.startswith("a third") else 100)
    laptop.wait_path("phone", "relay")
    if how == "both ways":
        phone.wait_path("laptop", "relay")
    for flow in flows:
        flow.wait_for_more(100)
    for flow in flows:
        score = flow.stop()
        assert score.doubled == 0
        assert score.gap_ms < 1000, score  # the numbers are in `make proof`: 300 ms + 1 RTT


def lose(lab, source, target, percent):
    """The internet loses so many of the UDP packets from one public address to another."""
    chance = "" if percent == 100 else f"numgen random mod 100 < {percent} "
    lab.wan.nft("table inet lossy {\nchain lose {\ntype filter hook forward priority 0;\n"
                f"ip saddr {source} ip daddr {target} meta l4proto udp {chance}drop\n}}\n}}\n")


# Short paths ------------------------------------------------------------------------------------

@pytest.mark.parametrize("where", ["known", "in silence"])
def test_a_path_that_carries_1124_bytes(lab, where):
    r"""
        laptop ---- home (NAT) ==1124==\
                                        wan ---- server
        phone ---- cafe (NAT) ---------/
    """
    net = network(lab)
    link = {"mtu": 1124} if where == "known" else {"path_mtu": 1124}
    home, cafe = lab.site("home", link=link), lab.site("cafe")
    laptop, phone = join(net, home.host("laptop"), cafe.host("phone"))
    become_direct(laptop, phone)
    for one, two in ((laptop, phone), (phone, laptop)):
        download(one, two)
        pings_through(one, two, count=1, size=1300)  # has DF: an ICMP error tells the host
        assert not pings_through(one, two, count=3, size=1300).lost  # the answers have none
    status = laptop.wait_peer("phone", lambda peer: 1100 < (peer["path"]["mtu"] or 0) <= 1124,
                              what="path MTU")
    assert status["path"]["kind"] == "direct"


def test_a_path_that_becomes_short(lab):
    r"""
        laptop ---- home (NAT) ====\ from now on, IP packets longer than 1,200 bytes vanish
                                    wan ---- server
        phone ---- cafe (NAT) -----/
    """
    net = network(lab)
    home, cafe = lab.site("home", link={"path_mtu": 1500}), lab.site("cafe")
    laptop, phone = join(net, home.host("laptop"), cafe.host("phone"))
    become_direct(laptop, phone)
    laptop.wait_peer("phone", lambda peer: (peer["path"]["mtu"] or 0) >= 1460, what="path MTU")
    download(laptop, phone)
    home.link.set(mtu=1200)  # the lab's wire sees single packets, nftables what GSO joined
    reach(laptop, phone)
    download(laptop, phone)
    download(phone, laptop)


# Idle and asleep --------------------------------------------------------------------------------

@pytest.mark.skipif(not os.environ.get("WEND_LONG"), reason="waits for minutes: set WEND_LONG=1")
def test_idle_is_silent(lab):
    r"""
        laptop ---- home (NAT) ---- wan ---- cafe (NAT) ---- phone
    """
    net = network(lab)
    laptop, phone = join(net, lab.site("home").host("laptop"), lab.site("cafe").host("phone"))
    become_direct(laptop, phone)
    counter = Counter(lab, "home", "cafe")
    counter.wait_until_quiet("between", 30, timeout=240)
    begin = time.monotonic()
    before = counter.read()["others"]
    wait_until(lambda: time.monotonic() - begin > 100, 120, "100 seconds", 5)
    counted = counter.read()
    # Two devices, one packet in 25 s each, and every tenth is answered.
    assert counted["others"] - before <= 2 * (100 // 25 + 1) + 2
    assert counter.quiet_since("between") > 130
    assert not pings_through(laptop, phone, count=1).lost


def test_a_sleeping_device_wakes(lab):
    r"""
        laptop (sleeps) ---- home (NAT, forgets) ---- wan ---- cafe (NAT) ---- phone
    """
    net = network(lab)
    home = lab.site("home")
    laptop, phone = join(net, home.host("laptop"), lab.site("cafe").host("phone"))
    become_direct(laptop, phone)
    os.kill(laptop.process.pid, signal.SIGSTOP)
    try:
        home.flush()
    finally:
        os.kill(laptop.process.pid, signal.SIGCONT)
    reach(laptop, phone, timeout=3)
    reach(phone, laptop, timeout=3)


# Moving -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("who", ["one", "both"])
def test_connections_live_through_a_move(lab, who):
    r"""
        laptop ---- home ----\        laptop ---- train ----\
                              wan  →                         wan ---- server
        phone ---- cafe -----/        phone ---- station ---/
    """
    net = network(lab)
    laptop, phone = join(net, lab.site("home").host("laptop"), lab.site("cafe").host("phone"))
    train, station = lab.site("train"), lab.site("station")
    become_direct(laptop, phone)
    flows = [Flow(laptop, phone, 100), Flow(phone, laptop, 100)]
    for flow in flows:
        flow.wait_for_more(50)
    phone.host.move(station)
    if who == "both":
        laptop.host.move(train)
    for flow in flows:
        flow.wait_for_more(100)
    laptop.wait_path("phone", "direct", timeout=30)
    for flow in flows:
        score = flow.stop()
        assert score.doubled == 0 and score.reordered == 0, score
        assert score.gap_ms < 2000, score  # moving itself takes the lab a while
    wait_connected(laptop)
