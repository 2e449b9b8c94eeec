# SPDX-License-Identifier: MIT
"""The fixture `lab`: a fresh Lab for each scenario, its logs on failure, always torn down."""
import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import userns  # noqa: E402
from lab import Lab  # noqa: E402


def pytest_configure(config):
    # A run that is told to end takes its namespaces with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if userns.needed() and userns.possible():
        capture = config.pluginmanager.getplugin("capturemanager")
        if capture:
            capture.suspend_global_capture(in_=True)
        userns.reexec(["-m", "pytest", *config.invocation_params.args])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    lab = getattr(item, "funcargs", {}).get("lab")
    if lab and report.when == "call" and report.failed:
        report.sections.append(("lab", lab.dump()))


@pytest.fixture(scope="session")
def lab_possible():
    reason = userns.why_not()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def lab(lab_possible):
    with Lab() as made:
        yield made
