# SPDX-License-Identifier: MIT
"""What the checks share: the files of the tree, the order of the rooms, how findings are told."""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent

# The order of the rooms: each may include those before it, never one after it.
ROOMS = ["base", "wire", "crypto", "session", "path", "traverse", "mobility", "relay", "nat",
         "bpf", "node", "io", "sdk"]
# No clock, no socket, no allocation, no randomness of their own.
PURE_ROOMS = ["base", "wire", "crypto", "session", "path", "traverse", "mobility", "relay", "nat",
              "node"]

# Broken on purpose, and code that was not written here.
NOT_OURS = ("tools/canary/", "third_party/")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def files(root, *suffixes):
    """The tree's files, tracked or new but not ignored, as sorted paths relative to root."""
    try:
        out = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root, check=True, capture_output=True).stdout.decode()
        names = set(filter(None, out.split("\0")))
    except (OSError, subprocess.CalledProcessError):  # no git, or an unpacked archive
        names = set(walk(root))
    return sorted(name for name in names
                  if name.endswith(suffixes) and not name.startswith(NOT_OURS)
                  and (Path(root) / name).is_file())


def walk(root):
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith((".", "build", "__pycache__"))]
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), root)


def room_of(name):
    """The room a file is in ('base' for src/base/x.c), or None outside src/."""
    parts = name.split("/")
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def read(root, name):
    return (Path(root) / name).read_text(errors="replace")


def includes(text):
    """Yields (line number, '<' or '"', name) for each #include."""
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start(2)) + 1, match[1], match[2]


def resolve(root, name, included):
    """The file that a quoted include names: beside the one that includes it, or under src/."""
    folder = os.path.dirname(name)
    for candidate in (os.path.join(folder, included), "src/" + included, included):
        candidate = os.path.normpath(candidate)
        if (Path(root) / candidate).is_file():
            return candidate
    return None


def allowed(kind):
    """The rows of tools/purity.allow of one kind: [(file pattern, [name pattern…])…]."""
    rows = []
    for line in (TOP / "tools" / "purity.allow").read_text().splitlines():
        words = line.split("#")[0].split()
        if words and words[0] == kind:
            rows.append((words[1], words[2:]))
    return rows


def arguments(about):
    """The parser each check starts from."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--root", default=TOP, type=Path, help="the tree to look at")
    return parser


def finish(findings, summary):
    """Prints the findings, or the summary when there are none, and ends the program."""
    for finding in findings:
        print(finding)
    if not findings:
        print(summary)
    sys.exit(1 if findings else 0)
