"""The exception tree, on one page.

Bad input is data: a source hands an ``InvalidEvent`` back as a value, and it ends in
the dead letter. A broken invariant is a bug and uses ``assert``, not this tree.
"""

from enum import StrEnum


class MonitorError(Exception):
    """Root of every error that bouncemon reports on purpose."""


class ConfigError(MonitorError):
    """The settings, a rules file or a topic cannot be used as they are.

    The text is one line and says what to change.
    """


class BrokerError(MonitorError):
    """Kafka cannot be reached, or refuses what the worker must be able to do."""


class FencedError(MonitorError):
    """Another worker of the group runs with our instance id; one of us must go."""


class InvalidReason(StrEnum):
    """Why a record, or one event inside it, was refused; the metric's label."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    WRONG_SHAPE = "wrong_shape"
    MISSING_FIELD = "missing_field"
    BAD_TIME = "bad_time"
    UNKNOWN_OUTCOME = "unknown_outcome"
    TOO_MANY = "too_many"


class InvalidEvent(MonitorError):
    """One piece of input that is not a delivery event.

    Sources return it; they never raise it to their caller.

    Args:
        reason: the closed reason, used as metric label.
        detail: a short text for the dead letter; holds no personal data.
    """

    def __init__(self, reason: InvalidReason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail
