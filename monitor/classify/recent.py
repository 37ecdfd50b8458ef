"""A bounded memory of what was worked out, as fast as a dictionary when it knows.

Theory of operation: two generations. What is asked for is kept in the young one; when
that is full it becomes the old one, and the old one is forgotten. So what is used
stays, nothing is moved for an answer that is there, and twice ``most`` is the bound.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(dict[K, V]):
    """Ask with ``recent[key]``: the value is made when it is not known.

    Safe to share between threads: a race makes a value twice or forgets early.

    Args:
        make: gives the value of a key; never ``None``.
        most: entries of one generation.
    """

    def __init__(self, make: Callable[[K], V], most: int) -> None:
        super().__init__()
        self._make = make
        self._most = most
        self._old: dict[K, V] = {}
        self.made = 0

    def __missing__(self, key: K) -> V:
        value = self._old.get(key)
        if value is None:
            value = self._make(key)
            self.made += 1
        if len(self) >= self._most:
            self._old = dict(self)
            self.clear()
        self[key] = value
        return value

    def learn(self, known: Mapping[K, V]) -> None:
        """Remember what was worked out elsewhere, no more than one generation holds."""
        if len(self) + len(known) > self._most:
            self._old = dict(self)
            self.clear()
        self.update(known)

    @property
    def held(self) -> int:
        """Entries of both generations; one that is in both counts twice."""
        return len(self) + len(self._old)

    def forget(self) -> None:
        """Start anew; for a measurement of what is worked out."""
        self._old = {}
        self.clear()
