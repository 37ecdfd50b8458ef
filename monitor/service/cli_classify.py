"""``bouncemon classify``: one reply as an argument, or NDJSON in and NDJSON out."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from monitor.classify import Classifier, Explanation, Rule
from monitor.events import Verdict
from monitor.providers import ProviderMatcher
from monitor.service.rules_file import load_rules_file

#: A reply is a few hundred characters; a longer line is no reply.
MAX_LINE_BYTES = 1_000_000

TextArgument = Annotated[
    str, typer.Argument(help="The reply's text; without it NDJSON is read from stdin.")
]
CodeOption = Annotated[str, typer.Option(help="The reply code, such as 550.")]
StatusOption = Annotated[str, typer.Option(help="The enhanced status, such as 5.1.1.")]
ProviderOption = Annotated[
    str, typer.Option(help="The mailbox provider, or a recipient domain.")
]
RulesOption = Annotated[
    Path | None,
    typer.Option(
        "--rules",
        metavar="FILE",
        help="TOML file of rules to try before the built-in ones.",
        show_default=False,
    ),
]
ExplainOption = Annotated[
    bool, typer.Option("--explain", help="Say which rule decided, and on which text.")
]


class Question(msgspec.Struct, frozen=True):
    """One line of input; unknown fields are ignored."""

    diagnostic: str = ""
    reply_code: str | int = ""
    enhanced_status: str = ""
    destination: str = ""

    @property
    def code(self) -> int:
        """The reply code; an unreadable one counts as none."""
        code = str(self.reply_code).strip()
        # Longer ones are no codes, and `int` refuses very long ones.
        return int(code) if code.isascii() and code.isdigit() and len(code) < 9 else 0


class Judge:
    """Answers questions with one warm classifier."""

    def __init__(self, rules: tuple[Rule, ...] = (), explain: bool = False) -> None:
        self._classifier = Classifier(rules)
        self._providers = ProviderMatcher.builtin()
        self._explain = explain

    def verdict(self, question: Question) -> Verdict:
        """Classify one reply."""
        return self._classifier.classify(
            question.diagnostic,
            reply_code=question.code,
            enhanced_status=question.enhanced_status,
            provider=self.provider(question.destination),
        )

    def explain(self, question: Question) -> Explanation:
        """Classify one reply and say what led to it; slower than ``verdict``."""
        return self._classifier.explain(
            question.diagnostic,
            reply_code=question.code,
            enhanced_status=question.enhanced_status,
            provider=self.provider(question.destination),
        )

    def answer(self, line: bytes) -> bytes:
        """Return the JSON for one JSON line; a bad line becomes an ``error``."""
        try:
            if len(line) > MAX_LINE_BYTES:
                return _refusal(f"longer than {MAX_LINE_BYTES} bytes")
            question = msgspec.json.decode(line, type=Question)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            return _refusal(str(error))
        if not self._explain:
            return msgspec.json.encode(self.verdict(question))
        explained = self.explain(question)
        answer = msgspec.to_builtins(explained.verdict)
        return msgspec.json.encode(answer | {"explain": reasons_of(explained)})

    def provider(self, destination: str) -> str:
        """The provider of a recipient domain; a provider's own name stays."""
        if "." not in destination:
            return destination
        return self._providers.match(destination.lower())


def classify(
    text: TextArgument = "",
    reply_code: CodeOption = "",
    enhanced_status: StatusOption = "",
    provider: ProviderOption = "",
    rules: RulesOption = None,
    explain: ExplainOption = False,
) -> None:
    """Say what an SMTP reply means: class and reason.

    Without TEXT, reads one JSON object a line from standard input (diagnostic,
    reply_code, enhanced_status, destination) and writes one a line, in order. A line
    that is not such an object is answered with class "other" and an "error". With
    --explain each answer has an object "explain".
    """
    judge = Judge(load_rules_file(rules).rules if rules else (), explain)
    if text or reply_code or enhanced_status:
        question = Question(text, reply_code, enhanced_status, provider)
        _print_verdict(judge.explain(question), explain)
        return
    for answer in _answers(judge, sys.stdin.buffer):
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.buffer.flush()


def reasons_of(explained: Explanation) -> dict[str, object]:
    """What led to a verdict: the stage and rule, and the text that they read.

    ``origin`` is the rule's file, ``unless`` are the words that would have kept it from
    matching, ``text`` is the inner reply after unwrapping, and code, status and command
    are what was found in it or given.
    """
    verdict = explained.verdict
    return {
        "stage": verdict.stage,
        "rule": verdict.rule,
        "origin": explained.origin,
        "pattern": explained.pattern,
        "unless": ", ".join(explained.unless),
        "confidence": verdict.confidence,
        "text": explained.text,
        "wrapped": explained.wrapped,
        "reply_code": explained.reply_code,
        "enhanced_status": explained.enhanced_status,
        "command": explained.command,
        "template": verdict.template,
    }


def _answers(judge: Judge, lines: Iterable[bytes]) -> Iterator[bytes]:
    for line in lines:
        if line.strip():
            yield judge.answer(line)


def _print_verdict(explained: Explanation, explain: bool) -> None:
    said = msgspec.to_builtins(explained.verdict)
    typer.echo(f"{said.pop('class')} {said.pop('reason')}")
    if explain:
        for name, value in (said | reasons_of(explained)).items():
            shown = "-" if value in ("", None) else value
            typer.echo(f"  {name.replace('_', ' ')}: {shown}")


def _refusal(text: str) -> bytes:
    fault = {"class": "other", "reason": "undetermined", "error": text}
    return msgspec.json.encode(fault)
