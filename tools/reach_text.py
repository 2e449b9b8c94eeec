# SPDX-License-Identifier: MIT
"""What docs/reach.md says in words: classes of NATs, what netcheck prints for each, the rows."""

import re


class Wrong(Exception):
    """netcheck no longer says what is quoted here."""


# What `wend netcheck` prints of whom a NAT lets in: the columns in which a reader finds his class.
LETS_IN = {
    "EIF": "It lets in packets from anybody, once a port is open.",
    "ADF": "It lets in packets from addresses that you have sent to, from any of their ports.",
    "APDF": "Only packets from the addresses and ports that you have sent to come in.",
}
# And of ports: the rows.
MAPPINGS = {
    "EIM": "Your NAT gives a socket one port for everybody",
    "ADM": "Your NAT gives each address another port",
    "APDM": "Your NAT gives each destination another port",
}
ALLOCATIONS = {
    "preserving": ", the same as inside if it is free.",
    "sequential": ", counted up by 1.",
    "block": ", at random within about 40000 to 40499.",
    "random": ", at random.",
}

# The classes by their keys, in the order of their letters.
CLASSES = {
    "open": "no NAT, a mapped port, a full cone",
    "cone-address": "cone, lets in addresses",
    "cone-port": "cone, lets in addresses and ports (most home routers)",
    **{f"{allocation}-{strict}": f"symmetric{whom}: {what}"
       for strict, whom in [("address", " by address, lets in addresses"),
                            ("loose", ", lets in addresses"),
                            ("port", ", lets in addresses and ports")]
       for allocation, what in [("preserving", "keeps ports"), ("sequential", "counts ports"),
                                ("block", "random ports in a block"), ("random", "random ports")]},
}


# The simulator's rows, for those who do not know its names.
ROWS = {
    "same NAT": "both behind the same NAT, with hairpin or without",
    "cone in sequential | EIM/APDF": "cone within a symmetric NAT that counts – C",
    "cone in symmetric | EIM/ADF": "cone within any symmetric NAT – B",
    "sequential in cone | EIM/APDF": "symmetric NAT that counts within a cone – C",
    "symmetric in cone | EIM/ADF": "any symmetric NAT within a cone – B",
    "masquerade | masquerade, early": "Linux masquerade on both sides, a packet comes too early",
    "masquerade | masquerade, taken": "Linux masquerade on both sides, another has the port",
    "IPv6 firewall | IPv6 firewall": "IPv6, a firewall on both sides, no NAT",
    "chosen ports | open there": "only chosen ports let out – A, there",
    "no UDP | any": "UDP blocked – anybody",
    "arbitrary pooling | APDF": "addresses that change with each mapping – C or stricter",
    "sequential | sequential, 35/s": "both count ports, 35 other mappings a second on each",
    "sequential | sequential, 100/s": "both count ports, 100 other mappings a second on each",
    "EIM/APDF | sequential": "C – any that counts ports, up to 360 other mappings a second",
    "EIM/APDF | block": "C – any with random ports in a block of 512 to 4,096",
    "EIM/APDF | random, longer": "C – any with random ports",
}

SPREAD = ("84 sockets x 600 to 800 ports: 54 to 65 % a round; 256 x 1,000 in 15 s; "
          "256 x 1,750 in 35 s")


def elsewhere(one, two):
    """What others ship for a pair of classes; empty: the same, or nothing known."""
    kinds = {one.split("-")[0], two.split("-")[0]}
    if "open" in kinds:
        return ""
    if "cone" in kinds:
        hidden = kinds & {"random", "block"}
        return SPREAD if hidden and "cone-port" in (one, two) else ""
    return "most: relay at once"


def check(top):
    """Whether netcheck still says what is quoted here. Numbers and names are its own."""
    source = (top / "src" / "io" / "netcheck_words.c").read_text()
    source += (top / "apps" / "netcheck.c").read_text()
    joined = re.sub(r'"\s*\n\s*"', "", source)
    endings = [", the same as inside if it is free", ", counted ", ", at random within about ",
               ", at random"]
    quoted = [*LETS_IN.values(), *MAPPINGS.values(), *endings, "The gateway grants ports by ",
              "There is no NAT: ", "UDP is blocked: "]
    for words in quoted:
        if words not in joined:
            raise Wrong(f"netcheck no longer prints {words!r}")


PAGE = """\
<!-- SPDX-License-Identifier: MIT -->
<!-- Written by tools/reach-table (make reach): do not edit. Measured by: {command} -->
# Who can reach whom

For people who run networks: which devices wend connects directly through which NATs, how soon,
with how many datagrams, and where the relay stays. Everything here was measured by the simulator
with the machines that ship: {cell_count} pairs of NATs with {cell_trials} trials each, and
particular places with {row_trials} trials each. `make reach` measures again and writes this page;
`make matrix` prints every line of it.

## Find your row

`wend netcheck` says what the NAT in front of a device does, in two sentences; so does `wend
status` on a device that is up. “There is no NAT”, or “The gateway grants ports by …”, which makes
any NAT reachable: the row is **A**. Else the first sentence leads to a line here, the second one
to a column:

{find}
Two devices behind the same NAT reach each other at their inside addresses, whatever it does.
Where `wend netcheck` says “UDP is blocked”, all goes over the relay, by TCP.

## The table

Your row, the other side's column. *At once*: within {at_once_ms} ms and {at_once_datagrams}
datagrams as a rule, the relayed round trip being {rtt} ms. A time: as a rule, of those that
connect; packets take the relay meanwhile. *Relay*: no packet of one side can pass the other's
filter and be answered; that is said before the first datagram, in `wend status`, and the relay
stays.

{overview}
## In numbers

Connected: the share of trials that found a direct path. Then the middle one and the 99 % one of
those that did: from when both devices hold what the other knows about its NAT until both hold an
authenticated answer, and the datagrams towards the peer meanwhile, both sides together. A pair of
classes holds several kinds of NATs: the middle one is that of the middle kind, the 99 % one that
of the worst; where all relay, the datagrams are those sent in vain. The last column is what is
shipped elsewhere for the same pair.

{numbers}
By arithmetic, 256 sockets against 1,000 ports meet in 98 % of cases, against 1,750 in 99.9 %.

## Particular places

Connected as above; the same where unanswered holes in a NAT live 15 s; with 2 % loss and 20 ms of
jitter between the NATs; and with the same between devices and their NATs. Then the middle and the
99 % of those on clean links.

{places}"""
