"""# watch_connectors

Looks at every sink connector: its state, its tasks, whether it gets on with what waits, whether it lost its place. What
is wrong is one thread in Slack; what a restart can cure is restarted.

**When.** Each minute, and at once when a trigger in the triggerer sees a connector's state change: one DAG, one path.

**How.** Failed tasks are restarted, a stalled connector as a whole, a missing one is made again; after the first try
n² + n minutes pass before the next, an hour at most, and after five without recovery a person is asked. A connector
that was paused is left alone. One that stands because Kafka or a warehouse is away is not blamed.

**When it fails.** Connectors are not watched; the other watch says so after two and a half minutes. Read the log of
`watch`; the next minute tries again by itself.
"""

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable

from include.contracts import load
from include.operators.assets import watched_connectors
from include.operators.defaults import defaults, watch_task
from include.operators.watch_connectors import WatchConnectors

with DAG(
    "watch_connectors",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("* * * * *", timezone="UTC"), assets=[watched_connectors()]
    ),
    **defaults(load("floodgate"), "watch", __doc__),
):
    WatchConnectors(task_id="watch", **watch_task())
