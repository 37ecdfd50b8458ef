"""The users' rules file: every fault with its line, and a watch on its changes."""

import asyncio
import re
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import structlog

from monitor.classify import Rule, check_rules, scrub
from monitor.classify.rules import MAX_FILE_LENGTH, read_rules
from monitor.errors import ConfigError
from monitor.service.live_classifier import LiveClassifier
from monitor.service.metrics import ReloadResult
from monitor.service.metrics.classify import ClassifyMetrics

log = structlog.get_logger(__name__)

#: Pause between two looks at the file. A change is taken at the second look that sees
#: it, so a file that is being written is not read by halves.
LOOK_SECONDS = 2.0

#: UTF-8 takes at most so many bytes a character.
_MAX_BYTES = 4 * MAX_FILE_LENGTH

#: Longest account of a fault in the log.
_MAX_LOGGED = 400

#: Enough of a hash to tell the files of a fleet apart.
_DIGEST_LENGTH = 12

_AT_LINE = re.compile(r"\(at (?:line (\d+)|end of document)")
_OF_RULE = re.compile(r"rule '(.*?)': (.*)", re.DOTALL)
_RULE = re.compile(r"^[ \t]*\[\[[ \t]*rule[ \t]*\]\]", re.MULTILINE)
_NAME = re.compile(r"\s*name\s*=\s*([\"'])(.*?)\1")


class Fault(NamedTuple):
    """One thing wrong with a rules file; line 0 and no rule where none can be told."""

    problem: str
    line: int = 0
    rule: str = ""

    def at(self, file: str) -> str:
        """One line, as compilers write it.

        >>> Fault("needs a name", 3).at("my.toml")
        'my.toml:3: needs a name'
        """
        place = f"{file}:{self.line}" if self.line else file
        rule = f"rule '{self.rule}': " if self.rule else ""
        return f"{place}: {rule}{self.problem}"


class Content(NamedTuple):
    """What a file held at one look, or why it could not be read."""

    text: str = ""
    unread: str = ""

    @property
    def digest(self) -> str:
        """Names the text; equal on all workers that read the same."""
        return sha256(self.text.encode()).hexdigest()[:_DIGEST_LENGTH]


class Inspection(NamedTuple):
    """Rules as far as they could be read, and all that is wrong with them."""

    rules: tuple[Rule, ...]
    faults: list[Fault]


class LoadedRules(NamedTuple):
    """Rules fit for use, and the content that they were read from."""

    rules: tuple[Rule, ...]
    content: Content


def look_at(path: Path) -> Content:
    """What the file holds now; never raises."""
    try:
        # A pipe or a device would be waited for, and for ever.
        if not path.is_file():
            return Content(unread="no such file")
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            return Content(unread=f"longer than {MAX_FILE_LENGTH} characters")
        return Content(raw.decode())
    except OSError as error:
        return Content(unread=f"cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        return Content(unread="is not UTF-8 text")


def inspect_rules(content: Content, origin: str) -> Inspection:
    """Read rules and find all their faults, of each rule alone and of all together."""
    if content.unread:
        return Inspection((), [Fault(content.unread)])
    text = content.text
    malformed: list[Fault] = []
    try:
        rules = read_rules(text, origin)
    except ConfigError as error:
        first = _placed(text, str(error).removeprefix(f"{origin}: "))
        rules, malformed = _one_by_one(text, origin) if first.rule else ((), [])
        # A fault of the file as a whole is in no part of it; and a file that cannot be
        # cut at its headings (one stands inside a text) gives parts that are no TOML.
        if not malformed or any(
            one.problem.startswith("not TOML") for one in malformed
        ):
            return Inspection((), [first])
    problems = [_placed(text, problem) for problem in check_rules(rules)]
    return Inspection(rules, sorted(malformed + problems, key=lambda fault: fault.line))


def load_rules_file(path: Path) -> LoadedRules:
    """The rules of a file, checked.

    Raises:
        ConfigError: names the file, the line and rule of its first fault, and the
            command that lists all of them.
    """
    content = look_at(path)
    if content.unread:
        raise ConfigError(f"{path}: {content.unread} (name a TOML file of rules)")
    rules, faults = inspect_rules(content, str(path))
    if faults:
        raise ConfigError(
            f"{faults[0].at(str(path))} (all faults: bouncemon rules check {path})"
        )
    return LoadedRules(rules, content)


class RulesWatcher:
    """Gives a worker's classifier the rules of a file whenever that changes.

    A new file with a fault is refused, loudly; the rules before it stay in force.

    Args:
        path: the file.
        loaded: what was read from it at the start and is in force.
        live: the classifier to give new rules to.
        metrics: where reloads are counted.
    """

    def __init__(
        self,
        path: Path,
        loaded: LoadedRules,
        live: LiveClassifier,
        metrics: ClassifyMetrics,
    ) -> None:
        self._path = path
        self._live = live
        self._metrics = metrics
        self._seen = self._tried = loaded.content
        metrics.show_rules(len(loaded.rules), loaded.content.digest)

    async def watch(self) -> None:
        """Look for ever; the files of a hanging disk never stop the event loop."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Take the file if it has changed and was the same at the look before."""
        content = await asyncio.to_thread(look_at, self._path)
        at_rest, self._seen = content == self._seen, content
        if not at_rest or content == self._tried:
            return
        self._tried = content
        inspection = await asyncio.to_thread(inspect_rules, content, str(self._path))
        if inspection.faults:
            self._refuse(inspection.faults)
            return
        # Checking and indexing take longest; the loop only exchanges a reference.
        fresh = await asyncio.to_thread(self._live.prepare, inspection.rules)
        self._live.swap(fresh)
        self._metrics.show_rules(len(inspection.rules), content.digest)
        self._metrics.reloads.labels(ReloadResult.LOADED).inc()
        log.info(
            "rules loaded",
            file=str(self._path),
            rules=len(inspection.rules),
            digest=content.digest,
        )

    def _refuse(self, faults: list[Fault]) -> None:
        self._metrics.reloads.labels(ReloadResult.REFUSED).inc()
        first = faults[0]
        log.error(
            "rules refused, the old ones stay",
            file=str(self._path),
            line=first.line,
            rule=first.rule,
            # It may quote an example reply.
            why=scrub(first.problem, _MAX_LOGGED),
            faults=len(faults),
        )


def _one_by_one(text: str, origin: str) -> tuple[tuple[Rule, ...], list[Fault]]:
    """The rules that are well formed by themselves, and a fault of each other one."""
    rules: list[Rule] = []
    faults: list[Fault] = []
    starts = [start.start() for start in _RULE.finditer(text)]
    for start, end in pairwise([*starts, len(text)]):
        part = text[start:end]
        try:
            rules += read_rules(part, origin)
        except ConfigError as error:
            fault = _placed(part, str(error).removeprefix(f"{origin}: "))
            above = text.count("\n", 0, start)
            # One without a name is called by its number, here always 1.
            rule = fault.rule if fault.line else ""
            faults.append(Fault(fault.problem, above + max(1, fault.line), rule))
    return tuple(rules), faults


def _placed(text: str, problem: str) -> Fault:
    """A fault with the line that it is about, as far as its wording tells."""
    of_rule = _OF_RULE.fullmatch(problem)
    if of_rule is None:
        at = _AT_LINE.search(problem)
        last = len(text.splitlines())
        return Fault(problem, int(at[1] or last) if at else 0)
    name, rest = of_rule[1], of_rule[2]
    return Fault(rest, _line_of(text, name), name)


def _line_of(text: str, name: str) -> int:
    """The line that names a rule, the last one of two; 0 if it cannot be told."""
    found = 0
    for number, line in enumerate(text.splitlines(), 1):
        named = _NAME.match(line)
        if named is not None and named[2] == name:
            found = number
    return found
