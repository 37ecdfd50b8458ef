"""The demo as a newcomer runs it, only shorter."""

import json
import subprocess
import sys

import pytest

#: Enough for all three incidents: the last one begins at 62 %, and is found in seconds.
ARGUMENTS = ("--seconds", "60", "--rate", "300", "--seed", "11")


@pytest.mark.e2e
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
