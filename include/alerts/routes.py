"""Where a message goes: the owner's channel where somebody must act, the notices' else."""

from include.alerts.message import Severity
from include.contracts import Contract

NOTICES = "#floodgate-notices"


def route(contract: Contract, severity: Severity) -> str:
    """The Slack channel for a message of this severity about this domain."""
    return contract.channel if severity is Severity.CRITICAL else NOTICES
