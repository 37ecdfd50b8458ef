"""A memory forgets what is not used, never what is, and is bounded."""

import gc

from hypothesis import given
from hypothesis import strategies as st

from monitor.classify import Classifier
from monitor.classify.recent import Recent


@given(st.lists(st.integers(0, 40)), st.integers(1, 10))
def test_it_answers_as_if_it_remembered_nothing(asked: list[int], most: int) -> None:
    squares: Recent[int, int] = Recent(lambda number: number * number, most)
    for number in asked:
        assert squares[number] == number * number
        assert squares.held <= 2 * most
    assert len(set(asked)) <= squares.made <= len(asked)


def test_what_is_used_stays() -> None:
    memory: Recent[int, str] = Recent(str, 10)
    first = memory[0]
    for number in range(1, 1_000):
        assert memory[0] is first
        assert memory[number] == str(number)
    assert memory.made == 1_000


@given(st.lists(st.lists(st.integers(0, 40), max_size=10)))
def test_what_was_worked_out_elsewhere_is_known(learned: list[list[int]]) -> None:
    memory: Recent[int, str] = Recent(str, 10)
    for numbers in learned:
        memory.learn({number: str(number) for number in numbers})
        assert all(number in memory for number in numbers)
        assert memory.held <= 20
    assert memory.made == 0


def test_forgetting() -> None:
    memory: Recent[int, str] = Recent(str, 10)
    assert memory[1] == "1"
    memory.forget()
    assert memory.held == 0
    assert memory[1] == "1"
    assert memory.made == 2


def test_what_is_remembered_of_replies_is_nothing_to_collect() -> None:
    classifier = Classifier()

    def ask(numbers: range) -> None:
        for number in numbers:
            domain = f"mx{number}.example.org"
            classifier.classify(f"550 no {domain}", number, provider=domain)

    ask(range(20))
    gc.collect()
    before = len(gc.get_objects())
    ask(range(200, 600))
    gc.collect()
    assert classifier.cache_stats().size > 800
    assert len(gc.get_objects()) - before < 100
