# SPDX-License-Identifier: MIT
"""wend's session code against wireguard-go.

    ours  [wg-tun: wendt0 10.99.0.1] --- wan --- [wireguard-go: wg<pid> 10.99.0.2]  theirs
           198.51.100.1:51820                     198.51.100.2:51820
"""
import json
import os
import re
import shutil

import pytest

from link import program
from proc import run_here, wait_until

OURS, THEIRS = "10.99.0.1", "10.99.0.2"
PORT = 51820
TUN_MTU = 1400

long_test = pytest.mark.skipif("WEND_LONG" not in os.environ,
                               reason="waits for minutes; set WEND_LONG=1")


def wg(*words, stdin=None):
    return run_here(["wg", *words], stdin=stdin).stdout.strip()


def binary():
    build = os.environ.get("WEND_BUILD")
    if build:
        os.environ.setdefault("WEND_WG_TUN", os.path.join(build, "tests", "interop", "wg-tun"))
    return program("WEND_WG_TUN", "tests/interop/wg-tun")


class Tunnel:
    """Both ends. Whoever has no endpoint of the other waits for its first message."""

    def __init__(self, lab, we_know=True, they_know=True, psk=False, options=()):
        for tool in ("wireguard-go", "wg"):
            if not shutil.which(tool):
                pytest.skip(f"{tool} is not installed")
        self.ours, self.theirs = lab.public("ours"), lab.public("theirs")
        self.our_key, self.their_key = wg("genkey"), wg("genkey")
        self.psk = wg("genpsk") if psk else None
        self.they_know = they_know
        self._start_theirs(lab)
        self._start_ours(we_know, options)

    def _start_theirs(self, lab):
        self.name = f"wg{os.getpid()}"
        self.go = self.theirs.start(["wireguard-go", "--foreground", self.name],
                                    env={"LOG_LEVEL": "verbose"})
        wait_until(lambda: self._wg("show", self.name, check=False).returncode == 0, 10,
                   "wireguard-go answers wg")
        path = os.path.join(self.theirs.dir, "key")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as out:
            out.write(self.their_key)
        self._wg("set", self.name, "private-key", path, "listen-port", str(PORT))
        self.add_peer()
        self.theirs.ip(f"addr add {THEIRS}/24 dev {self.name}",
                       f"link set {self.name} mtu {TUN_MTU} up")

    def _start_ours(self, we_know, options):
        command = [binary(), "--interface", "wendt0", "--port", PORT, "--private", self.our_key,
                   "--peer", wg("pubkey", stdin=self.their_key), *options]
        if we_know:
            command += ["--endpoint", f"{self.theirs.address}:{PORT}"]
        if self.psk:
            command += ["--psk", self.psk]
        self.tun = self.ours.start(command, "wg-tun")
        self.tun.wait_for("^ready")
        self.ours.ip(f"addr add {OURS}/24 dev wendt0", f"link set wendt0 mtu {TUN_MTU} up")

    def _wg(self, *words, check=True):
        return self.theirs.run(["wg", *words], check=check)

    def add_peer(self):
        command = ["set", self.name, "peer", wg("pubkey", stdin=self.our_key),
                   "allowed-ips", f"{OURS}/32"]
        if self.they_know:
            command += ["endpoint", f"{self.ours.address}:{PORT}"]
        if self.psk:
            path = os.path.join(self.theirs.dir, "psk")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w",
                      encoding="ascii") as out:
                out.write(self.psk)
            command += ["preshared-key", path]
        self._wg(*command)

    def remove_peer(self):
        self._wg("set", self.name, "peer", wg("pubkey", stdin=self.our_key), "remove")

    def ping(self, node, target, count=3, interval="0.05", size=56, timeout=30):
        done = node.run(["ping", "-n", "-c", count, "-i", interval, "-s", size, "-W", "2", target],
                        timeout=timeout)
        assert re.search(rf"{count} received", done.stdout), done.stdout

    def count(self, pattern):
        return len(re.findall(pattern, self.tun.out, re.MULTILINE))


def transfer(tunnel, *options):
    """20 MB of TCP through the tunnel; returns iperf3's sums of what was sent and received."""
    server = tunnel.theirs.start(["iperf3", "-s", "-1", "-B", THEIRS, "--forceflush"], "iperf3")
    server.wait_for("listening")
    done = tunnel.ours.run(["iperf3", "-c", THEIRS, "-n", "20M", "-J", *options], timeout=60)
    end = json.loads(done.stdout)["end"]
    return end["sum_sent"]["bytes"], end["sum_received"]["bytes"]


def test_we_initiate(lab):
    tunnel = Tunnel(lab, they_know=False)
    tunnel.ping(tunnel.ours, THEIRS)
    assert tunnel.count("^keys initiator=1") == 1
    tunnel.ping(tunnel.theirs, OURS)
    assert tunnel.count("^keys") == 1
    assert f"endpoint: {tunnel.ours.address}:{PORT}" in tunnel._wg("show", tunnel.name).stdout


def test_they_initiate(lab):
    tunnel = Tunnel(lab, we_know=False)
    tunnel.ping(tunnel.theirs, OURS)
    tunnel.tun.wait_for("^confirmed")
    assert tunnel.count("^keys initiator=0") == 1
    tunnel.ping(tunnel.ours, THEIRS)
    assert tunnel.count("^keys") == 1


@pytest.mark.parametrize("we_start", [True, False])
def test_preshared_key(lab, we_start):
    tunnel = Tunnel(lab, psk=True)
    if we_start:
        tunnel.ping(tunnel.ours, THEIRS)
    else:
        tunnel.ping(tunnel.theirs, OURS)
    assert tunnel.count(f"^keys initiator={int(we_start)}") == 1


def test_sizes(lab):
    """From an empty payload to a full packet: padding is right in both directions."""
    tunnel = Tunnel(lab)
    for size in (0, 1, 15, 16, 17, 100, 1355, 1356, 1371, 1372):
        tunnel.ping(tunnel.ours, THEIRS, count=1, size=size)
        tunnel.ping(tunnel.theirs, OURS, count=1, size=size)


@pytest.mark.parametrize("options", [(), ("-R",)])
def test_transfer(lab, options):
    tunnel = Tunnel(lab)
    tunnel.ping(tunnel.ours, THEIRS)
    sent, received = transfer(tunnel, *options)
    assert sent >= 20 << 20
    assert received >= sent * 3 / 4  # iperf3 stops reading when all is sent, not when it arrived
    assert tunnel.count("^keys") == 1


def test_we_rekey_under_traffic(lab):
    """We begin anew every second; nothing that passes meanwhile is lost."""
    tunnel = Tunnel(lab, options=("--rekey-after", "1"))
    tunnel.ping(tunnel.ours, THEIRS, count=100, interval="0.04")
    assert tunnel.count("^keys initiator=1") >= 3
    assert tunnel.count("^expired") >= 1  # only the last two are kept


def test_they_begin_anew(lab):
    """They lost the session and make another while we hold the old one."""
    tunnel = Tunnel(lab)
    tunnel.ping(tunnel.ours, THEIRS)
    tunnel.remove_peer()
    tunnel.add_peer()
    tunnel.ping(tunnel.theirs, OURS)
    assert tunnel.count("^keys initiator=0") == 1
    tunnel.ping(tunnel.ours, THEIRS)
    assert tunnel.count("^keys") == 2


def test_we_begin_anew(lab):
    """We lost the session: our next packet makes another, which they accept at once."""
    tunnel = Tunnel(lab)
    tunnel.ping(tunnel.theirs, OURS)
    tunnel.tun.send("forget\n")
    tunnel.tun.wait_for("^forgotten")
    tunnel.ping(tunnel.ours, THEIRS)
    assert tunnel.count("^keys initiator=1") == 1


def test_they_take_our_cookie(lab):
    """Under load we answer with a cookie; their retry after 5 s carries mac2 and is accepted."""
    tunnel = Tunnel(lab, options=("--cookies",))
    tunnel.theirs.run(["ping", "-n", "-c1", "-W1", OURS], check=False)
    tunnel.tun.wait_for("^cookie")
    tunnel.tun.wait_for("^keys initiator=0", timeout=20)
    assert tunnel.count("^mac2") >= 1
    tunnel.ping(tunnel.theirs, OURS)


@long_test
def test_they_notice_our_loss(lab):
    """We forget in silence: 15 s without an answer make them begin anew."""
    tunnel = Tunnel(lab, we_know=False)
    tunnel.ping(tunnel.theirs, OURS)
    tunnel.tun.send("forget\n")
    tunnel.tun.wait_for("^forgotten")
    tunnel.theirs.start(["ping", "-n", "-i", "0.5", OURS])
    wait_until(lambda: tunnel.count("^keys initiator=0") >= 2, 40, "a second handshake")
    tunnel.ping(tunnel.theirs, OURS)


@long_test
@pytest.mark.parametrize("we_start", [True, False])
def test_rekey_after_120_seconds(lab, we_start):
    """The initiator, and only it, begins anew after 120 s, and not a packet is lost."""
    tunnel = Tunnel(lab)
    node, target = (tunnel.ours, THEIRS) if we_start else (tunnel.theirs, OURS)
    tunnel.ping(node, target, count=1)
    tunnel.ping(node, target, count=660, interval="0.2", timeout=200)
    assert tunnel.count(f"^keys initiator={int(we_start)}") == 2
    assert tunnel.count("^keys") == 2
