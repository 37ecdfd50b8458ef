"""The users' rules file: faults by line, and what a running worker does on a change."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor.errors import ConfigError
from monitor.service import cli, rules_file
from monitor.service.app import run_worker
from monitor.service.cli_exits import ExitCode
from monitor.service.metrics import Metrics
from monitor.service.reading import Reading
from monitor.service.rules_file import (
    Content,
    Fault,
    RulesWatcher,
    inspect_rules,
    load_rules_file,
    look_at,
)
from monitor.service.settings import load_settings
from monitor.service.settings_sections import ClassifySettings
from tests.tools.replies import read_one

GOOD = """\
[[rule]]
name = "blorp"
reason = "policy"
patterns = ["blorp"]
"""
BETTER = GOOD.replace("policy", "mailbox_full")
NON_LINEAR = GOOD.replace('["blorp"]', '["(a+)+"]')
TEXT = "550 blorp"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my.toml"
    path.write_text(GOOD)
    return path


class Rig:
    """A worker's reading of replies, looked after by hand instead of by a timer."""

    def __init__(self, file: Path) -> None:
        self.metrics = Metrics()
        self.reading = Reading(ClassifySettings(rules=file), self.metrics.classify)
        assert self.reading._watcher is not None
        self.watcher: RulesWatcher = self.reading._watcher

    def look(self, times: int = 2) -> list[dict[str, object]]:
        async def looks() -> None:
            for _ in range(times):
                await self.watcher.look()

        with capture_logs() as lines:
            asyncio.run(looks())
        return [dict(line) for line in lines]

    def reason(self) -> str:
        return read_one(self.reading.live, TEXT).reason.value

    def metric(self, line: str) -> float:
        page = self.metrics.render().decode().splitlines()
        found = [one for one in page if one.startswith(line)]
        return float(found[0].split()[-1]) if found else -1.0

    def reloads(self, result: str) -> float:
        return self.metric(f'bouncemon_rules_reloads_total{{result="{result}"}}')


@pytest.fixture
def rig(file: Path) -> Rig:
    return Rig(file)


@pytest.mark.parametrize(
    ("text", "line", "rule", "words"),
    [
        ("x = [1,\n y", 2, "", "not TOML"),
        ("x = 1\n", 0, "", "unknown field `x`"),
        (GOOD.replace("policy", "nope"), 2, "blorp", "nope"),
        (NON_LINEAR, 2, "blorp", "not linear-time"),
        (GOOD + 'examples = ["550 zork"]', 2, "blorp", "550 zork"),
        (GOOD + GOOD.replace('["blorp"]', '["zork"]'), 6, "blorp", "duplicate name"),
        (
            GOOD + GOOD.replace('name = "blorp"', "name = 'late'"),
            6,
            "late",
            "unreachable: rule 'blorp'",
        ),
    ],
)
def test_a_fault_has_its_line_and_rule(
    text: str, line: int, rule: str, words: str
) -> None:
    fault = inspect_rules(Content(text), "my.toml").faults[0]
    assert (fault.line, fault.rule) == (line, rule)
    assert words in fault.problem
    assert "my.toml" not in fault.problem


def test_all_faults_of_sense_are_found_at_once() -> None:
    twice = GOOD + GOOD + 'examples = ["550 zork"]'
    problems = [one.problem for one in inspect_rules(Content(twice), "x").faults]
    assert len(problems) == 3


def test_each_malformed_rule_is_named_with_its_line() -> None:
    nameless = '[[rule]]\nreason = "policy"\npatterns = ["zork"]\n'
    text = NON_LINEAR + GOOD.replace("policy", "nope") + nameless + GOOD + GOOD
    faults = inspect_rules(Content(text), "my.toml").faults
    assert [fault.line for fault in faults] == [2, 6, 9, 17, 17]
    words = ["not linear-time", "nope", "name", "duplicate", "unreachable"]
    assert all(w in fault.problem for w, fault in zip(words, faults, strict=True))


def test_a_heading_inside_a_text_is_none() -> None:
    text = GOOD + 'examples = ["""550\n[[rule]]\nzork"""]\nspeed = 1\n'
    (fault,) = inspect_rules(Content(text), "my.toml").faults[:1]
    assert fault.line == 2
    assert fault.rule == "blorp"


def test_a_fault_reads_like_a_compilers() -> None:
    assert Fault("is bad", 3, "r").at("f") == "f:3: rule 'r': is bad"
    assert Fault("is bad").at("f") == "f: is bad"


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "no such file (name a TOML file of rules)"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "is not UTF-8 text"),
        (lambda path: path.write_bytes(b"#" * 4_000_001), "longer than"),
        (as_pipe, "no such file"),
        (lambda path: path.write_text(NON_LINEAR), "my.toml:2: rule 'blorp'"),
        (lambda path: path.write_text(NON_LINEAR), "rules check"),
    ],
    ids=["absent", "bytes", "long", "pipe", "place", "advice"],
)
def test_a_bad_file_is_refused_at_the_start(
    file: Path, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(file)
    with pytest.raises(ConfigError) as error:
        load_rules_file(file)
    assert words in str(error.value)
    assert str(file) in str(error.value)
    with pytest.raises(ConfigError):
        Reading(ClassifySettings(rules=file), Metrics().classify)


def test_the_settings_name_the_file(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "bouncemon.toml"
    config.write_text(f'[classify]\nrules = "{file}"\n')
    argv = ["config", "check", "--config", str(config)]
    assert cli.run(argv) == ExitCode.OK
    file.write_text(NON_LINEAR)
    assert cli.run(argv) == ExitCode.USAGE
    assert f"{file}:2: rule 'blorp': " in capsys.readouterr().err
    with pytest.raises(ConfigError, match="not linear-time"):
        run_worker(load_settings(config, {}))


def test_without_a_file_there_are_no_rules_and_nothing_to_watch() -> None:
    async def watch_for_a_moment() -> None:
        reading = Reading(ClassifySettings(), Metrics().classify)
        watching = asyncio.create_task(reading.watch())
        done, _ = await asyncio.wait([watching], timeout=0)
        assert not done
        watching.cancel()

    asyncio.run(watch_for_a_moment())


def test_rules_in_force_are_shown(rig: Rig, file: Path) -> None:
    assert rig.metric("bouncemon_rules_loaded ") == 1
    digest = look_at(file).digest
    assert rig.metric(f'bouncemon_rules_info{{digest="{digest}"}}') == 1
    assert rig.metric('bouncemon_rules_info{digest="none"}') == -1
    assert rig.reason() == "policy"


def test_a_change_is_taken_while_running(rig: Rig, file: Path) -> None:
    assert rig.reason() == "policy"
    file.write_text(BETTER)
    (line,) = rig.look()
    assert (line["event"], line["rules"]) == ("rules loaded", 1)
    assert line["digest"] == look_at(file).digest
    assert rig.reason() == "mailbox_full"
    assert (rig.reloads("loaded"), rig.reloads("refused")) == (1, 0)
    assert rig.metric(f'bouncemon_rules_info{{digest="{line["digest"]}"}}') == 1
    assert rig.look(5) == []
    assert rig.reloads("loaded") == 1


def test_a_file_that_is_being_written_is_left_alone(rig: Rig, file: Path) -> None:
    for text in ("", BETTER[:40], BETTER + BETTER[:9]):
        file.write_text(text)
        assert rig.look(times=1) == []
    assert rig.reason() == "policy"
    file.write_text(BETTER)
    assert rig.look(times=1) == []
    assert len(rig.look(times=1)) == 1
    assert rig.reason() == "mailbox_full"


def test_a_bad_change_is_refused_once_and_the_old_rules_stay(
    rig: Rig, file: Path
) -> None:
    file.write_text(GOOD + 'examples = ["550 <joe@example.org> zork"]')
    (line,) = rig.look(times=6)
    assert line["log_level"] == "error"
    assert line["event"] == "rules refused, the old ones stay"
    assert (line["file"], line["line"], line["rule"]) == (str(file), 2, "blorp")
    assert "zork" in str(line["why"])
    assert "joe" not in str(line)
    assert rig.reason() == "policy"
    assert (rig.reloads("loaded"), rig.reloads("refused")) == (0, 1)
    assert rig.metric("bouncemon_rules_loaded ") == 1

    file.write_text(BETTER)
    rig.look()
    assert rig.reason() == "mailbox_full"
    assert (rig.reloads("loaded"), rig.reloads("refused")) == (1, 1)


def test_a_file_that_vanishes_and_comes_back(rig: Rig, file: Path) -> None:
    file.unlink()
    (line,) = rig.look(times=4)
    assert line["why"] == "no such file"
    assert rig.reason() == "policy"
    file.write_text(GOOD)
    assert [one["event"] for one in rig.look()] == ["rules loaded"]
    assert rig.reason() == "policy"


def test_the_same_size_and_time_do_not_hide_a_change(rig: Rig, file: Path) -> None:
    before = file.stat()
    file.write_text(GOOD.replace('"blorp"]', '"zorks"]'))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    rig.look()
    assert read_one(rig.reading.live, "550 zorks").rule == "blorp"


def test_a_touch_changes_nothing(rig: Rig, file: Path) -> None:
    file.touch()
    assert rig.look(times=3) == []
    assert rig.reloads("loaded") == 0


def test_an_emptied_file_takes_the_rules_back(rig: Rig, file: Path) -> None:
    file.write_text("")
    rig.look()
    assert read_one(rig.reading.live, TEXT).rule != "blorp"
    assert rig.metric("bouncemon_rules_loaded ") == 0


def test_the_watch_looks_again_and_again(
    rig: Rig, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules_file, "LOOK_SECONDS", 0.0)
    file.write_text(BETTER)

    async def until_taken() -> None:
        watching = asyncio.create_task(rig.reading.watch())
        while rig.reason() != "mailbox_full":
            assert not watching.done()
            await asyncio.sleep(0)
        watching.cancel()

    asyncio.run(asyncio.wait_for(until_taken(), 30))
