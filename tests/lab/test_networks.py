# SPDX-License-Identifier: MIT
"""Who gets in, who is put out, and what a network's members can call each other."""
import base64
import hashlib
import signal
import time

import pytest

from lab import wait_until
from scenes import (become_direct, cut, download, fails, join, login, network, pings_through, reach,
                    serve, speed, use)
from services import ping
from wendtool import Network, private_file, wend


def try_up(host, invite, name, timeout=20):
    """`wend up` with an invite that must not work."""
    path = private_file(host, f"bad-{name}", invite)
    command = [wend(), "up", f"@{path}", "--name", name, "--state", f"{host.dir}/bad-{name}-state"]
    return host.run(command, check=False, timeout=timeout)


def test_two_networks_on_one_server(lab):
    r"""
        laptop (home), phone (home) ----\
                                         wan ---- server
        desk (work), printer (work) ----/
    """
    server = serve(lab)
    home = Network(server, "home")
    server.claim = server.fresh_claim
    work = Network(server, "work")
    laptop, phone = join(home, lab.public("laptop"), lab.public("phone"))
    desk, printer = join(work, lab.public("desk"), lab.public("printer"))
    become_direct(laptop, phone)
    become_direct(desk, printer)
    assert [peer["name"] for peer in laptop.status()["peers"]] == ["phone"]
    assert [peer["name"] for peer in desk.status()["peers"]] == ["printer"]
    for address in (desk.address, desk.address6):
        assert laptop.host.run(["ping", "-n", "-c2", "-i0.2", "-W0.3", address],
                               check=False).returncode != 0
    assert laptop.host.run([wend(), "ping", "-c", "1", "desk", "--state", laptop.state],
                           check=False).returncode == 1
    download(laptop, phone)
    download(desk, printer)
    splice = spliced_invite(home.invite(), work.invite())
    fails(try_up(lab.public("stranger"), splice, "stranger"), "network")
    assert len(home.show()["members"]) == 2 and len(work.show()["members"]) == 2


def spliced_invite(one, two):
    """The network of one invite with the permission of another, and a right check sum."""

    def parts(text):
        raw = base64.urlsafe_b64decode(text[3:] + "=" * (-len(text[3:]) % 4))
        size = int.from_bytes(raw[33:35], "big")
        return raw[:33], raw[33:35 + size], raw[35 + size:-4]

    body = parts(two)[0] + parts(one)[1] + parts(two)[2]
    body += hashlib.blake2s(body).digest()[:4]
    return "wi1" + base64.urlsafe_b64encode(body).decode().rstrip("=")


def test_revoked_device_is_cut_off(lab):
    r"""
        laptop ---- home (NAT) ----\
        thief ---- cafe (NAT) ------wan ---- server
        desk ---------------------- /
    """
    net = network(lab)
    hosts = lab.site("home").host("laptop"), lab.site("cafe").host("thief"), lab.public("desk")
    laptop, thief, desk = join(net, *hosts)
    become_direct(laptop, thief)
    become_direct(laptop, desk)
    net.revoke("thief")
    begin = time.monotonic()
    wait_until(lambda: not pings_through(laptop, thief, count=1, wait=0.2).rtts, 5,
               "no answer from the revoked device")
    peers_after = time.monotonic() - begin
    assert thief.process.wait(5) == 1
    server_after = time.monotonic() - begin
    print(f"revoked: peers after {peers_after:.2f} s, by the server after {server_after:.2f} s")
    assert not thief.host.run(["ip", "link", "show", "wend0"], check=False).stdout
    assert not pings_through(desk, thief, count=2, wait=0.3).rtts
    again = thief.host.run([wend(), "up", "--state", thief.state], check=False)
    fails(again)
    wait_until(lambda: laptop.peer("thief") is None or laptop.peer("thief")["state"] != "up", 5,
               "the laptop's status knows")
    use(laptop, desk)


def test_withheld_revocation_spreads_between_peers(lab):
    r"""
        laptop ---- x ---- server: out of the laptop's reach
              \
               `--- wan ---- thief, desk
    """
    net = network(lab)
    laptop, thief, desk = join(net, *(lab.public(name) for name in ("laptop", "thief", "desk")))
    become_direct(laptop, thief)
    become_direct(laptop, desk)
    for address in net.server.host.addresses:
        cut(lab, laptop.host.address, address, protocols="udp, tcp")
    net.revoke("thief")
    wait_until(lambda: desk.status()["self"]["revocation_serial"], 5, "desk knows")
    reach(laptop, desk)  # a path in use is probed, and probes tell the serial
    wait_until(lambda: laptop.status()["self"]["revocation_serial"], 10, "the laptop knows")
    assert not pings_through(laptop, thief, count=2, wait=0.3).rtts


def test_invites_that_do_not_work(lab):
    r"""
        five devices ---- wan ---- server
    """
    net = network(lab)
    host = lab.public("laptop")
    short = net.invite(expires="1s", uses=1)
    made = time.time()
    once, doomed = net.invite(uses=1), net.invite(uses=5)
    laptop = host.wend_up(once, "laptop")
    other = lab.public("other")
    fails(try_up(other, once, "second"), "invite")
    wait_until(lambda: time.time() > made + 2.1, 5, "the invite has expired")
    fails(try_up(other, short, "late"), "expired")
    fails(try_up(other, net.first_invite, "laptop"), "name")
    fails(try_up(other, once[:-9], "cut"), "invite")
    typo = once[:50] + ("A" if once[50] != "A" else "B") + once[51:]
    fails(try_up(other, typo, "typo"), "mistyped")
    ids = {invite["id"]: invite for invite in net.show()["invites"]}
    [doomed_id] = [key for key, invite in ids.items() if invite["uses"] == 5 and not invite["used"]]
    net.revoke(invite_id=doomed_id)
    fails(try_up(other, doomed, "revoked"), "revoked")
    phone = other.wend_up(net.first_invite, "phone")
    download(laptop, phone)


def test_names(lab):
    r"""
        laptop ---- home (NAT) ----\
                                    wan ---- server
        phone ---- cafe (NAT) -----/
    """
    net = network(lab)
    laptop, phone = join(net, lab.site("home").host("laptop"), lab.site("cafe").host("phone"))
    wait_until(lambda: laptop.host.run(["getent", "hosts", "phone"], check=False).stdout, 10,
               "the name phone")
    login(laptop, phone, "phone")
    login(laptop, phone, "phone.home.wend")
    login(phone, laptop, "laptop")
    assert {line.split()[0] for line in
            laptop.host.run(["getent", "ahosts", "phone"]).stdout.splitlines()} <= set(
                phone.addresses)
    done = laptop.host.run(
        [wend(), "ping", "-c", "2", "-i", "0.1", "phone", "--state", laptop.state])
    assert "direct" in done.stdout
    laptop.stop()
    assert not laptop.host.run(["getent", "hosts", "phone"], check=False).stdout


def test_large_packets(lab):
    r"""
        laptop ---- home (NAT) ----\
                                    wan ---- server
        phone ---- cafe (NAT) -----/
    """
    net = network(lab)
    laptop, phone = join(net, lab.site("home").host("laptop"), lab.site("cafe").host("phone"))
    become_direct(laptop, phone)
    for size in (16, 1371, 1372, 1373, 8000, 60000):
        assert not pings_through(laptop, phone, count=2, size=size).lost, size
    for address in (phone.address, phone.address6):
        assert not ping(laptop.host, address, 2, size=8000).lost
    done = laptop.host.run(["ping", "-n", "-c1", "-W1", "-Mdo", "-s1372", phone.address])
    assert " 0% packet loss" in done.stdout
    assert speed(laptop, phone) > 1e6


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("kind", ["relay", "direct"])
def test_first_packet_of_a_contact_arrives(lab, kind, how):
    r"""
        laptop ---- home (NAT) ----\
                                    wan ---- server
        phone ---- cafe (NAT) -----/

        Each contact is fresh: one of the two has just started, and one of the two begins.
    """
    net = network(lab)
    laptop, phone = join(net, lab.site("home").host("laptop"), lab.site("cafe").host("phone"))
    if kind == "relay":
        lab.wan.nft("table inet lose { chain lose { type filter hook forward priority 0;\n"
                    f"ip saddr {lab.nodes['home'].external} ip daddr "
                    f"{lab.nodes['cafe'].external} drop\n}}\n}}\n")
    for attempt in range(10):
        restarted = (laptop, phone)[attempt % 2]
        caller, called = ((laptop, phone), (phone, laptop))[attempt // 2 % 2]
        restarted.process.stop(sig=how)
        other = phone if restarted is laptop else laptop
        told = other.process.err.count("restarted")
        restarted.start()
        if how == signal.SIGKILL:
            # It went without a word: what the other sends before it hears is sealed for the dead.
            wait_until(lambda: other.process.err.count("restarted") > told, 5, "the news")
        result = pings_through(caller, called, count=1, wait=3)
        assert not result.lost, f"contact {attempt}: {restarted.name} fresh, {caller.name} calls"
