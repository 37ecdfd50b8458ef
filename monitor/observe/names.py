"""Numbers for names, so that cells are compared and looked up as integers."""

from collections.abc import Iterable
from itertools import repeat

import numpy as np

from monitor.events import Cell, Cells
from monitor.observe.arrays import Array, Ints

#: Number of the empty name: a dimension that is not known.
UNKNOWN = 0

#: Numbers in a cell's label: one a dimension, and one that is always 0.
_WIDTH = len(Cell._fields)
_PADDED = _WIDTH + _WIDTH % 2

#: 64-bit words of a cell's label.
LABEL_WORDS = _PADDED // 2


class Names:
    """Numbers names in the order in which they come; ``""`` is ``UNKNOWN``.

    Args:
        text: names that have a number already: their place.

    >>> names = Names()
    >>> names.numbers(["yahoo", ""]).tolist(), names.text[1]
    ([1, 0], 'yahoo')
    """

    def __init__(self, text: Iterable[str] = ("",)) -> None:
        self.text: list[str] = list(text)
        self._number = {name: number for number, name in enumerate(self.text)}

    def __len__(self) -> int:
        return len(self.text)

    def find(self, name: str) -> int | None:
        """The number of a name, if it has one."""
        return self._number.get(name)

    def numbers(self, names: list[str]) -> Array:
        """The numbers of some names, 32-bit; new names get the next ones."""
        found = self._found(names)
        if (found < 0).any():
            number = self._number.setdefault
            for name in names:
                if number(name, len(self.text)) == len(self.text):
                    self.text.append(name)
            found = self._found(names)
        return found

    def _found(self, names: list[str]) -> Array:
        return np.fromiter(
            map(self._number.get, names, repeat(-1)), np.int32, len(names)
        )

    def labels(self, cells: Cells) -> Ints:
        """The cells as labels, ``[cells, LABEL_WORDS]``; see ``numbers_in``."""
        codes = np.frombuffer(cells.codes, "<u4").reshape(-1, _WIDTH)
        labels = np.zeros((len(codes), _PADDED), np.int32)
        if len(codes):
            labels[:, :_WIDTH] = self.numbers(cells.names)[codes]
        return labels.view(np.int64)


def numbers_in(labels: Ints) -> Array:
    """The numbers of names that labels are made of, ``[labels, dimensions]``.

    >>> numbers_in(Names().labels(Cells.of([Cell("", "", "", "", "")]))).tolist()
    [[0, 0, 0, 0, 0]]
    """
    return np.ascontiguousarray(labels).view(np.int32)[:, :_WIDTH]


def labels_of(numbers: Array) -> Ints:
    """The labels that are made of some numbers, ``[labels, dimensions]``."""
    labels = np.zeros((len(numbers), _PADDED), np.int32)
    labels[:, :_WIDTH] = numbers
    return labels.view(np.int64)
