# SPDX-License-Identifier: MIT
"""What the command line promises: help, exit codes, error lines; networks and invites end to end.

Everything here runs on loopback without a namespace: `wend up` only with invites that must fail.
"""
import base64
import hashlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time

import pytest

from lab import wait_until
from wendtool import wend

SECRET = re.compile(r"w[ic]1[A-Za-z0-9_-]{20,}")


def run(*words, state=None, stdin="", timeout=60, env=None):
    command = [wend(), *map(str, words), *(["--state", str(state)] if state else [])]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **(env or {})}, check=False)


def fails(done, status, *words):
    """One line on standard error with these words, and nothing secret in it."""
    assert done.returncode == status, done
    assert done.stdout == ""
    assert done.stderr.startswith("wend") and done.stderr.count("\n") == 1, done.stderr
    assert not SECRET.search(done.stderr), done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    return done.stderr


def works(done):
    assert done.returncode == 0, done
    assert done.stderr == "", done.stderr
    return done.stdout


class Server:
    """`wend serve` on loopback; the port stays the same over restarts."""

    def __init__(self, folder):
        self.state = folder / "server"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = folder / "serve.log"
        self.process = None
        self.start()

    def start(self, *options):
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [wend(), "serve", "--state", self.state, "--listen", f"127.0.0.1:{self.port}",
                 *options], stdout=subprocess.PIPE, stderr=log, text=True)
        self.ready = self.process.stdout.readline()
        assert self.ready.startswith("ready "), (self.ready, self.log.read_text())

    def printed_claim(self):
        line = self.process.stdout.readline()
        assert line.startswith("claim wc1"), line
        return line.split()[1]

    def claim(self):
        return works(run("claim", state=self.state)).strip()

    def stop(self, signum=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(signum)
        status = self.process.wait(10)
        self.process.stdout.close()
        return status


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path)
    yield made
    made.stop(signal.SIGKILL)


@pytest.fixture
def admin(tmp_path):
    return tmp_path / "admin"


def new_network(server, admin, name="home", *options):
    return works(run("network", "new", name, "--claim", server.claim(), *options,
                     state=admin)).strip()


def show(admin, name="home"):
    return json.loads(works(run("network", "show", name, "--json", state=admin)))


def rebuilt(invite, change):
    """The invite with its body changed and the check sum right again."""
    body = bytearray(base64.urlsafe_b64decode(invite[3:] + "=" * (-len(invite[3:]) % 4))[:-4])
    change(body)
    body += hashlib.blake2s(bytes(body)).digest()[:4]
    return "wi1" + base64.urlsafe_b64encode(bytes(body)).decode().rstrip("=")


# --- help and usage ---

def commands():
    text = works(run("--help"))
    return re.findall(r"^  ([a-z]+) ", text, re.M)


def test_every_command_answers_help():
    names = commands()
    assert {"serve", "claim", "network", "invite", "revoke", "up", "down", "status",
            "ping"} <= set(names)
    for words in [[name] for name in names] + [["network", "new"], ["network", "show"]]:
        text = works(run(*words, "--help"))
        assert text.startswith("usage: wend " + words[0]), text
        if words != ["network"]:
            assert "--state" in text, words
    assert works(run("--version")).startswith("wend 0.")


def test_wrong_usage_is_status_2():
    fails(run(), 2, "--help")
    fails(run("bogus"), 2, "bogus", "--help")
    for name in commands():
        fails(run(name, "--no-such-option"), 2, "no-such-option" if name != "network" else "new")
    fails(run("network", "old"), 2, "old")
    fails(run("network", "new"), 2, "NAME")
    fails(run("network", "new", "home"), 2, "--claim")
    fails(run("network", "show"), 2, "NAME")
    fails(run("invite"), 2, "NAME")
    fails(run("invite", "home", "--uses", "0"), 2, "0")
    fails(run("invite", "home", "--uses", "4097"), 2, "4097")
    fails(run("invite", "home", "--expires", "soon"), 2, "soon", "24h")
    fails(run("invite", "home", "--member-for", "-1d"), 2, "-1d")
    fails(run("invite", "home", "wi1" + "A" * 100), 2)
    fails(run("revoke", "home"), 2, "device")
    fails(run("revoke", "home", "laptop", "--invite", "AAAAAAAAAAA="), 2)
    fails(run("up", "--port", "70000"), 2, "70000")
    fails(run("serve", "--listen", "nowhere"), 2, "nowhere")


def test_names_are_checked(admin, server):
    for name in ("Home", "ho me", "", "-home", "../home", "a" * 64):
        fails(run("network", "new", name, "--claim", server.claim(), state=admin), 2)
    assert not (admin / "networks").exists()


def test_the_state_comes_from_the_environment(admin, server):
    new_network(server, admin)
    works(run("invite", "home", env={"WEND_STATE": str(admin)}))
    fails(run("invite", "home", state=admin / "file", env={"WEND_STATE": str(admin)}), 1, "home")
    (admin / "plain").write_text("")
    fails(run("invite", "home", state=admin / "plain"), 1, "plain")


# --- networks ---

def test_a_network_from_new_to_revoke(admin, server):
    claim = server.printed_claim()
    first = works(run("network", "new", "home", "--claim", claim, state=admin)).strip()
    assert SECRET.fullmatch(first)
    key = admin / "networks" / "home.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert (admin / "wend.db").stat().st_mode & 0o777 == 0o600
    shown = show(admin)
    assert shown["version"] == 1 and shown["name"] == "home" and shown["members"] == []
    assert shown["pool"].startswith("100.") and shown["pool"].endswith("/20")
    assert shown["servers"][0]["addresses"] == [f"127.0.0.1:{server.port}"]
    assert f"key={shown['servers'][0]['key']}" in server.ready

    second = works(run("invite", "home", "--uses", "3", "--expires", "2h", "--member-for", "30d",
                       state=admin)).strip()
    assert SECRET.fullmatch(second) and second != first
    invites = show(admin)["invites"]
    assert sorted((i["uses"], i["used"]) for i in invites) == [(3, 0), (16, 0)]
    text = works(run("network", "show", "home", state=admin))
    assert invites[0]["id"] in text and "0/3" in text and str(server.port) in text

    fails(run("revoke", "home", "laptop", state=admin), 1, "laptop", "wend network show")
    fails(run("revoke", "home", "--invite", "xyz", state=admin), 2, "xyz")
    for invite in invites:
        done = works(run("revoke", "home", "--invite", invite["id"], state=admin))
        assert done == f"revoked invite {invite['id']}\n"
        fails(run("revoke", "home", "--invite", invite["id"], state=admin), 1, "already")
    line = fails(run("up", second, "--name", "laptop", state=admin / "device"), 1, "revoked")
    assert "new invite" in line
    assert "claimed name=home" in server.log.read_text()
    assert claim not in server.log.read_text()


def test_a_long_revocation_list_goes_in_parts(admin, server):
    new_network(server, admin)
    for number in range(150):  # 9 bytes each: over 1,024 in the end
        invite = base64.b64encode(number.to_bytes(8, "big")).decode()
        works(run("revoke", "home", "--invite", invite, state=admin))
    server.stop(signal.SIGKILL)
    server.start()
    fails(run("revoke", "home", "--invite", "AAAAAAAAAAA=", state=admin), 1, "already")


def test_a_pool_of_ones_own(admin, server):
    new_network(server, admin, "lan", "--pool", "10.99.4.0/24")
    assert show(admin, "lan")["pool"] == "10.99.4.0/24"
    for pool in ("10.99.4.0", "10.99.4.0/33", "fd00::/64", "10.0.0.0/31", "x"):
        fails(run("network", "new", "other", "--claim", server.claim(), "--pool", pool,
                  state=admin), 2, pool)


def test_a_key_file_of_ones_own(admin, server, tmp_path):
    key = tmp_path / "my.key"
    new_network(server, admin, "home", "--key-file", key)
    assert key.stat().st_mode & 0o777 == 0o600
    assert not (admin / "networks").exists()
    works(run("invite", "home", "--key-file", key, state=admin))
    works(run("network", "show", "home", "--key-file", key, state=admin))
    fails(run("invite", "home", state=admin), 1, "home.key", "--key-file")
    new_network(server, admin, "work")
    other = admin / "networks" / "work.key"
    fails(run("invite", "home", "--key-file", other, state=admin), 1, "work.key")
    broken = tmp_path / "broken.key"
    broken.write_text("not a key\n")
    fails(run("invite", "home", "--key-file", broken, state=admin), 1, "broken.key")
    fails(run("invite", "nowhere", state=admin), 1, "nowhere")


def test_a_claim_is_good_for_one_network(admin, server):
    claim = server.claim()
    works(run("network", "new", "home", "--claim", claim, state=admin))
    fails(run("network", "new", "home", "--claim", claim, state=admin), 1, "already", "home")
    fails(run("network", "new", "work", "--claim", claim, state=admin), 1, "used before")
    fails(run("invite", "work", state=admin), 1, "work", "network new")
    works(run("network", "new", "work", "--claim", server.claim(), state=admin))
    assert show(admin, "work")["key"] != show(admin)["key"]


def test_claims_that_are_none(admin, server):
    claim = server.claim()
    invite = new_network(server, admin)
    middle = claim[:40] + ("A" if claim[40] != "A" else "B") + claim[41:]
    for text, word in ((claim[:-9], "cut short"), (middle, "mistyped"), (invite, "not a claim"),
                       ("", ""), ("@/no/such/file", "No such file"), ("hello", "mistyped")):
        fails(run("network", "new", "work", f"--claim={text}", state=admin), 2, word)
    fails(run("network", "new", "work", "--claim", "-", state=admin), 2)
    works(run("network", "new", "work", "--claim", "-", state=admin, stdin=f"  {claim}\n"))


def test_a_command_that_was_killed_is_repeated(admin, server):
    claim = server.claim()
    server.stop()
    command = [wend(), "network", "new", "home", "--claim", claim, "--pool", "10.99.0.0/24",
               "--state", str(admin)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as killed:
        key = admin / "networks" / "home.key"
        wait_until(lambda: key.exists() and key.read_text().endswith("\n"), 5, "the key on disk")
        wait_until(lambda: stored(admin, "record:home"), 5, "the record on disk")
        shown = open(f"/proc/{killed.pid}/cmdline", encoding="utf-8").read()
        killed.kill()
    assert claim not in shown and "*" * 20 in shown  # not for `ps` either
    text = key.read_text()
    server.start()
    works(run(*command[1:]))
    assert key.read_text() == text
    # Killed after the server took the network, before that was written down here.
    forget(admin, "claimed:home")
    assert SECRET.match(works(run(*command[1:])))
    assert key.read_text() == text
    assert show(admin)["pool"] == "10.99.0.0/24"


def stored(admin, name):
    try:
        with sqlite3.connect(f"file:{admin}/wend.db?mode=ro", uri=True) as database:
            return database.execute("SELECT 1 FROM value WHERE name=?", (name,)).fetchone()
    except sqlite3.OperationalError:
        return None


def forget(admin, name):
    with sqlite3.connect(admin / "wend.db") as database:
        assert database.execute("DELETE FROM value WHERE name=?", (name,)).rowcount == 1


def test_a_server_that_is_gone_is_said_so(admin, server):
    new_network(server, admin)
    server.stop()
    begun = time.monotonic()
    fails(run("network", "show", "home", state=admin), 1, "does not answer", "wend serve")
    assert time.monotonic() - begun < 20
    works(run("invite", "home", state=admin))  # needs nobody


def test_a_restarted_server_knows_its_networks(admin, server):
    new_network(server, admin)
    key = show(admin)["servers"][0]["key"]
    server.stop(signal.SIGKILL)
    server.start("--log-json")
    assert f"key={key}" in server.ready
    assert show(admin)["name"] == "home"
    assert server.stop() == 0
    for line in server.log.read_text().splitlines():
        assert "event" in json.loads(line)


# --- invites that do not work ---

def test_invites_that_are_refused_at_sight(admin, server, tmp_path):
    invite = new_network(server, admin)
    device = tmp_path / "device"

    def refused(text, status=1, *words):
        return fails(run("up", text, "--name", "laptop", state=device), status, *words)

    refused(invite[:-9], 1, "cut short")
    refused(invite[:60] + ("A" if invite[60] != "A" else "B") + invite[61:], 1, "mistyped")
    refused(server.claim(), 2, "not an invite")
    refused("hello", 1, "mistyped")
    refused("@/no/such/file", 2, "No such file")
    refused(rebuilt(invite, lambda body: flip(body, -1)), 1, "forged", "new invite")
    refused(rebuilt(invite, lambda body: flip(body, 1)), 1, "forged")  # another invite's key
    refused(rebuilt(invite, lambda body: flip(body, 0)), 1)  # another version
    fails(run("up", invite, "--name", "Not A Name", state=device), 1, "Not A Name", "--name")
    fails(run("up", state=device), 1, "in no network", "wi1")
    short = works(run("invite", "home", "--expires", "1s", state=admin)).strip()
    made = time.time()
    wait_until(lambda: time.time() > made + 2.1, 5, "the invite has expired")
    refused(short, 1, "expired", "new invite")
    assert show(admin)["members"] == []


def flip(body, index):
    body[index] ^= 1 if index else 2
