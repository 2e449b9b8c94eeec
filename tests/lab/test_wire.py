# SPDX-License-Identifier: MIT
"""Proves the lab's links: what wend-wire promises, and that both kinds can be cut and healed."""
import signal

import pytest

from lab import LabError, wait_until
from link import program
from services import Iperf3Server, Pinger, iperf3, ping


def test_wire_delay_and_change(lab):
    r"""
        laptop ==20 ms== home ---- wan ==5 ms== server
    """
    server = lab.public("server", link={"delay": "5ms"})
    laptop = lab.site("home").host("laptop", link={"delay": "20ms"})
    first = ping(laptop, server.address, 10)
    assert len(first.rtts) == 10
    assert 50 <= min(first.rtts.values()) < 60
    assert first.rtts[1] < 90  # no question on the link layer before the first packet
    laptop.link.set(delay="40ms", ba_delay="0")
    second = ping(laptop, server.address, 10)
    assert 50 <= min(second.rtts.values()) < 60
    laptop.link.set(ba_delay="80ms")
    assert 130 <= min(ping(laptop, server.address, 3).rtts.values()) < 140
    with pytest.raises(LabError, match="bad value"):
        laptop.link.set(delay="soon")


def test_wire_loss_in_one_direction(lab):
    r"""
        one ==10 % loss==> wan ---- two
            <==no loss====
    """
    one = lab.public("one", link={"ab_loss": "10%", "seed": 7})
    two = lab.public("two")
    result = ping(one, two.address, 1000, interval=0.002, wait=0.2)
    assert 0.05 < result.loss < 0.17
    counters = one.link.counters()
    assert 0 <= counters["ab"]["loss"] - len(result.lost) <= 10  # not all packets are pings
    assert counters["ba"]["loss"] == 0


def test_wire_reorders_and_duplicates(lab):
    r"""
        one ==reorder 5 %, duplicate 5 %== wan ---- two
    """
    link = {"ab_reorder": "5%", "reorder_delay": "25ms", "ba_duplicate": "5%", "seed": 3}
    one = lab.public("one", link=link)
    two = lab.public("two")
    result = ping(one, two.address, 500, interval=0.002, wait=0.2)
    assert not result.lost
    assert 8 <= result.duplicates <= 60
    assert result.reordered >= 5


def test_wire_rate_and_path_mtu(lab):
    r"""
        one ==20 Mbit/s, longer than 1,300 bytes vanishes== wan ---- two
    """
    one = lab.public("one", link={"rate": "20mbit", "path_mtu": 1300})
    two = lab.public("two")
    assert not ping(one, two.address, 2, size=1272).lost  # and 28 bytes of IP and ICMP
    assert len(ping(one, two.address, 2, size=1273, wait=0.2).lost) == 2
    one.link.set(mtu="0", queue="20ms")
    Iperf3Server(two)
    result = iperf3(one, two.address, 2)
    assert 14e6 < result.received_bps < 20e6


@pytest.mark.parametrize(
    "words, status, says",
    [
        (["--help"], 0, "usage"),
        ([], 2, "both ends"),
        (["--a", ".:x0", "--b"], 2, "value is missing"),
        (["--a", ".:x0", "--b", ".:x1", "--loss", "101%"], 2, "bad value: 101%"),
        (["--a", ".:x0", "--b", ".:x1", "--colour", "blue"], 2, "unknown option: --colour"),
        (["--a", ".:x0", "--b", ".:x1", "--delay", "61s"], 1, "out of range"),
        (["--a", "no-such-netns:x0", "--b", ".:x1"], 1, "no-such-netns:x0: No such file"),
        (["--a", ".:a-name-that-is-too-long", "--b", ".:x1"], 1, "Invalid argument"),
    ],
)
def test_wire_usage(lab, words, status, says):
    r"""
        one: a wire with wrong ends
    """
    done = lab.public("one").run([program("WEND_WIRE", "sim/wend-wire"), *words], check=False)
    assert done.returncode == status, done
    assert says in (done.stdout if status == 0 else done.stderr)
    assert status == 0 or done.stderr.count("\n") == 1


def test_wire_passes_what_the_kernel_joined(lab):
    r"""
        one ==5 ms, in one piece== wan ---- two
    """
    one = lab.public("one", link={"delay": "5ms", "gso": "yes"})
    two = lab.public("two")
    assert 10 <= min(ping(one, two.address, 5).rtts.values()) < 20
    Iperf3Server(two)
    assert iperf3(one, two.address, 1).received_bps > 10e6
    counters = one.link.counters()["ab"]
    assert counters["bytes"] / counters["passed"] > 3000  # a frame has 1,500
    with pytest.raises(LabError, match="for the start"):
        one.link.set(gso="no")


def test_wire_holds_a_burst(lab):
    r"""
        one ==20 ms== wan ---- two
    """
    one, two = lab.public("one", link={"delay": "20ms"}), lab.public("two")
    burst = ("import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
             f"for i in range(5000): s.sendto(bytes(1200), ('{two.address}', 9))")
    one.link.process.popen.send_signal(signal.SIGSTOP)  # as if the CPUs had other things to do
    try:
        one.run(["/usr/bin/python3", "-c", burst])
    finally:
        one.link.process.popen.send_signal(signal.SIGCONT)
    wait_until(lambda: one.link.counters()["ab"]["pushed"] >= 5000, what="all of them")


def test_wire_signals(lab):
    r"""
        one ==1 ms== wan ---- two
    """
    one, two = lab.public("one", link={"delay": "1ms"}), lab.public("two")
    process = one.link.process
    assert len(ping(one, two.address, 5).rtts) == 5
    process.popen.send_signal(signal.SIGUSR1)
    assert int(process.wait_for(r"^counters ab .*delivered=(\d+)")[1]) >= 5
    process.close_stdin()  # nobody steers it any more, and it goes on
    assert len(ping(one, two.address, 2).rtts) == 2
    assert process.stop() == 0
    assert "eth0" not in one.run(["ip", "link"]).stdout


@pytest.mark.parametrize("link", [None, {"delay": "1ms"}])
def test_cut_and_heal(lab, link):
    r"""
        one ==x== wan ---- two
    """
    one = lab.public("one", link=link)
    two = lab.public("two")
    for direction in (None, "ab", "ba"):
        pinger = Pinger(one, two.address)
        pinger.wait_for_answer()
        one.link.down(direction)
        assert len(ping(one, two.address, 2, wait=0.2).lost) == 2
        one.link.up(direction)
        pinger.wait_for_answer()
        result = pinger.stop()
        assert result.longest_gap >= 5
    assert not ping(one, two.address, 2).lost
