# SPDX-License-Identifier: MIT
"""How soon a fresh contact works, and how soon it is direct.

    laptop ---- home (NAT) ==20 ms==\
                                     wan ==20 ms== server
    phone ---- cafe (NAT) ==20 ms===/

Both daemons are restarted before each contact; a ping every 10 ms tells the rest.
"""
import statistics

from lab import Nat
from scenes import join, network, wait_connected
from stopwatch import PingLog, limit_between, measure_contact, round_trip

LINK = {"delay": "20ms"}


def ms(values):
    ordered = sorted(value * 1000 for value in values)
    return f"{statistics.median(ordered):.0f} ({ordered[0]:.0f} to {ordered[-1]:.0f})"


def measure(laptop, phone, relay_rtt, limit):
    for device in (phone, laptop):
        device.stop()
        device.start()
    for device in (phone, laptop):
        wait_connected(device)
    pings = PingLog(laptop.host, phone.address)
    contact = measure_contact(pings, relay_rtt, limit)
    pings.stop()
    return contact


def run(lab, options):
    net = network(lab, link=LINK)
    home, cafe = (lab.site(name, nat=Nat.eim(), link=LINK) for name in ("home", "cafe"))
    laptop, phone = join(net, home.host("laptop"), cafe.host("phone"))
    server = net.server.host.address
    relay_rtt = round_trip(laptop.host, server) + round_trip(phone.host, server)
    direct_rtt = round_trip(laptop.host, cafe.external)
    limit = limit_between(relay_rtt, direct_rtt)
    contacts = [measure(laptop, phone, relay_rtt, limit) for _ in range(options.rounds)]
    print(f"\n{options.rounds} fresh contacts between port-restricted NATs; round trip by the "
          f"server {relay_rtt * 1000:.0f} ms, without {direct_rtt * 1000:.0f} ms")
    print(f"{'milliseconds':26}{'median (least to most)':>24}{'goal':>16}")
    first, direct = [c.first_ping for c in contacts], [c.direct_after for c in contacts]
    print(f"{'first ping':26}{ms(first):>24}{f'at most {contacts[0].first_goal * 1000:.0f}':>16}")
    print(f"{'direct after':26}{ms(direct):>24}"
          f"{f'at most {contacts[0].direct_goal * 1000:.0f}':>16}")
    print(f"{'pings lost until then':26}{sum(c.lost for c in contacts):>24}{'0':>16}")
