"""# redrive

Sends dead letters to their topics again, as they are or with a fix: by domain, topic, reason and time. A record that
comes back too often goes to the topic `<domain>.parked` instead.

**When.** By hand, when the cause is mended: a column is wide enough again, a producer was corrected, a fix is there.
The first run is a dry one: `list` says in its log and its return value what would be sent, parked and left, and why.
The same with `dry_run` off does it. `floodgate redrive` asks for both.

**How.** A record and the note that it was sent are one Kafka transaction, so a second run sends nothing twice, and a
run that is killed leaves nothing half done. Event ids stay, so what had landed in one warehouse does not count twice.

**When it fails.** Nothing was sent, or all of it: start it again. The task's last line says which service did not
answer, or which param asks for something that is not there. The platform's owner acts.
"""

from airflow.sdk import DAG

from include.contracts import load
from include.operators.defaults import defaults
from include.operators.redrive import ListDeadLetters, Redrive, params

with DAG("redrive", schedule=None, params=params(), **defaults(load("floodgate"), "heal", __doc__)):
    ListDeadLetters(task_id="list") >> Redrive(task_id="redrive")
