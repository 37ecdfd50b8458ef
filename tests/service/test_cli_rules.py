"""``bouncemon rules``: faults with a status, and what a file would change."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from monitor.classify import builtin_rules
from monitor.service import cli
from monitor.service.cli_exits import ExitCode

GOOD = """\
[[rule]]
name = "ours"
reason = "policy"
patterns = ["mailbox full"]

[[rule]]
name = "idle"
reason = "expired"
patterns = ["zork"]
"""
FULL = "552 5.2.2 <joe@example.org> mailbox full"

Said = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my.toml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def events(tmp_path: Path) -> Path:
    lines = [
        event(diagnostic=FULL, recipient_domain="gmail.com"),
        event(diagnostic=FULL, outcome="deferred"),
        event(outcome="delivered"),
        event(diagnostic=FULL, counts_to_rate=False),
        event(diagnostic="550 5.1.1 no such user"),
        {"diagnostic": "Mailbox full for bob@example.org", "reply_code": "552"},
        {"diagnostic": 3},
        {"outcome": "bounced"},
        ["no", "object"],
    ]
    path = tmp_path / "events.ndjson"
    text = "".join(json.dumps(line) + "\n" for line in lines)
    path.write_text(text + "\nno json\n" + '{"a":' * 9_999 + "\n")
    return path


def event(**fields: object) -> dict[str, object]:
    plain = {"event_time": 1_795_348_800, "outcome": "bounced"}
    return plain | {"recipient_domain": "example.net"} | fields


def run_json(said: Said, *argv: object) -> tuple[int, dict[str, Any]]:
    status = cli.run(["rules", *map(str, argv), "--json"])
    return status, json.loads(said.readouterr().out)


def test_a_good_file(file: Path, capsys: Said) -> None:
    assert cli.run(["rules", "check", str(file)]) == ExitCode.OK
    assert capsys.readouterr().out == "ok: 2 rules, 2 patterns, 0 examples\n"
    status, page = run_json(capsys, "check", file)
    assert status == ExitCode.OK
    assert page == {
        "ok": True,
        "file": str(file),
        "rules": 2,
        "patterns": 2,
        "examples": 0,
        "faults": [],
        "needless": [],
    }


@pytest.mark.parametrize(
    ("more", "line", "words"),
    [
        ('[[rule]]\nname = "ours"\nreason = "policy"\npatterns = ["a"]', 11, "duplic"),
        (
            '[[rule]]\nname = "late"\nreason = "policy"\npatterns = ["mailbox full"]',
            11,
            "unreachable",
        ),
        (
            '[[rule]]\nname = "slow"\nreason = "policy"\npatterns = ["(a+)+"]',
            11,
            "not linear-time",
        ),
        (
            f'[[rule]]\nname = "b"\nreason = "policy"\npatterns = ["{"(a|b)" * 40}"]',
            11,
            "too many words",
        ),
        ('[[rule]]\nname = "odd"\nreason = "nope"\npatterns = ["a"]', 11, "nope"),
        ('examples = ["550 blorp"]', 7, "is taken by 'nothing'"),
        ("speed = 3", 7, "speed"),
        ("speed = ", 10, "not TOML"),
    ],
    ids=["twice", "shadowed", "slow", "many", "reason", "example", "key", "toml"],
)
def test_each_fault_fails_the_check(
    more: str, line: int, words: str, file: Path, capsys: Said
) -> None:
    file.write_text(GOOD + more)
    assert cli.run(["rules", "check", str(file)]) == ExitCode.FAILED
    (out,) = capsys.readouterr().out.splitlines()
    assert out.startswith(f"{file}:{line}: ")
    assert words in out
    status, page = run_json(capsys, "check", file)
    assert (status, page["ok"]) == (ExitCode.FAILED, False)
    assert page["faults"][0]["line"] == line
    assert words in page["faults"][0]["problem"]


def test_a_rule_that_changes_nothing_is_told(file: Path, capsys: Said) -> None:
    same = 'reason = "mailbox_full"\npatterns = ["over quota"]\n'
    file.write_text(f'[[rule]]\nname = "same"\n{same}examples = ["552 over quota"]\n')
    assert cli.run(["rules", "check", str(file)]) == ExitCode.OK
    _, told = capsys.readouterr().out.splitlines()
    assert told == "the built-in rules read the examples just so: same"
    status, page = run_json(capsys, "check", file)
    assert (status, page["ok"], page["needless"]) == (ExitCode.OK, True, ["same"])


def test_all_faults_are_listed(file: Path, capsys: Said) -> None:
    file.write_text(GOOD + GOOD)
    assert cli.run(["rules", "check", str(file)]) == ExitCode.FAILED
    assert len(capsys.readouterr().out.splitlines()) == 4


@pytest.mark.parametrize(
    "argv",
    [
        ["check", "no.toml"],
        ["try", "no.toml", "-"],
        ["try", "{file}", "no.ndjson"],
        ["try", "{file}", "-", "--against", "no.toml"],
    ],
)
def test_an_absent_file_is_wrong_use(argv: list[str], file: Path, capsys: Said) -> None:
    argv = [one.replace("{file}", str(file)) for one in argv]
    assert cli.run(["rules", *argv]) == ExitCode.USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bouncemon: error: no.")


def test_what_would_change(file: Path, events: Path, capsys: Said) -> None:
    status, page = run_json(capsys, "try", file, events)
    assert status == ExitCode.OK
    assert page == {
        "replies": 4,
        "changed": 3,
        "other_events": 2,
        "unreadable": 5,
        "changes": [
            {
                "count": 3,
                "old": {"class": "soft", "reason": "mailbox_full"},
                "new": {"class": "block", "reason": "policy"},
                "rule": "ours",
                "sample": "<ADDR> mailbox full",
            }
        ],
        "idle_rules": ["idle"],
    }


def test_what_would_change_for_people(file: Path, events: Path, capsys: Said) -> None:
    assert cli.run(["rules", "try", str(file), str(events)]) == ExitCode.OK
    assert capsys.readouterr().out.splitlines() == [
        "3 of 4 replies change (2 events without a reply, 5 unreadable)",
        "       3  soft/mailbox_full -> block/policy  by ours",
        "          <ADDR> mailbox full",
        "rules that took none: idle",
    ]


def test_compared_with_the_rules_in_force(
    file: Path, events: Path, tmp_path: Path, capsys: Said
) -> None:
    old = tmp_path / "old.toml"
    old.write_text(GOOD)
    status, page = run_json(capsys, "try", file, events, "--against", old)
    assert (status, page["changed"], page["changes"]) == (ExitCode.OK, 0, [])
    old.write_text(GOOD.replace('"policy"', '"expired"'))
    _, page = run_json(capsys, "try", file, events, "--against", old)
    (change,) = page["changes"]
    assert change["old"] == {"class": "technical", "reason": "expired"}
    file.write_text("")
    _, page = run_json(capsys, "try", file, events, "--against", old)
    assert page["changed"] == 3
    for change in page["changes"]:
        assert change["new"]["reason"] == "mailbox_full"
        assert change["rule"] != "ours"


def test_events_from_standard_input_and_none_of_them_readable(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    junk = io.TextIOWrapper(io.BytesIO(b"junk\n\xff\n" + b"x" * 1_000_001))
    monkeypatch.setattr(sys, "stdin", junk)
    status, page = run_json(capsys, "try", file, "-")
    assert (status, page["replies"], page["unreadable"]) == (ExitCode.FAILED, 0, 3)


def test_a_bad_file_is_not_tried(file: Path, events: Path, capsys: Said) -> None:
    file.write_text(GOOD + GOOD)
    assert cli.run(["rules", "try", str(file), str(events)]) == ExitCode.USAGE
    assert "rules check" in capsys.readouterr().err


def test_a_rule_named_like_one_of_ours_is_idle_all_the_same(
    file: Path, events: Path, capsys: Said
) -> None:
    namesake = next(one.name for one in builtin_rules() if "full" in one.name)
    file.write_text(GOOD.replace('"idle"', f'"{namesake}"').replace("ilbox full", "x"))
    _, page = run_json(capsys, "try", file, events)
    assert page["idle_rules"] == ["ours", namesake]


def test_the_list_of_our_own(capsys: Said) -> None:
    assert cli.run(["rules", "list"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(builtin_rules())
    assert lines[0].split()[-2] == builtin_rules()[0].name
