"""What the observer is worth: measured on made mail, with bounds that it must keep.

Three experiments, all on the product's own classes: how often a quiet fleet alarms
(``false_alarms``), how long a spike takes to be found against what is possible at all
(``delays``), and whether the right cause is named (``blame_cases``). The mail is made
by ``regimes`` and ``scenarios`` from explicit seeds, so that every figure can be had
again. The room is pure: it reads no clock; who wants a duration hands in a timer.
"""

from monitor.lab.blame_cases import blame_report
from monitor.lab.delays import DelaySize, delay_report
from monitor.lab.false_alarms import FalseAlarmSize, false_alarm_report
from monitor.lab.report import Bound, Report

__all__ = [
    "Bound",
    "DelaySize",
    "FalseAlarmSize",
    "Report",
    "blame_report",
    "delay_report",
    "false_alarm_report",
]
