# SPDX-License-Identifier: MIT
"""What the scenarios with wend share: a server with a network, devices, and what users do there."""
import hashlib
import ipaddress
import os

from proc import wait_until
from services import HttpServer, Iperf3Server, Sshd, curl, iperf3, ping
from wendtool import Network, WendServer

FILE_BYTES = 1_000_000


def serve(lab, addresses=2, ipv6=False, link=None):
    """A public server, on all its addresses of both families."""
    host = lab.public("server", addresses=addresses, ipv6=ipv6, link=link)
    options = ["--listen", f"[{host.address6}]:3478"] if ipv6 else []
    return WendServer(host, *options)


def network(lab, **options):
    """A server as above, and a network on it."""
    return Network(serve(lab, **options), "home")


def join(net, *hosts):
    """`wend up` on each host, named like it. Returns the devices."""
    return [host.wend_up(net.first_invite) for host in hosts]


# What a user does -------------------------------------------------------------------------------

def pings_through(one, two, **options):
    """Ping's result from device to device, by its IPv4 address inside."""
    return ping(one.host, two.address, **options)


def reach(one, two, timeout=15):
    """Waits until a ping from one device to the other comes back."""
    wait_until(lambda: pings_through(one, two, count=1, wait=1).rtts, timeout,
               f"ping from {one.name} to {two.name}", interval=0.1)


def download(one, two, ipv6=False, size=FILE_BYTES):
    """Device `one` fetches a file from `two` with curl; what arrives has to be the file."""
    http = getattr(two, "http", None) or HttpServer(two.host)
    two.http = http
    digest = http.make_file("file", size)
    got = curl(one.host, http.url(two.address6 if ipv6 else two.address, "file"))
    assert (got.exit_status, got.size_bytes, got.sha256) == (0, size, digest)


def login(one, two, target=None):
    """Device `one` runs a command on `two` by ssh."""
    sshd = getattr(two, "sshd", None) or Sshd(two.host)
    two.sshd = sshd
    words = one.host.run(sshd.command(target or two.address, "hostname", "&&", "echo", "inside"))
    assert words.stdout.split()[-1] == "inside"


def speed(one, two, seconds=1):
    """What iperf3 gets from one device to the other, bits per second."""
    if not hasattr(two, "iperf3"):
        two.iperf3 = Iperf3Server(two.host)
    return iperf3(one.host, two.address, seconds).received_bps


def use(one, two, least_bps=1e6):
    """All of that, in both directions where it is cheap."""
    assert not pings_through(one, two, count=3).lost
    assert not pings_through(two, one, count=3).lost
    download(one, two)
    login(two, one)
    assert speed(one, two) > least_bps


class Download:
    """A long download with curl from device `two` that goes on while things change."""

    def __init__(self, one, two, size=12_000_000, rate="3M", ipv6=False):
        http = HttpServer(two.host, 8080)
        self.digest, self.size = http.make_file("long", size), size
        self.path = os.path.join(one.host.dir, "long-download")
        url = http.url(two.address6 if ipv6 else two.address, "long")
        self.process = one.host.start(
            ["curl", "-sS", "-m", 120, "--limit-rate", rate, "-o", self.path, url])

    def have(self):
        return os.path.getsize(self.path) if os.path.exists(self.path) else 0

    def wait_for_more(self, size=500_000, timeout=30):
        """Waits until so many more bytes are there than now."""
        goal = min(self.have() + size, self.size)
        wait_until(lambda: self.have() >= goal, timeout, f"download: {goal} bytes")

    def finish(self, timeout=60):
        """Waits for the end; the file has to be whole and right."""
        status = self.process.wait(timeout)
        assert status == 0, self.process.text
        with open(self.path, "rb") as file:
            assert hashlib.sha256(file.read()).hexdigest() == self.digest


# What the status says ---------------------------------------------------------------------------

def remote_ip(status):
    """The other end's address, outside, of the path that a peer's packets take."""
    return ipaddress.ip_address(status["path"]["remote"].rsplit(":", 1)[0].strip("[]"))


def become_direct(one, two, timeout=15):
    """Starts with a ping, waits until both sides use a direct path; returns one's status."""
    reach(one, two)
    status = one.wait_path(two.name, "direct", timeout)
    two.wait_path(one.name, "direct", timeout)
    return status


def stays_relayed(one, two):
    """Uses the tunnel, then waits until no direct path is tried any more: the relay carries."""
    reach(one, two)
    use(one, two)

    def settled(status):
        return not [p for p in status["paths"] if p["kind"] == "direct" and p["state"] == "probing"]

    for device, peer in ((one, two), (two, one)):
        status = device.wait_peer(peer.name, settled, what="attempts ended")
        assert status["path"]["kind"] == "relay", status
    return one.peer(two.name)


def wait_connected(device, timeout=60):
    """Waits until the device is registered with its server."""
    wait_until(lambda: device.status()["servers"][0]["state"] == "connected", timeout,
               f"{device.name} is connected to the server", interval=0.1)


# What the internet does -------------------------------------------------------------------------

def _cut_name(one, two):
    return "cut_" + "".join(c if c.isalnum() else "_" for c in f"{one}_{two}")


def cut(lab, one, two, protocols="udp"):
    """The internet loses UDP between two public addresses, in silence, both ways."""
    family = {4: "ip", 6: "ip6"}[ipaddress.ip_address(one).version]
    lab.wan.nft(
        f"table inet {_cut_name(one, two)} {{\nchain lose {{\n"
        "type filter hook forward priority 0;\n"
        f"{family} saddr {one} {family} daddr {two} meta l4proto {{ {protocols} }} drop\n"
        f"{family} saddr {two} {family} daddr {one} meta l4proto {{ {protocols} }} drop\n}}\n}}\n"
    )


def heal(lab, one, two):
    lab.wan.nft(f"delete table inet {_cut_name(one, two)}\n")


def fails(done, *words):
    """A command that ended with exit status 1 and one line that says why."""
    assert done.returncode == 1, done
    assert done.stderr.strip(), done
    line = done.stderr.strip().splitlines()[-1].lower()
    for word in words:
        assert word in line, line
    return line

