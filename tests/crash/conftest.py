"""Options, a work folder that leaves nothing behind, and a loud word about what could not be tested here."""

import ctypes
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from rig import untested  # noqa: E402
from rig.relay import BINARY, BUILD  # noqa: E402

_CLONE_NEWNS = 0x20000


def pytest_addoption(parser):
    parser.addoption("--cuts", type=int, default=50, help="power cuts (50)")
    parser.addoption("--kills", type=int, default=100, help="kills (100)")
    parser.addoption("--seed", type=int, default=None, help="of everything that is chosen by chance; said at the start")
    parser.addoption("--resume", action="store_true", help="go on with a campaign that was interrupted")
    parser.addoption("--replay", default=None, metavar="FOLDER", help="only the power cut that was kept in this folder")


def pytest_configure(config):
    if config.option.seed is None:
        config.option.seed = random.SystemRandom().getrandbits(31)
    # In a mount name space of our own whatever we mount goes with us, however we end.
    config.is_private = os.geteuid() == 0 and ctypes.CDLL(None).unshare(_CLONE_NEWNS) == 0
    if config.is_private:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def pytest_collection_modifyitems(config, items):
    """A campaign may take its time, but not for ever."""
    seconds = 600 + 10 * config.option.cuts + 5 * config.option.kills
    for item in items:
        item.add_marker(pytest.mark.timeout(seconds))


def pytest_report_header(config):
    return f"relay: {BINARY}; --seed {config.option.seed}"


def pytest_terminal_summary(terminalreporter):
    for line in untested.said:
        terminalreporter.write_line(f"!!! {line}", red=True, bold=True)


@pytest.fixture(scope="session", autouse=True)
def _scratch(request):
    """Temporary files of the harness and of ours: in memory where we may mount, gone in the end."""
    root = Path(tempfile.mkdtemp(prefix="phc-"))
    if request.config.is_private:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700", "crash-tests", str(root)], check=True)
    before, tempfile.tempdir = tempfile.tempdir, str(root)
    yield root
    tempfile.tempdir = before
    if request.config.is_private:
        subprocess.run(["umount", "--lazy", str(root)], check=True)
    shutil.rmtree(root)


@pytest.fixture
def folder():
    name = tempfile.mkdtemp(prefix="t-")
    yield Path(name)
    shutil.rmtree(name)


@pytest.fixture(scope="session")
def seed(request):
    return request.config.option.seed


@pytest.fixture(scope="session")
def results():
    """Where numbers and the remains of failures are kept."""
    path = BUILD.parent / "crash"
    path.mkdir(exist_ok=True)
    return path
