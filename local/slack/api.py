"""The HTTP side: Slack's API for a bot, webhooks, the messages as JSON, and the page for people."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from local.slack import blocks, page
from local.slack.store import ID, TS, Message, Store

USER = "floodgate"
TEAM = {
    "team": "Floodgate",
    "team_id": "TFLOODGATE",
    "user": "floodgate",
    "user_id": "UFLOODGATE",
    "bot_id": "BFLOODGATE",
}
LONGEST_TEXT = 40_000
MOST_ATTACHMENTS = 100
LARGEST_BODY = 1_000_000
# The page loads nothing from anywhere and runs nothing.
HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Cache-Control": "no-store"}

Fields = dict[str, Any]


class Refusal(Exception):
    """A request that Slack refuses: its `error` and more of the answer."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.answer = {"ok": False, "error": error, **more}


def application(store: Store, token: str, password: str) -> Starlette:
    """The whole service over one store; `token` is the bot's, `password` that of the page's user `floodgate`."""

    async def auth_test(fields: Fields, request: Request) -> Fields:
        return {"ok": True, "url": str(request.base_url), **TEAM}

    async def post_message(fields: Fields, request: Request) -> Fields:
        channel = _channel(fields)
        message = store.post(channel, **_content(fields), thread_ts=_thread(fields))
        return _answer(message)

    async def update(fields: Fields, request: Request) -> Fields:
        # The real one takes a name to post to, and only the id from its answer to edit.
        if not ID.fullmatch(_channel(fields)):
            raise Refusal("channel_not_found")
        message = store.find(fields["channel"], str(fields.get("ts", "")))
        if message is None:
            raise Refusal("message_not_found")
        content = _content(fields)
        kept = {name: value for name, value in content.items() if name in fields}
        return _answer(store.edit(message, **kept)) | {"text": kept.get("text", message.text)}

    methods = {"auth.test": auth_test, "chat.postMessage": post_message, "chat.update": update}

    async def api(request: Request) -> Response:
        try:
            fields = await _fields(request)
            _check_token(request, fields, token)
            method = methods.get(request.path_params["method"])
            if method is None:
                raise Refusal("unknown_method", req_method=request.path_params["method"])
            return JSONResponse(await method(fields, request))
        except Refusal as refusal:
            return JSONResponse(refusal.answer)
        except OSError as problem:
            return JSONResponse({"ok": False, "error": "internal_error", "detail": problem.strerror}, 500)

    async def webhook(request: Request) -> Response:
        try:
            fields = await _fields(request)
            if "payload" in fields:
                fields = _json(fields["payload"], "invalid_payload")
            # A webhook belongs to one channel; which one, the address alone knows.
            channel = str(fields.get("channel") or f"webhook-{request.path_params['c'].lower()}")
            store.post(channel, **_content(fields), thread_ts=_thread(fields))
            return PlainTextResponse("ok")
        except Refusal as refusal:
            return PlainTextResponse(str(refusal).replace("invalid_json", "invalid_payload"), 400)
        except OSError as problem:
            return PlainTextResponse(f"rollup_error: {problem.strerror}", 500)

    async def messages(request: Request) -> Response:
        if not (_is_person(request, password) or _bearer(request, token)):
            return _sign_in()
        since = request.query_params.get("since") or "0"
        if not since.replace(".", "", 1).isdigit():
            return JSONResponse({"error": f"since is {since!r}: give a ts, or seconds since 1970"}, 400)
        found = store.messages(request.query_params.get("channel") or None, since)
        return JSONResponse(msgspec.to_builtins(found), headers={"Cache-Control": "no-store"})

    async def index(request: Request) -> Response:
        if not _is_person(request, password):
            return _sign_in()
        return HTMLResponse(page.render(store, request.query_params.get("channel") or None), headers=HEADERS)

    return Starlette(
        routes=[
            Route("/", index),
            Route("/messages.json", messages),
            Route("/api/{method}", api, methods=["POST", "GET"]),
            Route("/services/{a}/{b}/{c}", webhook, methods=["POST"]),
        ],
        exception_handlers={500: _broken},
    )


async def _broken(request: Request, problem: Exception) -> Response:
    return JSONResponse({"ok": False, "error": "fatal_error", "detail": type(problem).__name__}, 500)


def _channel(fields: Fields) -> str:
    channel = fields.get("channel")
    if not isinstance(channel, str) or not channel.strip("# "):
        raise Refusal("channel_not_found")
    return channel


def _thread(fields: Fields) -> str | None:
    ts = fields.get("thread_ts") or None
    if ts is not None and not TS.fullmatch(str(ts)):
        raise Refusal("invalid_thread_ts")
    return None if ts is None else str(ts)


def _content(fields: Fields) -> Fields:
    """text, blocks, attachments and metadata, each checked as Slack does; raises Refusal."""
    text = str(fields.get("text") or "")
    shown = _json(fields.get("blocks") or [], "invalid_blocks_format")
    attachments = _json(fields.get("attachments") or [], "invalid_attachments")
    metadata = _json(fields.get("metadata") or None, "invalid_metadata_format")
    if not isinstance(attachments, list) or not all(isinstance(one, dict) for one in attachments):
        raise Refusal("invalid_attachments")
    if not (text or shown or attachments):
        raise Refusal("no_text")
    if len(text) > LONGEST_TEXT:
        raise Refusal("msg_too_long")
    if len(attachments) > MOST_ATTACHMENTS:
        raise Refusal("too_many_attachments")
    if metadata is not None and not _is_metadata(metadata):
        raise Refusal("invalid_metadata_format")
    wrong = blocks.problems(shown)
    for number, attachment in enumerate(attachments):
        wrong += blocks.problems(attachment.get("blocks") or [], f"/attachments/{number}/blocks")
    if wrong:
        said = [f"[ERROR] {problem}" for problem in wrong]
        raise Refusal("invalid_blocks", errors=wrong, response_metadata={"messages": said})
    return {"text": text, "blocks": shown, "attachments": attachments, "metadata": metadata}


def _is_metadata(metadata: Any) -> bool:
    if not isinstance(metadata, dict):
        return False
    return isinstance(metadata.get("event_type"), str) and isinstance(metadata.get("event_payload"), dict)


def _answer(message: Message) -> Fields:
    body = {name: value for name, value in msgspec.to_builtins(message).items() if value is not None}
    del body["received_at"], body["channel"]
    shown = {"type": "message", "subtype": "bot_message", "user": TEAM["user_id"], "bot_id": TEAM["bot_id"], **body}
    return {"ok": True, "channel": Store.id_of(message.channel), "ts": message.ts, "message": shown}


async def _fields(request: Request) -> Fields:
    """The arguments of a call: of the address, of a form, or of a JSON object; raises Refusal."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise Refusal("request_too_large")
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    fields: Fields = dict(request.query_params)
    try:
        if kind == "application/json":
            given = msgspec.json.decode(body or b"{}")
            if not isinstance(given, dict):
                raise Refusal("json_not_object")
            return fields | given
        if kind in ("", "application/x-www-form-urlencoded"):
            return fields | dict(parse_qsl(body.decode(), keep_blank_values=True))
    except (msgspec.DecodeError, ValueError) as problem:
        raise Refusal("invalid_json" if kind == "application/json" else "invalid_form_data") from problem
    raise Refusal("invalid_post_type")


def _json(value: Any, error: str) -> Any:
    """A form has its structures as JSON text; a JSON body has them as they are."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, ValueError) as problem:
        raise Refusal(error) from problem


def _check_token(request: Request, fields: Fields, token: str) -> None:
    if "authorization" not in request.headers and "token" not in fields:
        raise Refusal("not_authed")
    given = str(fields.get("token", ""))
    if not (_bearer(request, token) or hmac.compare_digest(given.encode(), token.encode())):
        raise Refusal("invalid_auth")


def _bearer(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def _is_person(request: Request, password: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        decoded = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(decoded, f"{USER}:{password}".encode())


def _sign_in() -> Response:
    return PlainTextResponse(
        f"Sign in as {USER} with the password that `floodgate status` prints.\n",
        401,
        headers={"WWW-Authenticate": 'Basic realm="Floodgate Slack", charset="UTF-8"'},
    )
