"""What tests with whole workers share."""

from collections.abc import Iterator

import pytest

from tests.e2e.workers import WorkerProcess


@pytest.fixture(autouse=True)
def no_worker_stays() -> Iterator[None]:
    """A failed test leaves its workers behind: they would disturb the next one."""
    yield
    WorkerProcess.end_all()
