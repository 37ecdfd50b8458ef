"""What an experiment found: tables to read, and bounds that were kept or missed."""

from collections.abc import Callable, Iterable, Iterator
from typing import Self, TypeVar

import msgspec

Value = float | str
T = TypeVar("T")

#: Is told what is being worked on, and what part of the whole is done.
Tell = Callable[[str, float], None]


#: It is told each time that so much more of the whole is done.
TOLD_PART = 0.002


class Pace:
    """Tells how far an experiment has come.

    Args:
        whole: all of the work, in any unit.
        tell: is told now and then.

    >>> pace = Pace(4.0, print)
    >>> list(pace.over("abcd", "letters"))
    letters 0.25
    letters 0.5
    letters 0.75
    letters 1.0
    ['a', 'b', 'c', 'd']
    """

    def __init__(self, whole: float, tell: Tell | None = None) -> None:
        self._whole, self._tell = whole, tell
        self._done = self._told = 0.0

    def over(self, pieces: Iterable[T], what: str, each: float = 1.0) -> Iterator[T]:
        """Hand on the pieces of some work, of which each is worth so much."""
        for piece in pieces:
            yield piece
            self._done += each
            part = min(self._done / self._whole, 1.0)
            if self._tell is not None and part >= self._told + TOLD_PART:
                self._told = part
                self._tell(what, part)


class Bound(msgspec.Struct, frozen=True):
    """A value beside what it may be.

    Args:
        name: what was measured.
        value: what came out; not a number if nothing could be measured.
        limit: what was promised.
        at_least: true when more is better.

    >>> Bound("found", 0.97, 0.95, at_least=True).kept
    True
    """

    name: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def kept(self) -> bool:
        """Whether the promise holds; what could not be measured breaks it."""
        if self.at_least:
            return self.value >= self.limit
        return self.value <= self.limit


class Table(msgspec.Struct, frozen=True):
    """Rows of values under a title; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


class Report(msgspec.Struct, frozen=True):
    """All of one experiment; the same seed and sizes give the same report."""

    name: str
    seed: int
    sizes: dict[str, float]
    tables: tuple[Table, ...]
    bounds: tuple[Bound, ...]

    @property
    def kept(self) -> bool:
        """True when every bound is."""
        return all(bound.kept for bound in self.bounds)

    def as_json(self) -> bytes:
        """One line of JSON; what is infinite or not a number becomes null."""
        said = msgspec.to_builtins(self)
        for bound, row in zip(self.bounds, said["bounds"], strict=True):
            row["kept"] = bound.kept
        return msgspec.json.encode(said | {"kept": self.kept})

    @classmethod
    def of(
        cls,
        name: str,
        run: tuple[int, dict[str, float]],
        tables: list[Table],
        bounds: list[Bound],
    ) -> Self:
        """Put a report together.

        Args:
            name: of the experiment.
            run: the seed and the sizes.
            tables: what was seen.
            bounds: what was promised.
        """
        return cls(name, run[0], run[1], tuple(tables), tuple(bounds))
