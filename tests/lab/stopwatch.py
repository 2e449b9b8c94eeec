# SPDX-License-Identifier: MIT
"""Times of a contact between two devices, as somebody outside of wend sees them: by their pings.

A ping on the direct path comes back sooner than one through the relay, as long as the server is
behind a link with delay. So the answers tell which way packets took, without asking wend.
"""
import dataclasses
import re
import signal
import time

from proc import LabError, wait_until

ANSWER = re.compile(r"\[(\d+\.\d+)\] \d+ bytes from .*icmp_seq=(\d+) .*time=([\d.]+) ms( \(DUP!\))?")
SEQUENCE_SIZE = 1 << 16  # as many numbers as ICMP has


@dataclasses.dataclass
class Answer:
    sequence: int
    sent: float  # seconds of Unix time
    rtt: float  # seconds

    @property
    def came(self):
        return self.sent + self.rtt


class PingLog:
    """Pings from `host` every `interval` seconds until `stop()`; knows when each one was sent."""

    def __init__(self, host, address, interval=0.01):
        self.interval = interval
        self.answers, self.duplicates = {}, 0
        self._offset = 0
        self.started = time.time()
        self.process = host.start(["ping", "-n", "-D", "-i", interval, address])

    def update(self):
        """Reads what ping has printed since the last time."""
        with open(self.process.out_path, encoding="ascii", errors="replace") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind("\n") + 1]
        self._offset += len(whole)
        for when, sequence, rtt, duplicate in ANSWER.findall(whole):
            if duplicate:
                self.duplicates += 1
                continue
            answer = Answer(int(sequence), float(when) - float(rtt) / 1000, float(rtt) / 1000)
            self.answers[answer.sequence] = answer

    def wait_for(self, predicate, timeout=15, what="an answer"):
        """The earliest answered request that `predicate` holds for."""

        def look():
            self.update()
            return next((a for _, a in sorted(self.answers.items()) if predicate(a)), None)

        return wait_until(look, timeout, f"ping: {what}")

    def wait_for_direct(self, limit, since=0.0, timeout=15):
        """The first request sent after `since` whose answer took less than `limit` seconds."""
        return self.wait_for(lambda a: a.sent >= since and a.rtt < limit, timeout, "a direct path")

    def lost(self, since, until):
        """How many requests that were sent in this time had no answer."""
        self.update()
        count, sent, last = 0, self.started, 0
        for sequence in range(1, max(self.answers, default=0) + 1):
            answer = self.answers.get(sequence)
            if answer:
                sent, last = answer.sent, sequence
                continue
            about = sent + (sequence - last) * self.interval
            count += since <= about < until
        return count

    def stop(self):
        self.process.stop(sig=signal.SIGINT)
        self.update()
        if max(self.answers, default=0) >= SEQUENCE_SIZE - 1:
            raise LabError("ping ran too long: its sequence numbers came round")


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
    begin = pings.wait_for(lambda a: a.sequence == first.sequence).sent
    if first.sequence != 1:
        begin = pings.started
    return Contact(relay_rtt, first.came - begin, direct.came - begin,
                   pings.lost(0, direct.sent))
