# SPDX-License-Identifier: MIT
"""The fixture `lab`, as in tests/lab: namespaces for one scenario, always torn down."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))

import userns  # noqa: E402
from lab import Lab  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    lab = getattr(item, "funcargs", {}).get("lab")
    if lab and report.when == "call" and report.failed:
        report.sections.append(("lab", lab.dump()))


@pytest.fixture
def lab():
    if userns.why_not():
        pytest.skip(userns.why_not())
    with Lab() as made:
        yield made
