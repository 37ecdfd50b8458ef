"""Metrics of the reading of replies: what is understood, how fast, by which rules."""

from monitor.service.metrics.declare import Book
from monitor.service.metrics.labels import LookupResult, ReloadResult, ReplyResult


class ClassifyMetrics:
    """Are replies understood, and are the users' rules in force?"""

    def __init__(self, book: Book) -> None:
        self.replies = book.counter(
            "bouncemon_provider_replies_total",
            "Replies classified, by mailbox provider and whether a reason was found.",
            provider=None,
            result=ReplyResult,
        )
        self.lookups = book.counter(
            "bouncemon_classify_lookups_total",
            "Replies looked up in the classifier's caches; misses went through the "
            "rules.",
            result=LookupResult,
        )
        self.cache_entries = book.gauge(
            "bouncemon_classify_cache_entries", "Verdicts held in those caches."
        )
        self.templates = book.gauge(
            "bouncemon_undetermined_templates",
            "Distinct replies without a reason held for `/api/v1/templates`.",
        )
        self.reloads = book.counter(
            "bouncemon_rules_reloads_total",
            "Changes of the users' rules file, taken or refused for a fault.",
            result=ReloadResult,
        )
        self.rules = book.gauge(
            "bouncemon_rules_loaded", "Rules of the users' file in force."
        )
        self._info = book.gauge(
            "bouncemon_rules_info",
            "1; the label tells the users' rules files of workers apart.",
            digest=None,
        )
        self._digest = ""
        self.show_rules(0, "none")

    def show_rules(self, rules: int, digest: str) -> None:
        """Show what is in force, and no longer what was."""
        if self._digest:
            self._info.remove_by_labels({"digest": self._digest})
        self._digest = digest
        self._info.labels(digest).set(1)
        self.rules.set(rules)
