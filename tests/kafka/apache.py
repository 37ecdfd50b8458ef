"""One real Apache Kafka node on loopback, for tests, benchmark and demo.

KRaft, broker and controller in one Java process, its own data folder and free ports.
It can be killed and started again with its data, and never outlives its owner.
"""

import atexit
import re
import shutil
import subprocess
import tempfile
from base64 import urlsafe_b64encode
from pathlib import Path
from types import TracebackType
from typing import Self

from monitor.errors import BrokerError
from monitor.service.embedded import (
    LOOPBACK,
    die_with_parent,
    end_process,
    free_port,
    wait_until_ready,
)
from tests.kafka.jars import kafka_jars

#: Start takes 3 s on a quiet machine.
START_SECONDS = 90.0

#: An orderly end writes clean-shutdown marks; about 1 s.
STOP_SECONDS = 30.0

#: Fast to start rather than fast for days.
JAVA_OPTIONS = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
)

#: Any 16 bytes; one node needs no more of a name.
CLUSTER_ID = urlsafe_b64encode(b"bouncemon-tests!")[:22].decode()

#: Lines of the broker's log that a failed start quotes.
QUOTED_LINES = 8

SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{control_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{control_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
# Simulated traffic carries any time: it must neither be refused nor expire.
log.message.timestamp.type=CreateTime
log.message.timestamp.after.max.ms=9223372036854775807
log.retention.ms=-1
# After a kill the controller waits this long before it lets the node come back.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# Two cores are enough for one node of this size.
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=16777216
"""


class ApacheKafka:
    """A node that lives as long as the ``with`` block.

    >>> with ApacheKafka() as kafka:  # doctest: +SKIP
    ...     print(kafka.address, kafka.version)
    127.0.0.1:24113 4.1.0

    Args:
        folder: for data and log, made and removed; None: a temporary one.
        port: for clients; 0: a free one.
        detached: the node outlives this process; its ``pid`` tells how to end it.
    """

    def __init__(
        self, folder: Path | None = None, port: int = 0, *, detached: bool = False
    ) -> None:
        self.address = f"{LOOPBACK}:{port or free_port()}"
        self._folder = folder
        self._control_port = free_port()
        self._detached = detached
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the running node."""
        assert self._process is not None, "not running"
        return self._process.pid

    @property
    def version(self) -> str:
        """What the running broker says it is; ``unknown`` when it is not ours."""
        if self._process is None:
            return "unknown"
        said = re.search(r"Kafka version: (\S+)", self._log.read_text())
        return said[1] if said else "unknown"

    def __enter__(self) -> Self:
        """See ``open``."""
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the node and delete its data."""
        self.remove()

    def open(self) -> None:
        """Format the data folder, start the node, wait until it answers.

        Raises:
            KafkaMissing: Java or the jars cannot be had.
            BrokerError: the node does not start.
        """
        if not self._detached:
            atexit.register(self.remove)
        try:
            self._format()
            self.start()
        except BaseException:
            self.remove()
            raise

    def start(self) -> None:
        """Start on the same port with the data that is there.

        Raises:
            BrokerError: the node does not start.
        """
        assert self._process is None, "runs already"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._properties)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C ends the tests, and they end it
                preexec_fn=None if self._detached else die_with_parent(),
            )
        try:
            wait_until_ready(self.address, self._process, START_SECONDS)
        except BrokerError as error:
            raise BrokerError(f"Apache Kafka: {error}\n{self._last_words()}") from None

    def restart(self) -> None:
        """End the node in good order and start it again with its data.

        Raises:
            BrokerError: the node does not start.
        """
        self.stop()
        self.start()

    def stop(self) -> None:
        """End the node in good order; its data stays."""
        if self._process is not None:
            end_process(self._process, STOP_SECONDS)
            self._process = None

    def kill(self) -> None:
        """End the node with SIGKILL, as a power cut would; its data stays."""
        assert self._process is not None, "not running, or not ours to kill"
        self._process.kill()
        self._process.wait()
        self._process = None

    def remove(self) -> None:
        """End the node and delete its data; harmless a second time."""
        atexit.unregister(self.remove)
        # In good order although nobody reads the data again: a client that is still
        # connected then sees the connections close.
        self.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def folder(self) -> Path:
        """Where properties, log and data are; made when first asked for."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="bouncemon-kafka-"))
        return self._folder

    @property
    def _log(self) -> Path:
        return self.folder / "kafka.log"

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def _format(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        text = SETTINGS.format(
            host=LOOPBACK,
            port=self.address.rpartition(":")[2],
            control_port=self._control_port,
            data=self.folder / "data",
        )
        self._properties.write_text(text)
        options = ("format", f"--cluster-id={CLUSTER_ID}")
        command = self._java(
            "kafka.tools.StorageTool", *options, f"--config={self._properties}"
        )
        with self._log.open("wb") as log:
            done = subprocess.run(
                command, stdout=log, stderr=subprocess.STDOUT, check=False
            )
        if done.returncode:
            raise BrokerError(f"Apache Kafka: format failed\n{self._last_words()}")

    def _java(self, main: str, *arguments: str) -> list[str]:
        return ["java", *JAVA_OPTIONS, "-cp", f"{kafka_jars()}/*", main, *arguments]

    def _last_words(self) -> str:
        log = self._log.read_text(errors="replace")
        # Where in its own code an error arose would fill the quote.
        lines = [line for line in log.splitlines() if not line.startswith("\tat ")]
        return "\n".join(lines[-QUOTED_LINES:])
