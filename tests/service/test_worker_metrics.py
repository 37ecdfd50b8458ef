"""What a worker's page shows before the first record: every series, at zero."""

import pytest

from monitor.service.app import Worker
from monitor.service.settings import Settings


@pytest.fixture(scope="module")
def page() -> list[str]:
    inputs = [
        {"topic": "in.ses", "source": "ses"},
        {"topic": "in.mta", "source": "kumomta"},
    ]
    worker = Worker(Settings.model_validate({"inputs": inputs}))
    return worker.metrics.render().decode().splitlines()


@pytest.mark.parametrize(
    "series",
    [
        'bouncemon_events_total{outcome="bounced",source="ses"}',
        'bouncemon_events_total{outcome="delivered",source="kumomta"}',
        'bouncemon_late_events_total{topic="in.ses"}',
        'bouncemon_records_total{result="invalid",topic="in.mta"}',
        'bouncemon_commits_total{result="failed"}',
        "bouncemon_commit_delay_seconds",
    ],
)
def test_series_of_every_input_exist_from_the_start(
    page: list[str], series: str
) -> None:
    assert f"{series} 0.0" in page
