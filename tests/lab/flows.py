# SPDX-License-Identifier: MIT
"""Flows of numbered packets between two devices (flow.py), as the scenarios use them."""
import dataclasses
import os
import re
import time

from proc import wait_until

FLOW = os.path.join(os.path.dirname(os.path.abspath(__file__)), "flow.py")
PYTHON = "/usr/bin/python3"


@dataclasses.dataclass
class Score:
    got: int
    lost: int
    doubled: int
    reordered: int
    gap_ms: int


class Flow:
    """Numbered packets from device `one` to device `two`, until `stop()`."""

    next_port = 7000

    def __init__(self, one, two, per_second=200, size=200):
        Flow.next_port += 1
        self.receiver = two.host.start([PYTHON, FLOW, "receive", Flow.next_port])
        self.receiver.wait_for("^ready$")
        self.sender = one.host.start(
            [PYTHON, FLOW, "send", two.address, Flow.next_port, per_second, size])

    def score(self):
        found = re.findall(r"^got (\d+) lost (\d+) doubled (\d+) reordered (\d+) gap_ms (\d+)$",
                           self.receiver.out, re.MULTILINE)
        return Score(*map(int, found[-1])) if found else Score(0, 0, 0, 0, 0)

    def wait_for_more(self, count=100, timeout=15):
        """Waits until so many more packets came than now."""
        goal = self.score().got + count
        wait_until(lambda: self.score().got >= goal, timeout, f"flow: {goal} packets")

    def stop(self):
        """Ends the flow; what became of it, `lost` counted against all that was sent."""
        self.sender.stop()
        sent = int(self.sender.wait_for(r"^sent (\d+)$")[1])
        try:
            wait_until(lambda: self.score().got >= sent, 1, "the last packets")
        except AssertionError:
            pass  # some are lost for good; the score says how many
        self.receiver.stop()
        score = self.score()
        return dataclasses.replace(score, lost=sent - score.got)


class Counter:
    """UDP packets that pass the internet: `between` two sites, and `others`."""

    def __init__(self, lab, one, two):
        self.wan, self.seen, self.since = lab.wan, {}, {}
        ends = ", ".join(lab.nodes[name].external for name in (one, two))
        self.wan.nft(
            "table inet count {\nchain pass {\ntype filter hook forward priority 0;\n"
            f"ip saddr {{ {ends} }} ip daddr {{ {ends} }} meta l4proto udp "
            'counter comment "between" accept\n'
            'meta l4proto udp counter comment "others"\n}\n}\n')

    def read(self):
        text = self.wan.run(["nft", "list", "table", "inet", "count"]).stdout
        counted = {name: int(packets) for packets, name in
                   re.findall(r'counter packets (\d+) .*comment "(\w+)"', text)}
        for name, packets in counted.items():
            if self.seen.get(name) != packets:
                self.since[name] = time.monotonic()
        self.seen = counted
        return counted

    def quiet_since(self, name):
        """For how many seconds no such packet was seen to pass."""
        self.read()
        return time.monotonic() - self.since[name]

    def wait_until_quiet(self, name, seconds, timeout):
        wait_until(lambda: self.quiet_since(name) > seconds, timeout, f"silence: {name}", 1)


class Crowd:
    """Many TCP connections from device `one` to device `two` (crowd.py)."""

    def __init__(self, one, two, count=1000, port=7777):
        program = os.path.join(os.path.dirname(FLOW), "crowd.py")
        self.server = two.host.start([PYTHON, program, "serve", port])
        self.server.wait_for("^ready$")
        self.client = one.host.start([PYTHON, program, "connect", two.address, port, count])
        self.client.wait_for(f"^open {count}$", 60)

    def ask(self):
        """Asks on every connection: how many answered, how many did not, the longest wait in ms."""
        before = len(self.client.out)
        self.client.send("\n")
        found = self.client.wait_for(r"^alive (\d+) dead (\d+) ms (\d+)$", 40, since=before)
        return tuple(map(int, found.groups()))
