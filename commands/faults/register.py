"""Every fault there is, in the order in which `break --all` tries them.

No two trials lead to the same incident: what is over for a short while goes on in the thread it had.
"""

from __future__ import annotations

from commands.faults import connectors, events, rows, services
from commands.faults.fault import Fault, Target


def _connector(target: Target) -> str:
    return target.connector


def _domain(target: Target) -> str:
    return target.domain


def _rows(target: Target) -> str:
    return f"{target.domain}@{target.warehouse}"


_IN_DEAD_LETTERS = "its records are in the dead letters, where they harm nobody (`floodgate redrive`)."
_COUNTS_ONCE = "nothing is to be undone, for every event counts once."

_ALL = (
    Fault(
        name="connector-fail",
        help="A task of a connector fails, with a trace.",
        make=connectors.fail,
        mend=connectors.mend_failed,
        takes=("warehouse", "domain", "connector"),
        rule="connector_failed",
        subject=_connector,
    ),
    Fault(
        name="connector-stall",
        help="A connector says RUNNING and neither reads nor commits.",
        make=connectors.stall,
        mend=connectors.mend_stalled,
        takes=("warehouse", "domain", "connector"),
        default=Target(warehouse="snowflake"),
        trials=(Target(warehouse="snowflake"),),
        rule="connector_stalled",
        subject=_connector,
    ),
    Fault(
        name="connector-missing",
        help="A connector is deleted.",
        make=connectors.delete,
        mend=connectors.make_again,
        lasts=True,
        takes=("warehouse", "domain", "connector"),
        trials=(Target(domain="fashion"),),
        rule="connector_missing",
        subject=_connector,
    ),
    Fault(
        name="generator-silent",
        help="Bursts are due and do not run, though no DAG is paused.",
        make=services.silence_generators,
        mend=services.wake_generators,
        lasts=True,
        lift="told",
        rule="generator_silent",
        subject=lambda target: "bursts",
    ),
    Fault(
        name="lose-rows",
        help="The rows of one whole burst vanish from a warehouse.",
        make=rows.lose,
        no_undo="the rows are still in Kafka, and Floodgate brings them back; `floodgate ledger` shows the minute.",
        takes=("warehouse", "domain"),
        trials=(Target(), Target(warehouse="snowflake")),
        rule="rows_missing",
        subject=_rows,
    ),
    Fault(
        name="lose-offsets",
        help="A connector forgets how far it has read, and reads all there is again.",
        make=connectors.lose_offsets,
        no_undo=f"it has begun to read again; {_COUNTS_ONCE}",
        takes=("warehouse", "domain", "connector"),
        rule="offsets_lost",
        subject=_connector,
    ),
    Fault(
        name="duplicates",
        help="The latest burst is sent again and again by a careless producer.",
        make=events.duplicates,
        no_undo=_COUNTS_ONCE,
        takes=("domain",),
        rule="rows_twice",
        subject=lambda target: f"{target.domain}@*",
    ),
    Fault(
        name="late",
        help="A burst of three hours ago comes now.",
        make=events.late,
        no_undo="late events are true, and count where they belong.",
        takes=("domain",),
        rule="rows_late",
        subject=lambda target: f"{target.domain}@*",
    ),
    Fault(
        name="poison",
        help="Four records that no sink can land.",
        make=events.poison,
        no_undo=_IN_DEAD_LETTERS,
        rule="rows_rejected",
        subject=_domain,
    ),
    Fault(
        name="broker-down",
        help="Kafka is down.",
        make=services.down(lambda target: "kafka"),
        mend=services.let_go,
        lift="told",
        rule="place_away",
        subject=lambda target: "kafka",
    ),
    Fault(
        name="warehouse-down",
        help="A warehouse is down.",
        make=services.down(lambda target: target.warehouse),
        mend=services.let_go,
        takes=("warehouse",),
        lift="told",
        trials=(Target(), Target(warehouse="snowflake")),
        rule="place_away",
        subject=lambda target: target.warehouse,
    ),
    Fault(
        name="slack-down",
        help="Slack is down; in --all a connector fails meanwhile, and is told afterwards.",
        make=services.down(lambda target: "slack"),
        mend=services.let_go,
        lift="seen",
        along=("connector-fail", Target(warehouse="snowflake", domain="fashion")),
        rule="connector_failed",
        subject=lambda target: "snowflake-fashion",
    ),
    Fault(
        name="watch-dead",
        help="Airflow's triggerer hangs, and with it the trigger that watches connectors.",
        make=services.freeze_triggerer,
        mend=services.thaw_triggerer,
        lift="told",
        rule="watch_silent",
        subject=lambda target: "trigger",
    ),
    Fault(
        name="connector-fail-unseen",
        help="A task of a connector fails while the trigger hangs, so that only the look of each minute sees it.",
        make=services.fail_unseen,
        mend=services.thaw_triggerer,
        takes=("warehouse", "domain", "connector"),
        lift="told",
        trials=(Target(domain="fashion"),),
        rule="connector_failed",
        subject=_connector,
    ),
    Fault(
        name="bad-totals",
        help="Orders with wrong totals: the gate holds the marts. Not in --all, for a transform takes ten minutes.",
        make=events.wrong_totals,
        mend=events.right_totals,
        lasts=True,
        trials=(),
        rule="marts_held",
        subject=lambda target: "ecommerce*",
    ),
)

FAULTS: dict[str, Fault] = {fault.name: fault for fault in _ALL}
