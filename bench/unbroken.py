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
import os
import signal
import socket
import statistics
import sys
import traceback

import census
import switching
from flows import Crowd, Flow
from lab import Lab, Nat, wait_until
from proc import LabError
from scenes import become_direct, cut, heal, join, network
from services import ping
from stopwatch import PingLog, limit_between, measure_contact, round_trip

FIRST_MS = 4  # for cryptography, two devices and a server, above the network's round trip
PART_SECONDS = 240  # a part that takes longer has failed


@dataclasses.dataclass
class Row:
    """One line of the table: what, the goal and the measured value as text, whether it is met."""

    what: str
    goal: str
    measured: str
    met: bool


def none_of(what, count):
    return Row(what, "0", str(count), count == 0)


class Control:
    """A device's control socket, held open: asking is quick then."""

    def __init__(self, device):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
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

    def drops(self):
        """{"what": count} of everything that the device has dropped."""
        status = self.ask(do="status")
        drops = status["drops"]
        counts = {f"{half} {why}": count for half in ("sealing", "opening")
                  for why, count in drops[half].items()}
        counts |= {name: drops[name] for name in ("udp_failed", "tun_refused")}
        for peer in status["peers"]:
            for name in ("queue_dropped", "reordered"):
                counts[name] = counts.get(name, 0) + peer[name]
        return counts


def homes(lab, **link):
    net = network(lab, link=link)
    sites = [lab.site(name, nat=Nat.eim()) for name in ("home", "cafe")]
    laptop, phone = join(net, sites[0].host("laptop"), sites[1].host("phone"))
    become_direct(laptop, phone)
    return net, laptop, phone


def go_first(*processes):
    """Before whatever else this machine does, as the wires go: that is not measured here."""
    for process in processes:
        for thread in os.listdir(f"/proc/{process.pid}/task"):
            os.setpriority(os.PRIO_PROCESS, int(thread), -10)


def busy():
    """What makes times on this machine doubtful, in words."""
    load = os.getloadavg()[0]
    return f"; machine busy: load {load:.1f}" if load > os.cpu_count() else ""


# Switches under load ----------------------------------------------------------------------------

def caused(switching, still, times):
    """Those beyond what phases without switches have in the same time, and all in words."""
    near, far = switching.count(times), still.count(times)
    usual = far * switching.seconds / still.seconds if still.seconds else 0
    rest = len(times) - near - far
    words = f"{near} with switches, {far} without" + (f", {rest} at the ends" if rest else "")
    return max(near - round(usual), 0), words


def fate_row(what, run, times):
    count, words = caused(run.switching, run.still, times)
    return Row(what, "0", f"{count} ({words})", count == 0)


def switches(lab, options):
    # What the kernel joined passes the wire in one piece, as between namespaces without a wire:
    # the relay would cost more than two cores have otherwise.
    net, laptop, phone = homes(lab, delay="2ms", gso="yes")
    go_first(net.server.process, laptop.process, phone.process)
    controls = [(Control(laptop), "phone"), (Control(phone), "laptop")]
    run, fates = switching.measure(lab, (laptop, phone), controls, options)
    words = (f"{run.count} in {run.switching.seconds:.0f} s, as long without; Mbit/s carried: "
             f"{run.switching.mbps:.0f} with, {run.still_on['direct'].mbps:.0f} direct, "
             f"{run.still_on['relay'].mbps:.0f} relay")
    rows = [
        Row("lab: switches each way under 1 Gbit/s", f"{options.switches}", words,
            run.count >= options.switches),
        fate_row("lab: UDP packets lost by them", run, fates.lost),
        fate_row("lab: UDP packets doubled by them", run, fates.doubled),
        fate_row("lab: UDP packets reordered by them", run, fates.reordered),
        Row("lab: of so many UDP packets", "", str(fates.sent), True),
        Row("lab: TCP segments sent again", "", f"{run.switching.sent_again} with switches, "
            f"{run.still.sent_again} without", True),
    ]
    for name, phases in (("with", run.switching), ("without", run.still)):
        rows.append(Row(f"lab: drops counted {name} switches", "", census.text(phases.drops), True))
    return rows


# First packets ----------------------------------------------------------------------------------

def plain_round_trip(host, address):
    """The median in seconds, without wend, at this very moment: a busy machine is busy for all."""
    pings = ping(host, address, 11, interval=0.02)
    return statistics.median(pings.rtts.values()) / 1000


def first_packets(lab, options):
    link = {"delay": "20ms"}
    net = network(lab, link=link)
    home, cafe = (lab.site(name, nat=Nat.eim(), link=link) for name in ("home", "cafe"))
    laptop, phone = join(net, home.host("laptop"), cafe.host("phone"))
    server = net.server.host.address
    firsts, plains, lost = [], [], 0
    for _ in range(options.rounds):
        for device in (phone, laptop):
            device.stop()
            device.start()
        wait_until(lambda: (laptop.peer("phone") or {}).get("online"), 10, "phone is known")
        go_first(net.server.process, laptop.process, phone.process)
        relay = plain_round_trip(laptop.host, server) + plain_round_trip(phone.host, server)
        limit = limit_between(relay, plain_round_trip(laptop.host, cafe.external))
        pings = PingLog(laptop.host, phone.address)
        go_first(pings.process)
        contact = measure_contact(pings, relay, limit)
        pings.stop()
        firsts.append(contact.first_ping * 1000)
        plains.append(relay * 1000)
        lost += contact.lost
    above = sorted(first - plain for first, plain in zip(firsts, plains))
    median = statistics.median(above)
    words = (f"{median:.1f} ms, {above[0]:.1f} to {above[-1]:.1f}; {statistics.median(firsts):.1f} "
             f"of {statistics.median(plains):.1f} ms{busy()}")
    return [Row("lab: first answer above RTT (median)", f"at most {FIRST_MS} ms", words,
                median <= FIRST_MS),
            none_of("lab: pings lost until direct", lost)]


# Death and moves --------------------------------------------------------------------------------

def renew(laptop, phone):
    """Both devices anew: they know of no earlier path, and use a direct one."""
    for device in (phone, laptop):
        device.stop()
        device.start()
    become_direct(laptop, phone)


def deaths(lab, options):
    net, laptop, phone = homes(lab, delay="20ms")
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
        renew(laptop, phone)  # a path that died is waited for longer and longer
    # The gap also holds the packet's own way and the 10 ms between two packets.
    goal = 300 + rtt * 1000 + 10
    return [Row("lab: gap when a direct path dies (worst)", f"at most {goal:.0f} ms",
                f"{max(gaps)} ms, median {statistics.median(gaps):.0f}", max(gaps) <= goal)]


def moves(lab, options):
    _, laptop, phone = homes(lab, delay="20ms")
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


def too_long(*_):
    raise LabError(f"not within {PART_SECONDS} s")


def measure_part(part, options):
    """The rows of a part; one that says why if it failed."""
    lab = None
    try:
        signal.signal(signal.SIGALRM, too_long)
        signal.alarm(PART_SECONDS)
        lab = Lab()
        return part(lab, options)
    except Exception as error:  # whatever it is: the other parts can still be measured
        signal.alarm(0)
        name = part.__name__.replace("_", " ")
        log = os.path.join(os.environ["WEND_BUILD"], f"proof-{part.__name__}.log")
        with open(log, "w", encoding="utf-8") as file:
            file.write(f"{traceback.format_exc()}\n{lab.dump() if lab else ''}\n")
        why = (str(error) or repr(error)).splitlines()[0]
        return [Row(f"lab: {name}", "measured", f"failed: {why}; see {log}", False)]
    finally:
        signal.alarm(0)
        if lab:
            lab.close()


def measure(options):
    rows = []
    for part in PARTS:
        print(f"lab: {part.__name__.replace('_', ' ')} …", file=sys.stderr, flush=True)
        rows += measure_part(part, options)
    return rows
