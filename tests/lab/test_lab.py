# SPDX-License-Identifier: MIT
"""Proves the lab itself, without wend in it: NATs, addresses, services, nothing left over."""
import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from lab import Lab, LabError, Nat, wait_until
from services import HttpServer, Iperf3Server, Sshd, curl, iperf3, ping

PYTHON = "/usr/bin/python3"
PROBE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe.py")
PORTS = ("4001", "4002")


def prober(lab, addresses=2, ipv6=False):
    """A public host with a running probe server."""
    server = lab.public("server", addresses=addresses, ipv6=ipv6)
    if ipv6:
        server.ip("addr add 2001:db8:ffff::2/128 dev eth0 nodad")
        lab.wan.ip(f"route add 2001:db8:ffff::2/128 via fe80::2 dev {server.link.b[1]}")
    extra = [server.address6, "2001:db8:ffff::2"] if ipv6 else []
    start_probe(server, server.addresses + extra)
    return server


def start_probe(host, addresses):
    host.start([PYTHON, PROBE, "server", *PORTS, *addresses], "probe").wait_for("^ready")


def probe(host, verb, *addresses):
    return json.loads(host.run([PYTHON, PROBE, verb, *PORTS, *addresses]).stdout)


def steps(ports):
    return [b - a for a, b in zip(ports, ports[1:])]


def swap(port):
    return (port & 0xFF) << 8 | port >> 8


EIM, ADM, APDM = "endpoint-independent", "address-dependent", "address-and-port-dependent"

NATS = {
    "eim-apdf": (Nat.eim(), EIM, APDM),
    "eim-adf": (Nat.eim("adf"), EIM, ADM),
    "full-cone": (Nat.full_cone(), EIM, EIM),
    "eim-range": (Nat.eim_range(), EIM, APDM),
    "eim-range-full-cone": (Nat.eim_range(filtering="eif"), EIM, EIM),
    "eim-sequential": (Nat.eim_sequential(), EIM, APDM),
    "eim-sequential-full-cone": (Nat.eim_sequential(filtering="eif"), EIM, EIM),
    "address-dependent": (Nat.address_dependent(), ADM, ADM),
    "symmetric-random": (Nat.symmetric_random(), APDM, APDM),
    "symmetric-random-eif": (Nat.symmetric_random(filtering="eif"), APDM, EIM),
    "symmetric-block": (Nat.symmetric_block(), APDM, APDM),
    "symmetric-sequential": (Nat.symmetric_sequential(), APDM, APDM),
    "symmetric-sequential-3": (Nat.symmetric_sequential(delta=3), APDM, APDM),
    "symmetric-swapped": (Nat.symmetric_swapped(), APDM, APDM),
}


@pytest.mark.parametrize("kind", NATS)
def test_nat_kind(lab, kind):
    r"""
        laptop ---- home ----\
        (LAN)      (NAT)      wan ---- server (two addresses, two ports each)
    """
    nat, mapping, filtering = NATS[kind]
    server = prober(lab)
    laptop = lab.site("home", nat=nat).host("laptop")
    seen = probe(laptop, "nat", *server.addresses)
    assert (seen["mapping"], seen["filtering"]) == (mapping, filtering), seen
    assert {address for address, _ in seen["seen"]} == {lab.nodes["home"].external}
    ports, (lo, hi) = seen["ports"], nat.ports
    if nat.allocation == "preserving":
        assert ports[0] == seen["local"][1]
    elif nat.allocation == "sequential" and mapping == APDM:
        assert steps(ports) == [nat.delta] * 3 and lo <= ports[0] <= hi
    elif nat.allocation == "sequential" and mapping == ADM:
        assert ports[2] - ports[0] == 1
    elif nat.allocation == "swapped":
        assert steps([swap(port) for port in ports]) == [1, 1, 1]
    elif nat.allocation == "block":
        assert all(lo <= port < lo + nat.block for port in ports)
    elif nat.allocation == "random":
        assert len(set(ports)) == 4 and len(set(steps(ports))) > 1
    else:
        assert all(lo <= port <= hi for port in ports)


def test_sequential_sockets_get_neighbouring_ports(lab):
    r"""
        laptop ---- home (EIM, sequential) ---- wan ---- server
    """
    server = prober(lab)
    laptop = lab.site("home", nat=Nat.eim_sequential()).host("laptop")
    assert steps([probe(laptop, "seen", server.address)[1] for _ in range(4)]) == [1, 1, 1]


@pytest.mark.parametrize("drop", [True, False])
def test_early_packet_trap(lab, drop):
    r"""
        laptop ---- home ---- wan ---- server
                      `<-- second address knocks before laptop has spoken to it
    """
    server = prober(lab)
    laptop = lab.site("home", nat=Nat.eim(input_drop=drop)).host("laptop")
    result = probe(laptop, "early", *server.addresses)
    assert (result["before"] == result["after"]) is drop, result


@pytest.mark.parametrize("works", [True, False])
def test_hairpin(lab, works):
    r"""
        laptop (two sockets) ---- home ---- wan ---- server
                 ^-----------------'
    """
    server = prober(lab)
    laptop = lab.site("home", nat=Nat.eim(hairpin=works)).host("laptop")
    result = probe(laptop, "hairpin", server.address)
    assert result["met"] is works
    if works:
        assert result["source"] == result["outside"]


def test_two_nats_in_a_row(lab):
    r"""
        laptop ---- home (EIM) ---- carrier (symmetric) ---- wan ---- server
    """
    server = prober(lab)
    carrier = lab.site("carrier", nat=Nat.symmetric_random(), lan="100.64.200.0/24")
    home = lab.site("home", upstream=carrier, lan="192.168.1.0/24")
    seen = probe(home.host("laptop"), "nat", *server.addresses)
    assert (seen["mapping"], seen["filtering"]) == (APDM, APDM)
    assert seen["seen"][0][0] == carrier.external
    assert home.external.startswith("100.64.200.")


def test_same_lan_prefix_twice(lab):
    r"""
        one 192.168.1.10 ---- left ----\
                                        wan ---- server
        two 192.168.1.10 ---- right ---/
    """
    server = prober(lab)
    hosts = [lab.site(name, lan="192.168.1.0/24").host(f"{name}-pc") for name in ("left", "right")]
    assert hosts[0].address == hosts[1].address
    outside = [probe(host, "seen", server.address)[0] for host in hosts]
    assert outside == [lab.nodes["left"].external, lab.nodes["right"].external]


def test_udp_blocked(lab):
    r"""
        laptop ---- office (no UDP) ---- wan ---- server (http on 80)
    """
    server = prober(lab)
    http = HttpServer(server)
    digest = http.make_file("file", 1000)
    laptop = lab.site("office", nat=Nat.eim(udp=False)).host("laptop")
    assert probe(laptop, "nat", *server.addresses)["mapping"] == "blocked"
    assert curl(laptop, http.url(server.address, "file")).sha256 == digest


def test_only_tcp_443(lab):
    r"""
        laptop ---- office (TCP 443 only) ---- wan ---- server (http on 80 and on 443)
    """
    server = prober(lab)
    open_port, closed_port = HttpServer(server, 443), HttpServer(server, 80)
    digest = open_port.make_file("file", 1000)
    laptop = lab.site("office", nat=Nat.eim(only_tcp=(443,))).host("laptop")
    assert probe(laptop, "nat", *server.addresses)["mapping"] == "blocked"
    assert curl(laptop, open_port.url(server.address, "file")).sha256 == digest
    assert curl(laptop, closed_port.url(server.address, "file"), timeout=1).exit_status == 28


@pytest.mark.parametrize("firewall", [True, False])
def test_no_nat(lab, firewall):
    r"""
        laptop ---- campus (routed, with or without firewall) ---- wan ---- server
    """
    server = prober(lab)
    laptop = lab.site("campus", nat=Nat.none(firewall)).host("laptop")
    seen = probe(laptop, "nat", *server.addresses)
    assert (seen["mapping"], seen["filtering"]) == ("none", APDM if firewall else EIM)
    assert bool(ping(server, laptop.address, 1, wait=0.3).rtts) is not firewall


@pytest.mark.parametrize("firewall", [True, False])
def test_ipv6_only(lab, firewall):
    r"""
        laptop ---- home (IPv6 only, with or without firewall) ---- wan ---- server (dual stack)
    """
    server = prober(lab, ipv6=True)
    home = lab.site("home", nat=Nat(firewall6=firewall), ipv4=False, ipv6=True)
    laptop = home.host("laptop")
    seen = probe(laptop, "nat", server.address6, "2001:db8:ffff::2")
    assert (seen["mapping"], seen["filtering"]) == ("none", APDM if firewall else EIM)
    assert laptop.run(["ping", "-c1", "-W1", server.address], check=False).returncode != 0
    with pytest.raises(LabError):
        laptop.address  # pylint: disable=pointless-statement


def test_dual_stack_behind_two_routers(lab):
    r"""
        laptop ---- home ---- carrier (CGN for IPv4, a prefix for IPv6) ---- wan ---- server
    """
    server = prober(lab, ipv6=True)
    carrier = lab.site("carrier", nat=Nat.symmetric_random(firewall6=False), ipv6=True)
    laptop = lab.site("home", upstream=carrier, ipv6=True).host("laptop")
    assert probe(laptop, "nat", *server.addresses)["mapping"] == APDM
    seen = probe(laptop, "nat", server.address6, "2001:db8:ffff::2")
    assert (seen["mapping"], seen["seen"][0][0]) == ("none", laptop.address6)


def test_mapping_times_out(lab):
    r"""
        laptop ---- home (forgets after 1 s) ---- wan ---- server
    """
    server = prober(lab)
    home = lab.site("home", nat=Nat.eim(timeout=1, stream_timeout=1))
    probe(home.host("laptop"), "seen", server.address)

    def forgotten():
        return "udp" not in home.run(["conntrack", "-L"]).stdout

    assert not forgotten()
    wait_until(forgotten, 5, "the mapping is forgotten", interval=0.1)


def test_other_users_shift_a_sequential_nat(lab):
    r"""
        laptop -------\
                       home (symmetric, sequential) ---- wan ---- server
        home-other ---/  200 new flows a second
    """
    server = prober(lab)
    home = lab.site("home", nat=Nat.symmetric_sequential())
    laptop = home.host("laptop")
    first = probe(laptop, "seen", server.address)[1]
    others = home.background(f"{server.address}:{PORTS[0]}", 200)
    others.wait_for("^ready")
    wait_until(lambda: probe(laptop, "seen", server.address)[1] - first > 20, 5, "a shift")


def test_host_moves(lab):
    r"""
        phone ---- home ----\
          :                  wan ---- server
          `.....> cafe -----/
    """
    server = prober(lab)
    home, cafe = lab.site("home"), lab.site("cafe", nat=Nat.symmetric_random())
    phone = home.host("phone")
    assert probe(phone, "seen", server.address)[0] == home.external
    phone.move(cafe, link={"delay": "2ms"})
    assert probe(phone, "seen", server.address)[0] == cafe.external
    phone.attach(home, "eth1", metric=200)
    assert len(phone.addresses) == 2
    phone.detach("eth0")
    assert probe(phone, "seen", server.address)[0] == home.external


def test_services(lab):
    r"""
        laptop ---- home ---- wan ---- server (http, iperf3)
    """
    server = lab.public("server")
    laptop = lab.site("home").host("laptop")
    http = HttpServer(server)
    digest = http.make_file("file", 3_000_000)
    download = curl(laptop, http.url(server.address, "file"))
    assert (download.exit_status, download.size_bytes, download.sha256) == (0, 3_000_000, digest)
    assert curl(laptop, http.url(server.address, "none")).sha256 != digest
    Iperf3Server(server)
    assert iperf3(laptop, server.address, 1).received_bps > 1e7
    assert iperf3(laptop, server.address, 1, udp_rate="10M").loss < 0.5


def test_sshd(lab):
    r"""
        laptop ---- home ---- wan ---- server (sshd)
    """
    server = lab.public("server")
    laptop = lab.site("home").host("laptop")
    sshd = Sshd(server)
    words = laptop.run(sshd.command(server.address, "echo", "over", "there")).stdout.split()
    assert words == ["over", "there"]


def test_files_in_etc_are_separate(lab):
    r"""
        one        two
    """
    one, two = lab.public("one"), lab.public("two")
    one.etc("hosts", "192.0.2.77 thing\n")
    assert one.run(["getent", "hosts", "thing"]).stdout.split()[0] == "192.0.2.77"
    assert two.run(["getent", "hosts", "thing"], check=False).returncode != 0
    one.run(["sh", "-c", "echo 192.0.2.78 other >> /etc/hosts"])
    assert "other" in open(one.etc("hosts"), encoding="utf-8").read()
    assert "192.0.2.78" not in open("/etc/hosts", encoding="utf-8").read()


def test_failures_are_told(lab):
    r"""
        one
    """
    one = lab.public("one")
    with pytest.raises(LabError, match="exit status 3"):
        one.run(["sh", "-c", "exit 3"])
    with pytest.raises(LabError, match="ended .4. before"):
        one.start(["sh", "-c", "echo last words; exit 4"]).wait_for("never")
    started = time.monotonic()
    with pytest.raises(LabError, match="not within 0.2 s"):
        wait_until(lambda: False, 0.2, "what never happens")
    assert time.monotonic() - started < 2
    assert "last words" in lab.dump()


def test_nothing_is_left(lab_possible):
    r"""
        laptop (a deaf process and its child) ---- home ---- wan
    """
    lab = Lab()
    laptop = lab.site("home").host("laptop")
    script = "trap '' TERM; setsid sleep 1000 & echo up; while :; do sleep 1; done"
    deaf = laptop.start(["sh", "-c", script])
    deaf.wait_for("^up")
    wait_until(lambda: len(laptop.pids()) >= 3, 5, "the child")
    pids, prefix, folder = laptop.pids(), lab.prefix, lab.dir
    lab.close()
    assert not [ns for ns in os.listdir("/run/netns") if ns.startswith(prefix)]
    assert not [ns for ns in os.listdir("/etc/netns") if ns.startswith(prefix)]
    assert not os.path.exists(folder)
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), 5, "the end")


def test_interrupted_run_leaves_nothing(lab_possible, tmp_path):
    r"""
        one pytest run, ended by SIGTERM in the middle of a scenario
    """
    here = os.path.dirname(PROBE)
    for name in os.listdir(here):
        if name.endswith(".py") and not name.startswith("test_"):
            shutil.copy(os.path.join(here, name), tmp_path)
    marker = tmp_path / "marker"
    (tmp_path / "test_hang.py").write_text(
        "from lab import wait_until\n"
        "def test_hang(lab):\n"
        "    lab.public('one').start(['sleep', '1000'])\n"
        f"    open({str(marker)!r}, 'w').write(lab.prefix)\n"
        "    wait_until(lambda: False, 60)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        wait_until(lambda: marker.exists() and marker.read_text(), 20, "the scenario runs")
        run.terminate()
        output = run.communicate(timeout=20)[0].decode()
    assert run.returncode == 2, output
    assert not [ns for ns in os.listdir("/run/netns") if ns.startswith(marker.read_text())]


def test_runs_without_root(lab_possible, tmp_path):
    r"""
        the same lab, started by an ordinary user
    """
    if "WEND_LAB_USERNS" in os.environ:
        pytest.skip("runs without root already")
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for needed in (["unshare", "-Urnm", "true"], ["head", "-c1", PROBE]):
        tried = subprocess.run([*as_nobody, *needed], capture_output=True, text=True)
        if tried.returncode != 0:
            pytest.skip(f"not possible as an ordinary user: {tried.stderr.strip()}")
    kept = {key: os.environ[key] for key in ("PATH", "WEND_WIRE") if key in os.environ}
    env = {**kept, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*as_nobody, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    folder = os.path.dirname(PROBE)
    done = subprocess.run(
        [*command, os.path.join(folder, "test_lab.py"), os.path.join(folder, "test_wire.py"),
         "-k", "two_nats or (nat_kind and cone) or cut_and_heal"],
        env=env, cwd="/", capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
