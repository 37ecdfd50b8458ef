"""What becomes of an incident's name after it was opened.

The first few failures may fit a wider name better than the right one, and may be too
few to tell who is well. So the leaves are looked at again, some seconds later.
"""

import numpy as np

from monitor.events import Scope
from monitor.observe.arrays import Bools
from monitor.observe.blame import COMBINATIONS, DIMENSIONS, PLAIN_NATS, Leaves, search
from monitor.observe.book import Book, inside
from monitor.observe.case import LIMIT, Case
from monitor.observe.channels import FLOOR
from monitor.observe.keys import FIELDS
from monitor.observe.memory import Memory
from monitor.observe.policy import ObservePolicy
from monitor.observe.recent import HORIZON_SECONDS
from monitor.observe.survey import Survey

#: Seconds after an incident was found at which it is reviewed: soon, since whoever is
#: named may be throttled, and again when there is more to tell by.
REVIEW_SECONDS = (5.0, 10.0, 30.0)

#: Parts that explain so much of an incident's excess are the whole of it.
MOST_OF_IT = 0.8


class Review:
    """Narrows incidents to what is bad of them, and says what has stayed normal.

    Args:
        policy: gives the length of a slot.
        memory: what is known of the fleet.
        book: holds the incidents.
    """

    def __init__(self, policy: ObservePolicy, memory: Memory, book: Book) -> None:
        self._policy, self._memory, self._book = policy, memory, book

    def turn(self, now: float) -> None:
        """Review one incident, if one is due: it takes some milliseconds."""
        for case in self._book.open:
            done = sum(now >= case.detected_at + after for after in REVIEW_SECONDS)
            if case.reviews < done:
                case.reviews = done
                # Of what began earlier only a part is still known leaf by leaf.
                if now - case.start <= HORIZON_SECONDS:
                    self._review(case, now)
                return

    def _review(self, case: Case, now: float) -> None:
        survey = self._memory.survey(self._policy.slot_of(case.start))
        self._narrow(case, survey, now)
        explained = self._book.explained(survey.leaf_keys, self._memory.catalog)
        normal = survey.not_affected(
            case.scope, case.column, ~explained[:, case.column]
        )
        case.not_affected = tuple(normal) or case.not_affected

    def _narrow(self, case: Case, survey: Survey, now: float) -> None:
        """See whether a part of what was named is all that is bad."""
        column, mine = case.column, np.flatnonzero(self._own(case, survey))
        if case.detector == LIMIT or not len(mine):
            return
        failed = survey.failed[mine, column]
        # A complaint may come for mail that was delivered before the onset.
        tried = np.maximum(survey.tried[mine, column], failed)
        normal = tried * survey.rate[mine, column]
        causes = search(Leaves(survey.codes[mine], failed, normal, tried))
        # What other causes explain is found by itself once this case leaves it alone. A
        # cause that is all of it is but another name.
        if not causes or causes[0].leaves.all():
            return
        if causes[0].lead < PLAIN_NATS and case.reviews < len(REVIEW_SECONDS):
            return
        theirs = np.logical_or.reduce([cause.leaves for cause in causes])
        excess = failed - normal
        if excess[theirs].sum() < MOST_OF_IT * excess.sum():
            return
        part = survey.scope(causes[0].dimensions, causes[0].codes)
        scope = self._both_of(case.scope, part)
        if scope is not None and scope != case.scope:
            bad = causes[0].leaves
            usual = float(normal[bad].sum() / max(tried[bad].sum(), 1.0))
            baseline = max(usual, float(FLOOR[column]))
            case.share *= causes[0].share
            case.not_affected = ()
            self._book.narrow(case, scope, baseline, survey.by_slot(mine[bad]), now)
            first = self._policy.slot_of(case.start)
            case.note_reasons(self._memory.reasons.since(first))

    def _both_of(self, outer: Scope, part: Scope) -> Scope | None:
        """The part of a scope that another one names; none if causes have no such name.

        A campaign of a tenant is named by itself: all of it is inside.
        """
        values = {
            field: getattr(outer, field) or getattr(part, field)
            for field in FIELDS.values()
        }
        fixed = {name for name, field in FIELDS.items() if values[field]}
        if fixed in ({DIMENSIONS[column] for column in each} for each in COMBINATIONS):
            return Scope(**values)
        catalog = self._memory.catalog
        leaves = catalog.leaf_keys[: len(catalog.cells)]
        theirs = leaves[inside(part, leaves, catalog)]
        return part if inside(outer, theirs, catalog).all() else None

    def _own(self, case: Case, survey: Survey) -> Bools:
        """The leaves of a case that no other open one explains."""
        keys, catalog = survey.leaf_keys, self._memory.catalog
        own = inside(case.scope, keys, catalog)
        for other in self._book.open:
            if other is not case and case.channel in other.channels:
                own &= ~inside(other.scope, keys, catalog)
        return own
