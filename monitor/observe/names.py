"""Numbers for names, so that cells are compared and looked up as integers."""

from collections.abc import Iterable

import numpy as np

from monitor.events import Cell, Cells
from monitor.observe.arrays import Array

#: Number of the empty name: a dimension that is not known.
UNKNOWN = 0


class Names:
    """Numbers names in the order in which they come; ``""`` is ``UNKNOWN``.

    >>> names = Names()
    >>> names.numbers(["yahoo", ""]).tolist(), names.text[1]
    ([1, 0], 'yahoo')
    """

    def __init__(self) -> None:
        self.text: list[str] = [""]
        self._number: dict[str, int] = {"": UNKNOWN}

    def __len__(self) -> int:
        return len(self.text)

    def find(self, name: str) -> int | None:
        """The number of a name, if it has one."""
        return self._number.get(name)

    def numbers(self, names: Iterable[str]) -> Array:
        """The numbers of some names; new names get the next ones."""
        return np.array([self._number.get(name) or self._add(name) for name in names])

    def rows(self, cells: Cells) -> Array:
        """The cells as numbers of names, ``[cells, dimensions]``, 32-bit."""
        codes = np.frombuffer(cells.codes, "<u4").reshape(-1, len(Cell._fields))
        if not len(codes):
            return codes.astype(np.int32)
        numbers: Array = self.numbers(cells.names).astype(np.int32)[codes]
        return numbers

    def _add(self, name: str) -> int:
        number = self._number.setdefault(name, len(self.text))
        if number == len(self.text):
            self.text.append(name)
        return number


def labels_of(rows: Array) -> list[bytes]:
    """The bytes of each row of 32-bit numbers: what a dictionary can look up."""
    whole = np.dtype((np.void, rows.shape[1] * rows.itemsize))
    labels: Array = np.ascontiguousarray(rows).view(whole)
    return labels.ravel().tolist()
