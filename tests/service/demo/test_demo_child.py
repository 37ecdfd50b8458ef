from pathlib import Path

import pytest

from monitor.errors import MonitorError
from monitor.service import cli
from monitor.service.cli_exits import ExitCode
from monitor.service.demo.child import ChildWorker
from monitor.service.demo.setup import for_demo, on_broker
from monitor.service.settings import Settings

NOBODY = "127.0.0.1:1"


@pytest.mark.e2e
def test_a_worker_that_ends_is_an_error_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOUNCEMON_NONSENSE", "must not reach the worker")
    settings = for_demo(on_broker(Settings(), NOBODY), "run")
    kafka = settings.kafka.model_copy(update={"wait_seconds": 0.0})
    worker = ChildWorker(settings.model_copy(update={"kafka": kafka}), tmp_path)
    assert worker._process.wait(60) == ExitCode.BROKER
    with pytest.raises(MonitorError, match="ended with status 3") as error:
        worker.check()
    assert NOBODY in error.value.__notes__[0]
    assert worker.stop() == ExitCode.BROKER


@pytest.mark.parametrize(
    ("broker", "status", "words"),
    [
        (NOBODY, ExitCode.BROKER, NOBODY),
        ("nowhere", ExitCode.USAGE, "--broker nowhere: give it as host:port"),
    ],
)
def test_no_broker_no_demo(
    broker: str, status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["demo", "--plain", "--broker", broker]) == status
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err.splitlines()[-1]
