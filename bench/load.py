# SPDX-License-Identifier: MIT
"""1 Gbit/s of TCP and UDP between two devices, and when the UDP packets that came to grief were
sent."""
import dataclasses
import json
import os
import re

from link import program
from proc import LabError

TCP_BPS, UDP_BPS, UDP_BYTES = 800_000_000, 200_000_000, 1300
# BBR keeps the shortest round trip for 10 s: of the direct path here, a hundredth of the relay's.
# Cubic is not built into every kernel.
CONTROLS = ("cubic", "reno")
BACK_PER_SECOND, BACK_BYTES = 1000, 200  # the other way, beside TCP's acknowledgements


def congestion_control():
    with open("/proc/sys/net/ipv4/tcp_available_congestion_control", encoding="ascii") as file:
        available = file.read().split()
    return next(name for name in CONTROLS if name in available)


@dataclasses.dataclass
class Fates:
    """What became of numbered packets: how many were sent, and when each of the others was."""

    sent: int = 0
    lost: list = dataclasses.field(default_factory=list)
    doubled: list = dataclasses.field(default_factory=list)
    reordered: list = dataclasses.field(default_factory=list)

    def add(self, other):
        self.sent += other.sent
        for name in ("lost", "doubled", "reordered"):
            getattr(self, name).extend(getattr(other, name))


class UdpFlow:
    """Numbered packets from device `one` to device `two` at a steady rate (udp_flow.c)."""

    next_port = 7900

    def __init__(self, one, two, per_second, size):
        UdpFlow.next_port += 1
        tool = program("UDP_FLOW", os.path.join(os.environ["WEND_BUILD"], "bench", "udp_flow"))
        self.receiver = two.host.start([tool, "receive", UdpFlow.next_port])
        self.receiver.wait_for("^ready$")
        self.sender = one.host.start(
            [tool, "send", two.address, UdpFlow.next_port, int(per_second), size])

    def stop(self, end):
        """Ends it; what is missing after the last one that came counts as sent at `end`."""
        self.sender.stop()
        sent = int(self.sender.wait_for(r"^sent (\d+) refused")[1])
        self.receiver.stop()
        got, highest, full = map(int, self.receiver.wait_for(
            r"^got (\d+) highest (-?\d+) full (\d+)$").groups())
        fates = Fates(sent)
        for kind, count, when in re.findall(r"^(lost|doubled|reordered) (\d+) (\S+)$",
                                            self.receiver.out, re.MULTILINE):
            getattr(fates, kind).extend([float(when)] * int(count))
        fates.lost += [end] * max(sent - full - 1 - highest, 0)
        if len(fates.lost) != sent - full - got:
            raise LabError(f"udp_flow: {sent} sent, {got} came, {len(fates.lost)} lost")
        return fates


class Load:
    """TCP and UDP from device `one` to device `two`, and a little UDP back."""

    def __init__(self, one, two, seconds):
        server = two.host.start(["iperf3", "-s", "-p", 5201, "--forceflush"])
        server.wait_for("Server listening")
        self.tcp = one.host.start(["iperf3", "-J", "-c", two.address, "-p", 5201, "-t", seconds,
                                   "-b", TCP_BPS, "-C", congestion_control()])
        self.flows = [UdpFlow(one, two, UDP_BPS / 8 / UDP_BYTES, UDP_BYTES),
                      UdpFlow(two, one, BACK_PER_SECOND, BACK_BYTES)]

    @property
    def running(self):
        return self.tcp.running

    def stop(self, end):
        """Ends all of it; returns the fates of the UDP packets, both ways together."""
        fates = Fates()
        for flow in self.flows:
            fates.add(flow.stop(end))
        if not self.tcp.running:
            raise LabError(f"iperf3 ended too early: {self.tcp_error()}")
        self.tcp.stop()
        return fates

    def tcp_error(self):
        try:
            return json.loads(self.tcp.out).get("error", "no reason given")
        except ValueError:
            return self.tcp.text[-200:]
