import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from monitor.errors import ConfigError
from monitor.events import Channel
from monitor.observe.policy import DEFAULT_LIMITS, Limit
from monitor.service import cli, cli_backtest_plot
from monitor.service.cli_backtest_files import Recording
from monitor.service.cli_backtest_limits import wanted_limits, wanted_names
from tests.backtest.backtest_world import EPOCH, World

WORLD = World(seed=2, seconds=1_100, onset=700, end=900)

Lines = list[dict[str, Any]]
Run = Callable[..., tuple[int, Lines, str]]


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOUNCEMON_CONFIG", raising=False)
    Path("mail.csv").write_text(WORLD.csv(10))


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def run(*argv: str) -> tuple[int, Lines, str]:
        status = cli.run(["backtest", *argv])
        said = capfd.readouterr()
        return status, [json.loads(line) for line in said.out.splitlines()], said.err

    return run


def test_incidents_and_a_summary(run: Run) -> None:
    status, [found, last], told = run("mail.csv", "--summary")
    assert status == 0
    assert found["scope"] == {
        "kind": "ip_provider",
        "key": "203.0.113.2|yahoo",
        "provider": "yahoo",
        "source_ip": "203.0.113.2",
    }
    assert (found["channel"], found["severity"]) == ("block", "page")
    assert found["onset"] == EPOCH + WORLD.onset
    assert found["closed_at"] is None
    assert found["other_causes"] == []
    summary = last["summary"]
    assert (summary["incidents"], summary["open_at_end"]) == (1, 1)
    assert summary["rows"] == WORLD.csv(10).count("\n") - 1
    assert summary["seconds"] > 0
    assert "key days" in told
    assert "\x1b" not in told, "no progress bar where nobody sees it"


def test_flags_win_over_the_settings_file(run: Run) -> None:
    Path("b.toml").write_text(
        "[observe]\nfalse_pages_per_week = 0.5\ndimensions = ['provider', 'ip']\n"
    )
    flags = ["--summary", "--config", "b.toml"]
    _, [_, plain], _ = run("mail.csv", "--summary")
    _, [found, settings], _ = run("mail.csv", *flags)
    assert found["scope"]["kind"] == "ip_provider"
    _, [found, flagged], _ = run(
        "mail.csv", *flags, "--dimensions", "provider", "--false-pages-per-week", "5"
    )
    assert found["scope"]["kind"] == "provider"
    thresholds = [one["summary"]["threshold"] for one in (settings, plain, flagged)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert thresholds[0] > thresholds[1] > thresholds[2]


def test_rules_and_limits_by_flag(run: Run) -> None:
    _, found, _ = run("mail.csv", "--rules", "limit", "--limit", "block=5%")
    assert [one["detector"] for one in found] == ["limit"]
    off = [f"--limit={channel}=off" for channel in Channel]
    assert run("mail.csv", "--rules", "limit", *off)[:2] == (0, [])


def test_packed_files_and_standard_input(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = WORLD.csv(10).encode()
    _, plain, _ = run("mail.csv")
    Path("mail.csv.gz").write_bytes(gzip.compress(text))
    assert run("mail.csv.gz")[1] == plain
    stdin = SimpleNamespace(buffer=io.BytesIO(text))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert run("-", "--format", "counts")[1] == plain


def test_bad_lines_are_counted_and_shown(run: Run) -> None:
    lines = World(seconds=60, onset=99).ndjson()
    Path("mail.ndjson").write_bytes(lines + b"{\n\xff\n" + b"x" * 3_000_000 + b"\n{}\n")
    status, [last], told = run("mail.ndjson", "--summary")
    assert status == 0
    assert last["summary"]["events"] == lines.count(b"\n")
    assert last["summary"]["invalid"] == 4
    for reason in ("not_json", "not_utf8", "too_large", "missing_field"):
        assert f"invalid, {reason}: 1, such as mail.ndjson:" in told


def test_nothing_to_read_is_a_failure(run: Run) -> None:
    Path("empty.ndjson").write_bytes(b"")
    status, lines, told = run("empty.ndjson")
    assert (status, lines) == (1, [])
    assert "not one event could be read" in told


def test_an_unsorted_recording_is_pointed_out(run: Run) -> None:
    lines = World(seconds=900, onset=999, a_second=2.0).ndjson().splitlines(True)
    Path("mail.ndjson").write_bytes(b"".join(reversed(lines)))
    status, _, told = run("mail.ndjson")
    assert status == 0
    assert "is the recording sorted by time?" in told


def test_events_without_ids_can_be_counted_each(run: Run) -> None:
    event = b'{"event_time": %d, "outcome": "delivered"}\n' % EPOCH
    Path("mail.ndjson").write_bytes(event * 30)
    _, [last], told = run("mail.ndjson", "--summary")
    assert (last["summary"]["counted"], last["summary"]["duplicates"]) == (1, 29)
    assert "use --keep-copies" in told
    _, [last], told = run("mail.ndjson", "--summary", "--keep-copies")
    assert (last["summary"]["counted"], last["summary"]["duplicates"]) == (30, 0)
    assert "--keep-copies" not in told


def test_the_bar_leaves_the_terminal_to_others() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80)
    with Recording(["mail.csv"], console) as recording:
        count = sum(1 for _ in recording.text("mail.csv"))
        with recording.aside():
            screen.write("\nHERE\n")
    assert count == WORLD.csv(10).count("\n")
    assert "backtest" in screen.getvalue().partition("HERE")[0]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["none.csv"], "none.csv: cannot be read (No such file"),
        (["."], ".: cannot be read"),
        (["mail.csv", "mail.csv"], "named twice"),
        (["mail.csv", "other.ndjson"], "some files are *.csv and some are not"),
        (["mail.csv", "--limit", "hard"], "--limit hard: not a rate"),
        (["mail.csv", "--limit", "soft=5%"], "channels are hard, block"),
        (["mail.csv", "--limit", "hard=500%"], "limits of hard"),
        (["mail.csv", "--rules", "magic"], "no detector 'magic'; there are nb_glr"),
        (["mail.csv", "--dimensions", "isp"], "unknown dimension 'isp'"),
        (["mail.csv", "--false-pages-per-week", "0"], "must be above 0"),
        (["mail.csv", "--source", "fax"], "--source fax: there are canonical"),
        (["mail.csv", "--slot", "0"], "--slot"),
        (["bad.csv"], "bad.csv: line 2: hard 'x'"),
        (["latin.csv"], "latin.csv: line 2 is not UTF-8"),
        (["torn.csv.gz"], "torn.csv.gz: cannot be read"),
        (["mail.csv", "--config", "none.toml"], "none.toml: cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    run: Run, argv: list[str], words: str
) -> None:
    Path("bad.csv").write_text(f"time,attempts,hard\n{EPOCH},1,x\n")
    Path("latin.csv").write_bytes(b"time,campaign,attempts,hard\n1,\xe4,1,1\n")
    Path("torn.csv.gz").write_bytes(gzip.compress(WORLD.csv(60).encode())[:-40])
    status, lines, told = run(*argv)
    assert (status, lines) == (2, [])
    assert words in told
    assert told.count("\n") == 1


def test_limits_and_names() -> None:
    limits = wanted_limits(DEFAULT_LIMITS, ["hard=3%/0.2", "block=.5", "bounce=off"])
    assert limits[Channel.HARD] == Limit(0.03, 0.2)
    assert limits[Channel.BLOCK] == Limit(0.5, 0.5)
    assert Channel.BOUNCE not in limits
    assert limits[Channel.DEFERRAL] == DEFAULT_LIMITS[Channel.DEFERRAL]
    assert wanted_names(" provider,source_ip,, ") == ("provider", "ip")
    with pytest.raises(ConfigError):
        wanted_limits({}, ["hard=1%/2%/3%"])


def test_a_plot_without_its_library_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_backtest_plot, "LIBRARY", "no_such_library")
    status, lines, told = run("mail.csv", "--plot", "mail.png")
    assert (status, lines) == (2, [])
    assert "--plot needs no_such_library (install bouncemon[plot])" in told


def test_a_plot_shows_the_incident(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, list[Any]] = {}

    class Pencil:
        """Stands for all objects of the library; notes what is asked of it."""

        def __getattr__(self, name: str) -> Any:
            def call(*args: Any, **_: Any) -> Any:
                drawn.setdefault(name, []).append(args)
                return self

            return self if name == "xaxis" else call

        def __getitem__(self, _: object) -> list["Pencil"]:
            return [self]

    def stand_in(name: str) -> ModuleType:
        module = ModuleType(name)
        for part in ("Figure", "ConciseDateFormatter", "AutoDateLocator"):
            setattr(module, part, lambda *_, **__: Pencil())
        return module

    monkeypatch.setattr(cli_backtest_plot, "import_module", stand_in)
    assert run("mail.csv", "--plot", "mail.png")[0] == 0
    assert drawn["savefig"] == [(Path("mail.png"),)]
    [(title,)] = drawn["set_title"]
    assert title.startswith("block at ip_provider 203.0.113.2|yahoo: ")
    fleet, own = drawn["plot"]
    assert len(fleet[0]) == len(fleet[1]) > 50
    assert max(own[1]) > 30 > max(fleet[1])


def test_another_process_writes_the_same_bytes(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    world = World(seed=2, seconds=720, onset=650, a_second=20.0)
    Path("mail.ndjson").write_bytes(world.ndjson())
    argv = ["backtest", "--tick=10", "mail.ndjson"]
    assert cli.run(argv) == 0
    expected = capfdbinary.readouterr().out
    assert b"ip_provider" in expected
    # Hashes of texts differ from process to process, unless they are told to.
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    again = subprocess.run(
        [sys.executable, "-m", "monitor", *argv],
        env=os.environ | {"PYTHONHASHSEED": seed},
        capture_output=True,
        check=True,
    )
    assert again.stdout == expected
