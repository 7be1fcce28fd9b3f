"""# transform_clickhouse

Turns what landed in ClickHouse into marts: staging views, the gate, then the marts. One DAG a domain, a task a model,
rendered by Cosmos from the manifest.

**When.** Every ten minutes; a run is skipped when nothing landed since the marts were last published and the dbt
project is the same. The param `force` runs whatever has landed.

**How.** The first task of a group, `dbt_build`, builds all of its models in one dbt; a model's task shows what became
of its model and its tests. Cleared alone it builds its model itself; a cleared `dbt_build` builds what was cleared
with it. So: mend the cause, clear the failed tasks, done.

**When it fails.** A red model: read its log; the models that do not hang on it are built. A red `gate`: staging is not
fit for the marts, which stay as they were and readable; Slack was told once, with the rows, and is told when it is
over. The domain's owner corrects the rows; the next run publishes.
"""

from airflow.sdk import DAG, CronTriggerTimetable, Param

from include.operators.defaults import defaults
from include.operators.gate import Gate
from include.operators.groups import dbt_group
from include.operators.parsing import contracts
from include.operators.watermark import Landed, Publish

WAREHOUSE = "clickhouse"

for contract in contracts(f"transform_{WAREHOUSE}"):
    at = {"warehouse": WAREHOUSE, "domain": contract.domain}
    with DAG(
        f"transform_{WAREHOUSE}_{contract.domain}",
        schedule=CronTriggerTimetable("*/10 * * * *", timezone="UTC"),
        params={"force": Param(False, type="boolean", description="Run even if nothing has landed.")},
        **defaults(contract, "transform", __doc__),
    ):
        landed = Landed(task_id="landed", **at)
        staging = dbt_group("staging", **at)
        gate = Gate(task_id="gate", **at)
        marts = dbt_group("marts", **at)
        publish = Publish(task_id="publish", **at)

        landed >> staging >> gate >> marts >> publish
