"""# watch_ingestion

Counts what was produced against what is in Kafka, in ClickHouse and in Snowflake, and looks at generators, at dead
letters, at runs that failed, and at the other watch. What is wrong is one thread in Slack, with its place, its cause
and its cure; what a machine can heal is given to the DAG heal.

**When.** Each minute. A DAG that was paused on purpose owes nothing; neither does a window that is not over.

**How.** A burst leaves a receipt with its offsets; a warehouse is asked, once, which offsets it has. A row that the
sink has read past and that is not there was lost; one that the sink has not read yet is on its way. A place that does
not answer is one incident, and explains what hangs on it. The state of all is in the store of the asset
`watch_ingestion`.

**When it fails.** Rows, gaps and generators are not watched; the other watch says so after two and a half minutes. Read
the log of `watch`; the next minute tries again by itself.
"""

from airflow.sdk import DAG, CronTriggerTimetable

from include.contracts import load
from include.operators.defaults import defaults, watch_task
from include.operators.watch_ingestion import WatchIngestion

with DAG(
    "watch_ingestion",
    schedule=CronTriggerTimetable("* * * * *", timezone="UTC"),
    **defaults(load("floodgate"), "watch", __doc__),
):
    WatchIngestion(task_id="watch", **watch_task())
