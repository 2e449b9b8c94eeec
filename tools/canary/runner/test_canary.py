# SPDX-License-Identifier: MIT
"""One test that passes, one that fails, one that is skipped."""

import pytest


def test_passes():
    assert True


def test_fails():
    assert False


def test_is_skipped():
    pytest.skip("it is a canary")
