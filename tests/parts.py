"""The two parts of the tests: those that need the machine, and those that do not."""

from enum import StrEnum

#: Of pytest, told by ``python -m tests``; without it all tests run in one session.
OPTION = "--part"

#: Marks of tests that run whole workers or a real Kafka.
LIVE_MARKS = frozenset({"kafka", "e2e"})


class Part(StrEnum):
    """Which of the tests a session runs."""

    LIVE = "live"
    ALONE = "alone"

    def has(self, marks: set[str]) -> bool:
        """True if a test with these marks is one of them."""
        return LIVE_MARKS.isdisjoint(marks) == (self is Part.ALONE)
