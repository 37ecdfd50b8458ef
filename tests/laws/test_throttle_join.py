from hypothesis import given
from hypothesis import strategies as st

from monitor.events import Action, Cell, Directive, Mode, Scope
from monitor.throttle import Table, allowed, apply, in_force

NOW = 1_800_000_000.0
SCOPES = (
    Scope(campaign="a"),
    Scope(provider="x"),
    Scope(campaign="a", provider="x"),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Directive]:
    """What owners of rising epochs said; one version is said once."""
    versions = draw(
        st.lists(
            st.tuples(st.integers(1, 4), st.integers(1, 30)), unique=True, max_size=25
        )
    )
    return [
        Directive(
            fleet=draw(st.sampled_from(("default", "emea"))),
            scope=draw(st.sampled_from(SCOPES)),
            action=draw(st.sampled_from(Action)),
            rate_fraction=draw(st.sampled_from((0.0, 0.1, 0.5, 1.0))),
            reason="",
            incident="",
            evidence="",
            mode=draw(st.sampled_from(Mode)),
            actor=draw(st.sampled_from(("bouncemon", "alertmanager", "alice"))),
            epoch=epoch,
            seq=seq,
            issued_at=NOW,
            expires_at=NOW + draw(st.floats(1, 300)),
        )
        for epoch, seq in versions
    ]


def table_of(directives: list[Directive]) -> Table:
    table: Table = {}
    for directive in directives:
        apply(table, directive)
    return table


@given(histories(), st.data())
def test_order_and_repetition_are_free(
    history: list[Directive], data: st.DataObject
) -> None:
    copies = data.draw(st.lists(st.sampled_from(history))) if history else []
    shuffled = data.draw(st.permutations(history + copies))
    assert table_of(shuffled) == table_of(history)


@given(histories(), histories())
def test_tables_merge_as_a_join(one: list[Directive], two: list[Directive]) -> None:
    said = {(x.epoch, x.seq) for x in one}
    two = [x for x in two if (x.epoch, x.seq) not in said]
    left, right = table_of(one), table_of(two)
    merged = table_of([*left.values(), *right.values()])
    assert merged == table_of([*right.values(), *left.values()])
    assert merged == table_of(one + two)
    assert table_of([*merged.values(), *left.values()]) == merged


@given(histories())
def test_a_table_holds_the_greatest_version_of_each_scope(
    history: list[Directive],
) -> None:
    table = table_of(history)
    for key, directive in table.items():
        same = [x for x in history if (x.fleet, x.scope) == key]
        assert (directive.epoch, directive.seq) == max((x.epoch, x.seq) for x in same)
    assert {(x.fleet, x.scope) for x in history} == set(table)


@given(histories(), st.floats(0, 400))
def test_when_nobody_renews_everything_flows(
    history: list[Directive], passed: float
) -> None:
    for directive in history:
        if passed >= directive.expires_at - NOW:
            assert not in_force(directive, NOW + passed)
    assert not any(in_force(directive, NOW + 300) for directive in history)
    cell = Cell("x", "", "a", "", "")
    assert allowed(history, cell, NOW + 300) == 1.0
