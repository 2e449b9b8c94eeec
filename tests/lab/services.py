# SPDX-License-Identifier: MIT
"""Software that people really use over a connection: ping, curl, ssh, iperf3."""
import dataclasses
import hashlib
import json
import os
import re
import signal
import unittest

from proc import LabError

PYTHON = "/usr/bin/python3"


@dataclasses.dataclass
class PingResult:
    sent: int
    rtts: dict  # sequence number -> milliseconds, first answer
    duplicates: int
    reordered: int  # answers that came after one to a later request

    @property
    def lost(self):
        """The sequence numbers without an answer."""
        return [seq for seq in range(1, self.sent + 1) if seq not in self.rtts]

    @property
    def loss(self):
        return len(self.lost) / self.sent if self.sent else 1.0

    @property
    def longest_gap(self):
        """How many requests in a row had no answer, at most."""
        longest = gap = 0
        for seq in range(1, self.sent + 1):
            gap = 0 if seq in self.rtts else gap + 1
            longest = max(longest, gap)
        return longest

    def __str__(self):
        times = sorted(self.rtts.values())
        span = f" {times[0]}/{times[len(times) // 2]}/{times[-1]} ms" if times else ""
        return f"{len(self.rtts)} of {self.sent} answered, {self.duplicates} doubled{span}"


def parse_ping(text):
    rtts, duplicates, reordered, last = {}, 0, 0, 0
    for line in text.splitlines():
        answer = re.search(r"icmp_seq=(\d+) .*time=([\d.]+) ms( \(DUP!\))?", line)
        if not answer:
            continue
        seq = int(answer[1])
        if answer[3]:
            duplicates += 1
            continue
        reordered += seq < last
        last = max(last, seq)
        rtts[seq] = float(answer[2])
    summary = re.search(r"(\d+) packets transmitted", text)
    if not summary:
        raise LabError(f"ping said no summary:\n{text}")
    return PingResult(int(summary[1]), rtts, duplicates, reordered)


def ping(host, address, count=5, interval=0.05, wait=1, size=56, timeout=60):
    """Pings to the end. A lost answer is no error: look at the result."""
    command = ["ping", "-n", "-c", count, "-i", interval, "-W", wait, "-s", size, address]
    return parse_ping(host.run(command, check=False, timeout=timeout).stdout)


class Pinger:
    """Pings in the background until `stop()`, which returns the PingResult."""

    def __init__(self, host, address, interval=0.02):
        self.process = host.start(["ping", "-n", "-i", interval, address])

    def wait_for_answer(self, timeout=10):
        """Waits for one answer more than there are by now."""
        self.process.wait_for(r"icmp_seq=", timeout, since=len(self.process.out))

    def stop(self):
        self.process.stop(sig=signal.SIGINT)
        return parse_ping(self.process.out)


class Sshd:
    """OpenSSH's server on a host, with keys of its own. Root may enter with `key`."""

    def __init__(self, host, port=22):
        if os.environ.get("WEND_LAB_USERNS"):
            raise unittest.SkipTest("sshd separates privileges, which needs more than one user id")
        self.port = port
        self.key = os.path.join(host.dir, "ssh-user-key")
        host_key = os.path.join(host.dir, "ssh-host-key")
        for path in (self.key, host_key):
            host.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path])
        config = os.path.join(host.dir, "sshd_config")
        with open(config, "w", encoding="utf-8") as out:
            out.write(
                f"Port {port}\nHostKey {host_key}\nAuthorizedKeysFile {self.key}.pub\n"
                "PermitRootLogin prohibit-password\nPasswordAuthentication no\nUsePAM no\n"
                "KbdInteractiveAuthentication no\nStrictModes no\nPidFile none\nUseDNS no\n"
                "ClientAliveInterval 0\nTCPKeepAlive no\n"
            )
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self.process = host.start(["/usr/sbin/sshd", "-D", "-e", "-f", config])
        self.process.wait_for("Server listening")

    def command(self, address, *remote):
        """The ssh command line that a client host runs."""
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes",
                   "LogLevel=ERROR", "TCPKeepAlive=no", "IdentitiesOnly=yes")
        words = [word for option in options for word in ("-o", option)]
        return ["ssh", "-F", "none", *words, "-i", self.key, "-p", self.port,
                f"root@{address}", *remote]


class HttpServer:
    """Serves the files of a folder, on IPv4 and IPv6, each client in a thread."""

    def __init__(self, host, port=80):
        self.folder = os.path.join(host.dir, f"www-{port}")
        os.mkdir(self.folder)
        self.port = port
        self.process = host.start(
            [PYTHON, "-u", "-m", "http.server", port, "--bind", "::", "--directory", self.folder]
        )
        self.process.wait_for("Serving HTTP")

    def make_file(self, name, size_bytes):
        """A file that does not repeat; returns its SHA-256."""
        data = hashlib.shake_128(name.encode()).digest(size_bytes)
        with open(os.path.join(self.folder, name), "wb") as out:
            out.write(data)
        return hashlib.sha256(data).hexdigest()

    def url(self, address, name):
        address = f"[{address}]" if ":" in address else address
        return f"http://{address}:{self.port}/{name}"


@dataclasses.dataclass
class Download:
    exit_status: int  # curl's
    size_bytes: int
    seconds: float
    sha256: str


def curl(host, url, timeout=30):
    """Downloads with curl; a failure shows in exit_status."""
    target = os.path.join(host.dir, "download")
    done = host.run(
        ["curl", "-sS", "-m", timeout, "-o", target, "-w", "%{size_download} %{time_total}", url],
        check=False, timeout=timeout + 5,
    )
    size, seconds = (done.stdout.split() + ["0", "0"])[:2]
    digest = hashlib.sha256()
    if os.path.exists(target):
        with open(target, "rb") as file:
            digest.update(file.read())
        os.unlink(target)
    return Download(done.returncode, int(size), float(seconds), digest.hexdigest())


class Iperf3Server:
    def __init__(self, host, port=5201):
        self.port = port
        self.process = host.start(["iperf3", "-s", "-p", port, "--forceflush"])
        self.process.wait_for("Server listening")


@dataclasses.dataclass
class Throughput:
    sent_bps: float
    received_bps: float
    loss: float  # UDP only
    report: dict  # everything that iperf3 said


def iperf3(host, address, seconds=3, port=5201, udp_rate=None, reverse=False, streams=1):
    """One run against an Iperf3Server; `udp_rate` ("50M") makes it UDP."""
    command = ["iperf3", "-J", "-c", address, "-p", port, "-t", seconds, "-P", streams]
    command += ["-u", "-b", udp_rate] if udp_rate else []
    command += ["-R"] if reverse else []
    done = host.run(command, check=False, timeout=seconds + 20)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        raise LabError(f"iperf3 printed no JSON: {done.stdout}{done.stderr}") from None
    if "error" in report:
        raise LabError(f"iperf3: {report['error']}")
    end = report["end"]
    if udp_rate:
        total = end["sum"]
        received = total["bits_per_second"] * (1 - total["lost_percent"] / 100)
        return Throughput(total["bits_per_second"], received, total["lost_percent"] / 100, report)
    return Throughput(
        end["sum_sent"]["bits_per_second"], end["sum_received"]["bits_per_second"], 0.0, report
    )
