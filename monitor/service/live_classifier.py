"""The classifier of a running worker: its rules can change, and it keeps the books."""

from collections import Counter
from collections.abc import Sequence

from monitor.classify import CacheStats, Classifier, Rule
from monitor.events import DeliveryEvent, Reason, Verdict
from monitor.service import clock
from monitor.service.templates import Reply, Templates

_UNDETERMINED = Reason.UNDETERMINED


class LiveClassifier:
    """Classifies like a ``Classifier`` whose rules may be exchanged meanwhile.

    All inputs of a worker share one. ``classify_all`` sees every failure, so its books
    are plain dictionaries; ``Reading.report`` makes metrics of them once a second.

    ``replies`` and ``undetermined`` are totals since the start by provider, which is
    one of the provider table or ``other`` and so bounds them.
    """

    def __init__(self, rules: tuple[Rule, ...] = ()) -> None:
        self.replies: Counter[str] = Counter()
        self.undetermined: Counter[str] = Counter()
        self.templates = Templates(clock.now())
        self._retired = CacheStats(0, 0, 0)
        self._classifier = Classifier(rules)

    def classify_all(
        self, failures: Sequence[DeliveryEvent], providers: Sequence[str]
    ) -> list[Verdict]:
        """The verdict on each event's reply; see ``Classifier.classify``."""
        verdicts = self._classifier.classify_all(failures, providers)
        self.replies.update(providers)
        for place, verdict in enumerate(verdicts):
            if verdict.reason is _UNDETERMINED:
                self._not_understood(failures[place], providers[place], verdict)
        return verdicts

    def _not_understood(
        self, event: DeliveryEvent, provider: str, verdict: Verdict
    ) -> None:
        self.undetermined[provider] += 1
        reply = Reply(event.reply_code, event.enhanced_status, event.diagnostic)
        self.templates.add(verdict.template, reply, provider, clock.now())

    @staticmethod
    def prepare(rules: tuple[Rule, ...]) -> Classifier:
        """A classifier with new rules, for ``swap``; fit for another thread."""
        return Classifier(rules)

    def swap(self, classifier: Classifier) -> None:
        """Classify what comes from now on by other rules.

        The templates start anew, since the new rules may know them.
        """
        self._retired = self.cache_stats()._replace(size=0)
        self._classifier = classifier
        self.templates = Templates(clock.now())

    def cache_stats(self) -> CacheStats:
        """Hits and misses since the start, over all exchanges; entries held now."""
        now = self._classifier.cache_stats()
        return CacheStats(
            hits=self._retired.hits + now.hits,
            misses=self._retired.misses + now.misses,
            size=now.size,
        )
