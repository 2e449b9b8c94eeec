# SPDX-License-Identifier: MIT
"""Where packets are dropped: every counter of a lab that counts a loss, read at once.

The kernel's, in each namespace: queues of interfaces (a TUN or TAP device's among them), receive
buffers of sockets, the backlog of the CPUs; those of wend-wire; and wend's own, from its status.
"""
from link import Wire

SNMP = {"Udp": ("InErrors", "RcvbufErrors", "SndbufErrors"),
        "Ip": ("InDiscards", "OutDiscards", "ReasmFails", "FragFails")}
WIRE = ("queue", "loss", "full", "mtu", "down", "write_failed")


def _interfaces(pid):
    with open(f"/proc/{pid}/net/dev", encoding="ascii") as file:
        for line in file.readlines()[2:]:
            name, numbers = line.split(":")
            numbers = numbers.split()
            yield f"{name.strip()} in", int(numbers[3])
            yield f"{name.strip()} out", int(numbers[11])


def _protocols(pid):
    with open(f"/proc/{pid}/net/snmp", encoding="ascii") as file:
        lines = file.readlines()
    for names, values in zip(lines[::2], lines[1::2]):
        protocol, _, names = names.partition(":")
        counted = dict(zip(names.split(), values.split()[1:]))
        for name in SNMP.get(protocol, ()):
            yield name, int(counted.get(name, 0))


def _sent_again(pid):
    with open(f"/proc/{pid}/net/snmp", encoding="ascii") as file:
        names, values = (line.split() for line in file if line.startswith("Tcp:"))
    return int(values[names.index("RetransSegs")])


def _backlog():
    with open("/proc/net/softnet_stat", encoding="ascii") as file:
        return sum(int(line.split()[1], 16) for line in file)


class Census:
    """The counters of a lab; `devices` are asked for theirs."""

    def __init__(self, lab, controls):
        self.controls = controls
        # A process in each namespace: its /proc/PID/net is that of the namespace.
        self.pids = {name: node.start(["sleep", "infinity"]).pid
                     for name, node in lab.nodes.items()}
        links = {id(link): link for link in self._links(lab)}
        self.wires = [link for link in links.values() if isinstance(link, Wire)]

    @staticmethod
    def _links(lab):
        for node in lab.nodes.values():
            for uplink in getattr(node, "uplinks", {}).values():
                yield uplink.link
            if getattr(node, "uplink", None):
                yield node.uplink.link

    def read(self):
        """{"where: what": count}"""
        counts = {"backlog of the CPUs": _backlog()}
        for name, pid in self.pids.items():
            for what, count in (*_interfaces(pid), *_protocols(pid)):
                counts[f"{name}: {what}"] = count
        for wire in self.wires:
            for direction, counted in wire.counters().items():
                for what in WIRE:
                    counts[f"wire of {wire.a[0].name} {direction}: {what}"] = counted[what]
        for name, control in self.controls.items():
            for what, count in control.drops().items():
                counts[f"wend of {name}: {what}"] = count
        return counts

    def sent_again(self):
        """TCP segments that were sent more than once, in all namespaces."""
        return sum(map(_sent_again, self.pids.values()))


def difference(before, after):
    """What rose between two readings."""
    return {where: count - before.get(where, 0) for where, count in after.items()
            if count > before.get(where, 0)}


def add(total, more):
    for where, count in more.items():
        total[where] = total.get(where, 0) + count


def text(counts):
    return ", ".join(f"{count} {where}" for where, count in sorted(counts.items())) or "nowhere"
