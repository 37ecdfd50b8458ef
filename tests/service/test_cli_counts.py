import json
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import BrokerError
from monitor.events import COLUMNS, Cell, Ledger
from monitor.service import cli, cli_counts, cli_topics
from monitor.service.cli_counts import parse_dimensions, parse_time
from monitor.service.counts import CountsQuery, CountsReport
from monitor.service.settings import Settings
from monitor.service.topics import TopicReport, TopicState

NOW = 1_800_000_000.0

ROW = dict(zip(COLUMNS, range(1234, 1234 + len(COLUMNS)), strict=True))
LEDGER = Ledger(records=5, events=5, counted=4, late=1)


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOUNCEMON_CONFIG", raising=False)
    monkeypatch.setattr(cli_counts, "now", lambda: NOW)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[CountsQuery]:
    """Answers every question with one row; the questions are kept."""
    questions: list[CountsQuery] = []

    def answer(_: Settings, query: CountsQuery) -> CountsReport:
        questions.append(query)
        dims = tuple("yahoo" if name == "provider" else "" for name in query.by)
        unaccounted = 3 if query.fleet == "broken" else 0
        return CountsReport([(dims, ROW)], LEDGER, unaccounted)

    monkeypatch.setattr(cli_counts, "read_counts", answer)
    return questions


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", None),
        ("-15m", NOW - 900),
        ("-2h", NOW - 7200),
        ("-1d", NOW - 86_400),
        ("-30s", NOW - 30),
        ("1795359600", 1795359600.0),
        ("1795359600.5", 1795359600.5),
        ("2026-11-22T15:00", 1795359600.0),
        ("2026-11-22T15:00:00Z", 1795359600.0),
        ("2026-11-22T16:00:00+01:00", 1795359600.0),
        ("2026-11-22", 1795305600.0),
    ],
)
def test_times(text: str, moment: float | None) -> None:
    assert parse_time(text, NOW) == moment


@given(st.text(max_size=20))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        moment = parse_time(text, NOW)
    except typer.BadParameter:
        return
    assert moment is None or abs(moment) < 1e12


@given(st.lists(st.sampled_from(Cell._fields), unique=True))
def test_dimensions(names: list[str]) -> None:
    assert parse_dimensions(" , ".join(names)) == tuple(names)


def test_a_question_in_full(
    asked: list[CountsQuery], capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["counts", "--by", "provider,campaign", "--since", "-15m"]
    argv += ["--until", "1800000000", "--fleet", "f", "--format", "ndjson"]
    assert cli.run(argv) == 0
    assert asked == [CountsQuery(("provider", "campaign"), NOW - 900, NOW, "f")]
    row, ledger = map(json.loads, capsys.readouterr().out.splitlines())
    assert row == {"provider": "yahoo", "campaign": ""} | ROW
    assert ledger["ledger"]["counted"] == 4
    assert ledger["ledger"]["unaccounted"] == 0


def test_the_table(
    asked: list[CountsQuery],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    assert cli.run(["counts", "--by", "provider,tenant"]) == 0
    out = capsys.readouterr().out
    for word in ("yahoo", "1,234", "attempts", "late 1", "unaccounted 0"):
        assert word in out
    assert asked[0].since is None


def test_unaccounted_events_fail_the_check(asked: list[CountsQuery]) -> None:
    assert cli.run(["counts", "--fleet", "broken"]) == 1
    assert asked


@pytest.mark.parametrize("command", ["counts", "incidents"])
def test_without_kafka_that_is_said(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BOUNCEMON_KAFKA__BROKERS", "127.0.0.1:1")
    assert cli.run([command]) == 3
    assert "is Kafka up" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["create", "check"])
@pytest.mark.parametrize(
    ("state", "status"),
    [
        (TopicState.OK, 0),
        (TopicState.CREATED, 0),
        (TopicState.DIFFERS, 1),
        (TopicState.MISSING, 1),
    ],
)
def test_topics(
    command: str,
    state: TopicState,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def look(_: Settings) -> list[TopicReport]:
        return [TopicReport("bounce.counts", state, "4 partitions")]

    monkeypatch.setattr(cli_topics, f"{command}_topics", look)
    assert cli.run(["topics", command]) == status
    words = capsys.readouterr().out.split()
    assert words[-4:] == ["bounce.counts", state.value, "4", "partitions"]


def test_no_kafka_is_status_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(_: Settings) -> list[TopicReport]:
        raise BrokerError("127.0.0.1:1: refused")

    monkeypatch.setattr(cli_topics, "check_topics", fail)
    assert cli.run(["topics", "check"]) == 3
    assert "is Kafka up" in capsys.readouterr().err
