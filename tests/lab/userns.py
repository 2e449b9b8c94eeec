# SPDX-License-Identifier: MIT
"""Lets the lab run without root: inside a user namespace of its own, where the kernel allows it."""
import os
import subprocess
import sys

MARK = "WEND_LAB_USERNS"
UNSHARE = ["unshare", "-Urnm", "--map-root-user"]
# A /run and an /etc of our own, since ip(8) keeps its namespaces and their files there; and room
# for pytest, which would take root's folder in /tmp for its own.
SETUP = """
mount -t tmpfs tmpfs /run && mkdir /run/netns /run/etc /run/pytest &&
{ cp -r /etc/. /run/etc/ 2>/dev/null; true; } && mount --bind /run/etc /etc &&
export PYTEST_DEBUG_TEMPROOT=/run/pytest && exec "$@"
"""


def why_not():
    """Why namespaces cannot be made here; None if they can."""
    if os.geteuid() != 0:
        return "the lab needs root or unprivileged user namespaces"
    name = f"wl{os.getpid()}-check"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode != 0:
        return f"no network namespaces: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=False)
    return None


def needed():
    return os.geteuid() != 0 and MARK not in os.environ


def possible():
    tried = subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/run"], capture_output=True)
    return tried.returncode == 0


def reexec(arguments):
    """Replaces this process by itself, as root of a new user namespace."""
    os.environ[MARK] = "1"
    sys.stdout.flush()
    command = [*UNSHARE, "sh", "-c", SETUP, "sh", sys.executable, *arguments]
    os.execvp(command[0], command)
