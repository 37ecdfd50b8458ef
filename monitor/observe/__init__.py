"""What has started to bounce, since when, and whose fault it is.

``FleetObserver`` is the door: deltas of counts go in by ``apply``, incidents come out
of ``tick``. The theory of operation is at the top of ``observer.py``; where to put a
new rule is in ``detectors``.
"""

from monitor.observe.bounds import Bound
from monitor.observe.gate import HEALTHY, Health
from monitor.observe.observer import FleetObserver, ObserverStats
from monitor.observe.policy import DEFAULT_LIMITS, Limit, ObservePolicy
from monitor.observe.rates import ScopeRate

__all__ = [
    "DEFAULT_LIMITS",
    "HEALTHY",
    "Bound",
    "FleetObserver",
    "Health",
    "Limit",
    "ObservePolicy",
    "ObserverStats",
    "ScopeRate",
]
