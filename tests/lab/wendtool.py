# SPDX-License-Identifier: MIT
"""wend in the lab: servers, networks and devices, as the command line promises them."""
import json
import os
import re

from link import program
from proc import LabError, wait_until


def wend():
    """The path of the wend program: $WEND, or build/apps/wend."""
    return program("WEND", "apps/wend")


def ready_fields(process, timeout):
    """The key=value pairs of the line `ready …`."""
    line = process.wait_for(r"^ready (.*)$", timeout)[1]
    return dict(pair.split("=", 1) for pair in line.split())


def private_file(node, name, text):
    path = os.path.join(node.dir, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text + "\n")
    return path


class WendServer:
    """`wend serve` on a public host: on all its addresses, the second one as --alt."""

    def __init__(self, host, *options, port=3478, state=None):
        self.host, self.port = host, port
        self.state = state or os.path.join(host.dir, "server-state")
        self.options = options
        self.start()

    def start(self, timeout=10):
        addresses = self.host.addresses
        command = [wend(), "serve", "--state", self.state,
                   "--listen", f"{addresses[0]}:{self.port}"]
        if len(addresses) > 1:
            command += ["--alt", f"{addresses[1]}:{self.port}"]
        self.process = self.host.start([*command, *self.options], "serve")
        self.ready = ready_fields(self.process, timeout)

    def claim(self, timeout=5):
        """The claim code that the server printed."""
        return self.process.wait_for(r"^claim (\S+)", timeout)[1]

    def fresh_claim(self):
        printed = self.host.run([wend(), "claim", "--state", self.state]).stdout
        return printed.split()[-1]

    def stop(self):
        return self.process.stop()

    def crash(self):
        self.process.kill()

    def restart(self):
        self.process.stop()
        self.start()


class Network:
    """A network on a server. Its key stays in a state of its own, on the `admin` host."""

    def __init__(self, server, name="home", admin=None, pool=None):
        self.server, self.name = server, name
        self.admin = admin or server.host
        self.state = os.path.join(self.admin.dir, f"admin-{name}")
        claim = private_file(self.admin, f"claim-{name}", server.claim())
        command = ["network", "new", name, "--claim", f"@{claim}"]
        command += ["--pool", pool] if pool else []
        self.first_invite = self._invite_in(self._run(*command))

    def _run(self, *words):
        return self.admin.run([wend(), *words, "--state", self.state]).stdout

    @staticmethod
    def _invite_in(text):
        found = re.search(r"\bwi1\S+", text)
        if not found:
            raise LabError(f"no invite in: {text}")
        return found[0]

    def invite(self, **options):
        """A new invite; options as in invite(uses=1, expires="1h", member_for="1d")."""
        words = []
        for key, value in options.items():
            words += ["--" + key.replace("_", "-"), value]
        return self._invite_in(self._run("invite", self.name, *words))

    def revoke(self, device=None, invite_id=None):
        return self._run("revoke", self.name, *([device] if device else ["--invite", invite_id]))

    def show(self):
        return json.loads(self._run("network", "show", self.name, "--json"))


class Device:
    """`wend up` on a host, ready. The state survives `stop()`, so `start()` joins again."""

    def __init__(self, host, invite, name, *options, state=None, interface="wend0", timeout=20):
        self.host, self.name, self.interface = host, name, interface
        self.state = state or os.path.join(host.dir, f"device-{name}")
        self.options = options
        invite_words = [f"@{private_file(host, f'invite-{name}', invite)}"] if invite else []
        self.start(*invite_words, timeout=timeout)

    def start(self, *invite_words, timeout=20):
        command = [wend(), "up", *invite_words, "--name", self.name, "--state", self.state,
                   "--interface", self.interface, *self.options]
        self.process = self.host.start(command, f"up-{self.name}")
        self.ready = ready_fields(self.process, timeout)
        self.addresses = self.ready["address"].split(",")

    @property
    def address(self):
        return next(address for address in self.addresses if ":" not in address)

    @property
    def address6(self):
        return next(address for address in self.addresses if ":" in address)

    def _run(self, *words, check=True, timeout=30):
        return self.host.run([wend(), *words, "--state", self.state], check, timeout)

    def status(self):
        return json.loads(self._run("status", "--json").stdout)

    def words(self):
        """`wend status` as people read it."""
        return self._run("status").stdout

    def ping(self, peer, count=3, check=True):
        """`wend ping --json` to a device by name: its lines, the last one the summary."""
        text = self._run("ping", "-c", count, "--json", peer, check=check).stdout
        return [json.loads(line) for line in text.splitlines()]

    def prefer(self, peer, kind):
        """`wend prefer`: which kind of path its packets to a device shall take."""
        self._run("prefer", peer, kind)

    def peer(self, name):
        """What the status says about a peer; None while it does not know it."""
        return next((peer for peer in self.status()["peers"] if peer["name"] == name), None)

    def wait_peer(self, name, predicate, timeout=15, what="peer"):
        """Waits until `predicate` holds for the peer's status; returns that status."""

        def look():
            peer = self.peer(name)
            return peer if peer and predicate(peer) else None

        return wait_until(look, timeout, f"{self.name}: {name}: {what}", interval=0.05)

    def wait_path(self, peer, kind="direct", timeout=15):
        """Waits until packets to `peer` take a path of this kind."""
        return self.wait_peer(
            peer, lambda status: status["path"]["kind"] == kind, timeout, f"path {kind}"
        )

    def down(self):
        self._run("down")
        return self.process.wait()

    def stop(self):
        return self.process.stop()

    def crash(self):
        self.process.kill()
