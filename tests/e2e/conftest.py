# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests: the laboratory once a session, agents by the module or by the test."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from lab.agent import KERNSPAN, Agent  # noqa: E402
from lab.lab import Lab  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "interop: needs builds that take minutes; `make interop` runs them")
    config.addinivalue_line("markers", "load: thousands of calls")


def pytest_collection_modifyitems(config, items):
    """Interoperability runs only where it is asked for by -m."""
    if config.option.markexpr:
        return
    skipped = [item for item in items if item.get_closest_marker("interop")]
    if skipped:
        config.hook.pytest_deselected(items=skipped)
        items[:] = [item for item in items if item not in skipped]


def pytest_sessionstart(session):
    if os.geteuid():
        pytest.exit("the end-to-end tests need root", returncode=2)
    if not KERNSPAN.exists():
        pytest.exit(f"{KERNSPAN} is not built", returncode=2)


@pytest.fixture(scope="session")
def lab():
    lab = Lab()
    yield lab
    lab.stop()


@pytest.fixture(scope="module")
def agent(lab):
    """One agent for the module, with JSON lines; it must also end cleanly."""
    agent = Agent()
    yield agent
    status = agent.stop()
    assert status == 0, f"kernspan ended with {status}:\n{agent.stderr[-3000:]}"


@pytest.fixture
def start():
    """start(*args, **more): agents for one test, ended with it."""
    running = []

    def begin(*args, **more):
        running.append(Agent(*args, **more))
        return running[-1]

    yield begin
    for one in running:
        if one.process.poll() is None:
            one.stop()
