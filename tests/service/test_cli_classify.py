import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.service import cli
from monitor.service.cli_classify import Judge, Question


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge()


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    file = tmp_path / "my.toml"
    file.write_text(
        '[[rule]]\nname = "mine"\nreason = "policy"\npatterns = ["blorp (here )?now"]'
        '\nunless = ["not blorp", "unblorp"]'
    )
    return file


def answers(
    lines: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *options: str,
) -> list[dict[str, Any]]:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    assert cli.run(["classify", *options]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_reply_as_argument(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["classify", "550 5.1.1 No such user here"]) == 0
    assert capsys.readouterr().out == "hard user_unknown\n"


def test_an_explanation(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["classify", "mailbox full", "--reply-code", "552", "--explain"]
    assert cli.run(argv) == 0
    out = capsys.readouterr().out
    assert out.startswith("soft mailbox_full\n")
    for word in ("stage:", "rule:", "confidence:", "recipient advice:"):
        assert word in out


def test_rules_of_ones_own_and_what_they_did(
    rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "host mx.example.net said: 550 5.7.1 Blorp now (in reply to RCPT TO command)"
    assert cli.run(["classify", "--rules", str(rules), "--explain", text]) == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert first == "block policy"
    said = dict(line.strip().split(": ", 1) for line in others)
    assert said["stage"] == "user_rule"
    assert said["rule"] == "mine"
    assert said["origin"] == str(rules)
    assert said["pattern"] == "blorp (here )?now"
    assert said["unless"] == "not blorp, unblorp"
    assert said["text"] == "550 5.7.1 blorp now"
    assert (said["wrapped"], said["command"]) == ("True", "rcpt")
    assert (said["reply code"], said["enhanced status"]) == ("550", "5.7.1")
    assert float(said["confidence"]) > 0
    assert len(said["template"]) > 4


def test_explanations_in_ndjson(
    rules: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = b'{"diagnostic": "blorp now"}\nnonsense\n{"diagnostic": "mailbox full"}\n{}'
    options = ("--rules", str(rules), "--explain")
    mine, bad, ours, nothing = answers(lines, monkeypatch, capsys, *options)
    assert mine["reason"] == "policy"
    assert mine["explain"]["origin"] == str(rules)
    assert "explain" not in bad
    assert bad["error"]
    assert ours["explain"]["origin"].startswith("generic/")
    assert ours["explain"]["rule"] == ours["rule"] != ""
    assert (nothing["explain"]["stage"], nothing["explain"]["rule"]) == ("none", "")
    plain = answers(lines, monkeypatch, capsys, "--rules", str(rules))
    assert [one["reason"] for one in plain] == [
        one["reason"] for one in (mine, bad, ours, nothing)
    ]
    assert not any("explain" in one for one in plain)


def test_bad_rules_are_not_used(
    rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules.write_text(rules.read_text().replace("policy", "nope"))
    assert cli.run(["classify", "--rules", str(rules), "blorp"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{rules}:2: rule 'mine': " in said.err
    assert said.err.endswith(f"(all faults: bouncemon rules check {rules})\n")


def test_a_code_of_thousands_of_digits_is_none() -> None:
    assert Question("", "9" * 10_000).code == 0
    assert Question("", " 550 ").code == 550


def test_ndjson_in_order(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        {"reply_code": "550", "enhanced_status": "5.1.1", "diagnostic": "unknown user"},
        {"reply_code": 452, "enhanced_status": "4.2.2", "diagnostic": "over quota"},
        {"diagnostic": "Mailbox full", "destination": "gmail.com", "extra": 1},
    ]
    lines = b"\n".join(json.dumps(one).encode() for one in asked)
    said = answers(lines, monkeypatch, capsys)
    assert [one["reason"] for one in said] == [
        "user_unknown",
        "mailbox_full",
        "mailbox_full",
    ]
    assert said[0]["class"] == "hard"


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"[]",
        b'{"diagnostic": 3}',
        b"\xff\xfe",
        b'{"diagnostic": "' + b"x" * 1_100_000 + b'"}',
        b'{"a":' * 100_000,
    ],
    ids=["text", "list", "number", "bytes", "long", "deep"],
)
def test_a_bad_line_is_answered_and_the_next_one_too(line: bytes, judge: Judge) -> None:
    said = json.loads(judge.answer(line))
    assert (said["class"], said["reason"]) == ("other", "undetermined")
    assert said["error"]
    good = json.loads(judge.answer(b'{"diagnostic": "550 5.1.1 no such user"}'))
    assert good["reason"] == "user_unknown"


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=5), st.text(max_size=30))
def test_any_question_has_an_answer(code: str, text: str) -> None:
    judge = SHARED[0] if SHARED else Judge()
    SHARED[:] = [judge]
    question = Question(text, code, text, text)
    assert judge.verdict(question).reason


SHARED: list[Judge] = []


def test_destinations(judge: Judge) -> None:
    assert judge.provider("GMAIL.com") == "google_consumer"
    assert judge.provider("nowhere.example") == "other"
    assert judge.provider("yahoo") == "yahoo"
    assert judge.provider("") == ""
