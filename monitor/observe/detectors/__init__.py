"""The rules that find anomalies, one file a rule.

A new rule is a class like ``Detector`` in a file of its own, one line in ``DETECTORS``,
and nothing else: ``tests/observe/test_detector_contract.py`` then holds it to the
contract. Rules run in this order, and what an earlier one has explained is not judged
by a later one.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from monitor.errors import ConfigError
from monitor.events import IncidentKind
from monitor.observe.detectors.drift import Drift
from monitor.observe.detectors.limit import LimitRule
from monitor.observe.detectors.look import Detector, Look, Reading
from monitor.observe.detectors.nb_glr import NbGlr
from monitor.observe.detectors.silence import Silence
from monitor.observe.policy import ObservePolicy

__all__ = ["DETECTORS", "NEW_REPLY", "Detector", "Look", "Reading", "detectors_of"]

DETECTORS: Mapping[str, Callable[[ObservePolicy, int], Detector]] = MappingProxyType(
    {rule.name: rule for rule in (NbGlr, LimitRule, Drift, Silence)}
)

#: The rule that reads replies, not counts (``observe.replies``): it has no place here.
NEW_REPLY = IncidentKind.NEW_REPLY.value


def detectors_of(policy: ObservePolicy, capacity: int) -> list[Detector]:
    """Make the rules that a policy names, in the order of the registry.

    Raises:
        ConfigError: if the policy names a rule that does not exist.
    """
    unknown = set(policy.detectors) - set(DETECTORS) - {NEW_REPLY}
    if unknown:
        raise ConfigError(
            f"observe: no detector {sorted(unknown)[0]!r}; there are "
            + ", ".join((*DETECTORS, NEW_REPLY))
        )
    return [
        make(policy, capacity)
        for name, make in DETECTORS.items()
        if name in policy.detectors
    ]
