"""Rules as data: what a rule is, and how a file of them is read.

A file holds ``[[rule]]`` tables::

    [[rule]]
    name = "full-mailbox"
    reason = "mailbox_full"
    patterns = ["mailbox (is )?full"]
    examples = ["552 5.2.2 <joe@example.org>: Mailbox is full"]

``patterns`` are of the language in ``dialect``; one of them must match. Optional:
``providers`` (the rule counts only there: a provider id, a domain, or one of its
labels), ``only`` (``permanent`` or ``transient`` replies), ``commands`` (the SMTP
commands a refusal may answer), ``unless`` (words that must not be in the reply;
patterns without anything wild) and ``confidence`` (0-1; below ``STRONG`` a surer status
or provider hint goes first).
"""

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec

from monitor.classify.dialect import PatternError, parse, quoted
from monitor.classify.pattern import MOST_NEEDLES
from monitor.classify.unwrap import COMMANDS
from monitor.errors import ConfigError
from monitor.events import Permanence, Reason, Stage

#: Largest rules file in characters; a bound on what one reload may cost.
MAX_FILE_LENGTH = 1_000_000
#: Most rules in one file; several times what is built in.
MAX_RULES = 2_000
#: Most patterns in one file, and words that they are looked up by; several times what
#: is built in. The index takes three bits a pattern for every word: 150 MB at most.
MAX_PATTERNS, MAX_WORDS = 8_000, 50_000
#: Most entries of one ``unless``: each is looked for wherever the rule may match.
MAX_UNLESS = 20
#: Folders of our own rules, in the order in which they are asked.
OWN_STAGES = {"providers": Stage.PROVIDER_TOKEN, "generic": Stage.TEXT}
#: How sure a rule is that does not say.
DEFAULT_CONFIDENCE = 0.9
#: A text rule at least this sure decides alone; a weaker one is weighed against codes.
STRONG = 0.6


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: any of its patterns in a reply means its reason.

    ``origin`` (the file) and ``stage`` are set by the loader.
    """

    name: str
    reason: Reason
    patterns: tuple[str, ...]
    providers: tuple[str, ...] = ()
    only: Permanence | None = None
    commands: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    confidence: float = DEFAULT_CONFIDENCE
    examples: tuple[str, ...] = ()
    origin: str = ""
    stage: Stage = Stage.USER_RULE


class _RuleTable(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A rule as it stands in a file."""

    name: str
    reason: Reason
    patterns: list[str]
    providers: list[str] = []
    only: Permanence | None = None
    commands: list[str] = []
    unless: list[str] = []
    confidence: float = DEFAULT_CONFIDENCE
    examples: list[str] = []


class _RulesFile(msgspec.Struct, forbid_unknown_fields=True):
    rule: list[_RuleTable] = []


def read_rules(toml_text: str, origin: str) -> tuple[Rule, ...]:
    """The rules of a user's file in its order, each one well formed by itself.

    Raises:
        ConfigError: no TOML, an unknown key or reason, or a pattern that is not of the
            linear-time language; the text names ``origin`` and the rule.
    """
    if len(toml_text) > MAX_FILE_LENGTH:
        raise ConfigError(f"{origin}: longer than {MAX_FILE_LENGTH} characters")
    try:
        raw = tomllib.loads(toml_text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{origin}: not TOML: {error}") from error
    tables = raw.get("rule", [])
    if isinstance(tables, list) and len(tables) > MAX_RULES:
        raise ConfigError(f"{origin}: more than {MAX_RULES} rules")
    try:
        found = msgspec.convert(raw, _RulesFile).rule
    except msgspec.ValidationError as error:
        raise ConfigError(f"{origin}: {_place(raw, str(error))}") from error
    _check(found, origin)
    return tuple(_rule(table, origin, Stage.USER_RULE) for table in found)


def _check(found: Sequence[_RuleTable], origin: str) -> None:
    if sum(len(table.patterns) + len(table.unless) for table in found) > MAX_PATTERNS:
        raise ConfigError(f"{origin}: more than {MAX_PATTERNS} patterns")
    for table in found:
        if problem := _malformed(table):
            raise ConfigError(f"{origin}: rule '{table.name}': {problem}")
    words = sum(parse(one).most_needed() for table in found for one in table.patterns)
    if words > MAX_WORDS:
        raise ConfigError(f"{origin}: the patterns stand for over {MAX_WORDS} words")


def _place(raw: dict[str, object], error: str) -> str:
    """The error with the name of the rule it is in, if it can be told."""
    _, _, rest = error.partition("$.rule[")
    number, tables = rest.partition("]")[0], raw.get("rule")
    if not number.isdigit() or not isinstance(tables, list):
        return error
    table = tables[int(number)]
    name = table.get("name") if isinstance(table, dict) else None
    return f"rule '{name or int(number) + 1}': {error}"


def _rule(table: _RuleTable, origin: str, stage: Stage) -> Rule:
    return Rule(
        name=table.name,
        reason=table.reason,
        patterns=tuple(table.patterns),
        providers=tuple(provider.lower() for provider in table.providers),
        only=table.only,
        commands=tuple(table.commands),
        unless=tuple(table.unless),
        confidence=table.confidence,
        examples=tuple(table.examples),
        origin=origin,
        stage=stage,
    )


def _malformed(table: _RuleTable) -> str:
    if not table.name.strip():
        return "needs a name"
    if not table.patterns:
        return "needs a pattern"
    if not 0.0 < table.confidence <= 1.0:
        return "confidence must be above 0 and at most 1"
    if strange := set(table.commands) - set(COMMANDS):
        return f"unknown command '{min(strange)}'; one of {', '.join(COMMANDS)}"
    if table.only is Permanence.UNKNOWN:
        return "'only' is 'permanent' or 'transient'"
    return _misspelt(table)


def _misspelt(table: _RuleTable) -> str:
    if len(table.unless) > MAX_UNLESS:
        return f"'unless' has more than {MAX_UNLESS} entries"
    try:
        for pattern in table.patterns:
            parse(pattern)
        for words in table.unless:
            if not parse(words).needles(MOST_NEEDLES):
                return f"{quoted(words)} is too wild for 'unless'; name the words"
    except PatternError as error:
        return str(error)
    return ""


def package_files(folder: str) -> list[Traversable]:
    """The data files in one folder of our own rules, by name."""
    found = files("monitor.classify").joinpath("rules", folder).iterdir()
    tomls = (entry for entry in found if entry.name.endswith(".toml"))
    return sorted(tomls, key=lambda entry: entry.name)


@cache
def builtin_rules() -> tuple[Rule, ...]:
    """Our own rules: every provider's tokens, then the generic families in order.

    They are not checked again: that is half of what it takes to load them, and a test
    reads each file as ``read_rules`` does.
    """
    return tuple(
        _rule(table, f"{folder}/{entry.name}", stage)
        for folder, stage in OWN_STAGES.items()
        for entry in package_files(folder)
        for table in msgspec.convert(
            tomllib.loads(entry.read_text(encoding="utf-8")), _RulesFile
        ).rule
    )
