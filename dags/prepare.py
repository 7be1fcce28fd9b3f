"""# prepare

Makes what every stream needs, from the contracts: topics, landing tables in both warehouses, sink connectors, and the
events that come once (shops, products, customers).

**When.** Once, when it is first unpaused; by hand after a contract was changed. It is safe to repeat: what is as it
should be is left alone, what was made or changed is each task's return value. Drift (a landing table that is not as
its contract says) is logged as a warning and never mended by itself.

**When it fails.** Nothing was lost; the task's last line says which service did not answer or what it refused. The
platform's owner mends that and clears the task. `landing_*` failing leaves `connectors` waiting, because a sink
without its table would send every record to the dead letters.
"""

from airflow.sdk import DAG

from include.contracts import load
from include.operators.defaults import defaults
from include.operators.prepare import Bootstrap, EnsureConnectors, EnsureLanding, EnsureTopics

with DAG("prepare", schedule="@once", **defaults(load("floodgate"), "prepare", __doc__)):
    topics = EnsureTopics(task_id="topics")
    landing = [
        EnsureLanding(task_id="landing_clickhouse", warehouse="clickhouse"),
        EnsureLanding(task_id="landing_snowflake", warehouse="snowflake"),
    ]
    connectors = EnsureConnectors(task_id="connectors")
    bootstrap = Bootstrap(task_id="bootstrap")

    topics >> [bootstrap, connectors]
    landing >> connectors
