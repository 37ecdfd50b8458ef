"""One open slot of one input partition: cells, evidence, ids, the prefix covered."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from typing import NamedTuple, TypeAlias

import numpy as np

from monitor.counting.ids import SeenIds
from monitor.counting.policy import (
    MAX_CELLS_PER_SLOT,
    MAX_IDS_PER_SLOT,
    MAX_NAME_BYTES_PER_SLOT,
    MAX_REASONS_PER_SLOT,
    OTHER,
)
from monitor.events import COLUMNS, Cell, Reason, ReasonCount


class Evidence(NamedTuple):
    """Why an event failed: the reason and the reply, which is not scrubbed yet.

    Replies of one ``template`` say the same; ``""`` when it is not known.
    """

    reason: Reason
    reply: str
    template: str = ""


#: Takes everything personal out of a reply.
Scrubber = Callable[[str], str]

#: The five names of a cell, and the columns that an event adds to.
Key: TypeAlias = tuple[str, str, str, str, str, tuple[int, ...]]

_WIDTH = len(COLUMNS)

#: An event adds to at most so many columns (see ``columns_of``).
_MOST_COLUMNS = 3


class OpenSlot:
    """Counts of one slot while events may still fall into it.

    The hot path is one look-up in ``_counts``, done in C for a whole batch: far fewer
    distinct keys than events. A key is given its places in the matrix when it is new,
    in log order, so what is over a bound does not hang on how the log was cut.
    """

    __slots__ = (
        "_cells",
        "_counts",
        "_name_bytes",
        "_places",
        "_reasons",
        "_samples",
        "_scrub",
        "first",
        "ids",
        "to",
    )

    def __init__(self, offset: int, scrub: Scrubber) -> None:
        self._scrub = scrub
        self.first = offset
        self.to = offset
        self.ids = SeenIds(MAX_IDS_PER_SLOT)
        self._counts: Counter[Key] = Counter()
        # Per key of ``_counts``, in its order: where it adds to, one place too far;
        # place 0 is for columns that an event does not have.
        self._places = array("q")
        self._cells: dict[Cell, int] = {}
        self._name_bytes = 0
        self._reasons: dict[tuple[str, str, str, Reason], list[int | str]] = {}
        self._samples: dict[str, str] = {}

    def count(self, keys: Iterable[Key]) -> int:
        """Add events to their cells; returns how many were folded into ``other``."""
        counts = self._counts
        known = len(counts)
        counts.update(keys)
        new = len(counts) - known
        return self._seat(new) if new else 0

    def _seat(self, new: int) -> int:
        """Give the newest keys their places; returns how many events were folded.

        What is over a bound moves to the cell ``other`` of its provider.
        """
        counts, folded = self._counts, 0
        at_the_end: list[Key] = []
        for key in [*islice(reversed(counts), new)][::-1]:
            cell, columns = Cell(*key[:5]), key[5]
            if self._admit(cell):
                self._place(cell, columns)
            else:
                number = counts.pop(key)
                cell = Cell(cell.provider, OTHER, OTHER, OTHER, OTHER)
                self._cells.setdefault(cell, len(self._cells))
                key = (*cell, columns)
                if key not in counts:
                    at_the_end.append(key)
                counts[key] += number
                folded += number
        for key in at_the_end:
            self._place(Cell(*key[:5]), key[5])
        return folded

    def _place(self, cell: Cell, columns: tuple[int, ...]) -> None:
        row = self._cells[cell] * _WIDTH + 1
        places = [row + column for column in columns]
        self._places.extend(places + [0] * (_MOST_COLUMNS - len(places)))

    def _admit(self, cell: Cell) -> bool:
        """Give the cell a row, unless that is over a bound."""
        if cell in self._cells:
            return True
        size = len("".join(cell).encode())
        if (
            len(self._cells) >= MAX_CELLS_PER_SLOT
            or self._name_bytes + size > MAX_NAME_BYTES_PER_SLOT
        ):
            return False
        self._name_bytes += size
        self._cells[cell] = len(self._cells)
        return True

    def note(self, key: Key, evidence: Evidence) -> None:
        """Remember why an event failed; the first sample of a template stays."""
        reason, reply, template = evidence
        place = (*key[:3], reason)
        row = self._reasons.get(place)
        if row is not None:
            row[0] = int(row[0]) + 1
        elif len(self._reasons) < MAX_REASONS_PER_SLOT:
            self._reasons[place] = [1, self._sample(template, reply)]

    def _sample(self, template: str, reply: str) -> str:
        """The scrubbed reply; scrubbing is dear, so once for each template."""
        sample = self._samples.get(template) if template else None
        if sample is None:
            sample = self._scrub(reply)
            self._samples[template] = sample
        return sample

    def matrix(self) -> tuple[tuple[Cell, ...], bytes]:
        """Cells in order of appearance, and their counts as little-endian int32."""
        size = len(self._cells) * _WIDTH
        numbers = np.fromiter(self._counts.values(), float, len(self._counts))
        sums = np.bincount(
            np.array(self._places),
            weights=np.repeat(numbers, _MOST_COLUMNS),
            minlength=size + 1,
        )
        return tuple(self._cells), sums[1:].astype("<i4").tobytes()

    def reasons(self) -> tuple[ReasonCount, ...]:
        """The evidence so far."""
        return tuple(
            ReasonCount(
                provider=provider,
                source_ip=source_ip,
                campaign=campaign,
                reason=reason,
                count=int(row[0]),
                sample=str(row[1]),
            )
            for (provider, source_ip, campaign, reason), row in self._reasons.items()
        )
