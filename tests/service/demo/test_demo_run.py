"""The demo as a newcomer runs it, only shorter."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monitor.service import clock
from monitor.service.cli_exits import ExitCode

#: Enough for all three incidents: the last one begins at 62 %, and is found in seconds.
ARGUMENTS = ("--seconds", "60", "--rate", "300", "--seed", "11")

pytestmark = pytest.mark.e2e


def test_the_demo_ends_well() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "monitor", "demo", *ARGUMENTS],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    (line,) = done.stdout.splitlines()
    report = json.loads(line)
    assert report["ok"]
    assert report["unaccounted"] == 0
    assert (
        report["counted"] + report["late"] + report["duplicates"]
        == report["produced"]
        > 60 * 250
    )
    assert report["late"] > 0
    assert report["duplicates"] > 0
    channels = [one["channel"] for one in report["incidents"]]
    assert channels == ["block", "hard", "deferral"]
    assert all(one["found"] and one["seconds"] < 30 for one in report["incidents"])
    for one in report["incidents"]:
        assert one["directive"]["scope"] == one["scope"]
    assert report["incidents"][2]["directive"]["action"] == "slow"
    assert "live traffic" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_demo_that_is_stopped_leaves_nothing_behind(
    number: signal.Signals, tmp_path: Path
) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "monitor", "demo", *ARGUMENTS],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    deadline = clock.monotonic() + 60.0
    while not [*tmp_path.glob("bouncemon-demo-*/worker.log")]:
        assert running.poll() is None
        assert clock.monotonic() < deadline
        time.sleep(0.05)
    running.send_signal(number)
    assert running.wait(60) == ExitCode.INTERRUPTED
    assert [*tmp_path.iterdir()] == []
