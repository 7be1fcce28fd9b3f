"""# heal

Brings back what is missing: rows that a sink has read past and a warehouse does not have come back from Kafka, offset
by offset; windows that were never produced are produced again by their own burst, with the events they would have had.

**When.** The watch asks for it when an incident opens that a machine can heal. By hand: with a domain, a warehouse and
minutes to look back; `dry_run` prints the plan and changes nothing.

**How.** `plan` counts anew; `approve` asks a person where more rows are touched than the contract lets pass, and takes
an hour without an answer for a no; `replay` and `produce_again` cure; `recount` is the proof; `report` says how it
ended, which the watch tells in the incident's thread. Connectors' own groups are never moved. Healing twice changes
nothing: each step looks first at what is missing now.

**When it fails.** What was brought back stays. The platform's owner reads the log of the red task and clears it; the
watch asks again by itself, three times in all.
"""

from airflow.sdk import DAG, Param

from include.contracts import domains, load
from include.operators.assets import GAPS
from include.operators.defaults import defaults
from include.operators.heal import ApproveHealing, PlanHealing, Recount, ReplayRows, Report, produce_again

with DAG(
    "heal",
    schedule=[GAPS],
    params={
        "domain": Param(domains()[0], type="string", enum=list(domains()), description="By hand: the domain."),
        "warehouse": Param("both", type="string", enum=["both", "clickhouse", "snowflake"], description="By hand."),
        "minutes": Param(60, type="integer", minimum=1, maximum=10080, description="By hand: minutes to look back."),
        "dry_run": Param(False, type="boolean", description="Print the plan and change nothing."),
    },
    **{**defaults(load("floodgate"), "heal", __doc__), "max_active_runs": 4},
):
    plan = PlanHealing(task_id="plan")
    approve = ApproveHealing(task_id="approve")
    replay = ReplayRows(task_id="replay")
    again = produce_again(plan.output)
    recount = Recount(task_id="recount", trigger_rule="none_failed")
    report = Report(task_id="report")

    plan >> approve >> [replay, again] >> recount >> report
