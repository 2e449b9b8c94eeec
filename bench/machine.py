# SPDX-License-Identifier: MIT
"""What a reader of the numbers has to know about where they come from."""
import os
import platform
import subprocess

CAVEATS = """\
Everything runs on this one machine: both ends of each tunnel, and what measures them, share its
cores. The links are veth pairs, which pass large (GSO) packets whole where a network card would cut
them; the second table has that switched off for UDP. Compare within a table only: absolute
numbers and other machines say nothing about each other."""


def first_line(command):
    try:
        text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return "not installed"
    return text.splitlines()[0] if text else "unknown"


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def memory_gib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def describe():
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"machine   {processor()}, {os.cpu_count()} CPUs, {memory_gib():.1f} GiB")
    print(f"kernel    {platform.release()}; load before: {load}")
    print(f"software  {first_line(['iperf3', '--version'])}; {first_line(['wg', '--version'])}")
    print(f"\n{CAVEATS}\n", flush=True)


def cpu_seconds(pid):
    """What a process has used of the CPU so far, in user space and in the kernel."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_kib(pid):
    """(resident, of that private) memory of a process."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in rollup.readlines()[1:]}
    return sizes["Rss"], sizes["Private_Clean"] + sizes["Private_Dirty"]
