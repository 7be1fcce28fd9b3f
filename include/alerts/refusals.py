"""What Slack answers instead of taking a message, and what a person does about it. Pure."""

from __future__ import annotations

_NEW_ONE = "give the connection {conn_id} a valid bot token (xoxb-…) as its password"
_WAIT = "Slack itself has a problem; the watches try again by themselves"
_SLOWER = "Slack wants fewer messages for a while; the watches try again by themselves"

#: Slack's codes that speak of the connection or of Slack itself: no other message would be taken either.
EVERY = {
    "not_authed": _NEW_ONE,
    "invalid_auth": _NEW_ONE,
    "account_inactive": _NEW_ONE,
    "token_expired": _NEW_ONE,
    "token_revoked": _NEW_ONE,
    "not_allowed_token_type": _NEW_ONE,
    "missing_scope": "give Slack's app of {conn_id} the scope chat:write (chat:write.public for channels it is not in) "
    "and install it anew",
    "no_permission": "give Slack's app of {conn_id} the scope chat:write and install it anew",
    "ratelimited": _SLOWER,
    "rate_limited": _SLOWER,
    "internal_error": _WAIT,
    "fatal_error": _WAIT,
    "service_unavailable": _WAIT,
    "request_timeout": _WAIT,
    # A webhook's.
    "invalid_token": "give the connection {conn_id} the webhook's address as Slack shows it",
    "no_service": "the webhook was taken away: make a new one and give it to the connection {conn_id}",
    "no_active_hooks": "the webhook was taken away: make a new one and give it to the connection {conn_id}",
    "action_prohibited": "an administrator of Slack has forbidden the webhook of {conn_id}",
}

#: Codes that speak of one channel or one message: others may pass.
ONE = {
    "channel_not_found": "make the channel {channel}, or invite the bot to it where it is private",
    "not_in_channel": "invite the bot to {channel}",
    "is_archived": "bring {channel} back from the archive, or name another channel in the contract",
    "channel_is_archived": "bring the webhook's channel back from the archive",
    "restricted_action": "let the bot post in {channel}: a setting of that channel forbids it",
    "message_not_found": "the message was deleted in Slack",
    "cant_update_message": "the message is not the bot's",
    "edit_window_closed": "Slack's settings allow no edit that late",
}


def others_may_pass(code: str) -> bool:
    """Whether another message could still pass: true for all that does not speak of the connection or of Slack."""
    return code not in EVERY


def cure(code: str, conn_id: str, channel: str) -> str:
    """What to do, as the end of a sentence."""
    words = EVERY.get(code) or ONE.get(code) or "check the connection {conn_id}"
    return words.format(conn_id=conn_id, channel=channel or "its channel")
