"""New reply texts: what a provider begins to say that it has not said for a week.

Theory of operation. A text is known by its template id. For each provider and template
a row keeps how often it was seen, when first and last, and how often within ten minutes
of the first time: only that makes it news. A row that was not seen for a week is
dropped, so the text would be new again.

The rows are bounded: ``MOST_ROWS``. When they are full, the median of their counts is
taken from all of them, and rows at 0 are dropped (Misra and Gries 1982, with a batched
purge). Each purge takes a count c from half of the rows, so with N replies in memory
all purges together took at most ``2 N / MOST_ROWS`` from any row: a text that came
more often than that (``error``) is never forgotten, and so never called new; one that
came less often may be. Counts and error are halved once a week.
"""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import msgspec
import numpy as np

from monitor.events import Reason, ReasonCount
from monitor.observe.arrays import State
from monitor.observe.policy import WEEK_SECONDS

#: Providers have some dozens of texts each: room for hundreds of providers. A row is
#: about 300 bytes.
MOST_ROWS = 20_000

#: A text that is seen so often within so many seconds of its first time is news.
NEWS_COUNT = 50
NEWS_SECONDS = 600.0

#: A text not seen for so long is new again; and before so long, all texts are.
FORGOTTEN_SECONDS = WEEK_SECONDS


class Row(msgspec.Struct, array_like=True):
    """One provider's text; ``early`` is its count within the first ten minutes."""

    count: float
    first: float
    last: float
    early: float
    sample: str
    told: bool = False


class NewReply(NamedTuple):
    """A text that is news."""

    provider: str
    template: str
    reason: Reason
    sample: str
    early: float
    first: float


class _Saved(msgspec.Struct, array_like=True):
    rows: dict[str, dict[str, Row]]
    error: float
    first: float
    swept: float


class Replies:
    """The texts that are known of all providers."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Row] = {}
        self._first = self._swept = 0.0
        #: A text seen more often than this within a week is never called new.
        self.error = 0.0
        #: Rows dropped to make room.
        self.dropped = 0

    def note(
        self, seconds: float, reasons: Sequence[ReasonCount], news: bool
    ) -> list[NewReply]:
        """Learn replies of about one time, oldest slots first.

        Args:
            seconds: event time.
            reasons: what was said; rows without a template are left out.
            news: whether this may be news, not only taught: it is not a backlog.

        Returns:
            Texts that have become news.
        """
        self._first = self._first or seconds
        self._sweep(seconds)
        ripe = news and seconds - self._first >= FORGOTTEN_SECONDS
        found = []
        for one in reasons:
            if not one.template or one.count <= 0:
                continue
            row = self._row(one, seconds)
            if row.told or row.early < NEWS_COUNT:
                continue
            row.told = True
            if ripe:
                sample = one.sample or row.sample
                found.append(
                    NewReply(
                        one.provider,
                        one.template,
                        one.reason,
                        sample,
                        row.early,
                        row.first,
                    )
                )
        return found

    def last(self, provider: str, template: str) -> float:
        """When a text was last seen; 0 if it is not known."""
        row = self._rows.get((provider, template))
        return row.last if row else 0.0

    @property
    def rows(self) -> int:
        """How many texts are known."""
        return len(self._rows)

    def _row(self, one: ReasonCount, seconds: float) -> Row:
        name = one.provider, one.template
        row = self._rows.get(name)
        if row is None or seconds - row.last > FORGOTTEN_SECONDS:
            if row is None and len(self._rows) >= MOST_ROWS:
                self._purge()
            row = Row(0.0, seconds, seconds, 0.0, one.sample)
            self._rows[name] = row
        row.count += one.count
        row.last = max(row.last, seconds)
        if abs(seconds - row.first) < NEWS_SECONDS:
            row.early += one.count
        return row

    def _purge(self) -> None:
        taken = median(row.count for row in self._rows.values())
        self.error += taken
        for row in self._rows.values():
            row.count -= taken
        before = len(self._rows)
        self._rows = {name: row for name, row in self._rows.items() if row.count > 0}
        self.dropped += before - len(self._rows)

    def _sweep(self, seconds: float) -> None:
        self._swept = self._swept or seconds
        if seconds - self._swept < FORGOTTEN_SECONDS:
            return
        self._swept = seconds
        self.error /= 2
        for row in self._rows.values():
            row.count /= 2
        self._rows = {
            name: row
            for name, row in self._rows.items()
            if seconds - row.last <= FORGOTTEN_SECONDS
        }

    def state(self) -> State:
        """What a snapshot needs."""
        rows: dict[str, dict[str, Row]] = {}
        for (provider, template), row in self._rows.items():
            rows.setdefault(provider, {})[template] = row
        saved = _Saved(rows, self.error, self._first, self._swept)
        return {"replies": np.frombuffer(msgspec.msgpack.encode(saved), np.uint8)}

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        saved = msgspec.msgpack.decode(state["replies"].tobytes(), type=_Saved)
        self._rows = {
            (provider, template): row
            for provider, rows in saved.rows.items()
            for template, row in rows.items()
        }
        self.error, self._first = saved.error, saved.first
        self._swept = saved.swept
