# SPDX-License-Identifier: MIT
"""A server under fire: a million bad datagrams and ten thousand broken streams.

    attacker ---- wan ---- server
                   |
    a -- nat ------+------ nat -- b        (the second scenario: they talk through the server)

The attacker knows the server's public key. Nothing that it does may cost memory that stays, keep
the server from its work, or make it send more than it was sent.
"""
import re
import time

from lab import Nat, wait_until
from link import program
from wendtool import Device, Network, WendServer

DATAGRAMS = 1_000_000
STREAMS = 10_000
WARM_UP = 10  # a tenth: buffers that are used once stay
GROWTH_KIB = 2048


def abuse():
    return program("WEND_ABUSE", "tests/lab/abuse")


def attack(host, server, kind, count, rate=0, seed=1):
    """Runs to the end; returns what the attacker counted."""
    target = [server.host.address, server.port, server.ready["key"]]
    words = [abuse(), kind, *target, count, rate, seed]
    line = host.run(words, timeout=300).stdout
    return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", line)}


def serve_pid(server):
    """The server itself; the process that was started is ip(8)'s, which became it."""
    return server.process.pid


def resident_kib(server):
    with open(f"/proc/{serve_pid(server)}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


def counters(server):
    """What SIGUSR1 makes the server log, all three lines in one."""
    since = len(server.process.err)
    server.process.popen.send_signal(10)
    drops = re.compile(r"^drops .*\n", re.MULTILINE)
    wait_until(lambda: drops.search(server.process.err[since:]), 5, "the line drops")
    lines = server.process.err[since:]
    return {key: int(value) for key, value in re.findall(r"([\w-]+)=(\d+)", lines)}


def test_a_flood_leaves_nothing_behind(lab):
    server = WendServer(lab.public("server"))
    attacker = lab.public("attacker")
    attack(attacker, server, "udp", DATAGRAMS // WARM_UP, seed=1)
    attack(attacker, server, "tcp", STREAMS // WARM_UP, seed=1)
    before = resident_kib(server)

    udp = attack(attacker, server, "udp", DATAGRAMS, seed=2)
    tcp = attack(attacker, server, "tcp", STREAMS, seed=2)
    assert udp["sent"] == DATAGRAMS and tcp["sent"] == STREAMS
    assert udp["bytes_received"] < udp["bytes_sent"] // 10

    after = resident_kib(server)
    assert after - before < GROWTH_KIB, f"{before} KiB before, {after} KiB after"
    counted = counters(server)
    for reason in ("malformed", "unknown-type", "bad-mac", "no-session", "rate-limited"):
        assert counted[reason] > 0, f"{reason} was never counted: {counted}"
    assert counted["streams_refused"] > 0 and counted["streams_ended"] > 0, counted
    wait_until(lambda: counters(server)["streams"] == 0, 15, "no stream is left")

    # It still does its work.
    network = Network(server)
    assert network.show()["members"] == []
    assert server.stop() == 0


def test_two_devices_talk_through_it_meanwhile(lab):
    server = WendServer(lab.public("server"))
    attacker = lab.public("attacker")
    network = Network(server)
    devices = []
    for name in ("a", "b"):
        site = lab.site(f"site-{name}", nat=Nat.symmetric_random())
        devices.append(Device(site.host(name), network.invite(), name))
    a, b = devices
    a.wait_peer("b", lambda peer: True, what="known")
    a.host.run(["ping", "-c", "3", "-i", "0.2", "-W", "2", b.address])

    ping = a.host.start(["ping", "-c", "100", "-i", "0.1", "-W", "2", b.address], "ping")
    began = time.monotonic()
    attack(attacker, server, "udp", DATAGRAMS // 2, rate=60_000, seed=3)
    attack(attacker, server, "tcp", STREAMS // 2, rate=2_000, seed=3)
    assert time.monotonic() - began < 120
    ping.wait(60)
    lost = int(re.search(r"(\d+)% packet loss", ping.out)[1])
    assert lost <= 10, ping.out

    a.host.run(["ping", "-c", "5", "-i", "0.2", "-W", "2", b.address])
    assert a.peer("b")["state"] == "up" and a.peer("b")["path"]["kind"] == "relay"
    for device in devices:
        assert device.stop() == 0
