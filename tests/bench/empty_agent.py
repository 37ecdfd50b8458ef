"""The floor of Faust: an agent that takes every record and does nothing with it.

usage: python -m tests.bench.empty_agent BROKER TOPIC GROUP EVENTS DATA_FOLDER

Leaves as soon as it has seen that many events (0: as soon as it has its partitions) and
prints how many it saw, and how many the offsets that it reached say they should be.
"""

import json
import os
import sys
from typing import Any, Never

import faust

from tests.bench.world import PARTITIONS


def main(broker: str, topic_name: str, group: str, events: str, folder: str) -> None:
    """Run the worker until it has seen enough."""
    wanted = int(events)
    app = faust.App(
        group,
        broker=f"kafka://{broker}",
        store="memory://",
        web_enabled=False,
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        datadir=folder,
    )
    topic = app.topic(topic_name, value_type=bytes, value_serializer="raw")
    reached: dict[int, int] = {}

    def leave(seen: int) -> Never:
        through = sum(offset + 1 for offset in reached.values())
        # Faust has left half a line there.
        print("\n" + json.dumps({"events": seen, "records": through}), flush=True)
        # At once: the orderly end of a worker costs more than many events.
        os._exit(0)

    @app.agent(topic)  # type: ignore[untyped-decorator]
    async def empty(stream: Any) -> None:
        seen = 0
        async for event in stream.events():
            # What the worker says it saw must be checked against the log.
            reached[event.message.partition] = event.message.offset
            seen += 1
            if seen == wanted:
                leave(seen)

    @app.on_partitions_assigned.connect  # type: ignore[untyped-decorator]
    async def assigned(_: Any, assigned: set[Any], **__: Any) -> None:
        if assigned and not wanted:
            leave(0)

    worker = faust.Worker(app, loglevel="ERROR", quiet=True, redirect_stdouts=False)
    # Faust reads the command line, ours is not for it.
    sys.argv[1:] = []
    worker.execute_from_commandline()


if __name__ == "__main__":
    main(*sys.argv[1:])
