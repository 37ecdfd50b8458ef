import re
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor import __version__
from monitor.errors import BrokerError, ConfigError, MonitorError
from monitor.service import cli, cli_worker
from monitor.service.cli_exits import (
    MEANINGS,
    ExitCode,
    exit_codes_markdown,
    word_error,
)
from monitor.service.health import EXIT_STALLED
from monitor.service.settings import Settings, load_settings
from monitor.service.settings_table import setting_rows, settings_markdown
from monitor.service.settings_toml import to_toml


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("BOUNCEMON_CONFIG", "BOUNCEMON_HTTP__PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("argv", [["version"], ["--version"]])
def test_version(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(argv) == 0
    assert capsys.readouterr().out == f"bouncemon {__version__}\n"


def test_help_lists_commands_and_exit_statuses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run([]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for word in (*cli.COMMANDS, "version", "70"):
        assert word in text


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_explains_itself(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([command, "--help"]) == 0
    assert command in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["wrker"], "wrker"),
        (["counts", "--by", "isp"], "isp is not one of provider"),
        (["counts", "--since", "yesterday"], "yesterday: give a time as"),
        (["counts", "--nonsense"], "--nonsense"),
        (["demo", "--seconds", "0"], "needs --traffic-only"),
        (["config", "check", "--config", "no.toml"], "no.toml: cannot be read"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(argv) == ExitCode.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("bouncemon: error: ")
    assert words in line


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ConfigError("x = 1"), 2, "bouncemon: error: x = 1 (all settings: "),
        (BrokerError("gone (do this)"), 3, "bouncemon: error: gone (do this)\n"),
        (BrokerError("gone\nfar."), 3, "bouncemon: error: gone far (is Kafka up"),
        (MonitorError("no"), 1, "bouncemon: error: no\n"),
        (KeyError("k"), 70, "bouncemon: error: bug: KeyError('k')"),
    ],
)
def test_errors_of_the_worker(
    error: Exception,
    status: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli_status(error, monkeypatch) == status
    assert line in capsys.readouterr().err


def cli_status(outcome: Exception | int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run ``bouncemon worker`` with a worker that ends in the given way."""

    def end(_: Settings) -> int:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(cli_worker, "run_worker", end)
    monkeypatch.setattr(cli_worker, "configure_logs", lambda _: None)
    return cli.run(["worker"])


@pytest.mark.parametrize("status", [0, 4, 5])
def test_the_workers_status_is_ours(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli_status(status, monkeypatch) == status


def test_notes_are_shown_above_the_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = MonitorError("the worker ended")
    error.add_note("its log")
    assert cli_status(error, monkeypatch) == 1
    assert capsys.readouterr().err == "its log\nbouncemon: error: the worker ended\n"


def test_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(_: Settings) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_worker, "run_worker", end)
    monkeypatch.setattr(cli_worker, "configure_logs", lambda _: None)
    assert cli.run(["worker"]) == ExitCode.INTERRUPTED


def test_exit_statuses_are_documented_and_agreed() -> None:
    assert set(MEANINGS) == set(ExitCode)
    assert ExitCode.STALLED == EXIT_STALLED
    assert exit_codes_markdown().count("\n") == len(ExitCode) + 2
    assert word_error(MonitorError("a"))[0] == ExitCode.FAILED


Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*argv: str) -> str:
        assert cli.run(list(argv)) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return call


def test_config_check(run: Run, tmp_path: Path) -> None:
    assert run("config", "check").startswith("ok: 1 input(s), mode observe")
    (tmp_path / "bouncemon.toml").write_text('[throttle]\nmode = "enforce"\n')
    assert "mode enforce" in run("config", "check")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('recipient_key_file = "none"\n', "recipient_key_file: none: cannot be read"),
        ('[http]\nwebhook_token_file = "e"\n', "http.webhook_token_file: e: must"),
        ('[kafka]\nssl_cafile = "ca.pem"\n', "kafka.ssl_cafile: ca.pem: no such"),
        (
            '[[inputs]]\ntopic = "t"\nsource = "ses"\ncampaign = "a..b"\n',
            "campaign path",
        ),
    ],
)
def test_config_check_looks_into_files_and_paths(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "e").write_text("")
    (tmp_path / "bouncemon.toml").write_text(text)
    assert cli.run(["config", "check"]) == ExitCode.USAGE
    assert words in capsys.readouterr().err


def test_config_show_is_toml_that_loads_again(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    mine = tmp_path / "mine.toml"
    mine.write_text(
        f'recipient_key_file = "{secret}"\n'
        '[throttle]\ndeny_campaigns = ["a \\"b\\"", "ü\\u007f\\n"]\n'
        '[[inputs]]\ntopic = "x"\nsource = "ses"\n'
        '[[inputs]]\ntopic = "y"\nsource = "mailgun"\nfleet = "f"\n'
    )
    shown = run("config", "show", "-c", str(mine))
    assert "hunter2" not in shown
    assert str(secret) in shown
    again = tmp_path / "again.toml"
    again.write_text(shown)
    assert load_settings(again, {}) == load_settings(mine, {})
    assert to_toml(load_settings(again, {})) == shown


def test_every_setting_is_explained(run: Run) -> None:
    text = run("config", "reference")
    rows = setting_rows()
    for row in rows:
        assert row.meaning, row.name
        assert f"{row.name}  (default" in text
        assert row.variable in text
    assert len(settings_markdown().splitlines()) == len(rows) + 2
    assert len({row.name for row in rows}) == len(rows) > 40


def test_every_number_has_a_bound_and_every_unit_is_in_its_name() -> None:
    units = ("seconds", "milliseconds", "hours", "bytes", "records")
    for row in setting_rows():
        number = re.fullmatch(r"`\d+(\.\d+)?`", row.default)
        assert not number or " to " in row.allowed, row.name
    durations = [row for row in setting_rows() if "how long" in row.meaning]
    assert durations
    assert all(row.name.endswith(units) for row in durations)


def test_completion_is_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Typer asks which shell started us; that of a test may have no completion.
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    with pytest.raises(SystemExit) as end:
        cli.run(["--show-completion", "bash"])
    assert end.value.code == 0
    assert "bouncemon" in capsys.readouterr().out
