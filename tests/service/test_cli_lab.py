import json

import pytest

from monitor.service import cli


def test_blame_prints_bounds_beside_values(capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.run(["lab", "blame", "--quick"])
    out = capsys.readouterr().out
    assert status == (1 if "MISSED" in out else 0)
    assert "one dimension, exact" in out
    assert "0.92" in out


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["lab", "blame", "--quick", "--json", "--seed", "5"])
    said = json.loads(capsys.readouterr().out)
    assert (said["name"], said["seed"]) == ("blame", 5)
    assert len(said["bounds"]) == 4


@pytest.mark.parametrize("command", ["false-alarms", "delays"])
def test_quick_runs_end(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.run(["lab", command, "--quick", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["name"] == command
    assert status == (0 if said["kept"] else 1)
