"""Alerts: a message is data, rendered late. `Message`, `Severity`, `Alerts` (sends), `route` (where to)."""

from include.alerts.message import Message, Severity, plain
from include.alerts.routes import route
from include.alerts.sender import Alerts, AlertsDown, Sent

__all__ = ["Alerts", "AlertsDown", "Message", "Sent", "Severity", "plain", "route"]
