# SPDX-License-Identifier: MIT
"""TCP through tunnels: wend's direct path and wireguard-go, in turn, in the same run.

    one ---- wan ---- two        all tunnels are up at the same time, one is used
              |
            server
"""
import dataclasses
import os
import shutil
import statistics
import subprocess

from lab import LabError, wait_until
from machine import cpu_seconds
from scenes import become_direct, join, network
from services import Iperf3Server, iperf3

BACKPORTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tools",
                         "wireguard-go-backports")
WG_PORT = 51820


@dataclasses.dataclass
class Tunnel:
    name: str
    address: str  # of `two`, inside
    pids: list  # of its daemons on both hosts
    bps: list = dataclasses.field(default_factory=list)
    cpu_per_gb: list = dataclasses.field(default_factory=list)

    def measure(self, one, seconds, reverse):
        before = sum(cpu_seconds(pid) for pid in self.pids)
        result = iperf3(one, self.address, seconds, reverse=reverse)
        used = sum(cpu_seconds(pid) for pid in self.pids) - before
        self.bps.append(result.received_bps)
        self.cpu_per_gb.append(used / (result.received_bps * seconds / 8e9))


def wg(*words, stdin=None):
    done = subprocess.run(["wg", *words], input=stdin, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def wireguard(name, binary, index, hosts):
    """wireguard-go between the two hosts; its interface names are unique on the machine."""
    keys = [wg("genkey") for _ in hosts]
    pids = []
    for side, host in enumerate(hosts):
        interface = f"wb{os.getpid()}{index}{side}"
        process = host.start([binary, "--foreground", interface], f"wireguard-{index}",
                             env={"LOG_LEVEL": "error", "WG_PROCESS_FOREGROUND": "1"})
        pids.append(process.pid)
        wait_until(lambda: host.run(["wg", "show", interface], check=False).returncode == 0, 10,
                   f"{name} answers")
        path = os.path.join(host.dir, f"wg-key-{index}")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as out:
            out.write(keys[side])
        host.run(["wg", "set", interface, "private-key", path, "listen-port", WG_PORT + index,
                  "peer", wg("pubkey", stdin=keys[1 - side]), "allowed-ips",
                  f"10.9{index}.0.{2 - side}/32", "endpoint",
                  f"{hosts[1 - side].address}:{WG_PORT + index}"])
        host.ip(f"addr add 10.9{index}.0.{1 + side}/24 dev {interface}",
                f"link set {interface} mtu 1420 up")
    return Tunnel(name, f"10.9{index}.0.2", pids)


def wireguards(hosts):
    """Each wireguard-go that this machine has or can fetch."""
    found = []
    if shutil.which("wireguard-go"):
        found.append(("wireguard-go, Debian 12", shutil.which("wireguard-go")))
    fetched = subprocess.run([BACKPORTS], capture_output=True, text=True, check=False)
    if fetched.returncode == 0:
        found.append(("wireguard-go, backports", fetched.stdout.strip()))
    else:
        print(f"no wireguard-go from backports: {fetched.stderr.strip().splitlines()[-1:]}")
    if not shutil.which("wg"):
        print("no wireguard-go at all: wg(8) is not installed")
        return []
    return [wireguard(name, binary, index, hosts) for index, (name, binary) in enumerate(found)]


def tunnels(lab):
    one, two = lab.public("one"), lab.public("two")
    left, right = join(network(lab), one, two)
    become_direct(left, right)
    Iperf3Server(two)
    wend = Tunnel("wend, direct path", right.address, [left.process.pid, right.process.pid])
    none = Tunnel("no tunnel", two.address, [])
    return one, left, [wend, *wireguards((one, two)), none]


def set_segmentation(lab, on):
    """UDP segmentation on every end of every veth."""
    for node in [lab.wan, *lab.nodes.values()]:
        for link in node.run(["ls", "/sys/class/net"]).stdout.split():
            if link == "eth0" or link.startswith("to"):
                node.run(["ethtool", "-K", link, "tx-udp-segmentation", "on" if on else "off"])


def row(tunnel, wend):
    median = statistics.median(tunnel.bps)
    ratio = statistics.median(wend.bps) / median
    spread = f"{min(tunnel.bps) / 1e6:.0f} to {max(tunnel.bps) / 1e6:.0f}"
    cpu = f"{statistics.median(tunnel.cpu_per_gb):.2f}" if tunnel.pids else ""
    share = "" if tunnel is wend else f"{ratio:.2f}"
    print(f"{tunnel.name:26}{median / 1e6:>10.0f}{spread:>18}{share:>14}{cpu:>20}")


def table(title, one, contenders, options, reverse):
    for tunnel in contenders:
        tunnel.bps, tunnel.cpu_per_gb = [], []
    for _ in range(options.rounds):
        for tunnel in contenders:
            tunnel.measure(one, options.seconds, reverse)
    print(f"\nTCP, {options.rounds} rounds of {options.seconds} s in turn, {title}")
    print(f"{'':26}{'Mbit/s':>10}{'least to most':>18}{'wend to it':>14}"
          f"{'daemons CPU s/GB':>20}")
    for tunnel in contenders:
        row(tunnel, contenders[0])


def run(lab, options):
    one, left, contenders = tunnels(lab)
    for segmentation in (True, False):
        set_segmentation(lab, segmentation)
        words = "veth as it is" if segmentation else "veth with tx-udp-segmentation off"
        for reverse in (False, True) if options.both else (False,):
            table(words + (", the other way" if reverse else ""), one, contenders, options, reverse)
    if left.peer("two")["path"]["kind"] != "direct":
        raise LabError("wend did not stay on the direct path")
