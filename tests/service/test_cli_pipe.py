"""Output that nobody reads any more, as with ``bouncemon backtest FILE | head``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.service import cli, cli_worker
from monitor.service.cli_exits import ExitCode


def start_into_a_closed_pipe(
    *argv: str, given: bytes = b"", errors_too: bool = False
) -> subprocess.Popen[bytes]:
    """A command whose output has no reader from the first byte on."""
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen(
        [sys.executable, "-m", "monitor", *argv],
        stdin=subprocess.PIPE,
        stdout=writer,
        stderr=writer if errors_too else subprocess.PIPE,
    )
    os.close(writer)
    assert process.stdin is not None
    process.stdin.write(given)
    process.stdin.close()
    process.stdin = None
    return process


def test_a_closed_pipe_is_a_quiet_end(tmp_path: Path) -> None:
    event = {"event_time": 1_767_571_200.0, "outcome": "delivered"}
    recorded = tmp_path / "events.ndjson"
    recorded.write_text(f"{json.dumps(event)}\n")
    reply = json.dumps({"diagnostic": "550 5.1.1 user unknown"}).encode()
    running = [
        start_into_a_closed_pipe("backtest", "--summary", str(recorded)),
        start_into_a_closed_pipe("classify", given=reply),
        start_into_a_closed_pipe("counts", "--help"),
        start_into_a_closed_pipe("wrong", errors_too=True),
    ]
    said = [process.communicate(timeout=120)[1] for process in running]
    statuses = [process.returncode for process in running]
    assert statuses == [ExitCode.CLOSED_PIPE] * len(running)
    assert not any(said), said


def test_a_pipe_that_broke_within_a_worker_is_a_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise BrokenPipeError("some socket")

    monkeypatch.setattr(cli_worker, "run_worker", fail)
    monkeypatch.setattr(cli_worker, "configure_logs", lambda _: None)
    assert cli.run(["worker"]) == ExitCode.BUG
    assert "BrokenPipeError: some socket" in capsys.readouterr().err
