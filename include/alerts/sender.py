"""Sends messages by bot token (threads, edits) or by webhook (neither), from one Airflow connection."""

from __future__ import annotations

import re

import msgspec
from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError
from slack_sdk.http_retry.builtin_handlers import ConnectionErrorRetryHandler, RateLimitErrorRetryHandler
from slack_sdk.webhook import WebhookClient

from include.alerts.message import Message, plain
from include.alerts.slack import attachment, escape
from include.connections import Endpoint

TIMEOUT_S = 10


class AlertsDown(Exception):
    """A message that was not sent; the text says why and what to check."""


class Sent(msgspec.Struct, frozen=True):
    """Where a message stands: what a reply or an edit needs. `ts` is empty where it came by webhook."""

    channel: str
    ts: str = ""


class Alerts:
    """One sender for a connection of type slack (bot token) or slackwebhook."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        retries = [ConnectionErrorRetryHandler(max_retry_count=1), RateLimitErrorRetryHandler(max_retry_count=1)]
        if endpoint.conn_type == "slack":
            base_url = endpoint.extra.get("base_url") or WebClient.BASE_URL
            self._bot: WebClient | None = WebClient(
                token=endpoint.password, base_url=base_url, timeout=TIMEOUT_S, retry_handlers=retries
            )
            self._hook: WebhookClient | None = None
        elif endpoint.conn_type == "slackwebhook":
            self._bot = None
            self._hook = WebhookClient(_url(endpoint), timeout=TIMEOUT_S, retry_handlers=retries)
        else:
            raise AlertsDown(
                f"connection {endpoint.conn_id} is of type {endpoint.conn_type!r}: make it slack (a bot's token as its "
                "password) or slackwebhook"
            )

    def send(self, channel: str, message: Message, *, reply_to: Sent | None = None) -> Sent:
        """Sends the message, in the thread of `reply_to` where there is one. Raises AlertsDown."""
        # The blocks say all of it; beside them the text is shown too, and in notifications alone.
        text, attached = escape(plain(message).splitlines()[0]), [attachment(message)]
        try:
            if self._bot:
                answer = self._bot.chat_postMessage(
                    channel=reply_to.channel if reply_to else channel,
                    text=text,
                    attachments=attached,
                    thread_ts=reply_to.ts if reply_to and reply_to.ts else None,
                )
                return Sent(channel=str(answer["channel"]), ts=str(answer["ts"]))
            assert self._hook is not None  # noqa: S101 - one of the two is there
            hooked = self._hook.send(text=text, attachments=attached)
        except (SlackClientError, OSError) as error:
            raise self._down(error) from None
        if hooked.status_code != 200:
            raise AlertsDown(f"Slack's webhook of {self._endpoint.conn_id} answers {hooked.status_code}: {hooked.body}")
        return Sent(channel=channel)

    def edit(self, sent: Sent, message: Message) -> None:
        """Shows `message` in the place of the one sent; nothing by webhook, which cannot. Raises AlertsDown."""
        if not (self._bot and sent.ts):
            return
        try:
            self._bot.chat_update(
                channel=sent.channel,
                ts=sent.ts,
                text=escape(plain(message).splitlines()[0]),
                attachments=[attachment(message)],
            )
        except (SlackClientError, OSError) as error:
            raise self._down(error) from None

    def _down(self, error: Exception) -> AlertsDown:
        return AlertsDown(f"Slack did not take the message: {error}; check connection {self._endpoint.conn_id}")


def _url(endpoint: Endpoint) -> str:
    """The webhook: the connection's host and, as its secret half, its password."""
    if re.match(r"https?://", endpoint.password):
        return endpoint.password
    host = endpoint.host or "https://hooks.slack.com/services"
    host = host if "://" in host else f"https://{host}"
    return f"{host.rstrip('/')}/{endpoint.password.lstrip('/')}"
