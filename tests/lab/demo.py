#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Shows on this machine what wend does between two devices behind NATs; `make demo` runs it.

    laptop ---- home (NAT) ==20 ms==\
                                     wan ==20 ms== server
    phone ---- cafe (NAT) ==20 ms===/

Both NATs let in only what comes from an address and port that was written to before; with
NAT=symmetric the cafe's gives each destination another, random port. Everything
lives in network namespaces, and is removed at the end. Exit status 1: it did not work, or a goal
was missed.
"""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import userns  # noqa: E402
from lab import Lab, LabError, Nat  # noqa: E402
from proc import wait_until  # noqa: E402
from scenes import cut, heal  # noqa: E402
from services import HttpServer, curl  # noqa: E402
from stopwatch import PingLog, limit_between, measure_contact, round_trip  # noqa: E402
from wendtool import Network, WendServer  # noqa: E402

DELAY = "20ms"
FILE_BYTES = 10_000_000
CUT_SECONDS = 3.0


# The cafe's; NAT=symmetric gives each destination another, random port.
NATS = {"cone": Nat.eim(), "symmetric": Nat.symmetric_random()}


VOLLEY_TIME = {"cone": 0, "symmetric": 3.4}  # seconds; 999 of 1,000 are found in that


def ms(seconds):
    return f"{seconds * 1000:.0f} ms"


class Demo:
    def __init__(self, lab, nat):
        self.lab, self.nat = lab, nat
        self.begin = time.time()
        self.rows = []  # of the table at the end: what, goal, measured, met (None: no goal)

    def say(self, text, when=None):
        print(f"{(when or time.time()) - self.begin:8.3f} s  {text}", flush=True)

    def build(self):
        link = {"delay": DELAY}
        server_host = self.lab.public("server", addresses=2, link=link)
        self.home = self.lab.site("home", nat=Nat.eim(), link=link)
        self.cafe = self.lab.site("cafe", nat=NATS[self.nat], link=link)
        self.laptop_host, self.phone_host = self.home.host("laptop"), self.cafe.host("phone")
        self.say(f"built: laptop behind {self.home.external}, phone behind {self.cafe.external}, "
                 f"server {server_host.address}, {DELAY} on each of the three links")
        self.relay_rtt = (round_trip(self.laptop_host, server_host.address)
                          + round_trip(self.phone_host, server_host.address))
        self.direct_rtt = round_trip(self.laptop_host, self.cafe.external)
        self.limit = limit_between(self.relay_rtt, self.direct_rtt)
        self.say(f"round trip laptop, server, phone and back: {ms(self.relay_rtt)}; "
                 f"without the server: {ms(self.direct_rtt)}")
        return WendServer(server_host)

    def join(self, server):
        self.say(f"wend serve: {server.ready['udp']}")
        network = Network(server, "home")
        self.say("wend network new home: an invite")
        begin = time.time()
        self.phone = self.phone_host.wend_up(network.first_invite)
        self.laptop = self.laptop_host.wend_up(network.first_invite)
        self.say(f"wend up on both: phone is {self.phone.address}, laptop {self.laptop.address}; "
                 f"{ms(time.time() - begin)} for both with joining")
        if self.nat != "cone":
            for device in (self.phone, self.laptop):
                wait_until(lambda: device.status()["self"]["nat"]["mapping"] != "unknown", 10,
                           f"{device.name}: knows its NAT")
            self.say("both know what their NATs do")

    def contact(self):
        self.pings = PingLog(self.laptop_host, self.phone.address)
        self.say("ping from laptop to phone starts, one every 10 ms", self.pings.started)
        first = self.pings.wait_for(lambda a: True)
        self.say(f"first answer, to ping {first.sequence}, through the relay: {ms(first.rtt)}",
                 first.came)
        contact = measure_contact(self.pings, self.relay_rtt, self.limit)
        self.say(f"the direct path carries: {ms(contact.direct_after)} after the first packet",
                 self.pings.started + contact.direct_after)
        self.laptop.wait_path("phone")
        self.row("first ping", contact.first_ping, contact.first_goal)
        self.row("direct traffic after", contact.direct_after,
                 contact.direct_goal + VOLLEY_TIME[self.nat])
        self.count_row("lost until direct, for want of a path", contact.lost)
        moved = self.pings.overtaken(0, self.pings.started + contact.direct_after)
        self.rows.append(("overtaken in the move to direct", "", str(moved), None))
        return time.time()

    def transfer(self):
        http = HttpServer(self.phone_host)
        digest = http.make_file("file", FILE_BYTES)
        got = curl(self.laptop_host, http.url(self.phone.address, "file"))
        if got.exit_status != 0 or got.sha256 != digest:
            raise LabError(f"curl: exit status {got.exit_status}, {got.size_bytes} bytes")
        speed = got.size_bytes * 8 / got.seconds / 1e6
        self.say(f"curl from phone: {got.size_bytes / 1e6:.0f} MB in {got.seconds:.2f} s, "
                 f"{speed:.0f} Mbit/s, SHA-256 equal")
        self.rows.append(("file over the direct path", "", f"{speed:.0f} Mbit/s", None))

    def break_and_mend(self):
        cut_at = time.time()
        cut(self.lab, self.home.external, self.cafe.external)
        self.say("the direct path is cut: UDP between the two NATs is dropped", cut_at)
        relayed = self.pings.wait_for(lambda a: a.sent > cut_at)
        self.laptop.wait_path("phone", "relay")
        self.say(f"the relay took over: first answer {ms(relayed.came - cut_at)} after the cut",
                 relayed.came)
        self.pings.wait_for(lambda a: a.sent > cut_at + CUT_SECONDS)
        healed_at = time.time()
        heal(self.lab, self.home.external, self.cafe.external)
        self.say("the direct path is healed", healed_at)
        again = self.pings.wait_for_direct(self.limit, since=healed_at, timeout=30)
        self.say(f"direct again, {ms(again.came - healed_at)} after it healed", again.came)
        settled = again.sent + 1
        self.pings.wait_for(lambda a: a.sent > settled)
        self.pings.stop()
        self.rows += [
            ("relay took over after the cut", "", ms(relayed.came - cut_at), None),
            ("lost on the dead path until then", "",
             self.lost(cut_at - self.direct_rtt, relayed.sent), None),
            ("direct again after healing", "", ms(again.came - healed_at), None),
        ]
        self.count_row("lost on the relay, and back to direct",
                       len(self.pings.lost(relayed.sent, settled)))
        return cut_at

    def lost(self, since, until):
        return str(len(self.pings.lost(since, until)))

    def row(self, what, measured, goal):
        self.rows.append((what, f"at most {ms(goal)}", ms(measured), measured <= goal))

    def count_row(self, what, lost):
        self.rows.append((what, "0", str(lost), lost == 0))

    def table(self):
        print(f"\n{'':40}{'goal':>16}{'measured':>14}")
        for what, goal, measured, met in self.rows:
            verdict = {True: "met", False: "missed", None: ""}[met]
            print(f"{what:40}{goal:>16}{measured:>14}  {verdict}".rstrip())
        print(f"\npings: {len(self.pings.answers)} answered, {self.pings.duplicates} doubled",
              flush=True)
        return all(met is not False for *_, met in self.rows)

    def run(self):
        self.join(self.build())
        direct_at = self.contact()
        self.transfer()
        cut_at = self.break_and_mend()
        self.rows.insert(4, ("lost while direct, with a file beside", "",
                             self.lost(direct_at, cut_at - self.direct_rtt), None))
        return self.table()


def main():
    if userns.needed():
        userns.reexec([os.path.abspath(__file__), *sys.argv[1:]])
    reason = userns.why_not()
    if reason:
        sys.exit(f"demo: {reason}")
    nat = os.environ.get("NAT") or "cone"
    if nat not in NATS:
        sys.exit(f"demo: NAT={nat}: there is {' and '.join(NATS)}")
    with Lab() as lab:
        try:
            return 0 if Demo(lab, nat).run() else 1
        except LabError as error:
            print(lab.dump(), file=sys.stderr)
            sys.exit(f"demo: {error}")


if __name__ == "__main__":
    sys.exit(main())
