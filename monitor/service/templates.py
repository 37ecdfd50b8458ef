"""Which replies no rule understands: the most frequent templates, within a bound.

Theory of operation: a template that is not held has been seen at most ``_floor`` times.
Whoever comes anew may have been seen so often before; when the book is full, the half
with the fewest sightings (those perhaps missed among them) is dropped and the floor
rises to the most of what was dropped. This is the Space-Saving sketch with evictions
in bulk: after N sightings a count is short by at most N / ``KEPT``, and every template
seen more often than that is held. A look costs one dictionary access.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from monitor.classify import scrub

#: Templates that survive when the book is full; live traffic has some thousand
#: templates of which a few hundred are not understood. Twice as many are held: with
#: replies of 2 kB each, the longest that sources let through, some 5 MB.
KEPT = 1_000

#: Providers remembered of one template; more of them do not change what to do.
MAX_PROVIDERS = 16


class Reply(NamedTuple):
    """A reply as the source gave it; it never leaves this file unscrubbed."""

    code: int
    status: str
    text: str

    def scrubbed(self) -> str:
        """The whole reply in one line, fit to be shown."""
        heads = [str(self.code) if self.code else "", self.status]
        line = self.text
        for head in reversed(heads):
            if head and head not in line[: len("550 5.7.900")]:
                line = f"{head} {line}"
        return scrub(line)


class TemplateRow(msgspec.Struct, frozen=True, kw_only=True):
    """One template: ``count`` sightings, and at most ``uncounted`` more before them.

    ``providers`` are those with most sightings first. Times are of this worker's
    reading, epoch seconds.
    """

    template: str
    count: int
    uncounted: int
    sample: str
    providers: dict[str, int]
    first_seen: float
    last_seen: float


@dataclass(slots=True)
class _Entry:
    sample: Reply
    uncounted: int
    first: float
    last: float
    count: int = 0
    providers: dict[str, int] = field(default_factory=dict)

    @property
    def most(self) -> int:
        """The most sightings that there can have been."""
        return self.count + self.uncounted


class Templates:
    """Counts templates since ``since``, epoch seconds.

    >>> book = Templates(0.0)
    >>> book.add("t1", Reply(550, "", "blorp <joe@example.org>"), "other", 1.0)
    >>> [(row.template, row.count, row.sample) for row in book.top(10)]
    [('t1', 1, '550 blorp <ADDR>')]
    """

    def __init__(self, since: float, kept: int = KEPT) -> None:
        self.since = since
        self._kept = kept
        self._floor = 0
        self._entries: dict[str, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, template: str, reply: Reply, provider: str, now: float) -> None:
        """Count one reply that was not understood."""
        entry = self._entries.get(template)
        if entry is None:
            if len(self._entries) >= 2 * self._kept:
                self._drop_half()
            entry = _Entry(reply, self._floor, now, now)
            self._entries[template] = entry
        entry.count += 1
        entry.last = now
        known = entry.providers
        if provider in known or len(known) < MAX_PROVIDERS:
            known[provider] = known.get(provider, 0) + 1

    def top(self, most: int) -> list[TemplateRow]:
        """The templates seen most often, at most so many."""
        return list(self._rows(most))

    def _rows(self, most: int) -> Iterator[TemplateRow]:
        by_count = sorted(self._entries.items(), key=lambda pair: -pair[1].count)
        for template, entry in by_count[:most]:
            providers = sorted(entry.providers.items(), key=lambda pair: -pair[1])
            yield TemplateRow(
                template=template,
                count=entry.count,
                uncounted=entry.uncounted,
                sample=entry.sample.scrubbed(),
                providers=dict(providers),
                first_seen=entry.first,
                last_seen=entry.last,
            )

    def _drop_half(self) -> None:
        by_most = sorted(self._entries.items(), key=lambda pair: -pair[1].most)
        self._floor = max(self._floor, by_most[self._kept][1].most)
        self._entries = dict(by_most[: self._kept])
