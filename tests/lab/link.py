# SPDX-License-Identifier: MIT
"""The two kinds of link: a veth pair, and wend-wire with delay, loss and limits.

End `a` is the one further from the internet: `ab` is upload, `ba` download.
"""
import os
import unittest

from proc import LabError

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def program(variable, preset):
    """The path of a built program: from the environment, or from build/ in the tree."""
    path = os.environ.get(variable) or os.path.join(REPOSITORY, "build", preset)
    if not os.access(path, os.X_OK):
        raise LabError(f"{path} is missing: build it, or set {variable}")
    return os.path.abspath(path)


class Link:
    """What both kinds share. Cutting is silent: the ends see a carrier and lose packets."""

    def __init__(self, lab, a, b):
        self.lab, self.a, self.b = lab, a, b  # (node, interface) each
        self.a_mac, self.b_mac = lab.mac(), lab.mac()

    def _set_macs(self):
        for (node, interface), mac in ((self.a, self.a_mac), (self.b, self.b_mac)):
            node.ip(f"link set {interface} address {mac}")

    def set_mtu(self, mtu):
        for node, interface in (self.a, self.b):
            node.ip(f"link set {interface} mtu {mtu}")

    def down(self, direction=None):
        raise NotImplementedError

    def up(self, direction=None):
        raise NotImplementedError


class Veth(Link):
    """No delay, no limit: for speed, and wherever time does not matter."""

    def __init__(self, lab, a, b):
        super().__init__(lab, a, b)
        (a_node, a_if), (b_node, b_if) = a, b
        a_node.ip(f"link add {a_if} type veth peer name {b_if} netns {b_node.ns}")
        self._set_macs()
        a_node.ip(f"link set {a_if} up")
        b_node.ip(f"link set {b_if} up")

    def _receivers(self, direction):
        return {"ab": [self.b], "ba": [self.a], None: [self.a, self.b]}[direction]

    def down(self, direction=None):
        self.up(direction)
        for node, interface in self._receivers(direction):
            node.nft(
                f"table netdev cut-{interface} {{\n  chain in {{\n    type filter hook ingress "
                f"device {interface} priority -500; policy drop;\n  }}\n}}\n"
            )

    def up(self, direction=None):
        for node, interface in self._receivers(direction):
            # Adding it first makes the delete succeed either way.
            node.nft(f"table netdev cut-{interface}\ndelete table netdev cut-{interface}\n")

    def remove(self):
        node, interface = self.a
        node.ip(f"link del {interface}")


class Wire(Link):
    """wend-wire between the ends; settings as in `wend-wire --help`, - written _."""

    def __init__(self, lab, a, b, **settings):
        super().__init__(lab, a, b)
        check_tun()
        command = [program("WEND_WIRE", "sim/wend-wire")]
        for flag, (node, interface) in (("--a", a), ("--b", b)):
            command += [flag, f"/run/netns/{node.ns}:{interface}"]
        for key, value in settings.items():
            command += ["--" + key.replace("_", "-"), str(value)]
        self.process = lab.start(command, f"wire-{a[0].name}-{b[0].name}")
        self.process.wait_for("^ready$")
        self._set_macs()

    def _command(self, line):
        before = len(self.process.out)
        self.process.send(line + "\n")
        answer = self.process.wait_for(r"^(ok|error.*)$", since=before)[0]
        if answer != "ok":
            raise LabError(f"wend-wire: {line}: {answer}")
        return self.process.out[before:]

    def set(self, **settings):
        """Changes settings while it runs, as in set(delay="80ms", ab_loss="1%")."""
        words = (f"{key.replace('_', '-')}={value}" for key, value in settings.items())
        self._command("set " + " ".join(words))

    def down(self, direction=None):
        self._command(f"down {direction or ''}".strip())

    def up(self, direction=None):
        self._command(f"up {direction or ''}".strip())

    def counters(self):
        """{"ab": {"pushed": 3, …}, "ba": {…}}"""
        result = {}
        for line in self._command("counters").splitlines():
            if line.startswith("counters "):
                _, direction, *pairs = line.split()
                result[direction] = {k: int(v) for k, v in (p.split("=") for p in pairs)}
        return result

    def remove(self):
        self.process.stop()


def check_tun():
    """Skips the scenario where TUN devices cannot be made."""
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        raise unittest.SkipTest(f"no TUN device here: {error}") from None


def connect(lab, a, b, settings):
    """A veth for None or {"mtu": …} alone, otherwise a wire.

    `mtu` is what the interfaces know; `path_mtu` makes a wire lose longer packets in silence.
    """
    settings = dict(settings or {})
    mtu = settings.pop("mtu", None)
    if "path_mtu" in settings:
        settings["mtu"] = settings.pop("path_mtu")
    link = Wire(lab, a, b, **settings) if settings else Veth(lab, a, b)
    if mtu is not None:
        link.set_mtu(mtu)
    return link
