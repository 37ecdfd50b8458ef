"""The most frequent templates within a bound: the sketch keeps its promise."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.service.templates import KEPT, MAX_PROVIDERS, Reply, Templates

REPLY = Reply(550, "5.7.1", "no")
#: Few names often and many names rarely.
Names = st.one_of(st.integers(0, 5), st.integers(0, 200)).map(str)


def filled(names: list[str], kept: int) -> Templates:
    book = Templates(0.0, kept)
    for at, name in enumerate(names):
        book.add(name, REPLY, "other", float(at))
    return book


@given(st.lists(Names, max_size=400), st.integers(1, 8))
def test_counts_are_within_their_bounds(names: list[str], kept: int) -> None:
    book, truth = filled(names, kept), Counter(names)
    rows = {row.template: row for row in book.top(len(names) + 1)}
    assert len(rows) == len(book) <= 2 * kept
    for name, row in rows.items():
        assert row.count <= truth[name] <= row.count + row.uncounted
        assert row.uncounted <= len(names) / kept
    missed = [truth[name] for name in truth.keys() - rows.keys()]
    assert max(missed, default=0) <= len(names) / kept


def test_a_flood_of_new_texts_does_not_wash_out_the_frequent_one() -> None:
    names = [name for at in range(5_000) for name in (f"once-{at}", "often")]
    (first,) = filled(names, kept=100).top(1)
    assert (first.template, first.count, first.uncounted) == ("often", 5_000, 0)
    assert (first.first_seen, first.last_seen) == (1.0, 9_999.0)


def test_the_book_is_bounded() -> None:
    book = filled([str(at) for at in range(2 * KEPT + 1)], KEPT)
    assert len(book) == KEPT + 1
    assert len(book.top(7)) == 7


def test_providers_of_a_template_are_bounded() -> None:
    book = Templates(0.0)
    for at in range(100):
        book.add("t", REPLY, f"p{at}", 0.0)
    book.add("t", REPLY, "p3", 0.0)
    (row,) = book.top(1)
    assert len(row.providers) == MAX_PROVIDERS
    assert next(iter(row.providers)) == "p3"


@pytest.mark.parametrize(
    ("reply", "sample"),
    [
        (Reply(550, "5.7.1", "no <joe@example.org>"), "550 5.7.1 no <ADDR>"),
        (Reply(550, "5.7.1", "550 5.7.1 no"), "550 5.7.1 no"),
        (Reply(550, "5.7.1", "550-5.7.1 no"), "550-5.7.1 no"),
        (Reply(421, "", "from [192.0.2.7] no"), "421 from [IP] no"),
        (Reply(0, "", ""), ""),
        (Reply(550, "", ""), "550"),
    ],
)
def test_samples_show_the_codes_and_no_people(reply: Reply, sample: str) -> None:
    assert reply.scrubbed() == sample
