# SPDX-License-Identifier: MIT
"""Debian's miniupnpd on a site's router: maps ports by PCP, NAT-PMP and UPnP."""
import os
import re
import shutil
import sys
import time

import pytest

from proc import LabError, wait_until

# miniupnpd takes the addresses that are kept for documents for private ones, so a gateway with it
# gets others. They lead nowhere outside the lab.
PUBLIC = ["11.0.0.1", "11.0.0.2", "11.0.0.3"]
CHAINS = """
table inet upnp {
  chain miniupnpd { }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
  chain forward { type filter hook forward priority 0; jump miniupnpd; }
  chain prerouting { type nat hook prerouting priority -110; jump prerouting_miniupnpd; }
  chain postrouting { type nat hook postrouting priority 90; jump postrouting_miniupnpd; }
}
"""


class MiniUpnpd:
    """`protocols`: pcp (with NAT-PMP), igd (UPnP), or both."""

    def __init__(self, site, protocols=("pcp", "igd"), version=2):
        program = shutil.which("miniupnpd")
        if not program:
            pytest.skip("miniupnpd is not here")
        self.site, self.program = site, program
        self.conf = os.path.join(site.dir, "miniupnpd.conf")
        yes = {True: "yes", False: "no"}
        lines = [
            "ext_ifname=wan",
            f"listening_ip={site.lan[1]}/{site.lan.prefixlen}",
            "ipv6_disable=yes",
            f"enable_natpmp={yes['pcp' in protocols]}",
            f"enable_upnp={yes['igd' in protocols]}",
            f"force_igd_desc_v1={yes[version == 1]}",
            "secure_mode=yes",
            "system_uptime=no",
            "uuid=7a2b8f5e-6c1d-4e0f-9a3b-1c2d3e4f5a6b",
            "upnp_table_name=upnp",
            "upnp_nat_table_name=upnp",
            "upnp_forward_chain=miniupnpd",
            "upnp_nat_chain=prerouting_miniupnpd",
            "upnp_nat_postrouting_chain=postrouting_miniupnpd",
            f"allow 1024-65535 {site.lan} 1024-65535",
            "deny 0-65535 0.0.0.0/0 0-65535",
        ]
        with open(self.conf, "w", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")
        site.nft(CHAINS)
        self.start()

    def start(self):
        pid = os.path.join(self.site.dir, "miniupnpd.pid")
        self.process = self.site.start([self.program, "-d", "-f", self.conf, "-P", pid])
        self._started = time.monotonic()
        wait_until(self._listens, 10, "miniupnpd listens")

    def age(self):
        """Its epoch time in seconds: since when it has kept its mappings."""
        return time.monotonic() - self._started

    def _listens(self):
        if not self.process.running:
            raise LabError(f"miniupnpd ended: {self.process.text}")
        sockets = self.site.run(["ss", "-lunH"]).stdout
        return ":5351" in sockets or ":1900" in sockets

    def mapped(self):
        """The UDP ports that are mapped now, outside."""
        rules = self.site.run(["nft", "list", "chain", "inet", "upnp", "prerouting_miniupnpd"])
        return sorted(int(port) for port in re.findall(r"udp dport (\d+)", rules.stdout)) or sorted(
            int(port) for port in re.findall(r"th dport (\d+)", rules.stdout))

    def restart(self):
        """As a reboot: all mappings are forgotten."""
        self.process.stop()
        self.site.nft("flush chain inet upnp prerouting_miniupnpd\n"
                      "flush chain inet upnp miniupnpd\n"
                      "flush chain inet upnp postrouting_miniupnpd\n")
        assert not self.mapped()
        self.start()


class PcpGateway:
    """A gateway of our own that knows PCP's MAP for UDP and nothing else; see pcpd.py."""

    def __init__(self, site):
        self.site = site
        site.nft("table ip pcpd {\n chain pre {\n type nat hook prerouting priority -110;\n }\n}\n")
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pcpd.py")
        self.process = site.start([sys.executable, program, site.lan[1], site.external])
        self.process.wait_for("^ready", 10)

    def mapped(self):
        rules = self.site.run(["nft", "list", "chain", "ip", "pcpd", "pre"]).stdout
        return sorted(int(port) for port in re.findall(r"udp dport (\d+)", rules))
