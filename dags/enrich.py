"""# enrich

Makes the enriched stream of a domain from the one that its bursts produce: `clickstream` becomes
`clickstream_enriched`, with browser, system and device by the user agent, country by the address, and what was searched
for. A mapped task for each partition that has something waiting, so that it grows with the workers.

**When.** Each minute; partitions with nothing new have no task.

**How.** Reading, enriching and noting how far it was read are one Kafka transaction: killed anywhere, nothing is lost
and nothing comes twice. Ids of enriched events follow from those of their sources. A malformed record goes to the
domain's dead letters with its reason and stops nothing.

**When it fails.** What was committed stays, and the next minute goes on from there. When it stays red, the domain's
owner reads the log of `enrich`: the broker did not answer, or topics are missing.
"""

from airflow.sdk import DAG, CronTriggerTimetable

from include.operators.defaults import defaults
from include.operators.enrich import ENRICHED, EnrichPartition, PlanEnrichment
from include.operators.parsing import contracts

for contract in contracts("enrich"):
    if contract.domain not in ENRICHED:
        continue
    with DAG(
        f"enrich_{contract.domain}",
        schedule=CronTriggerTimetable("* * * * *", timezone="UTC"),
        **defaults(contract, "enrich", __doc__),
    ):
        plan = PlanEnrichment(task_id="plan", domain=contract.domain)
        EnrichPartition.partial(task_id="enrich", domain=contract.domain).expand(partition=plan.output)
