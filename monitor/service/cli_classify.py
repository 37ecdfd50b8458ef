"""``bouncemon classify``: one reply as an argument, or NDJSON in and NDJSON out."""

import sys
from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec
import typer

from monitor.classify import Classifier
from monitor.events import Verdict
from monitor.providers import ProviderMatcher

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
ExplainOption = Annotated[
    bool, typer.Option("--explain", help="Say which rule decided, and what follows.")
]


class Question(msgspec.Struct, frozen=True):
    """One line of input; unknown fields are ignored."""

    diagnostic: str = ""
    reply_code: str | int = ""
    enhanced_status: str = ""
    destination: str = ""


class Judge:
    """Answers questions with one warm classifier."""

    def __init__(self) -> None:
        self._classifier = Classifier()
        self._providers = ProviderMatcher.builtin()

    def verdict(self, question: Question) -> Verdict:
        """Classify; an unreadable reply code counts as none."""
        code = str(question.reply_code).strip()
        return self._classifier.classify(
            question.diagnostic,
            reply_code=int(code) if code.isascii() and code.isdigit() else 0,
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
        return msgspec.json.encode(self.verdict(question))

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
    explain: ExplainOption = False,
) -> None:
    """Say what an SMTP reply means: class and reason.

    Without TEXT, reads one JSON object a line from standard input (diagnostic,
    reply_code, enhanced_status, destination) and writes one a line, in order. A line
    that is not such an object is answered with class "other" and an "error".
    """
    judge = Judge()
    if text or reply_code or enhanced_status:
        question = Question(text, reply_code, enhanced_status, provider)
        _print_verdict(judge.verdict(question), explain)
        return
    for answer in _answers(judge, sys.stdin.buffer):
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.buffer.flush()


def _answers(judge: Judge, lines: Iterable[bytes]) -> Iterator[bytes]:
    for line in lines:
        if line.strip():
            yield judge.answer(line)


def _print_verdict(verdict: Verdict, explain: bool) -> None:
    said = msgspec.to_builtins(verdict)
    typer.echo(f"{said.pop('class')} {said.pop('reason')}")
    if explain:
        for name, value in said.items():
            typer.echo(f"  {name.replace('_', ' ')}: {value if value != '' else '-'}")


def _refusal(text: str) -> bytes:
    fault = {"class": "other", "reason": "undetermined", "error": text}
    return msgspec.json.encode(fault)
