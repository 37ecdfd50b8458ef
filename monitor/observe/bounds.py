"""What of a fleet is bounded, for the metric that tells when a bound bites."""

from enum import StrEnum


class Bound(StrEnum):
    """What there is only so much room for, counted by what had to go or to stay out,
    and again each time it came again.
    """

    #: Scopes and cells that had been idle longest, and went for new ones; and those
    #: that stayed out since none was idle.
    SCOPES = "scopes"
    CELLS = "cells"
    NEWCOMERS = "newcomers"
    #: Slots that blame can no longer look back to, and reasons that it does not know.
    SLOTS = "slots"
    REASONS = "reasons"
    #: Texts of replies that are no longer known.
    TEXTS = "texts"
    #: Moments that may be heaps, but are not watched.
    MOMENTS = "moments"
    #: Causes and tickets that were not opened, and closed incidents that no cause can
    #: open again.
    INCIDENTS = "incidents"
    TICKETS = "tickets"
    CLOSED = "closed"


#: How much had to go or to stay out.
Bitten = dict[Bound, int]
