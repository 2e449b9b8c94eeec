# SPDX-License-Identifier: MIT
"""Memory of a device's daemon that knows many peers, and of a server with many clients."""
import os
import subprocess

from lab import LabError
from machine import memory_kib
from scenes import join, network
from wendtool import wend

PEERS = 100


def run(lab, options):
    net = network(lab)
    crowd = lab.public("crowd")
    [device] = join(net, lab.public("device"))
    alone = memory_kib(device.process.pid)
    invite = net.invite(uses=PEERS)
    for number in range(PEERS):
        crowd.wend_up(invite, f"peer-{number}").crash()
    device.wait_peer(f"peer-{PEERS - 1}", lambda status: True)
    known = len(device.status()["peers"])
    if known != PEERS:
        raise LabError(f"the device knows {known} peers of {PEERS}")
    full = memory_kib(device.process.pid)
    print(f"\n{'memory of wend up, KiB':34}{'resident':>10}{'private':>10}")
    for words, (resident, private) in (("alone", alone), (f"{known} known peers", full)):
        print(f"{words:34}{resident:>10}{private:>10}")
    server(options)


def server(options):
    """bench/server_memory prints what an idle registered client costs."""
    program = os.path.join(os.environ["WEND_BUILD"], "bench", "server_memory")
    if not os.access(program, os.X_OK):
        print("\nno bench/server_memory in the build")
        return
    print("\nmemory of wend serve, idle registered clients", flush=True)
    subprocess.run([program, wend(), str(options.clients)], check=True)
