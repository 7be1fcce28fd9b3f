"""# burst

Generates the events of a domain and produces them to Kafka: one run a window of the contract's schedule, in one
transaction with its receipts.

**When.** As the contract says; a run's data interval is its window. Runs that were missed while the DAG was paused are
not made up for; an Airflow backfill of an old window produces that window. The same window gives the same events with
the same ids, so retrying, clearing and backfilling can never count twice.

**By hand.** Without params: the last whole window, the same events as on schedule. With a `size`: so many more
events in that window, beside the scheduled ones; `shards` shares them among so many tasks.

**When it fails.** Nothing of the window was produced: a burst is there whole or not at all. Two retries come first;
then the domain's owner reads the log of `produce` (the broker did not answer, a path does not exist) and clears it.
"""

from airflow.sdk import DAG

from include.operators import assets
from include.operators.bursts import POOL, PlanBurst, ProduceBurst, params, schedule
from include.operators.defaults import defaults
from include.operators.parsing import contracts

for contract in contracts("burst"):
    with DAG(
        f"burst_{contract.domain}",
        schedule=schedule(contract),
        params=params(contract),
        **defaults(contract, "burst", __doc__),
    ):
        plan = PlanBurst(task_id="plan", domain=contract.domain)
        ProduceBurst.partial(
            task_id="produce", domain=contract.domain, pool=POOL, outlets=[assets.bursts(contract.domain)]
        ).expand(part=plan.output)
