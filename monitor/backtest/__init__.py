"""Recorded data through the same rooms at full speed; nothing here does I/O.

Theory of operation. A recording has no other clock than its data, so its own time is
*the* time: the log time is the largest event time so far (``log_clock``), and when it
has passed a second, the mind of the fleet ticks at the last instant of that second.
Events go the whole way that they go in production: source, classifier, partition
counter, tallies, merge, observer (``events``). Counts are already counted and enter at
the observer (``counts``), a tick a row's length. What the mind says of its incidents is
gathered until each is over (``journal``).
"""

from monitor.backtest.counts import CountReplay
from monitor.backtest.curves import Curve, Curves
from monitor.backtest.events import EventReplay, Faults, read_events
from monitor.backtest.journal import Found, Spot
from monitor.backtest.log_clock import merged
from monitor.backtest.mind import Mind, Summary, adapted
from monitor.backtest.table import MAX_STEP_SECONDS, Row, Table, read_table

__all__ = [
    "MAX_STEP_SECONDS",
    "CountReplay",
    "Curve",
    "Curves",
    "EventReplay",
    "Faults",
    "Found",
    "Mind",
    "Row",
    "Spot",
    "Summary",
    "Table",
    "adapted",
    "merged",
    "read_events",
    "read_table",
]
