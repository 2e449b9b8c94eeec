# SPDX-License-Identifier: MIT
"""Counts test results, tells those that are not passes, and reads them from what runners leave."""

import json
import re
import sys
import xml.etree.ElementTree
from pathlib import Path

# cmocka's TAP: 'ok 1 - name', 'not ok 2 - name', 'not ok 3 # SKIP name'.
TAP = re.compile(r"^(not ok|ok) \d+ (- |# SKIP )(\S+)")
OUTPUT_LINES_MAX = 60


class Tally:
    def __init__(self, quiet=False):
        self.passed = self.failed = self.skipped = 0
        self.quiet = quiet

    def say(self, text):
        if not self.quiet:
            print(text)
            sys.stdout.flush()

    def add_pass(self, name=None, note=""):
        self.passed += 1
        if name:
            self.say(f"ok    {name}: {note}")

    def add_failure(self, name, output):
        self.failed += 1
        lines = output.strip().splitlines()
        if len(lines) > OUTPUT_LINES_MAX:
            half = OUTPUT_LINES_MAX // 2
            lines = [*lines[:half], f"… {len(lines) - 2 * half} lines …", *lines[-half:]]
        self.say("\n".join([f"FAIL  {name}", *("      " + line for line in lines)]))

    def add_skip(self, name, reason):
        """A skip has to say why: in silence it is a failure."""
        if not reason:
            self.add_failure(name, "skipped without a reason")
            return
        self.skipped += 1
        self.say(f"skip  {name}: {reason}")

    def merge(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def line(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def add_program(tally, name, result, stdout, stderr):
    """One test program: its cases one by one, where it is cmocka's, else the program as one."""
    before, failures, cases = "", 0, 0
    for line in stdout.splitlines():
        match = TAP.match(line)
        if match is None:
            before = line if not line.startswith(("#", "1..")) else before
            continue
        cases += 1
        if match[2] == "# SKIP ":
            tally.add_skip(f"{name} {match[3]}", before.strip() or stderr.strip()[-200:])
        elif match[1] == "ok":
            tally.add_pass()
        else:
            failures += 1
            tally.add_failure(f"{name} {match[3]}", around(stdout, line) + "\n" + stderr)
        before = ""
    if result == "SKIP" and cases == 0:
        tally.add_skip(name, (stdout.strip() or stderr.strip())[-200:])
    elif result not in ("OK", "SKIP", "EXPECTEDFAIL") and failures == 0:
        tally.add_failure(f"{name}: {result}", stdout[-4000:] + "\n" + stderr)
    elif cases == 0:
        tally.add_pass()


def around(text, line):
    """The comment lines that follow a failed case."""
    lines = text.splitlines()
    at = lines.index(line)
    end = next((i for i in range(at + 1, len(lines)) if TAP.match(lines[i])), len(lines))
    return "\n".join(lines[at + 1:end])


def add_meson_log(tally, runner, build):
    """All the programs of a `meson test` run."""
    with open(Path(build) / "meson-logs" / "testlog.json") as f:
        for row in map(json.loads, f):
            name = f"{runner} {row['name'].split(' / ')[-1]}"
            add_program(tally, name, row["result"], row.get("stdout", ""), row.get("stderr", ""))


def add_junit(tally, runner, path):
    """All the cases of a pytest run; pytest itself has printed what went wrong."""
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        name = f"{runner} {case.get('classname')}::{case.get('name')}"
        skip, failure = case.find("skipped"), case.find("failure")
        if failure is None:
            failure = case.find("error")
        if failure is not None:
            tally.add_failure(name, failure.get("message") or "")
        elif skip is not None:
            tally.add_skip(name, skip.get("message"))
        else:
            tally.add_pass()
