from collections.abc import Callable

import pytest

from monitor.events import Action, Cell, Directive, Mode, Scope
from monitor.throttle import Table, allowed, apply, in_force, supersedes

NOW = 1_800_000_000.0
CAMPAIGN = Scope(campaign="spring")
CELL = Cell("yahoo", "203.0.113.7", "spring", "acme", "de")
Make = Callable[..., Directive]


@pytest.mark.parametrize(
    ("version", "wins"),
    [
        ((2, 1), True),
        ((1, 6), True),
        ((1, 5), False),
        ((1, 4), False),
        ((0, 99), False),
    ],
)
def test_the_greater_version_wins(
    make_directive: Make, version: tuple[int, int], *, wins: bool
) -> None:
    old = make_directive(CAMPAIGN, epoch=1, seq=5)
    new = make_directive(CAMPAIGN, epoch=version[0], seq=version[1])
    assert supersedes(new, old) is wins
    table: Table = {}
    assert apply(table, old)
    assert apply(table, new) is wins
    assert table["default", CAMPAIGN] is (new if wins else old)


def test_scopes_and_fleets_do_not_meet(make_directive: Make) -> None:
    table: Table = {}
    assert apply(table, make_directive(CAMPAIGN))
    assert apply(table, make_directive(CAMPAIGN, fleet="emea"))
    assert apply(table, make_directive(Scope(campaign="spring", provider="yahoo")))
    assert len(table) == 3


@pytest.mark.parametrize(
    ("changes", "passed", "expected"),
    [
        ({}, 0, True),
        ({}, 299.9, True),
        ({}, 300, False),
        ({"mode": Mode.OBSERVE}, 0, False),
        ({"mode": Mode.SUGGEST}, 0, False),
        ({"action": Action.RESUME}, 0, False),
        ({"action": Action.PAUSE}, 0, True),
    ],
)
def test_in_force(
    make_directive: Make, changes: dict[str, object], passed: float, *, expected: bool
) -> None:
    assert in_force(make_directive(CAMPAIGN, **changes), NOW + passed) is expected


def test_without_a_word_everything_may_flow(make_directive: Make) -> None:
    other = make_directive(Scope(campaign="autumn"), rate_fraction=0.0)
    assert allowed([], CELL, NOW) == 1.0
    assert allowed([other], CELL, NOW) == 1.0
    assert allowed([make_directive(CAMPAIGN)], CELL, NOW + 300) == 1.0


def test_the_strictest_automatic_word_rules(make_directive: Make) -> None:
    words = [
        make_directive(CAMPAIGN, rate_fraction=0.5),
        make_directive(Scope(provider="yahoo"), rate_fraction=0.1),
        make_directive(Scope(tenant="acme"), rate_fraction=0.0, mode=Mode.OBSERVE),
    ]
    assert allowed(words, CELL, NOW) == 0.1


def test_the_narrowest_word_of_people_rules(make_directive: Make) -> None:
    free = {"action": Action.RESUME, "rate_fraction": 1.0, "actor": "alice"}
    words = [
        make_directive(Scope(provider="yahoo"), rate_fraction=0.0),
        make_directive(CAMPAIGN, rate_fraction=0.2, actor="bob", seq=9),
        make_directive(Scope(campaign="spring", provider="yahoo"), **free),
    ]
    assert allowed(words, CELL, NOW) == 1.0
    assert allowed(words[:2], CELL, NOW) == 0.2
    assert allowed(words[:1], CELL, NOW) == 0.0
    # A release by automation outweighs nothing.
    released = make_directive(
        CAMPAIGN,
        action=Action.RESUME,
        rate_fraction=1.0,
    )
    assert allowed([released, words[0]], CELL, NOW) == 0.0
