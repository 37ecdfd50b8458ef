"""The rules that find anomalies, one file a rule.

A new rule is a class like ``Detector`` in a file of its own, one line in ``DETECTORS``,
and nothing else: ``tests/observe/test_detector_contract.py`` then holds it to the
contract. Rules run in this order, and what an earlier one has explained is not judged
by a later one.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from monitor.errors import ConfigError
from monitor.observe.detectors.limit import LimitRule
from monitor.observe.detectors.look import Detector, Look, Reading
from monitor.observe.detectors.nb_glr import NbGlr
from monitor.observe.policy import ObservePolicy

__all__ = ["DETECTORS", "Detector", "Look", "Reading", "detectors_of"]

DETECTORS: Mapping[str, Callable[[ObservePolicy, int], Detector]] = MappingProxyType(
    {NbGlr.name: NbGlr, LimitRule.name: LimitRule}
)


def detectors_of(policy: ObservePolicy, capacity: int) -> list[Detector]:
    """Make the rules that a policy names, in the order of the registry.

    Raises:
        ConfigError: if the policy names a rule that does not exist.
    """
    unknown = set(policy.detectors) - set(DETECTORS)
    if unknown:
        raise ConfigError(
            f"observe: no detector {sorted(unknown)[0]!r}; there are "
            + ", ".join(DETECTORS)
        )
    return [
        make(policy, capacity)
        for name, make in DETECTORS.items()
        if name in policy.detectors
    ]
