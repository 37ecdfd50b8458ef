"""The demo's sender obeys: directives as leases on a part of the traffic."""

from monitor.events import Cell, Directive
from monitor.throttle.law import Table, allowed, apply


class Brakes:
    """Which part of normal traffic may flow, by the law for consumers."""

    def __init__(self) -> None:
        self._table: Table = {}

    def apply(self, directive: Directive) -> bool:
        """Take a directive; false if it changes nothing."""
        return apply(self._table, directive)

    def fraction(self, cell: Cell, moment: float) -> float:
        """Part of a cell's traffic, 0-1, that may flow now; leases run out."""
        return allowed(self._table.values(), cell, moment)
