"""``bouncemon``, but the group's coordinator refuses every commit beyond the first.

``python -m tests.e2e.refused_commits CODE COMMAND ...``

A healthy broker cannot be asked to refuse commits and nothing else. So the answer to
an ``OffsetCommit`` carries Kafka's error code ``CODE`` instead of going to the broker;
what reads that answer, and all that follows from it, is the real thing. The group's
first commit (offset 0) goes through: without it no partition is ever opened.
"""

import sys
from types import SimpleNamespace
from typing import Any

from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.protocol.commit import OffsetCommitRequest

from monitor.service.cli import run

_send = GroupCoordinator._send_req


def refuse_commits(code: int) -> None:
    """Answer commits with an error from here on."""

    async def send(self: Any, request: Any) -> Any:
        if not isinstance(request, OffsetCommitRequest):
            return await _send(self, request)
        topics = [
            (topic, [(partition, code) for partition, offset, _ in parts if offset])
            for topic, parts in request._topics
        ]
        if any(parts for _, parts in topics):
            return SimpleNamespace(topics=topics)
        return await _send(self, request)

    GroupCoordinator._send_req = send


if __name__ == "__main__":
    refuse_commits(int(sys.argv[1]))
    sys.exit(run(sys.argv[2:]))
