"""What all tests share: the brokers, names of their own, Hypothesis's profile."""

import os
import re
import tempfile
from collections.abc import Iterator
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from monitor.service.embedded import EmbeddedBroker, sigterm_as_ctrl_c
from tests.kafka.apache import ApacheKafka
from tests.parts import OPTION, Part
from tests.tools.prometheus_tools import Tools, ToolsMissing, find_tools

#: Address of a Kafka that runs already; then no broker is started for the tests.
#: Taken out of the environment, since bouncemon refuses variables it does not know.
GIVEN_BROKER = os.environ.pop("BOUNCEMON_TEST_BROKER", "")

VERSIONS = pytest.StashKey[dict[str, str]]()

# A slow example says that the machine is busy, not that the code is wrong.
_COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("here", _COMMON, print_blob=True)
settings.register_profile("ci", _COMMON, derandomize=True, database=None)
PROFILE = "ci" if os.environ.get("CI") else "here"
settings.load_profile(PROFILE)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, type=Part, choices=list(Part), help="only those tests")


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    part: Part | None = config.getoption(OPTION)
    if part is None:
        return
    ours: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        (ours if part.has(marks) else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = ours


def pytest_configure(config: pytest.Config) -> None:
    config.stash[VERSIONS] = {}
    sigterm_as_ctrl_c()  # else a broker's folder would stay


def pytest_report_header() -> str:
    seed = (
        "the same examples each time" if PROFILE == "ci" else "new examples each time"
    )
    return f"hypothesis profile: {PROFILE} ({seed})"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for name, version in config.stash[VERSIONS].items():
        terminalreporter.write_line(f"tested with {name}: {version}")


@pytest.fixture(scope="session", autouse=True)
def tidy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whatever runs here, killed workers too, leaves no folder of ours behind."""
    folder = tmp_path_factory.mktemp("tidy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", str(folder))
        yield
    assert [path.name for path in folder.glob("bouncemon*")] == []


@pytest.fixture(scope="session")
def versions(request: pytest.FixtureRequest) -> dict[str, str]:
    """Programs that the tests run against; printed at the end of the session."""
    return request.config.stash[VERSIONS]


@pytest.fixture(scope="session")
def apache_kafka(versions: dict[str, str]) -> Iterator[ApacheKafka]:
    """The one real Kafka of this session; who wants to kill one starts his own."""
    if GIVEN_BROKER:
        given = ApacheKafka()
        given.address = GIVEN_BROKER
        versions["Apache Kafka"] = f"the one at {GIVEN_BROKER}"
        yield given
        return
    with ApacheKafka() as kafka:
        versions["Apache Kafka"] = kafka.version
        yield kafka


@pytest.fixture(scope="session")
def tools(versions: dict[str, str]) -> Tools:
    """Prometheus' and Alertmanager's programs."""
    try:
        found = find_tools()
    except ToolsMissing as error:
        pytest.fail(str(error), pytrace=False)
    versions.update(zip(found._fields, found.versions(), strict=True))
    return found


@pytest.fixture(scope="session")
def embedded_broker(versions: dict[str, str]) -> Iterator[EmbeddedBroker]:
    """The one embedded broker of this session."""
    with EmbeddedBroker() as broker:
        versions["embedded broker"] = broker.version
        yield broker


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> str:
    """Start of a test's own names of topics and groups; ends in a dot."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:30].strip("-")
    return f"{name}-{uuid4().hex[:6]}."
