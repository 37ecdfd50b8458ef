"""Rules as data: ours are sound, a user's are checked and go first."""

import msgspec
import pytest

from monitor.classify import (
    Classifier,
    Rule,
    builtin_rules,
    check_rules,
    load_rules,
    needless_rules,
)
from monitor.classify.dialect import MAX_SPELLINGS
from monitor.classify.index import RuleIndex
from monitor.classify.rules import (
    MAX_FILE_LENGTH,
    MAX_PATTERNS,
    MAX_WORDS,
    OWN_STAGES,
    STRONG,
    package_files,
    read_rules,
)
from monitor.classify.unwrap import Reply
from monitor.errors import ConfigError
from monitor.events import Permanence, Reason, Stage

AT_RCPT = "x said: 550 blorp (in reply to RCPT TO command)"
HEAD = '[[rule]]\nname = "mine"\nreason = "policy"\n'


def test_builtin_rules_are_sound() -> None:
    assert check_rules(builtin_rules()) == []


def test_builtin_rules_would_pass_as_a_users() -> None:
    """Nothing checks them when a worker loads them."""
    checked = [
        msgspec.structs.replace(rule, stage=stage)
        for folder, stage in OWN_STAGES.items()
        for file in package_files(folder)
        for rule in read_rules(file.read_text("utf-8"), f"{folder}/{file.name}")
    ]
    assert checked == [*builtin_rules()]


def test_every_builtin_rule_shows_an_example() -> None:
    assert [rule.name for rule in builtin_rules() if not rule.examples] == []


def test_builtin_files_are_one_a_provider_and_one_a_family() -> None:
    assert len(package_files("providers")) >= 25
    assert len(package_files("generic")) >= 20
    stages = {rule.stage for rule in builtin_rules()}
    assert stages == {Stage.PROVIDER_TOKEN, Stage.TEXT}
    assert all(
        "@example" in e or "@" not in e
        for r in builtin_rules()
        for e in r.examples
        if r.stage is Stage.TEXT
    )


def test_every_reason_has_a_rule_or_none_by_nature() -> None:
    without = set(Reason) - {rule.reason for rule in builtin_rules()}
    assert without == {Reason.UNDETERMINED}


def test_user_rules_go_first() -> None:
    rules = load_rules(HEAD + 'patterns = ["mailbox full"]\n', "my.toml")
    verdict = Classifier(rules).classify("552 5.2.2 mailbox full")
    assert (verdict.reason, verdict.stage) == (Reason.POLICY, Stage.USER_RULE)
    assert verdict.rule == "mine"
    assert Classifier().classify("552 mailbox full").reason is Reason.MAILBOX_FULL


def test_a_weak_user_rule_still_goes_first() -> None:
    rules = load_rules(HEAD + 'confidence = 0.1\npatterns = ["full"]', "my.toml")
    verdict = Classifier(rules).classify("552 5.2.2 mailbox full")
    assert (verdict.rule, verdict.confidence) == ("mine", 0.1)


def test_a_user_rule_sees_the_wrapping_too() -> None:
    rules = load_rules(HEAD + 'patterns = ["mx7 example net ip said"]', "my.toml")
    verdict = Classifier(rules).classify(
        "host mx7.example.net[192.0.2.1] said: 552 mailbox full"
    )
    assert verdict.rule == "mine"


@pytest.mark.parametrize(
    ("condition", "text", "provider", "hit"),
    [
        ('providers = ["example.net"]', "550 blorp", "mx.example.net", True),
        ('providers = ["example.net"]', "550 blorp", "badexample.net", False),
        ('providers = ["example.net"]', "550 blorp", "", False),
        ('providers = ["Yahoo"]', "550 blorp", "yahoo", True),
        ('only = "transient"', "450 blorp", "", True),
        ('only = "transient"', "550 blorp", "", False),
        ('only = "permanent"', "blorp", "", False),
        ('unless = ["zork"]', "550 blorp", "", True),
        ('unless = ["zork"]', "550 blorp zorks", "", True),
        ('unless = ["zork"]', "550 Zork: blorp", "", False),
        ('unless = ["quux", "(the|my) zork"]', "550 blorp of my zork", "", False),
        ('unless = ["用户"]', "550 blorp 无用户吗", "", False),
        ('unless = ["zork"]', "zork said: 550 blorp", "", True),
        (
            'commands = ["rcpt"]',
            AT_RCPT,
            "",
            1,
        ),
        (
            'commands = ["data"]',
            AT_RCPT,
            "",
            0,
        ),
    ],
)
def test_conditions(condition: str, text: str, provider: str, hit: bool) -> None:
    rules = load_rules(f'{HEAD}patterns = ["blorp"]\n{condition}', "my.toml")
    verdict = Classifier(rules).classify(text, provider=provider)
    assert (verdict.rule == "mine") is bool(hit)


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("rule = [", ["my.toml", "not TOML"]),
        ("rule = 3", ["my.toml"]),
        ("x = 1", ["my.toml", "unknown field `x`"]),
        ('[[rule]]\nname = "a"', ["my.toml", "'a'", "reason"]),
        (
            '[[rule]]\nname = "a"\nreason = "nope"\npatterns = ["b"]',
            ["my.toml", "'a'", "nope"],
        ),
        (HEAD + "patterns = []", ["'mine'", "needs a pattern"]),
        (HEAD + 'patterns = ["a"]\nspeed = 1', ["'mine'", "speed"]),
        (HEAD + 'patterns = ["a"]\nconfidence = 2.0', ["'mine'", "confidence"]),
        (HEAD + 'patterns = ["a"]\ncommands = ["quit"]', ["'mine'", "quit"]),
        (HEAD + 'patterns = ["a"]\nonly = "unknown"', ["'mine'", "only"]),
        (
            HEAD + 'patterns = ["a"]\nunless = ["b .* c"]',
            ["'mine'", "unless", "b .* c"],
        ),
        (HEAD + 'patterns = ["a"]\nunless = [" "]', ["'mine'", "' '"]),
        (HEAD + f'patterns = ["a"]\nunless = {["b"] * 21}', ["'mine'", "entries"]),
        (HEAD + 'patterns = ["a"]\nunless = ["b  c"]', ["'b  c'", "space too many"]),
        (HEAD + 'patterns = ["a"]\nunless = ["(b"]', ["'mine'", "missing ')'"]),
        (HEAD + 'patterns = ["b", "a (b|b c)"]\nunless = ["b"]', ["'b'", "unless"]),
        (HEAD + 'patterns = ["(a+)+"]', ["'mine'", "not linear-time"]),
        (HEAD + f'patterns = ["{"(a|b)" * 40}"]', ["'mine'", "too many words"]),
        (HEAD + 'patterns = ["a", "a b"]', ["'mine'", "unreachable"]),
        (
            HEAD
            + 'patterns = ["a b"]\n'
            + HEAD.replace("mine", "b")
            + 'patterns = ["a (b|b c)"]',
            ["'b'", "unreachable", "'mine'"],
        ),
        (
            HEAD + 'patterns = ["a b"]\n' + HEAD + 'patterns = ["c d"]',
            ["'mine'", "duplicate name"],
        ),
        (
            HEAD + 'patterns = ["blorp"]\nexamples = ["550 zork"]',
            ["'mine'", "example", "zork"],
        ),
        (HEAD.replace("mine", " ") + 'patterns = ["a"]', ["needs a name"]),
    ],
)
def test_bad_rules_are_refused_by_name(toml: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_rules(toml, "my.toml")
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_oversized_files_are_refused() -> None:
    with pytest.raises(ConfigError, match="longer than"):
        load_rules("#" * (MAX_FILE_LENGTH + 1), "my.toml")
    with pytest.raises(ConfigError, match="more than"):
        load_rules("[[rule]]\n" * 2_001, "my.toml")
    with pytest.raises(ConfigError, match=r"my\.toml"):
        load_rules("x = " + "[" * 5_000, "my.toml")


def test_too_many_patterns_are_refused() -> None:
    patterns = [f"blorp q{number}" for number in range(MAX_PATTERNS + 1)]
    toml = f"[[rule]]\nname = 'many'\nreason = 'policy'\npatterns = {patterns}"
    with pytest.raises(ConfigError, match="patterns"):
        load_rules(toml, "my.toml")


def test_patterns_of_too_many_words_are_refused() -> None:
    # Each one has almost as many as it may have.
    patterns = [f"w{number}[a-z][a-z]" for number in range(MAX_WORDS // 676 + 1)]
    assert MAX_SPELLINGS > 676
    toml = f"[[rule]]\nname = 'many'\nreason = 'policy'\npatterns = {patterns}"
    with pytest.raises(ConfigError, match="words"):
        load_rules(toml, "my.toml")


def test_a_narrower_rule_does_not_make_a_later_one_unreachable() -> None:
    narrow = HEAD + 'patterns = ["blorp"]\nonly = "transient"\n'
    wide = HEAD.replace("mine", "wide") + 'patterns = ["blorp"]\n'
    rules = load_rules(narrow + wide, "my.toml")
    assert [rule.only for rule in rules] == [Permanence.TRANSIENT, None]


def test_a_rule_with_unless_does_not_make_a_later_one_unreachable() -> None:
    narrow = HEAD + 'patterns = ["blorp"]\nunless = ["zork"]\n'
    wide = HEAD.replace("mine", "wide") + 'patterns = ["blorp"]\n'
    rules = load_rules(narrow + wide, "my.toml")
    names = [Classifier(rules).classify(one).rule for one in ("blorp", "blorp zork")]
    assert names == ["mine", "wide"]
    with pytest.raises(ConfigError, match="unreachable"):
        load_rules(narrow + wide + 'unless = ["zork"]', "my.toml")


def test_check_lists_every_problem() -> None:
    good = load_rules(HEAD + 'patterns = ["blorp"]', "my.toml")
    assert check_rules(good) == []
    again = tuple(msgspec.structs.replace(rule, origin="other") for rule in good)
    problems = check_rules(good + again)
    assert len(problems) == 2
    assert "duplicate name" in problems[0]
    assert "unreachable" in problems[1]


def test_problems_quote_no_long_text_whole() -> None:
    long = " ".join(["blorp"] * 40)
    rules = [
        Rule(
            name="one", reason=Reason.POLICY, patterns=(long, long + " x", " " + long)
        ),
        Rule(name="two", reason=Reason.POLICY, patterns=("zork",), examples=(long,)),
    ]
    problems = check_rules(rules)
    assert len(problems) >= 3
    assert all(len(problem) < 240 and "blorp ..." in problem for problem in problems)


def test_rules_that_change_none_of_their_examples_are_told() -> None:
    toml = """
        [[rule]]
        name = "as-ever"
        reason = "mailbox_full"
        patterns = ["postbox is full", "mailbox full"]
        examples = ["552 mailbox full"]
        [[rule]]
        name = "new"
        reason = "mailbox_full"
        patterns = ["blorp"]
        examples = ["550 5.2.2 blorp", "550 blorp"]
        [[rule]]
        name = "other"
        reason = "policy"
        patterns = ["user unknown"]
        examples = ["550 user unknown"]
        [[rule]]
        name = "not-shown"
        reason = "user_unknown"
        patterns = ["no such user"]
        [[rule]]
        name = "at-yahoo"
        reason = "throttled"
        providers = ["yahoo"]
        patterns = ["zork"]
        examples = ["421 4.7.0 zork"]
    """
    assert needless_rules(load_rules(toml, "my.toml")) == ["as-ever"]
    assert needless_rules(()) == []


def test_an_empty_file_has_no_rules() -> None:
    assert load_rules("", "my.toml") == ()


def test_the_surest_of_the_vague_rules_wins() -> None:
    rules = [
        Rule(
            name=name,
            reason=Reason.POLICY,
            patterns=(pattern,),
            confidence=sureness,
            stage=Stage.TEXT,
        )
        for name, pattern, sureness in (
            ("weak", "blorp", 0.3),
            ("weaker", "blorp", 0.2),
            ("surest", "zork", 0.5),
            ("as-sure", "blorp", 0.5),
            ("sure", "quux", STRONG),
        )
    ]
    for text, name in (
        (" blorp ", "as-sure"),
        (" blorp zork ", "surest"),
        (" zork quux blorp ", "sure"),
    ):
        hit = RuleIndex(rules).match(Reply(text), frozenset())
        assert hit is not None
        assert hit.rule.name == name
        assert hit.sure is (name == "sure")
