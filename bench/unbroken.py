# SPDX-License-Identifier: MIT
"""What users notice of paths that change, on a real kernel: switches under load, a path that dies,
devices that move.

    laptop ---- home (NAT) ----\
                                wan ==2 ms== server
    phone ---- cafe (NAT) -----/

Namespaces and few cores: times are upper bounds. The exact ones come from `wend-sim --proof`.
"""
import dataclasses
import json
import socket
import statistics
import time

from flows import Crowd, Flow
from lab import Nat, wait_until
from proc import LabError
from scenes import become_direct, cut, heal, join, network
from services import Iperf3Server
from stopwatch import PingLog, limit_between, measure_contact, round_trip

TCP_RATE, UDP_RATE = "800M", "200M"
UDP_BYTES = 1300


@dataclasses.dataclass
class Row:
    """One line of the table: what, the goal and the measured value as text, whether it is met."""

    what: str
    goal: str
    measured: str
    met: bool


def at_most(what, measured, goal, unit="ms"):
    return Row(what, f"at most {goal:g} {unit}".rstrip(), f"{measured:.0f} {unit}".rstrip(),
               measured <= goal)


def none_of(what, count):
    return Row(what, "0", str(count), count == 0)


class Control:
    """A device's control socket, held open: asking is quick then."""

    def __init__(self, device):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(f"{device.state}/wend.sock")
        self.file = self.socket.makefile("rw")

    def ask(self, **request):
        self.file.write(json.dumps(request) + "\n")
        self.file.flush()
        answer = json.loads(self.file.readline())
        if "error" in answer:
            raise LabError(f"control: {request}: {answer['error']}")
        return answer

    def prefer(self, peer, kind):
        self.ask(do="prefer", name=peer, path=kind)

    def is_on(self, peer, kind):
        path = self.ask(do="peer", name=peer).get("path") or {}
        return path.get("kind") == kind


def homes(lab, delay):
    net = network(lab, link={"delay": delay})
    sites = [lab.site(name, nat=Nat.eim()) for name in ("home", "cafe")]
    laptop, phone = join(net, sites[0].host("laptop"), sites[1].host("phone"))
    become_direct(laptop, phone)
    return net, laptop, phone


# Switches under load ----------------------------------------------------------------------------

def load(one, two, seconds):
    """1 Gbit/s: TCP and UDP at once from one device to the other."""
    processes = []
    for port, words in ((5201, ["-b", TCP_RATE]),
                        (5202, ["-u", "-b", UDP_RATE, "-l", UDP_BYTES])):
        server = two.host.start(["iperf3", "-s", "-p", port, "--forceflush"])
        server.wait_for("Server listening")
        processes.append(one.host.start(
            ["iperf3", "-J", "-c", two.address, "-p", port, "-t", seconds, *words]))
    return processes


def switch(controls, kind):
    """Moves both directions; returns once both have moved."""
    for control, peer in controls:
        control.prefer(peer, kind)
    for control, peer in controls:
        wait_until(lambda: control.is_on(peer, kind), 10, f"path {kind}", interval=0.005)


def switches(lab, options):
    _, laptop, phone = homes(lab, "2ms")
    controls = [(Control(laptop), "phone"), (Control(phone), "laptop")]
    flow = Flow(phone, laptop, 500, 200)
    tcp, udp = load(laptop, phone, options.load_seconds)
    count, end = 0, time.monotonic() + options.load_seconds - 1
    flow.wait_for_more(100)
    while count < options.switches and time.monotonic() < end:
        switch(controls, ("relay", "direct")[count % 2])
        count += 1
    for process in (tcp, udp):
        process.wait(options.load_seconds + 30)
    score = flow.stop()
    report = json.loads(udp.out)["end"]
    stream = report["streams"][0]["udp"]
    sent = json.loads(tcp.out)["end"]
    words = (f"{count} switches under {sent['sum_received']['bits_per_second'] / 1e6:.0f} Mbit/s "
             f"of TCP and {report['sum']['bits_per_second'] / 1e6:.0f} Mbit/s of UDP")
    return [
        Row("lab: switches each way under load", f"{options.switches}", words, True),
        none_of("lab: UDP packets lost", stream["lost_packets"] + score.lost),
        none_of("lab: UDP packets doubled", score.doubled),
        none_of("lab: UDP packets reordered", stream["out_of_order"] + score.reordered),
        Row("lab: TCP segments sent again", "", str(sent["sum_sent"]["retransmits"]), True),
    ]


# First packets ----------------------------------------------------------------------------------

def first_packets(lab, options):
    link = {"delay": "20ms"}
    net = network(lab, link=link)
    home, cafe = (lab.site(name, nat=Nat.eim(), link=link) for name in ("home", "cafe"))
    laptop, phone = join(net, home.host("laptop"), cafe.host("phone"))
    server = net.server.host.address
    relay = round_trip(laptop.host, server) + round_trip(phone.host, server)
    limit = limit_between(relay, round_trip(laptop.host, cafe.external))
    firsts, lost = [], 0
    for _ in range(options.rounds):
        for device in (phone, laptop):
            device.stop()
            device.start()
        wait_until(lambda: (laptop.peer("phone") or {}).get("online"), 10, "phone is known")
        pings = PingLog(laptop.host, phone.address)
        contact = measure_contact(pings, relay, limit)
        pings.stop()
        firsts.append(contact.first_ping * 1000)
        lost += contact.lost
    return [at_most("lab: first answer (median)", statistics.median(firsts), relay * 1000 + 4),
            none_of("lab: pings lost until direct", lost)]


# Death and moves --------------------------------------------------------------------------------

def deaths(lab, options):
    net, laptop, phone = homes(lab, "20ms")
    server = net.server.host.address
    rtt = round_trip(laptop.host, server) + round_trip(phone.host, server)
    ends = [lab.nodes[name].external for name in ("home", "cafe")]
    gaps = []
    for _ in range(options.rounds):
        flow = Flow(laptop, phone, 100)
        flow.wait_for_more(100)
        cut(lab, *ends)
        laptop.wait_path("phone", "relay")
        flow.wait_for_more(100)
        gaps.append(flow.stop().gap_ms)
        heal(lab, *ends)
        laptop.wait_path("phone", "direct", timeout=60)
        phone.wait_path("laptop", "direct", timeout=60)
    # The gap also holds the packet's own way and the 10 ms between two packets.
    return [at_most("lab: gap when a direct path dies (worst)", max(gaps),
                    300 + rtt * 1000 + 10)]


def moves(lab, options):
    _, laptop, phone = homes(lab, "20ms")
    crowd = Crowd(laptop, phone, options.connections)
    alive, dead, _ = crowd.ask()
    train, station = lab.site("train"), lab.site("station")
    laptop.host.move(train)
    phone.host.move(station)
    alive, dead, longest = crowd.ask()
    return [Row("lab: TCP connections that live when both ends move",
                f"{options.connections} of {options.connections}",
                f"{alive} of {alive + dead}", alive == options.connections),
            Row("lab: longest wait of them", "", f"{longest} ms", True)]


PARTS = (first_packets, switches, deaths, moves)


def table(rows):
    width = max(len(row.what) for row in rows)
    print(f"\n{'':{width}}  {'goal':>22}  measured")
    for row in rows:
        verdict = "" if not row.goal else "  met" if row.met else "  MISSED"
        print(f"{row.what:{width}}  {row.goal:>22}  {row.measured}{verdict}", flush=True)


def run(lab, options):
    """One lab for each part: a clean one is worth more than a quick one."""
    lab.close()
    table(measure(options))


def measure(options):
    from lab import Lab
    rows = []
    for part in PARTS:
        with Lab() as fresh:
            rows += part(fresh, options)
    return rows
