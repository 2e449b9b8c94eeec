# SPDX-License-Identifier: MIT
"""Switches under load: phases of them, and as long phases without, in turn and under one load.

    laptop ---- home (NAT) ----\
                                wan ==2 ms== server
    phone ---- cafe (NAT) -----/

What a busy machine loses, it loses in both kinds of phases; what a switch loses, only in its own.
So each packet that was lost, doubled or overtaken belongs to the kind of phase in which it was
sent, and all counters of drops are read between phases (census.py). One drop a switch is as it
should be: each Leave goes out twice (docs/protocol.md section 7.5).
"""
import dataclasses
import time

import census
from load import TCP_BPS, UDP_BPS, Load
from proc import wait_until

EVERY = 0.1  # seconds from switch to switch
A_PHASE = 20  # switches
SETTLE = 0.2  # after a switch, the longest that anything is held


@dataclasses.dataclass
class Phases:
    """All phases of one kind."""

    seconds: float = 0.0
    spans: list = dataclasses.field(default_factory=list)
    bytes: int = 0  # that came
    sent_again: int = 0  # TCP segments
    drops: dict = dataclasses.field(default_factory=dict)

    @property
    def mbps(self):
        return self.bytes * 8 / self.seconds / 1e6 if self.seconds else 0

    def __add__(self, other):
        drops = dict(self.drops)
        census.add(drops, other.drops)
        return Phases(self.seconds + other.seconds, self.spans + other.spans,
                      self.bytes + other.bytes, self.sent_again + other.sent_again, drops)

    def count(self, times):
        return sum(any(begin <= t < end for begin, end in self.spans) for t in times)


class Run:
    """The two devices under load, moved to and fro."""

    def __init__(self, lab, laptop, phone, controls):
        self.controls = controls  # [(control, the name of its peer)]
        names = {laptop.name: controls[0][0], phone.name: controls[1][0]}
        self.census = census.Census(lab, names)
        self.switching = Phases()
        self.still_on = {"direct": Phases(), "relay": Phases()}
        self.count, self.kind = 0, "direct"
        self.mark = None  # where the last phase ended and the next begins

    def switch(self):
        """Moves both directions; returns once both have moved."""
        self.kind = "relay" if self.kind == "direct" else "direct"
        for control, peer in self.controls:
            control.prefer(peer, self.kind)
        for control, peer in self.controls:
            wait_until(lambda: control.is_on(peer, self.kind), 10, f"path {self.kind}", 0.005)
        self.count += 1

    @property
    def still(self):
        return self.still_on["direct"] + self.still_on["relay"]

    def received(self):
        """Bytes that the phone has had from the laptop."""
        control, peer = self.controls[1]
        return control.ask(do="peer", name=peer)["rx_bytes"]

    def phase(self, phases, act):
        bytes_before, drops_before = self.received(), self.census.read()
        again_before = self.census.sent_again()
        begin = self.mark or time.monotonic()
        act()
        end = self.mark = time.monotonic()
        phases.spans.append((begin, end))
        phases.seconds += end - begin
        phases.bytes += self.received() - bytes_before
        phases.sent_again += self.census.sent_again() - again_before
        census.add(phases.drops, census.difference(drops_before, self.census.read()))

    def some_switches(self, count):
        for _ in range(count):
            due = time.monotonic() + EVERY
            self.switch()
            time.sleep(max(due - time.monotonic(), 0))
        time.sleep(SETTLE)

    def pair(self, count, still_on):
        """A phase with `count` switches and one as long without, on the path `still_on`."""
        # The move to that path is one of the switches.
        odd = (self.kind == still_on) == (count % 2 == 1)
        self.phase(self.switching, lambda: self.some_switches(count + odd))
        begin, end = self.switching.spans[-1]
        self.phase(self.still_on[still_on], lambda: time.sleep(end - begin))


def move_about(run, load, switches):
    phase = 0
    while run.count < switches and load.running:
        run.pair(min(A_PHASE, switches - run.count), ("direct", "relay")[phase % 2])
        phase += 1


def measure(lab, devices, controls, options):
    """Returns (run, fates of the UDP packets)."""
    laptop, phone = devices
    run = Run(lab, laptop, phone, controls)
    load = Load(laptop, phone, options.load_seconds)
    wait_until(lambda: run.received() > (TCP_BPS + UDP_BPS) / 8, 10, "the load runs")
    move_about(run, load, options.switches)
    fates = load.stop(time.monotonic())
    return run, fates
