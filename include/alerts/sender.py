"""Sends messages by bot token (threads, edits) or by webhook (neither), from one Airflow connection."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import ConnectionErrorRetryHandler, RateLimitErrorRetryHandler
from slack_sdk.webhook import WebhookClient

from include.alerts import refusals
from include.alerts.message import Message
from include.alerts.slack import attachment, beside
from include.connections import Endpoint

TIMEOUT_S = 10
#: Where Slack asks to wait, so long is waited; for longer it is tried again by whoever sends, another time.
PATIENCE_S = 3
#: The address that runbooks' paths are below, such as https://git.example/floodgate/blob/main.
RUNBOOKS_URL = "FLOODGATE_RUNBOOKS_URL"

# What the client would log is in AlertsDown, but for the webhook's address, which is a secret. It is not of getLogger:
# Airflow sets those up anew, and they speak again.
_QUIET = logging.Logger("slack", level=logging.CRITICAL + 1)


class AlertsDown(Exception):
    """A message that was not sent; the text says why and what to do.

    `refused`: Slack has answered and refuses this message or its channel, so that others may pass.
    """

    def __init__(self, text: str, *, refused: bool = False) -> None:
        super().__init__(text)
        self.refused = refused


class Sent(msgspec.Struct, frozen=True):
    """Where a message stands: what a reply or an edit needs. `ts` is empty where it came by webhook."""

    channel: str
    ts: str = ""


class Alerts:
    """One sender for a connection of type slack (bot token) or slackwebhook."""

    def __init__(self, endpoint: Endpoint, environ: Mapping[str, str] = os.environ) -> None:
        self._conn_id = endpoint.conn_id
        self._runbooks = environ.get(RUNBOOKS_URL, "").strip()
        retries = [ConnectionErrorRetryHandler(max_retry_count=1), _Soon(max_retry_count=1)]
        self._bot: WebClient | None = None
        self._hook: WebhookClient | None = None
        if endpoint.conn_type == "slack":
            base_url = endpoint.extra.get("base_url") or WebClient.BASE_URL
            self._bot = WebClient(
                token=endpoint.password, base_url=base_url, timeout=TIMEOUT_S, retry_handlers=retries, logger=_QUIET
            )
        elif endpoint.conn_type == "slackwebhook":
            self._hook = WebhookClient(_url(endpoint), timeout=TIMEOUT_S, retry_handlers=retries, logger=_QUIET)
        else:
            raise AlertsDown(
                f"connection {endpoint.conn_id} is of type {endpoint.conn_type!r}: make it slack (a bot's token as its "
                "password) or slackwebhook"
            )

    @property
    def threads(self) -> bool:
        """Whether replies come into a thread and edits are seen; by webhook neither."""
        return self._bot is not None

    def send(self, channel: str, message: Message, *, reply_to: Sent | None = None) -> Sent:
        """Sends the message, in the thread of `reply_to` where there is one. Raises AlertsDown and nothing else."""
        said = self._said(message)
        if self._hook:
            hook = self._hook
            answer = self._asked("the webhook's channel", lambda: hook.send(**said))
            if answer.status_code != 200:
                code = str(answer.body).strip()[:100]
                raise self._refused(code, "the webhook's channel", answer.status_code, answer.headers)
            return Sent(channel=channel)
        assert self._bot is not None  # noqa: S101 - one of the two is there
        bot, to = self._bot, reply_to.channel if reply_to else channel
        thread = reply_to.ts if reply_to and reply_to.ts else None
        answer = self._asked(to, lambda: bot.chat_postMessage(channel=to, thread_ts=thread, **said))
        return Sent(channel=str(answer["channel"]), ts=str(answer["ts"]))

    def edit(self, sent: Sent, message: Message) -> None:
        """Shows `message` in the place of the one sent; nothing by webhook, which cannot. Raises AlertsDown alone."""
        if not (self._bot and sent.ts):
            return
        bot, said = self._bot, self._said(message)
        self._asked(sent.channel, lambda: bot.chat_update(channel=sent.channel, ts=sent.ts, **said))

    def _said(self, message: Message) -> dict[str, Any]:
        """The blocks say all of it; beside them the text is shown too, and in notifications alone."""
        return {"text": beside(message), "attachments": [attachment(message, self._runbooks)]}

    def _asked(self, channel: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except SlackApiError as error:
            answer: Any = error.response
            code = str(answer.get("error") or "") if isinstance(answer.data, dict) else ""
            raise self._refused(code, channel, answer.status_code, answer.headers) from None
        except OSError as error:
            raise AlertsDown(
                f"Slack does not answer ({type(error).__name__}: {str(error)[:200]}): check the network, and the "
                f"address in connection {self._conn_id}; the watches try again by themselves"
            ) from None
        except Exception as error:
            # The client raises many kinds, and their texts may hold the token or the webhook: a header or an address
            # that Python does not take. Whatever it was, the message was not sent, and a watch must go on.
            raise AlertsDown(
                f"Slack cannot be asked with what connection {self._conn_id} holds ({type(error).__name__}): give it "
                "the token, or the webhook's address, as Slack shows it"
            ) from None

    def _refused(self, code: str, channel: str, status: int, headers: Mapping[str, Any]) -> AlertsDown:
        if status == 429:
            code = "ratelimited"
        elif status >= 500:
            code = "internal_error"
        said = f"HTTP {status}" if status not in (200, 429) and code == "internal_error" else code or f"HTTP {status}"
        after = _retry_after(headers)
        wait = f" for {after:g} s" if status == 429 and after is not None else ""
        words = refusals.cure(code, self._conn_id, channel)
        return AlertsDown(
            f"Slack did not take the message ({said}{wait}): {words}", refused=refusals.others_may_pass(code)
        )


class _Soon(RateLimitErrorRetryHandler):
    """Waits where Slack wants a wait that a watch can afford."""

    def _can_retry(self, *, response: Any = None, **asked: Any) -> bool:
        after = None if response is None else _retry_after(response.headers)
        return super()._can_retry(response=response, **asked) and after is not None and after <= PATIENCE_S


def _retry_after(headers: Mapping[str, Any]) -> float | None:
    """Seconds; None where the answer does not say. A client gives a header's value alone or in a list."""
    for name, value in headers.items():
        if name.lower() == "retry-after":
            text = str(value[0] if isinstance(value, list) else value)
            return float(text) if text.isdigit() else None
    return None


def _url(endpoint: Endpoint) -> str:
    """The webhook: the connection's host and, as its secret half, its password."""
    if re.match(r"https?://", endpoint.password):
        return endpoint.password
    host = endpoint.host or "https://hooks.slack.com/services"
    host = host if "://" in host else f"https://{host}"
    return f"{host.rstrip('/')}/{endpoint.password.lstrip('/')}"
