"""How a worker reads replies: its classifier, the users' rules, and metrics of both."""

import asyncio

from monitor.service.ingest_report import Growth
from monitor.service.live_classifier import LiveClassifier
from monitor.service.metrics import LookupResult, ReplyResult
from monitor.service.metrics.classify import ClassifyMetrics
from monitor.service.rules_file import RulesWatcher, load_rules_file
from monitor.service.settings_sections import ClassifySettings


class Reading:
    """Holds one worker's ``live`` classifier, and keeps its rules and metrics fresh.

    Raises:
        ConfigError: the rules file cannot be used; see ``load_rules_file``.
    """

    def __init__(self, settings: ClassifySettings, metrics: ClassifyMetrics) -> None:
        self._metrics = metrics
        self._growth = Growth()
        self._watcher: RulesWatcher | None = None
        if settings.rules is None:
            self.live = LiveClassifier()
            return
        loaded = load_rules_file(settings.rules)
        self.live = LiveClassifier(loaded.rules)
        self._watcher = RulesWatcher(settings.rules, loaded, self.live, metrics)

    async def watch(self) -> None:
        """Follow the rules file, if there is one, until cancelled."""
        if self._watcher is None:
            await asyncio.Event().wait()
        else:
            await self._watcher.watch()

    def report(self) -> None:
        """Copy the classifier's totals into metrics; about once a second."""
        live, metrics = self.live, self._metrics
        for provider, total in live.replies.items():
            unknown = live.undetermined.get(provider, 0)
            self._count(provider, ReplyResult.UNDETERMINED, unknown)
            self._count(provider, ReplyResult.DETERMINED, total - unknown)
        stats = live.cache_stats()
        for result, looked_up in (
            (LookupResult.HIT, stats.hits),
            (LookupResult.MISS, stats.misses),
        ):
            metrics.lookups.labels(result).inc(self._growth.of(result, looked_up))
        metrics.cache_entries.set(stats.size)
        metrics.templates.set(len(live.templates))

    def _count(self, provider: str, result: ReplyResult, total: int) -> None:
        grown = self._growth.of((provider, result), total)
        self._metrics.replies.labels(provider, result).inc(grown)
