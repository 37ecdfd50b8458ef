import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.events import IncidentKind, IncidentState, Reason, ReasonCount, Scope
from monitor.observe import replies as module
from monitor.observe.replies import FORGOTTEN_SECONDS, NEWS_COUNT, Replies
from tests.observe.slow_world import DAY, HOUR, SlowRun

WEEK = 7 * DAY


def said(template: str, count: int = 10, provider: str = "p1") -> ReasonCount:
    return ReasonCount(
        provider=provider,
        source_ip="i1",
        campaign="c1",
        reason=Reason.POLICY,
        count=count,
        sample=f"550 {template}",
        template=template,
    )


def old() -> Replies:
    """That has listened for more than a week."""
    replies = Replies()
    replies.note(1.0, [said("old", 1000)], news=True)
    replies.note(1.0 + WEEK, [said("old", 1000)], news=True)
    return replies


def names(replies: Replies, seconds: float, *reasons: ReasonCount) -> list[str]:
    return [one.template for one in replies.note(seconds, reasons, news=True)]


def test_a_new_text_is_news_once_when_it_has_come_often_enough() -> None:
    replies, now = old(), WEEK + 60.0
    assert names(replies, now, said("new", NEWS_COUNT - 1), said("old", 500)) == []
    assert names(replies, now + 30.0, said("new", 1)) == ["new"]
    assert names(replies, now + 60.0, said("new", 900)) == []
    assert names(replies, now, said("new", NEWS_COUNT, provider="p2")) == ["new"]


def test_a_text_that_comes_slowly_is_not() -> None:
    replies = old()
    for minute in range(100):
        assert names(replies, WEEK + 60.0 * minute, said("slow", 4)) == []


def test_a_text_without_a_template_is_nobodys() -> None:
    replies = old()
    assert names(replies, WEEK + 60.0, said("", 1_000)) == []
    assert replies.rows == 1


def test_what_was_not_seen_for_a_week_is_new_again() -> None:
    replies = old()
    assert names(replies, 2 * WEEK - 60.0, said("old", NEWS_COUNT)) == []
    assert names(replies, 3 * WEEK, said("old", NEWS_COUNT)) == ["old"]


def test_in_the_first_week_nothing_is_known_to_be_new() -> None:
    replies = Replies()
    assert names(replies, 1.0, said("a", 900)) == []
    assert names(replies, FORGOTTEN_SECONDS - 9.0, said("b", 900)) == []


def test_a_backlog_teaches_and_tells_nothing() -> None:
    replies = old()
    assert replies.note(WEEK + 60.0, [said("new", 900)], news=False) == []
    assert names(replies, WEEK + 2_000.0, said("new", 900)) == []


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=400), st.integers(0, 3))
def test_the_error_is_what_is_stated(stream: list[int], seed: int) -> None:
    most, module.MOST_ROWS = module.MOST_ROWS, 16
    try:
        replies, seen = Replies(), dict[str, int]()
        for number, item in enumerate(stream):
            name = str(item if (item + seed) % 3 else 0)
            seen[name] = seen.get(name, 0) + 1
            replies.note(float(number + 1), [said(name, 1)], news=True)
        assert replies.rows <= 16
        assert replies.rows + replies.dropped >= len(seen)
        assert (replies.dropped > 0) == (replies.error > 0)
        assert replies.error <= 2 * len(stream) / 16
        for name, count in seen.items():
            assert replies.last("p1", name) > 0 or count <= replies.error
    finally:
        module.MOST_ROWS = most


def test_a_snapshot_loses_nothing() -> None:
    replies = old()
    names(replies, WEEK + 60.0, said("new", NEWS_COUNT - 1))
    copy = Replies()
    copy.load({name: array.copy() for name, array in replies.state().items()})
    assert msgspec.msgpack.encode(copy.state()["replies"].tobytes()) == (
        msgspec.msgpack.encode(replies.state()["replies"].tobytes())
    )
    assert names(copy, WEEK + 90.0, said("new", 1)) == ["new"]


def test_a_new_text_is_a_ticket_of_its_provider() -> None:
    run = SlowRun("new_reply")
    for _ in range(8):
        assert run.hear(said("old"), seconds=10.0) == []
        run.run(DAY - 10.0, span=(DAY - 10.0) / 4)
    (told,) = run.hear(said("old"), said("new", NEWS_COUNT))
    assert (told.kind, told.scope) == (IncidentKind.NEW_REPLY, Scope(provider="p1"))
    assert told.reasons[0].sample == "550 new"
    assert told.reasons[0].reason is Reason.POLICY
    assert told.note == (
        f"a reply not seen for a week came {NEWS_COUNT} times in ten minutes"
    )
    run.take_over()
    assert run.hear(said("new", 500)) == []
    (over,) = run.run(2 * HOUR)
    assert (over.id, over.state) == (told.id, IncidentState.CLOSED)


def test_a_policy_may_do_without() -> None:
    run = SlowRun("drift")
    run.hear(said("old"))
    run.run(8 * DAY)
    assert run.hear(said("new", NEWS_COUNT)) == []
