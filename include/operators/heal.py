"""Healing as tasks: plan, ask a person above a limit, replay and produce again, recount, report."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException

from include.alerts.message import counted as counted_as
from include.connections import KAFKA
from include.contracts import load
from include.healing.plan import NAMES, Gap, Plan, plan, words
from include.operators import assets, healings
from include.operators.endpoints import WAREHOUSES, endpoint
from include.operators.notices import run_link
from include.operators.recounting import lost, produced
from include.operators.stores import plain
from include.operators.watermark import connect

#: How long a person may take to approve; then nothing is done.
PATIENCE = timedelta(hours=1)
#: How long the bursts that are produced again may take to be in Kafka and in both warehouses.
RECOUNT_S = 240


class PlanHealing(BaseOperator):
    """Finds out, anew, what is missing, and says what would bring it back; changes nothing.

    What starts the run says what to look at: events of the asset `gaps`, or the params of a run by hand.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(inlets=[assets.GAPS], **kwargs)

    def execute(self, context: Any) -> list[dict[str, Any]]:
        """What to trigger, a run a window that is produced again; XCom `plan` has all of the plan."""
        now = datetime.now(UTC)
        gaps = _gaps(context, now)
        holes = [(gap, hole) for gap in gaps if gap.kind == "rows" for hole in lost(gap, now)]
        made = plan(gaps, holes)
        self.log.info(words(made))
        dry = bool(context["params"].get("dry_run"))
        for fingerprint in _fingerprints(made):
            _say(context, fingerprint, "planned", words(made, fingerprint), now)
        kept = {"made": plain(made), "words": words(made), "dry_run": dry}
        context["ti"].xcom_push(key="plan", value=kept)
        return [] if dry else [_trigger(one) for one in made.bursts]


class ApproveHealing(ApprovalOperator):
    """Asks a person where the plan touches more rows than its contracts allow; lets all others through at once.

    Nobody answering for an hour is a no: nothing is done.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            subject="Heal what is missing?",
            body="{{ ti.xcom_pull(task_ids='plan', key='plan')['words'] }}",
            defaults=ApprovalOperator.REJECT,
            response_timeout=PATIENCE,
            inlets=[assets.GAPS],
            **kwargs,
        )

    def execute(self, context: Any) -> Any:
        """Returns at once where nothing is to be asked."""
        made = _plan(context)
        if _dry(context) or not made.asks:
            return None
        link = self.generate_link_to_ui(task_instance=context["ti"])
        until = datetime.now(UTC) + PATIENCE
        text = (
            f"About {made.expected:,} rows, more than the {made.limit:,} that are healed without asking: "
            f"approve or reject at {link} by {until:%H:%M} UTC; else nothing is done."
        )
        for fingerprint in _fingerprints(made):
            _say(context, fingerprint, "waiting", text, datetime.now(UTC))
        return super().execute(context)


class ReplayRows(BaseOperator):
    """Lands what is missing, from Kafka. Looks again first: what came back meanwhile, or was brought back by a try that
    was killed, is not sent twice. One of these runs at a time, so that no two work on the same rows."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(inlets=[assets.GAPS], max_active_tis_per_dag=1, **kwargs)

    def execute(self, context: Any) -> dict[str, int]:
        """Rows sent, by incident. Raises what the Kafka room and the warehouses raise."""
        from include.healing.replay import replay

        if _dry(context):
            return {}
        now = datetime.now(UTC)
        gaps = [gap for gap in _plan(context).gaps if gap.kind == "rows"]
        made = plan(gaps, [(gap, hole) for gap in gaps for hole in lost(gap, now)])
        sent: dict[str, int] = {}
        for step in made.replays:
            topic = load(step.domain).topic(step.topic)
            self.log.info("%s/%d into %s: %s", step.topic, step.partition, step.warehouse, step.ranges)
            with connect(step.warehouse, context["run_id"]) as client:
                count = replay(
                    endpoint(KAFKA),
                    client,
                    topic,
                    step.partition,
                    step.ranges,
                    now_ms=int(time.time() * 1000),
                    progress=lambda rows: self.log.info("%d rows", rows),
                )
            sent[step.fingerprint] = sent.get(step.fingerprint, 0) + count
        for fingerprint, count in sent.items():
            _say(context, fingerprint, "curing", f"{counted_as(count, 'row')} sent again.", datetime.now(UTC))
        return sent


def produce_again(bursts: Any) -> Any:
    """A mapped task that starts the burst of each window in the plan; it does not wait, the recount does."""
    return TriggerDagRunOperator.partial(
        task_id="produce_again", reset_dag_run=True, execution_timeout=timedelta(minutes=5)
    ).expand_kwargs(bursts)


class Recount(BaseOperator):
    """The proof: counts again what the plan was about, and waits a while for what is on its way."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(inlets=[assets.GAPS], **kwargs)

    def execute(self, context: Any) -> dict[str, dict[str, int]]:
        """Incident -> rows or windows that are still `missing`, and rows `brought_back`."""
        made = _plan(context)
        if _dry(context) or _refused(context):
            return {}
        deadline = time.monotonic() + RECOUNT_S
        while True:
            counted = {gap.fingerprint: self._counted(gap) for gap in made.gaps}
            coming = any(count["missing"] > made.gone.get(name, 0) for name, count in counted.items())
            if not coming or time.monotonic() > deadline:
                break
            time.sleep(5)
        for replay in made.replays:
            count = counted[replay.fingerprint]
            count["brought_back"] += replay.rows
        for name, count in counted.items():
            in_vain = max(0, count["missing"] - made.gone.get(name, 0)) if made.replays else 0
            count["brought_back"] = max(0, count["brought_back"] - in_vain)
        self.log.info("%s", counted)
        return counted

    def _counted(self, gap: Gap) -> dict[str, int]:
        now = datetime.now(UTC)
        if gap.kind == "rows":
            return {"missing": sum(hole.missing for hole in lost(gap, now)), "brought_back": 0}
        missing = back = 0
        for domain, windows in gap.windows.items():
            there = produced(load(domain), min(start for start, _ in windows))
            missing += sum(start not in there for start, _ in windows)
            back += sum(there.get(start, 0) for start, _ in windows)
        return {"missing": missing, "brought_back": back}


class Report(BaseOperator):
    """Says how it ended, whatever happened: the watch tells it in the thread."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(inlets=[assets.GAPS], trigger_rule="all_done", **kwargs)

    def execute(self, context: Any) -> dict[str, Any]:
        """Incident -> the last sentence; raises AirflowException where a task before it failed, after saying so."""
        ti, now = context["ti"], datetime.now(UTC)
        if ti.xcom_pull(task_ids="plan", key="plan") is None:
            raise AirflowException("there is no plan: see the log of plan")
        made, dry = _plan(context), _dry(context)
        counted = ti.xcom_pull(task_ids="recount")
        said: dict[str, str] = {}
        for gap in made.gaps:
            state, text = _ended(
                gap, counted, beyond=made.gone.get(gap.fingerprint, 0), dry=dry, refused=_refused(context)
            )
            said[gap.fingerprint] = text
            if gap.fingerprint and not dry:
                back = (counted or {}).get(gap.fingerprint, {}).get("brought_back", 0)
                _say(context, gap.fingerprint, state, text, now, brought_back=back)
        for text in said.values():
            self.log.info(text)
        if counted is None and not dry and self._failed(context):
            raise AirflowException("healing failed: see the log of the task that is red")
        return said

    def _failed(self, context: Any) -> bool:
        ti = context["ti"]
        states = ti.get_task_states(ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
        return "failed" in states.values() or "upstream_failed" in states.values()


def _ended(
    gap: Gap, counted: dict[str, dict[str, int]] | None, *, beyond: int, dry: bool, refused: bool
) -> tuple[str, str]:
    """`beyond`: rows that Kafka no longer has, which no further try would bring back."""
    if dry:
        return "done", "Dry run: nothing was done."
    if refused:
        return "refused", "Rejected, or nobody answered in time: nothing was done, and it is not asked again."
    if counted is None or gap.fingerprint not in counted:
        return "failed", "Healing did not get to its end: see the run."
    count = counted[gap.fingerprint]
    missing = counted_as(count["missing"], "row" if gap.kind == "rows" else "window")
    where = f" in {NAMES[gap.warehouse]}" if gap.kind == "rows" else ""
    text = f"Recount: {missing}{where} missing, {counted_as(count['brought_back'], 'row')} brought back."
    return ("failed" if count["missing"] > beyond else "done"), text


def _gaps(context: Any, now: datetime) -> tuple[Gap, ...]:
    events: Any = context.get("triggering_asset_events") or {}
    given = [event.extra for event in events.get(assets.GAPS, [])]
    if given:
        latest = {extra.get("fingerprint", ""): extra for extra in given}  # the same gap asked for twice is one
        return tuple(msgspec.convert(_known(extra), Gap) for extra in latest.values())
    params = context["params"]
    contract = load(params["domain"])
    since = now - timedelta(minutes=int(params["minutes"]))
    some = [params["warehouse"]] if params["warehouse"] != "both" else list(WAREHOUSES)
    gaps = (
        Gap(kind="rows", domain=contract.domain, warehouse=name, since=since, fingerprint=f"by hand:{name}")
        for name in some
    )
    return tuple(gaps)


def _known(extra: dict[str, Any]) -> dict[str, Any]:
    return {name: extra[name] for name in Gap.__struct_fields__ if name in extra}


def _plan(context: Any) -> Plan:
    return msgspec.convert(context["ti"].xcom_pull(task_ids="plan", key="plan")["made"], Plan)


def _refused(context: Any) -> bool:
    """A person said no, or nobody said anything in time."""
    answer = context["ti"].xcom_pull(task_ids="approve") or {}
    return list(answer.get("chosen_options") or []) == [ApprovalOperator.REJECT]


def _dry(context: Any) -> bool:
    return bool(context["ti"].xcom_pull(task_ids="plan", key="plan")["dry_run"])


def _fingerprints(made: Plan) -> Iterable[str]:
    return [gap.fingerprint for gap in made.gaps if gap.fingerprint and not gap.fingerprint.startswith("by hand")]


def _say(
    context: Any, fingerprint: str, state: str, text: str, now: datetime, *, brought_back: int | None = None
) -> None:
    if fingerprint.startswith("by hand"):
        return
    healing = healings.read(context, fingerprint) or healings.Healing(asked_at=now, said_at=now)
    healing.state, healing.said_at = state, now
    link = run_link(context["dag"].dag_id, context["run_id"]) if state == "planned" else ""
    step = f"{text} {link}".strip()
    if not healing.steps or healing.steps[-1] != step:  # a task that is tried again says it once
        healing.steps.append(step)
    if brought_back is not None:
        healing.brought_back += brought_back
    healings.write(context, fingerprint, healing)


def _trigger(again: Any) -> dict[str, Any]:
    """What TriggerDagRunOperator takes for one window. A second after its end: then the schedule's timetable gives the
    run that very window, and the run of the schedule itself keeps the logical date that is its own."""
    at = again.end + timedelta(seconds=1)
    return {
        "trigger_dag_id": f"burst_{again.domain}",
        "trigger_run_id": f"heal__{again.start:%Y%m%dT%H%M%S}",
        "logical_date": at.isoformat(),
        "run_after": at.isoformat(),  # which the interval is inferred from
    }
