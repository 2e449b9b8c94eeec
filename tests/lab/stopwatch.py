# SPDX-License-Identifier: MIT
"""Times of a contact between two devices, as somebody outside of wend sees them: by their pings.

A ping on the direct path comes back sooner than one through the relay, as long as the server is
behind a link with delay. So the answers tell which way packets took, without asking wend.
"""
import dataclasses
import os
import re

from proc import LabError, wait_until

PINGER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pinger.py")


@dataclasses.dataclass
class Answer:
    sequence: int
    sent: float  # seconds of Unix time
    came: float

    @property
    def rtt(self):
        return self.came - self.sent


class PingLog:
    """Pings from `host` every `interval` seconds until `stop()`; knows what became of each."""

    def __init__(self, host, address, interval=0.01):
        self.sent, self.answers, self.duplicates = {}, {}, 0
        self._offset = 0
        self.process = host.start(["/usr/bin/python3", PINGER, address, interval])
        self.process.wait_for("^sent")
        self.update()
        self.started = self.sent[1]

    def update(self):
        """Reads what the pinger has printed since the last time."""
        with open(self.process.out_path, encoding="ascii") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind("\n") + 1]
        self._offset += len(whole)
        for kind, number, when in re.findall(r"^(sent|came) (\d+) (\S+)$", whole, re.MULTILINE):
            number, when = int(number), float(when)
            if kind == "sent":
                self.sent[number] = when
            elif number in self.answers:
                self.duplicates += 1
            else:
                self.answers[number] = Answer(number, self.sent[number], when)

    def wait_for(self, predicate, timeout=15, what="an answer"):
        """The answer to the earliest request that `predicate` holds for."""

        def look():
            self.update()
            return next((a for _, a in sorted(self.answers.items()) if predicate(a)), None)

        return wait_until(look, timeout, f"ping: {what}")

    def wait_for_direct(self, limit, since=0.0, timeout=15):
        """The first request sent after `since` whose answer took less than `limit` seconds."""
        return self.wait_for(lambda a: a.sent >= since and a.rtt < limit, timeout, "a direct path")

    def lost(self, since, until):
        """The numbers of the requests that were sent in this time and had no answer."""
        self.update()
        return [number for number, sent in self.sent.items()
                if since <= sent < until and number not in self.answers]

    def overtaken(self, since, until):
        """How many of them were answered after one that was sent later."""
        answers = [a for _, a in sorted(self.answers.items()) if since <= a.sent < until]
        earliest, count = float("inf"), 0
        for answer in reversed(answers):
            count += answer.came > earliest
            earliest = min(earliest, answer.came)
        return count

    def stop(self):
        self.process.stop()
        self.update()


@dataclasses.dataclass
class Contact:
    """What a fresh contact took, in seconds."""

    relay_rtt: float  # there and back through the server
    first_ping: float
    direct_after: float  # from the first packet until one went and came back directly
    lost: int  # requests without an answer until then

    @property
    def first_goal(self):
        return 2 * self.relay_rtt + 0.010

    @property
    def direct_goal(self):
        return 3 * self.relay_rtt + 0.050


def round_trip(host, address):
    """The network's own round-trip time in seconds, without wend."""
    text = host.run(["ping", "-n", "-c", 5, "-i", 0.05, address]).stdout
    return min(float(ms) for ms in re.findall(r"time=([\d.]+) ms", text)) / 1000


def limit_between(relay, direct):
    """What is slower than this went through the relay, at least one way."""
    if relay < 1.2 * direct:
        raise LabError("direct and relayed answers cannot be told apart by their time")
    return direct + (relay - direct) / 4


def measure_contact(pings, relay_rtt, limit, timeout=15):
    """Waits until `pings`, just started, run on the direct path."""
    first = pings.wait_for(lambda a: True, timeout, "the first answer")
    direct = pings.wait_for_direct(limit, timeout=timeout)
    # What went through the relay may come later than what went directly.
    pings.wait_for(lambda a: a.sent > direct.came + relay_rtt)
    return Contact(relay_rtt, first.came - pings.started, direct.came - pings.started,
                   len(pings.lost(0, direct.sent)))
