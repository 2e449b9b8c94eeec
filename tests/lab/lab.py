# SPDX-License-Identifier: MIT
"""A small internet in network namespaces.

    lab = Lab()
    server = lab.public("server", addresses=2)
    home = lab.site("home", nat=Nat.eim(), link={"delay": "20ms"})
    laptop = home.host("laptop")
    laptop.run(["ping", "-c1", server.address])
    lab.close()

Each node is a namespace. The node `wan` is the internet: it routes public addresses, and each node
attached to it has a link of its own. A site is a router with a bridge `lan` behind it; a site may
sit behind another one (carrier NAT). Names of namespaces start with wl<pid>-, so that several runs
share a machine and leftovers of a dead run can be told and removed.
"""
import atexit
import ipaddress
import itertools
import os
import shutil
import tempfile

from link import connect
from nat import Nat
from proc import LabError, Process, kill_pid, run_here, wait_until

__all__ = ["Lab", "LabError", "Nat", "wait_until"]

WAN4 = "192.0.2.254"  # the internet's side of every link
SYSCTLS = {
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv6.conf.all.accept_dad": 0,  # addresses are usable at once
    "net.ipv6.conf.default.accept_dad": 0,
    "net.ipv6.conf.all.accept_ra": 0,
    "net.ipv6.conf.default.accept_ra": 0,
}
ROUTER_SYSCTLS = {
    "net.ipv4.ip_forward": 1,
    "net.ipv6.conf.all.forwarding": 1,
    # What stays on the bridge is none of the router's business. With br_netfilter loaded and on,
    # the bridge would apply NAT itself, and hairpin packets would die at the port they came from.
    "net.bridge.bridge-nf-call-iptables": 0,
    "net.bridge.bridge-nf-call-ip6tables": 0,
}
HOSTS_FILE = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n"
_run_count = itertools.count(1)


class Node:
    """A namespace, and what can be done inside it."""

    def __init__(self, lab, name, sysctls=()):
        self.lab, self.name = lab, name
        self.ns = f"{lab.prefix}{name}"
        self.dir = os.path.join(lab.dir, name)
        os.mkdir(self.dir)
        lab.nodes[name] = self
        run_here(["ip", "netns", "add", self.ns])
        self.etc("hosts", HOSTS_FILE)
        self.etc("resolv.conf", "")  # no resolver: look-ups fail at once
        self.sysctl({**SYSCTLS, **dict(sysctls)})
        self.ip("link set lo up")

    def __repr__(self):
        return f"<{type(self).__name__} {self.ns}>"

    def etc(self, file, text=None):
        """The path of this node's own /etc/`file`; written first if `text` is given."""
        folder = f"/etc/netns/{self.ns}"
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, file)
        if text is not None:
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
        return path

    def command(self, command):
        """`command` as seen from outside the namespace."""
        return ["ip", "netns", "exec", self.ns, *(str(word) for word in command)]

    def run(self, command, check=True, timeout=30, stdin=None, env=None):
        """Runs to the end; returns a CompletedProcess with text output."""
        return run_here(self.command(command), check, timeout, stdin, self._env(env))

    def start(self, command, name=None, env=None):
        """Starts in the background; returns a Process, which the lab ends at the latest."""
        label = f"{self.name}-{name or os.path.basename(str(command[0]))}"
        return self.lab.start(self.command(command), label, self._env(env))

    @staticmethod
    def _env(env):
        return {**os.environ, **env} if env else None

    def ip(self, *lines):
        """ip(8) commands in one go, as in ip("link set eth0 up", "route add …")."""
        run_here(["ip", "-n", self.ns, "-batch", "-"], stdin="\n".join(lines) + "\n")

    def neighbours(self, interface, mac, addresses):
        """Tells the link layer who has these, so that the first packet waits for no question."""
        self.ip(
            *(f"neigh replace {a} lladdr {mac} dev {interface} nud permanent" for a in addresses)
        )

    def nft(self, script):
        self.run(["nft", "-f", "-"], stdin=script)

    def sysctl(self, values):
        """Writes them; keys that this kernel does not have are skipped."""
        self.run(["sysctl", "-eqw", *(f"{key}={value}" for key, value in values.items())])

    def pids(self):
        listed = run_here(["ip", "netns", "pids", self.ns], check=False).stdout
        return [int(word) for word in listed.split()]


class Uplink:
    """One attachment of a node: its link and its addresses."""

    def __init__(self, upstream, link, interface, ipv4, ipv6, prefix6):
        self.upstream, self.link, self.interface = upstream, link, interface
        self.ipv4, self.ipv6 = ipv4, ipv6  # lists of addresses as text
        self.prefix6 = prefix6  # routed to the node, for what is behind it


class Wan(Node):
    """The internet: routes every public address to the link behind which it lives."""

    def __init__(self, lab):
        super().__init__(lab, "wan", ROUTER_SYSCTLS)
        self._hosts = {net: itertools.count(1) for net in ("198.51.100", "203.0.113")}
        self._index6 = itertools.count(1)
        self._links = itertools.count(1)
        self.ip("addr add 2001:db8:ffff::fe/128 dev lo")

    def addresses(self, is_site, count):
        """Public IPv4 addresses; the second of a host is in another prefix."""
        net = "203.0.113" if is_site else "198.51.100"
        last = next(self._hosts[net])
        others = ("192.0.2", "203.0.113", "198.51.100")
        spare = [f"{other}.{100 + last}" for other in others if other != net]
        return ([f"{net}.{last}"] + spare)[:count]

    def prefix6(self):
        return ipaddress.ip_network(f"2001:db8:{next(self._index6):x}::/48")

    def attach(self, node, interface, link, ipv4, ipv6, options):
        near = f"to{next(self._links)}-{node.name}"[:15]
        link = connect(self.lab, (node, interface), (self, near), link)
        addresses = []
        if ipv4:
            is_site = isinstance(node, Site)
            addresses = options.get("public") or self.addresses(is_site, options.get("count", 1))
            node.ip(*(f"addr add {address}/32 dev {interface}" for address in addresses))
            node.ip(
                f"route add default via {WAN4} dev {interface} onlink src {addresses[0]} "
                f"metric {options.get('metric', 100)}"
            )
            self.ip(f"addr add {WAN4}/32 dev {near}")
            self.ip(*(f"route add {address}/32 dev {near}" for address in addresses))
            node.neighbours(interface, link.b_mac, [WAN4])
            self.neighbours(near, link.a_mac, addresses)
        prefix = self.prefix6() if ipv6 else None
        if ipv6:
            self._attach6(node, interface, near, prefix, options)
            node.neighbours(interface, link.b_mac, ["fe80::1"])
            self.neighbours(near, link.a_mac, ["fe80::2"])
        own6 = [str(prefix[1])] if ipv6 else []
        return Uplink(self, link, interface, addresses, own6, prefix)

    def _attach6(self, node, interface, near, prefix, options):
        node.ip(
            f"addr add fe80::2/64 dev {interface} nodad",
            f"addr add {prefix[1]}/128 dev {interface} nodad",
            f"route add ::/0 via fe80::1 dev {interface} metric {options.get('metric', 100)}",
        )
        self.ip(
            f"addr add fe80::1/64 dev {near} nodad", f"route add {prefix} via fe80::2 dev {near}"
        )


class Host(Node):
    """A machine with one uplink or more. `address` and `address6` are those of the first."""

    def __init__(self, lab, name):
        super().__init__(lab, name)
        self.uplinks = {}

    def attach(self, upstream, interface="eth0", link=None, ipv4=True, ipv6=False, **options):
        """Connects to the internet or to a site. Options: metric; public=[addresses]."""
        if interface in self.uplinks:
            raise LabError(f"{self.name}: {interface} is attached already")
        uplink = upstream.attach(self, interface, link, ipv4, ipv6, options)
        self.uplinks[interface] = uplink
        return uplink

    def detach(self, interface="eth0"):
        """Pulls the plug: the interface is gone, with its addresses and routes."""
        self.uplinks.pop(interface).link.remove()

    def move(self, upstream, interface="eth0", **options):
        """Leaves one network and joins another, as a phone does."""
        self.detach(interface)
        return self.attach(upstream, interface, **options)

    def _first(self, family):
        for uplink in self.uplinks.values():
            if getattr(uplink, family):
                return getattr(uplink, family)[0]
        raise LabError(f"{self.name} has no {family} address")

    @property
    def address(self):
        return self._first("ipv4")

    @property
    def address6(self):
        return self._first("ipv6")

    @property
    def addresses(self):
        return [address for uplink in self.uplinks.values() for address in uplink.ipv4]

    @property
    def link(self):
        return next(iter(self.uplinks.values())).link

    def wend_up(self, invite=None, name=None, **options):
        """Starts the wend daemon here; returns a wendtool.Device that is ready."""
        from wendtool import Device  # here, so that the lab works without wend

        return Device(self, invite, name or self.name, **options)


class Site(Node):
    """A router: `wan` outside, the bridge `lan` inside, and a Nat in between."""

    def __init__(self, lab, name, nat, lan):
        super().__init__(lab, name, {**ROUTER_SYSCTLS, **nat.sysctls()})
        self.nat, self.lan = nat, ipaddress.ip_network(lan)
        self.uplink = None
        self._ports = itertools.count(10)
        self._lan6 = None
        self._mac = lab.mac()
        self.ip(
            f"link add lan address {self._mac} type bridge forward_delay 0 mcast_snooping 0",
            "link set lan up",
        )

    @property
    def external(self):
        return self.uplink.ipv4[0] if self.uplink.ipv4 else None

    @property
    def link(self):
        return self.uplink.link

    def connect(self, upstream, link, ipv4, ipv6, options):
        self.uplink = upstream.attach(self, "wan", link, ipv4, ipv6, options)
        if ipv4:
            self.ip(f"addr add {self.lan[1]}/{self.lan.prefixlen} dev lan")
        if ipv6:
            self._lan6 = list(self.uplink.prefix6.subnets(new_prefix=64))[1]
            self.ip(f"addr add {self._lan6[1]}/64 dev lan nodad")
        self.ip("addr add fe80::1/64 dev lan nodad")
        self.set_nat(self.nat)

    def set_nat(self, nat):
        """Replaces the behaviour; every mapping and connection is forgotten."""
        self.nat = nat
        self.sysctl(nat.sysctls())
        self.nft("flush ruleset\n" + nat.ruleset(self.external, self.lan))
        self.flush()
        if nat.mapping == "none" and self.external:
            upstream = self.uplink.upstream
            device = self.link.b[1] if upstream is self.lab.wan else "lan"
            upstream.ip(f"route replace {self.lan} via {self.external} dev {device} onlink")

    def flush(self):
        """Forgets all connections, as a reboot does."""
        self.run(["conntrack", "-F"], check=False)

    def host(self, name, link=None, **options):
        """A new host in this LAN, with the families that the site has."""
        host = Host(self.lab, name)
        options.setdefault("ipv4", bool(self.uplink.ipv4))
        options.setdefault("ipv6", self._lan6 is not None)
        host.attach(self, "eth0", link, **options)
        return host

    def attach(self, node, interface, link, ipv4, ipv6, options):
        index = next(self._ports)
        port = f"p{index}-{node.name}"[:15]
        link = connect(self.lab, (node, interface), (self, port), link)
        self.ip(f"link set {port} master lan")
        metric = options.get("metric", 100)
        own4, own6, prefix6 = [], [], None
        if ipv4:
            own4 = [str(self.lan[index])]
            node.ip(
                f"addr add {own4[0]}/{self.lan.prefixlen} dev {interface}",
                f"route add default via {self.lan[1]} dev {interface} metric {metric}",
            )
        if ipv6:
            own6 = [str(self._lan6[index])]
            node.ip(
                f"addr add fe80::{index:x}/64 dev {interface} nodad",
                f"addr add {own6[0]}/64 dev {interface} nodad",
                f"route add ::/0 via fe80::1 dev {interface} metric {metric}",
            )
            if isinstance(node, Site):
                prefix6 = self.lab.wan.prefix6()
                self.route6(prefix6, f"fe80::{index:x}", "lan")
        local = [f"fe80::{index:x}"] if ipv6 else []
        node.neighbours(interface, self._mac, [self.lan[1]] * ipv4 + ["fe80::1"] * ipv6)
        self.neighbours("lan", link.a_mac, own4 + own6 + local)
        return Uplink(self, link, interface, own4, own6, prefix6)

    def route6(self, prefix, via, interface):
        """Routes a prefix of a site behind this one, here and on all the way up."""
        self.ip(f"route add {prefix} via {via} dev {interface}")
        upstream = self.uplink.upstream
        if upstream is self.lab.wan:
            upstream.ip(f"route add {prefix} via fe80::2 dev {self.link.b[1]}")
        else:
            mine = int(ipaddress.ip_address(self.uplink.ipv6[0])) & 0xFFFF
            upstream.route6(prefix, f"fe80::{mine:x}", "lan")

    def background(self, target, rate):
        """Another user of this NAT: `rate` new UDP flows a second to `target` ("ip:port")."""
        host = self.host(f"{self.name}-other")
        probe = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe.py")
        return host.start(["/usr/bin/python3", probe, "flows", target, rate], "flows")


class Lab:
    """All nodes, links and processes of one scenario. `close()` removes every trace."""

    def __init__(self):
        self.prefix = f"wl{os.getpid()}-{next(_run_count)}-"
        self.dir = tempfile.mkdtemp(prefix=self.prefix)
        self.nodes, self.processes = {}, []
        self._labels, self._macs = itertools.count(1), itertools.count(1)
        atexit.register(self.close)
        sweep()
        try:
            self.wan = Wan(self)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def mac(self):
        return "02:77:65:{:02x}:{:02x}:{:02x}".format(*next(self._macs).to_bytes(3, "big"))

    def start(self, command, label, env=None):
        base = os.path.join(self.dir, f"log-{next(self._labels)}-{label}")
        process = Process(command, base, label, env)
        self.processes.append(process)
        return process

    def public(self, name, addresses=1, ipv4=True, ipv6=False, link=None):
        """A host on the open internet, with up to three IPv4 addresses."""
        host = Host(self, name)
        host.attach(self.wan, "eth0", link, ipv4, ipv6, count=addresses)
        return host

    def site(self, name, nat=Nat(), lan=None, upstream=None, ipv4=True, ipv6=False, link=None,
             public=None):
        """A router with a LAN, behind the internet or behind another site."""
        lan = lan or f"192.168.{len(self.nodes)}.0/24"
        site = Site(self, name, nat, lan)
        site.connect(upstream or self.wan, link, ipv4, ipv6, {"public": public})
        return site

    def dump(self):
        """Logs of all processes, rules and connections of all routers: for a failed run."""
        parts = []
        for process in self.processes:
            state = "running" if process.running else f"ended {process.popen.returncode}"
            tail = "".join(process.text.splitlines(keepends=True)[-200:])
            parts.append(f"--- {process.label} ({state}): {' '.join(process.command)}\n{tail}")
        for node in self.nodes.values():
            if isinstance(node, Site):
                for command in (["nft", "list", "ruleset"], ["conntrack", "-L"]):
                    text = node.run(command, check=False).stdout
                    text = "\n".join(line[:400] for line in text.splitlines())
                    parts.append(f"--- {node.name}: {' '.join(command)}\n{text}")
        return "\n".join(parts)

    def close(self):
        atexit.unregister(self.close)
        for process in reversed(self.processes):
            process.stop(timeout=2)
        for node in self.nodes.values():
            _remove_namespace(node.ns)
        shutil.rmtree(self.dir, ignore_errors=True)
        self.processes, self.nodes = [], {}


def _remove_namespace(ns):
    """Ends what still runs in the namespace, by id, then removes it."""
    pids = run_here(["ip", "netns", "pids", ns], check=False).stdout.split()
    for pid in pids:
        kill_pid(int(pid))
    run_here(["ip", "netns", "del", ns], check=False)
    shutil.rmtree(f"/etc/netns/{ns}", ignore_errors=True)


def sweep():
    """Removes the namespaces of runs that are dead."""
    if not os.path.isdir("/run/netns"):
        return
    for ns in os.listdir("/run/netns"):
        owner = ns[2:].split("-")[0]
        if ns.startswith("wl") and owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
            _remove_namespace(ns)
