"""The connectors of this worker: what each should be, what it is, and how the one becomes the other.

A request changes an entry in the store and returns; a moment later the connector's own coroutine brings tasks in line.
So every change is asynchronous, as in the real runtime, and clients have to poll.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from local.connect.broker import Broker
from local.connect.faults import Refused
from local.connect.plugins import VERSION, Plugin, plugin
from local.connect.sinks import Start
from local.connect.store import Entry, Store
from local.connect.task import Task
from local.connect.validate import check

# As in the real runtime a change is seen a moment later, never at once: whoever forgets to poll finds out here.
SETTLE_S = 0.15
STATES = {"STARTED": "RUNNING", "PAUSED": "PAUSED", "STOPPED": "STOPPED"}
log = logging.getLogger("connect.worker")


class Connector:
    """One connector with its tasks. `state` is None until it was started for the first time."""

    def __init__(
        self, entry: Entry, store: Store, broker: Broker, address: str, after: asyncio.Task[None] | None = None
    ) -> None:
        self.entry, self._store, self._broker, self._address = entry, store, broker, address
        self._after = after  # a connector of the same name that was deleted, and whose tasks may not have ended yet
        self.state: str | None = None
        self.tasks: list[Task] = []
        self.restarting: set[int] = set()
        self._running_config: dict[str, str] | None = None
        self._deleted = False
        self._restart_self = False
        self._quietly: set[int] = set()
        self._changed = asyncio.Event()
        self._changed.set()
        self._loop = asyncio.get_running_loop()
        self._keeper = asyncio.create_task(self._keep())

    @property
    def plugin(self) -> Plugin:
        """Its class."""
        return plugin(self.entry.config["connector.class"])

    def target(self, target: str) -> None:
        """Ask for STARTED, PAUSED or STOPPED."""
        self.entry.target = target
        self.changed()

    def changed(self) -> None:
        """Keep the entry and bring the tasks in line with it, soon."""
        self._store.save(self.entry)
        self._changed.set()

    def restart(self, tasks: set[int], itself: bool = True) -> None:
        """Start tasks (and the connector) anew, soon; until then they are RESTARTING."""
        self.restarting |= tasks
        self._restart_self |= itself
        self._changed.set()

    def restart_task(self, number: int) -> None:
        """Start one task anew, soon; until it runs, its state is shown as it was."""
        self._quietly.add(number)
        self._changed.set()

    def delete(self) -> asyncio.Task[None]:
        """End the tasks for good; the answer is done when they have ended."""
        self._deleted = True
        self._changed.set()
        return self._keeper

    async def started(self) -> None:
        """Waits until one that was made this moment has tasks: the runtime carries out one request after the other."""
        while self.state is None and not self._deleted:
            await asyncio.sleep(0.02)

    async def stopped(self) -> None:
        """Waits for the tasks of a connector that is to be STOPPED."""
        while self.tasks and self.entry.target == "STOPPED":
            await asyncio.sleep(0.02)

    async def shut_down(self) -> None:
        """End the tasks and keep the entry as it is, for the next start of the worker."""
        self._keeper.cancel()
        await self._end(self.tasks)

    def info(self) -> dict[str, Any]:
        """The body of GET /connectors/{name}."""
        tasks = [{"connector": self.entry.name, "task": task.number} for task in self.tasks]
        return {"name": self.entry.name, "config": self.entry.config, "tasks": tasks, "type": "sink"}

    def status(self) -> dict[str, Any]:
        """The body of GET /connectors/{name}/status; raises Refused (404) until it was started."""
        if self.state is None:
            raise Refused(404, f"No status found for connector {self.entry.name}")
        mine = {"state": self.state, "worker_id": self._address, "version": self.plugin.version}
        if self._restart_self and self.restarting:
            mine["state"] = "RESTARTING"
        tasks = [self.task_status(task) for task in self.tasks if task.state]
        return {"name": self.entry.name, "connector": mine, "tasks": tasks, "type": "sink"}

    def task_status(self, task: Task) -> dict[str, Any]:
        """The body of GET /connectors/{name}/tasks/{n}/status."""
        state = "RESTARTING" if task.number in self.restarting else task.state
        status = {"id": task.number, "state": state, "worker_id": self._address, "version": self.plugin.version}
        return status | ({"trace": task.trace} if task.trace else {})

    async def _keep(self) -> None:
        if self._after is not None:
            await asyncio.wait([self._after])
        while not self._deleted:
            await self._changed.wait()
            self._changed.clear()
            await asyncio.sleep(SETTLE_S)
            try:
                await self._bring_in_line()
            except Exception:
                log.exception("%s could not be brought in line", self.entry.name)
                self.state = "FAILED"
        await self._end(self.tasks)

    async def _bring_in_line(self) -> None:
        entry, config = self.entry, dict(self.entry.config)
        target, again = entry.target, self.restarting | self._quietly
        if target == "STOPPED":
            self.state = "STOPPED"  # its tasks are seen to end after that
            await self._end(self.tasks)
            self.tasks, self._running_config = [], None
        elif config != self._running_config and (target == "STARTED" or self.state is None):
            had = len(self.tasks)
            await self._end(self.tasks)
            count = max(1, int(config.get("tasks.max") or 1))
            self._running_config = config
            self.tasks = [self._task(number, count, "UNASSIGNED" if number < had else "") for number in range(count)]
        elif again:
            await self._end([task for task in self.tasks if task.number in again])
            count = len(self.tasks)
            self.tasks = [
                self._task(one.number, count, "RESTARTING" if one.number in self.restarting else one.state)
                if one.number in again
                else one
                for one in self.tasks
            ]
        for task in self.tasks:
            (task.pause if target == "PAUSED" else task.resume)()
        self.restarting -= again  # and what was asked for meanwhile is next
        self._quietly -= again
        self._restart_self = False
        self.state = STATES[target]

    def _task(self, number: int, of: int, first: str) -> Task:
        # A paused connector keeps the tasks it has; another config is theirs when it is resumed.
        start = Start(self.entry.name, dict(self._running_config or {}), number, self.entry.epoch)
        return Task(start, of, self.plugin, self._broker, self.entry.target == "PAUSED", self._on_topic, first)

    def _on_topic(self, topic: str) -> None:  # called by the tasks' threads
        if topic not in self.entry.topics:
            self._loop.call_soon_threadsafe(self._add_topic, topic)

    def _add_topic(self, topic: str) -> None:
        if topic not in self.entry.topics and not self._deleted:
            self.entry.topics.append(topic)
            self._store.save(self.entry)

    async def _end(self, tasks: list[Task]) -> None:
        for task in tasks:
            task.end()
        while any(task.alive for task in tasks):  # a minute at most, where a warehouse does not answer
            await asyncio.sleep(0.02)


class Worker:
    """All connectors, by name. Lives in one event loop."""

    def __init__(self, store: Store, broker: Broker, address: str) -> None:
        self.broker, self.address = broker, address
        self._store = store
        self._connectors: dict[str, Connector] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Take up the connectors that the store remembers."""
        for entry in self._store.load():
            self._take_up(entry)

    async def stop(self) -> None:
        """End every task; they go on at their committed offsets when the worker is started again."""
        await asyncio.gather(*(one.shut_down() for one in self._connectors.values()), *self._ending.values())

    def names(self) -> list[str]:
        """The connectors there are."""
        return list(self._connectors)

    def get(self, name: str, otherwise: str = "Connector {} not found") -> Connector:
        """The connector `name`; raises Refused (404) with the text `otherwise`."""
        if name not in self._connectors:
            raise Refused(404, otherwise.format(name))
        return self._connectors[name]

    def create(self, name: str, config: dict[str, str], target: str = "STARTED") -> Connector:
        """A new connector; raises Refused: 400 where the configuration is invalid, 409 where the name is taken."""
        check(config)
        if name in self._connectors:
            raise Refused(409, f"Connector {name} already exists")
        entry = Entry(name, config, target)
        self._store.save(entry)
        return self._take_up(entry)

    def configure(self, name: str, config: dict[str, str]) -> Connector:
        """Another configuration for a connector there is; raises Refused (400)."""
        check(config)
        connector = self.get(name)
        connector.entry.config = config
        connector.changed()
        return connector

    def delete(self, name: str) -> None:
        """Delete a connector; its tasks end soon, its offsets stay in Kafka. Raises Refused (404)."""
        connector = self.get(name)
        del self._connectors[name]
        self._store.delete(name)
        self._ending[name] = connector.delete()

    def _take_up(self, entry: Entry) -> Connector:
        before = self._ending.pop(entry.name, None)
        made = Connector(entry, self._store, self.broker, self.address, before)
        self._connectors[entry.name] = made
        return made

    @property
    def about(self) -> dict[str, str]:
        """The body of GET /."""
        return {"version": VERSION, "commit": "26b251a451ce941d", "kafka_cluster_id": self.broker.cluster_id()}
