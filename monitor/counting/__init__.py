"""Cells into slots into tallies, exactly; the theory of operation is in ``counter``."""

from monitor.counting.batch import CountBatch
from monitor.counting.cell_table import cell_text, cells_of
from monitor.counting.columns import columns_of
from monitor.counting.counter import Flush, InputPartition, PartitionCounter
from monitor.counting.merge import LOUD_REFUSALS, Refusal, TallyMerger, refuse
from monitor.counting.policy import CountingPolicy
from monitor.counting.slot import Evidence, SlotMaker

__all__ = [
    "LOUD_REFUSALS",
    "CountBatch",
    "CountingPolicy",
    "Evidence",
    "Flush",
    "InputPartition",
    "PartitionCounter",
    "Refusal",
    "SlotMaker",
    "TallyMerger",
    "cell_text",
    "cells_of",
    "columns_of",
    "refuse",
]
