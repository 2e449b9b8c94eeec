# SPDX-License-Identifier: MIT
"""What a site's router does to packets, as nftables rules.

The words are RFC 4787's: mapping and filtering are each endpoint-independent, address-dependent, or
address-and-port-dependent (eim/adm/apdm, eif/adf/apdf). TCP and ICMP are masqueraded plainly; the
named behaviours hold for UDP.
"""
import dataclasses
from dataclasses import dataclass

ALLOCATIONS = {
    "none": ["preserving"],
    "eim": ["preserving", "range", "sequential"],
    "adm": ["sequential", "random"],
    "apdm": ["preserving", "random", "block", "sequential", "swapped"],
}


@dataclass(frozen=True)
class Nat:
    """One behaviour. Use the constructors below, and `but()` to change a detail."""

    mapping: str = "eim"  # none | eim | adm | apdm
    filtering: str = "apdf"  # eif | adf | apdf
    allocation: str = "preserving"
    ports: tuple = (40000, 44999)  # what range, block, sequential and swapped draw from
    delta: int = 1  # sequential: the step between two mappings
    block: int = 500  # apdm block: ports for each subscriber
    # Linux lets a peer's early packet take the port that our own flow would have kept, unless
    # something drops it in INPUT: then the mapping moves to a random port. False sets that trap.
    input_drop: bool = True
    hairpin: bool = False
    firewall4: bool = False  # for mapping none: inside out only
    firewall6: bool = True
    udp: bool = True  # False: all UDP is dropped
    only_tcp: tuple = ()  # not empty: only TCP to these ports passes
    udp_to: tuple = ()  # not empty: of UDP, only that to these ports is let out
    pool: tuple = ()  # not empty: the addresses one of which, at random, each UDP flow gets
    drop_percent: int = 0  # of forwarded packets, at random
    timeout: int = 30  # seconds, one-way flows
    stream_timeout: int = 120  # seconds, flows with answers

    @staticmethod
    def eim(filtering="apdf", **more):
        """Endpoint-independent mapping that keeps the port: most home routers."""
        return Nat(mapping="eim", filtering=filtering, **more)

    @staticmethod
    def full_cone(**more):
        return Nat.eim("eif", **more)

    @staticmethod
    def eim_range(lo=40000, hi=44999, **more):
        return Nat.eim(allocation="range", ports=(lo, hi), **more)

    @staticmethod
    def eim_sequential(**more):
        return Nat.eim(allocation="sequential", **more)

    @staticmethod
    def address_dependent(allocation="sequential", **more):
        more.setdefault("filtering", "adf")
        return Nat(mapping="adm", allocation=allocation, **more)

    @staticmethod
    def symmetric_preserving(**more):
        """A socket's first mapping keeps its port, those to other destinations get random ones."""
        return Nat(mapping="apdm", allocation="preserving", **more)

    @staticmethod
    def pooling(addresses, **more):
        """Each flow leaves from another of the addresses, and a random port of it."""
        return Nat.symmetric_random(pool=tuple(addresses), **more)

    @staticmethod
    def symmetric_random(**more):
        return Nat(mapping="apdm", allocation="random", **more)

    @staticmethod
    def symmetric_block(**more):
        """Random inside a block per subscriber, RFC 7422 style: carriers."""
        return Nat(mapping="apdm", allocation="block", **more)

    @staticmethod
    def symmetric_sequential(delta=1, **more):
        return Nat(mapping="apdm", allocation="sequential", delta=delta, **more)

    @staticmethod
    def symmetric_swapped(**more):
        """Steps of 256: nftables' counter lands in the port with its bytes swapped."""
        return Nat(mapping="apdm", allocation="swapped", **more)

    @staticmethod
    def none(firewall=False, **more):
        """Routed. With `firewall`, what the inside did not ask for stays out."""
        return Nat(mapping="none", firewall4=firewall, firewall6=firewall, **more)

    def but(self, **changes):
        return dataclasses.replace(self, **changes)

    def check(self):
        if self.allocation not in ALLOCATIONS[self.mapping]:
            raise ValueError(f"mapping {self.mapping} has no allocation {self.allocation}")
        if self.filtering not in ("eif", "adf", "apdf"):
            raise ValueError(f"unknown filtering {self.filtering}")

    def sysctls(self):
        return {
            "net.netfilter.nf_conntrack_udp_timeout": self.timeout,
            "net.netfilter.nf_conntrack_udp_timeout_stream": self.stream_timeout,
        }

    def ruleset(self, external, lan):
        """The nft script; `external` is the router's IPv4 address, None without IPv4."""
        self.check()
        script = _filter_table(self, external)
        if external is not None and self.mapping != "none":
            script += _nat_table(self, external, lan)
        return script


def _chain(name, hook, rules):
    body = "".join(f"    {rule}\n" for rule in rules)
    return f"  chain {name} {{\n    {hook}\n{body}  }}\n"


def _filter_table(nat, external):
    inputs = []
    if nat.input_drop:
        inputs.append('iifname "wan" ct state new meta l4proto { tcp, udp } drop')
    forward = []
    if nat.drop_percent:
        forward.append(f"numgen random mod 100 < {nat.drop_percent} drop")
    if nat.only_tcp:
        ports = ", ".join(str(port) for port in nat.only_tcp)
        forward += [
            "ct state established,related accept",
            "meta l4proto ipv6-icmp accept",
            f'iifname "lan" tcp dport {{ {ports} }} accept',
            "drop",
        ]
    if nat.udp_to:
        ports = ", ".join(str(port) for port in nat.udp_to)
        forward.append(f'iifname "lan" udp dport != {{ {ports} }} drop')
    if not nat.udp:
        forward.append("meta l4proto udp drop")
    forward += ["ct state established,related accept", "ct status dnat accept"]
    if nat.firewall6:
        # RFC 4890: without these IPv6 breaks.
        forward.append(
            'iifname "wan" icmpv6 type { destination-unreachable, packet-too-big, '
            "time-exceeded, parameter-problem, echo-request } accept"
        )
        forward.append('iifname "wan" meta nfproto ipv6 drop')
    if nat.firewall4 or (nat.mapping != "none" and external is not None):
        forward.append('iifname "wan" meta nfproto ipv4 drop')
    return (
        "table inet filter {\n"
        + _chain("input", "type filter hook input priority 0;", inputs)
        + _chain("forward", "type filter hook forward priority 0;", forward)
        + "}\n"
    )


def _sequence(nat):
    """The ports of a sequential allocation, in their order."""
    return range(nat.ports[0], nat.ports[1] + 1, nat.delta)


def _udp_mapping(nat, external, lan):
    """The rule that gives a new UDP flow its external port."""
    lo, hi = nat.ports
    count = hi - lo + 1
    udp = 'oifname "wan" meta l4proto udp'
    if nat.pool:
        each = ", ".join(f"{i} : {address}" for i, address in enumerate(nat.pool))
        return f"{udp} snat to numgen random mod {len(nat.pool)} map {{ {each} }} random"
    if nat.allocation == "preserving" and nat.mapping == "apdm":
        return f"{udp} meta mark 1 masquerade random\n    {udp} masquerade"
    if nat.allocation == "preserving":
        return f"{udp} masquerade"
    if nat.allocation == "range":
        return f"{udp} snat to {external}:{lo}-{hi}"
    if nat.allocation == "random" and nat.mapping == "apdm":
        return f"{udp} masquerade random"
    if nat.allocation == "block":
        hosts = list(lan.hosts())[9 : 9 + count // nat.block]
        blocks = [
            f"{host} : {external} . {lo + i * nat.block}-{lo + (i + 1) * nat.block - 1}"
            for i, host in enumerate(hosts)
        ]
        return f"{udp} snat ip to ip saddr map {{ {', '.join(blocks)} }} fully-random"
    if nat.allocation == "swapped":
        return f"{udp} snat to {external}:numgen inc mod {count} offset {lo}"
    steps = ", ".join(f"{i} : {external} . {p}-{p}" for i, p in enumerate(_sequence(nat)))
    if nat.mapping == "apdm":
        return f"{udp} snat ip to numgen inc mod {len(_sequence(nat))} map {{ {steps} }}"
    return f"{udp} snat ip to meta mark map {{ {steps} }}"


def _alloc_parts(nat):
    """Sequential ports that outlive one flow: a number for each key, chosen in the forward hook.

    The number travels in the packet's mark and a map makes a port of it, because nftables' counter
    is in host order and would step a port by 256. A key that is known leaves the counter alone.
    """
    if nat.allocation == "preserving" and nat.mapping == "apdm":
        return _kept_parts()
    if nat.mapping not in ("eim", "adm") or nat.allocation not in ("sequential", "random"):
        return ""
    kinds = "ipv4_addr . inet_service" + (" . ipv4_addr" if nat.mapping == "adm" else "")
    key = "ip saddr . udp sport" + (" . ip daddr" if nat.mapping == "adm" else "")
    new = 'oifname "wan" ct state new meta l4proto udp'
    order = "inc" if nat.allocation == "sequential" else "random"
    rules = [
        f"{new} meta mark set {key} map @alloc accept",
        f"{new} add @alloc {{ {key} : numgen {order} mod {len(_sequence(nat))} }}",
        f"{new} meta mark set {key} map @alloc",
    ]
    return (
        f"  map alloc {{\n    type {kinds} : mark\n    flags dynamic\n    size 65535\n  }}\n"
        + _chain("allocate", "type filter hook forward priority 10;", rules)
    )


def _kept_parts():
    """Marks the flows of a socket that has one already. Only a flow's first packet counts."""
    new = 'oifname "wan" ct state new meta l4proto udp'
    return (
        "  set known {\n    type ipv4_addr . inet_service\n    flags dynamic\n"
        "    size 65535\n  }\n"
        + _chain("allocate", "type filter hook forward priority 10;", [
            f"{new} ip saddr . udp sport @known meta mark set 1 accept",
            f"{new} add @known {{ ip saddr . udp sport }}",
        ])
    )


def _nat_table(nat, external, lan):
    learn, inbound = [], []
    if nat.filtering != "apdf" or nat.hairpin:
        learn.append(
            'oifname "wan" ct direction original ct status snat meta l4proto udp '
            f"update @eim {{ udp sport timeout {nat.stream_timeout}s : "
            "ct original ip saddr . ct original proto-src }"
        )
    if nat.filtering == "adf":
        learn.append(
            'oifname "wan" ct direction original ct status snat meta l4proto udp update @seen '
            f"{{ udp sport . ip daddr timeout {nat.stream_timeout}s }}"
        )
        inbound.append(
            f'iifname "wan" ip daddr {external} udp dport . ip saddr @seen '
            "dnat ip to udp dport map @eim"
        )
    if nat.filtering == "eif":
        inbound.append(f'iifname "wan" ip daddr {external} dnat ip to udp dport map @eim')
    mapped = [_udp_mapping(nat, external, lan), 'oifname "wan" masquerade']
    if nat.mapping == "apdm":
        mapped[1] += " random"
    if nat.hairpin:
        inbound.append(f'iifname "lan" ip daddr {external} dnat ip to udp dport map @eim')
        mapped.append(f'oifname "lan" ct status dnat iifname "lan" snat to {external}')
    return (
        "table ip nat {\n"
        "  map eim {\n    type inet_service : ipv4_addr . inet_service\n"
        "    flags dynamic,timeout\n    size 65535\n  }\n"
        "  set seen {\n    type inet_service . ipv4_addr\n"
        "    flags dynamic,timeout\n    size 65535\n  }\n"
        + _alloc_parts(nat)
        + _chain("inbound", "type nat hook prerouting priority dstnat;", inbound)
        + _chain("mapped", "type nat hook postrouting priority srcnat;", mapped)
        + _chain("learn", "type filter hook postrouting priority 300;", learn)
        + "}\n"
    )
