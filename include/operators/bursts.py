"""Bursts: which window a run stands for, and the tasks that generate its events and produce them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import BaseOperator, CronDataIntervalTimetable, Param

from include.contracts import Contract, load
from include.contracts.event import Window
from include.operators import assets
from include.operators.endpoints import endpoint

#: The key in the state store of the domain's asset: stretches of windows without a gap that were produced.
_STRETCHES = "stretches"
_STRETCHES_KEPT = 200

#: Domains whose bursts go on with what earlier windows began.
FOLLOWED = ("clickstream", "ecommerce")

#: Bursts have slots of their own, so that a large one in many shards leaves room for the watches.
POOL = "bursts"

_MAYBE_TEXT = ["null", "string"]
#: Options that one domain's generator takes and the others do not.
OPTIONS: dict[str, dict[str, Param]] = {
    "coinbase": {
        "holes": Param(0, type="integer", minimum=0, description="Numbers left out of the sequence; needs a size."),
        "reconnections": Param(0, type="integer", minimum=0, description="Lost connections; needs a size."),
    },
    "eventsim": {
        "from": Param(
            None, type=_MAYBE_TEXT, format="date", description="A history's first day (UTC); shards share it."
        ),
        "to": Param(None, type=_MAYBE_TEXT, format="date", description="The day after a history's last."),
        "users": Param(None, type=["null", "integer"], minimum=0, description="Users on the first day of the service."),
        "growth": Param(None, type=["null", "number"], description="More users a year, as a share: 0.05."),
        "attrition": Param(None, type=["null", "number"], minimum=0, description="Users who leave a year, as a share."),
    },
    "fashion": {
        "clicks": Param(None, type=_MAYBE_TEXT, description="CSV of clicks to replay, a path on the worker."),
        "transactions": Param(None, type=_MAYBE_TEXT, description="CSV of transactions, as clicks."),
        "speed": Param("max", type="string", description="Replay's speed: a factor, or max for all that is left."),
        "replay_start": Param(None, type=_MAYBE_TEXT, description="When the replay's first event happens (ISO 8601)."),
    },
}


def schedule(contract: Contract) -> CronDataIntervalTimetable:
    """The contract's schedule, each run of which stands for the interval that ended when it began."""
    assert contract.burst is not None  # noqa: S101 - a DAG is made of contracts with a burst only
    return CronDataIntervalTimetable(contract.burst.schedule, timezone="UTC")


def params(contract: Contract) -> dict[str, Param]:
    """What a run by hand can be given."""
    return {
        "size": Param(None, type=["null", "integer"], minimum=0, description="Events; null: as the contract draws."),
        "seed": Param(None, type=["null", "integer"], description="Seed; null: the contract's."),
        "shards": Param(1, type="integer", minimum=1, maximum=64, description="Tasks that share a size."),
        **OPTIONS.get(contract.domain, {}),
    }


def window(run: Any, cron: str) -> Window:
    """The run's data interval; of a run by hand without one, the schedule's last interval that had ended by then."""
    start, end = run.data_interval_start, run.data_interval_end
    if start is None or end is None or start >= end:
        from croniter import croniter  # type: ignore[import-untyped]

        # A second later, so that a run at the very tick takes the interval that ends there.
        ticks = croniter(cron, run.run_after.astimezone(UTC) + timedelta(seconds=1), ret_type=datetime)
        end = ticks.get_prev(datetime)
        start = ticks.get_prev(datetime)
    return Window(start.astimezone(UTC).replace(microsecond=0), end.astimezone(UTC).replace(microsecond=0))


def since(stretches: Iterable[list[str]], at: Window) -> tuple[datetime, list[list[str]]]:
    """From when on windows up to this one were produced without a gap, and the stretches with this window in them.

    What follows from an order (a shipment two windows later) must not come when the order itself never came, because
    the DAG was paused then. And the same window gives the same bytes: so stretches never merge.
    """
    known = [list(stretch) for stretch in stretches]
    for stretch in known:
        first, last = (datetime.fromisoformat(edge) for edge in stretch)
        if first <= at.start < last:
            return first, known
    for stretch in known:
        if datetime.fromisoformat(stretch[1]) == at.start:
            stretch[1] = at.end.isoformat()
            return datetime.fromisoformat(stretch[0]), known
    known.append([at.start.isoformat(), at.end.isoformat()])
    return at.start, sorted(known)[-_STRETCHES_KEPT:]


class PlanBurst(BaseOperator):
    """Says in how many parts, one mapped task each, the burst is produced: on schedule in one, else as params say."""

    def __init__(self, *, domain: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.domain = domain

    def execute(self, context: Any) -> list[dict[str, Any]]:
        """Parts: shard's name, and its size or None. Raises ValueError for shards without a size to share."""
        from include.generators import shard_of

        size, shards = context["params"].get("size"), context["params"].get("shards") or 1
        seed, contract = context["params"].get("seed"), load(self.domain)
        assert contract.burst is not None  # noqa: S101 - see schedule()
        other_seed = None if seed == contract.burst.seed else seed
        if size is None and shards > 1 and not context["params"].get("from"):
            raise ValueError(
                f"{shards} shards of no given size: give a size (or a history's days) as well, or leave shards at 1"
            )
        return [
            {
                "shard": shard_of(size, index, shards=shards, seed=other_seed),
                "size": None if size is None else size // shards + (index < size % shards),
            }
            for index in range(shards)
        ]


class ProduceBurst(BaseOperator):
    """Generates one part of the run's window and produces it in one transaction, with its receipts.

    A retry, a backfill, a clearing produce the same events with the same ids, which count once wherever they land.
    """

    def __init__(self, *, domain: str, part: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.domain = domain
        self.part = part

    template_fields = ("part",)

    def execute(self, context: Any) -> dict[str, Any]:
        """The burst's name and events a topic. Raises what generators and the Kafka room raise."""
        from include import generators
        from include.connections import KAFKA
        from include.generators.size import SCHEDULED
        from include.kafka import burst

        contract = load(self.domain)
        assert contract.burst is not None  # noqa: S101 - see schedule()
        asset, given = assets.bursts(self.domain), context["params"]
        memory = context["asset_state_store"][asset]
        at = window(context["dag_run"], contract.burst.schedule)
        options = {name: given[name] for name in OPTIONS.get(self.domain, {}) if given.get(name) not in (None, "")}
        stretches = None
        if self.domain in FOLLOWED and self.part["shard"] == SCHEDULED:
            options["since"], stretches = since(memory.get(_STRETCHES) or [], at)
        seed = contract.burst.seed if given.get("seed") is None else given["seed"]
        name, events = generators.burst(contract, at, seed=seed, **self.part, **options)
        receipts = burst.produce(endpoint(KAFKA), contract, name, events, progress=self._progress)
        if stretches is not None:
            memory.set(_STRETCHES, stretches)
        topics: dict[str, int] = {}
        for receipt in receipts:
            topics[receipt.topic] = topics.get(receipt.topic, 0) + receipt.events
        self.log.info("%s: %d events in %d topics", name, sum(topics.values()), len(topics))
        context["outlet_events"][asset].extra = {"burst": str(name), "topics": topics}
        return {"burst": str(name), "events": sum(topics.values()), "topics": topics}

    def _progress(self, events: int) -> None:
        self.log.info("%d events handed to Kafka", events)


def bootstrap(kafka: Any, contract: Contract) -> str:
    """Produces what a domain has before its first burst, unless its receipt is there; says what it did, if anything."""
    if contract.burst is None:
        return ""
    from include import generators
    from include.kafka import burst, receipts

    name = generators.opening(contract)
    if any(burst_name == str(name) for burst_name, _, _ in receipts.read(kafka)):
        return ""
    made = list(generators.bootstrap(contract))
    if not made:
        return ""
    burst.produce(kafka, contract, name, iter(made))
    return f"produced {name}: {len(made)} events"
