"""Tickets have a bound, and what it keeps out is counted."""

from monitor.events import IncidentKind, Scope
from monitor.observe.tickets import MOST_OPEN, Matter, Tickets

NOW = 1_767_571_200.0


def matter(number: int) -> Matter:
    return Matter(
        kind=IncidentKind.DRIFT,
        scope=Scope(campaign=f"c{number}"),
        note="drifts",
        start=NOW,
    )


def test_what_is_too_much_is_refused_and_what_is_known_is_not() -> None:
    tickets = Tickets("default")
    for number in range(MOST_OPEN + 3):
        tickets.tell(matter(number), NOW)
    assert tickets.refused == 3
    tickets.tell(matter(0), NOW + 1.0)
    tickets.close(tickets.open[0], NOW + 2.0)
    tickets.tell(matter(MOST_OPEN), NOW + 3.0)
    assert len(tickets.open) == MOST_OPEN
    assert tickets.refused == 3
