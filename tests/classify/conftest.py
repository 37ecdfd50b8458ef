"""Fixtures of the classify tests."""

import csv
from pathlib import Path
from typing import NamedTuple

import pytest

from monitor.classify import Classifier


class Written(NamedTuple):
    """One written reply and the reason it must get."""

    reason: str
    code: int
    status: str
    provider: str
    text: str


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    return Classifier()


@pytest.fixture(scope="session")
def replies() -> list[Written]:
    path = Path(__file__).parent / "replies.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        Written(
            row["reason"],
            int(row["code"] or 0),
            row["status"],
            row["provider"],
            row["text"] or "",
        )
        for row in rows
    ]
