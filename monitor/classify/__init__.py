"""SMTP reply to class and reason; the rules are data.

>>> Classifier().classify("552 5.2.2 mailbox full").reason.value
'mailbox_full'
"""

from monitor.classify.check import check_rules, load_rules, needless_rules
from monitor.classify.classifier import (
    CacheStats,
    Classifier,
    Explanation,
    template_of,
)
from monitor.classify.rules import Rule, builtin_rules
from monitor.classify.scrub import scrub
from monitor.classify.taxonomy import advice_for, class_of

__all__ = [
    "CacheStats",
    "Classifier",
    "Explanation",
    "Rule",
    "advice_for",
    "builtin_rules",
    "check_rules",
    "class_of",
    "load_rules",
    "needless_rules",
    "scrub",
    "template_of",
]
