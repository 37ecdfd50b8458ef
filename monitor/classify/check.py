"""Say what is wrong with a set of rules before it is used."""

from collections.abc import Iterator, Sequence

from monitor.classify.classifier import Classifier
from monitor.classify.dialect import misfit, parse, quoted
from monitor.classify.index import RuleIndex, unwanted
from monitor.classify.rules import Rule, read_rules
from monitor.classify.unwrap import Reply
from monitor.errors import ConfigError

#: Texts made of one pattern to see whether an earlier rule takes them all.
MOST_SAMPLES = 64


def load_rules(toml_text: str, origin: str) -> tuple[Rule, ...]:
    """The rules of one file, in its order, checked.

    Raises:
        ConfigError: the file is no TOML, or a rule in it is malformed, doubled, never
            reached, not linear-time, or contradicted by its own example. The text names
            ``origin`` and the rule.
    """
    rules = read_rules(toml_text, origin)
    for problem in check_rules(rules):
        raise ConfigError(f"{origin}: {problem}")
    return rules


def check_rules(rules: Sequence[Rule]) -> list[str]:
    """Everything wrong with rules in this order; empty when they are fit for use.

    Each problem is one line that starts with the rule's name.
    """
    return [
        *_doubled_names(rules),
        *_misfits(rules),
        *_unreachable(rules),
        *_false_examples(rules),
    ]


def needless_rules(rules: Sequence[Rule]) -> list[str]:
    """Names of the rules whose examples get the same reason without any of ``rules``.

    No fault: such a rule may be surer, or take more than its examples show.
    """
    builtin = Classifier()
    return [
        rule.name
        for rule in rules
        if rule.examples
        and all(
            builtin.classify(example, provider=_provider_of(rule)).reason is rule.reason
            for example in rule.examples
        )
    ]


def _provider_of(rule: Rule) -> str:
    return rule.providers[0] if rule.providers else ""


def _doubled_names(rules: Sequence[Rule]) -> Iterator[str]:
    seen: set[str] = set()
    for rule in rules:
        if rule.name in seen:
            yield f"rule '{rule.name}': duplicate name"
        seen.add(rule.name)


def _misfits(rules: Sequence[Rule]) -> Iterator[str]:
    for rule in rules:
        for pattern in (*rule.patterns, *rule.unless):
            if problem := misfit(parse(pattern)):
                yield f"rule '{rule.name}': pattern {quoted(pattern)} {problem}"


def _unreachable(rules: Sequence[Rule]) -> Iterator[str]:
    """Patterns that an earlier rule, or their own, always takes first, or forbids."""
    index = RuleIndex(rules)
    for rule in rules:
        forbidden = unwanted(rule)
        for pattern in rule.patterns:
            if forbidden and _always(pattern, forbidden):
                place = f"rule '{rule.name}': pattern {quoted(pattern)}"
                yield f"{place} is unreachable: 'unless' forbids its own words"
                continue
            shadow = _shadow(index, rule, pattern)
            if shadow is not None:
                place = f"rule '{rule.name}': pattern {quoted(pattern)}"
                yield f"{place} is unreachable: {shadow}"


def _always(pattern: str, forbidden: Sequence[str]) -> bool:
    """Whether each text that a pattern stands for has a forbidden one in it."""
    samples = parse(pattern).samples(MOST_SAMPLES)
    return all(any(words in sample for words in forbidden) for sample in samples)


def _shadow(index: RuleIndex, rule: Rule, pattern: str) -> str | None:
    """What matches all that a pattern stands for before it; None when it is reached."""
    shadow = None
    for sample in parse(pattern).samples(MOST_SAMPLES):
        hit = index.match(_reply_for(rule, sample), frozenset(rule.providers))
        if hit is None or (hit.rule is rule and hit.pattern == pattern):
            return None
        if not {*hit.rule.unless} <= {*rule.unless}:
            return None  # a text with those words comes through
        shadow = f"rule '{hit.rule.name}' has {quoted(hit.pattern)}"
    return shadow


def _reply_for(rule: Rule, text: str) -> Reply:
    """A reply that meets a rule's conditions, and no stricter ones than it has."""
    code = {"permanent": 550, "transient": 450}.get(rule.only or "", 0)
    command = rule.commands[0] if rule.commands else ""
    return Reply(text, code=code, command=command)


def _false_examples(rules: Sequence[Rule]) -> Iterator[str]:
    if not any(rule.examples for rule in rules):
        return
    classifier = Classifier(tuple(rules))
    for rule in rules:
        for example in rule.examples:
            verdict = classifier.classify(example, provider=_provider_of(rule))
            if verdict.rule != rule.name:
                yield (
                    f"rule '{rule.name}': its example {quoted(example)} is taken by "
                    f"'{verdict.rule or 'nothing'}'"
                )
