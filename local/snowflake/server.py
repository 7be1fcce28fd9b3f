"""Snowflake's HTTP interface, as far as its clients use it: sign in, query, upload, renew, end."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fakesnow.expr import normalise_ident
from fakesnow.transforms import SERVER_VERSION, stage
from snowflake.connector.errors import Error, ProgrammingError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.snowflake import DATABASE, answers, values
from local.snowflake.catalog import Catalog
from local.snowflake.cursor import Cursor
from local.snowflake.failures import is_fatal, to_error
from local.snowflake.sessions import ANSWERS_KEPT, Session, Sessions
from local.snowflake.signin import Doorman, SignInError

GONE = ("390111", "Session no longer exists.  New login required to access the service.")
VALID_S = 4 * 3600


class Server:
    """The routes over one catalog. `fatal` holds the reason once the engine cannot go on; its owner should end it."""

    def __init__(self, catalog: Catalog, doorman: Doorman) -> None:
        self.catalog = catalog
        self.doorman = doorman
        self.sessions = Sessions(catalog)
        self.upload_key = secrets.token_bytes(32)
        self.fatal: str | None = None
        catalog.create(DATABASE, exists_ok=True)

    def app(self) -> Starlette:
        """The application to serve."""
        return Starlette(
            routes=[
                Route("/health", self.health),
                Route("/session/v1/login-request", self.login, methods=["POST"]),
                Route("/session/token-request", self.renew, methods=["POST"]),
                Route("/session/heartbeat", self.session, methods=["POST"]),
                Route("/session", self.session, methods=["POST"]),
                Route("/queries/v1/query-request", self.query, methods=["POST"]),
                Route("/queries/v1/abort-request", self.abort, methods=["POST"]),
                Route("/monitoring/queries/{query_id}", self.monitor),
                Route("/telemetry/send", lambda _: answers.ok(), methods=["POST"]),
                Route("/upload/{path:path}", self.upload, methods=["PUT"]),
            ],
            lifespan=self.lifespan,
        )

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Look for idle sessions while serving; at the end close every session and write the databases down."""
        reaper = asyncio.create_task(self._reap())
        yield
        reaper.cancel()
        await run_in_threadpool(self.sessions.end_all)
        if not self.fatal:
            await run_in_threadpool(self.catalog.close)

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(30)
            await run_in_threadpool(self.sessions.end_idle, time.monotonic())

    async def health(self, _: Request) -> JSONResponse:
        """Whether it answers, and how many are signed in; open to all on the loopback."""
        return JSONResponse({"ready": not self.fatal, "reason": self.fatal, "sessions": len(self.sessions.by_token)})

    async def login(self, request: Request) -> JSONResponse:
        """Key pair or password; the answer has the token that every later request carries."""
        data = (await _body(request)).get("data", {})
        try:
            self.doorman.admit(data)
        except SignInError as error:
            return answers.refused(error.code, str(error), "08001")
        return await run_in_threadpool(self._open, data, dict(request.query_params))

    def _open(self, data: dict[str, Any], where: dict[str, str]) -> JSONResponse:
        settings = data.get("SESSION_PARAMETERS") or {}
        autocommit = bool(settings.get("AUTOCOMMIT", True))
        token, master, session = self.sessions.open(
            autocommit=autocommit,
            account=str(data.get("ACCOUNT_NAME") or ""),
            user=str(data.get("LOGIN_NAME") or "").upper(),
            role=normalise_ident(where.get("roleName") or ""),
            warehouse=normalise_ident(where.get("warehouse") or ""),
            query_tag=str(settings.get("QUERY_TAG") or ""),
        )
        if database := where.get("databaseName"):
            with contextlib.suppress(ProgrammingError):  # as the real one: signed in, without a current database
                session.use(normalise_ident(database))
                if schema := where.get("schemaName"):
                    session.schema_set, session._schema = False, None
                    session.use(session.database, normalise_ident(schema))
        parameters = {
            "AUTOCOMMIT": autocommit,
            "TIMEZONE": "Etc/UTC",
            "CLIENT_SESSION_KEEP_ALIVE": False,
            "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY": 3600,
            "CLIENT_TELEMETRY_ENABLED": False,
            "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD": 0,  # array bindings come inline, never by a stage
        }
        return answers.ok(
            token=token,
            masterToken=master,
            validityInSeconds=VALID_S,
            masterValidityInSeconds=VALID_S,
            sessionId=session.id,
            serverVersion=SERVER_VERSION,
            displayUserName=session.names["user"],
            parameters=[{"name": name, "value": value} for name, value in parameters.items()],
            sessionInfo=answers.where(session),
        )

    async def renew(self, request: Request) -> JSONResponse:
        """A token lives as long as its session, so the same is given again."""
        old = (await _body(request)).get("oldSessionToken", "")
        if self.sessions.get(old) and hmac.compare_digest(self.sessions.master[old], _token(request)):
            return answers.ok(sessionToken=old, masterToken=self.sessions.master[old], validityInSecondsST=VALID_S)
        return answers.refused(*GONE)

    async def session(self, request: Request) -> JSONResponse:
        """A heartbeat, or with ?delete=true the end."""
        token = _token(request)
        if (session := self.sessions.get(token)) is None:
            return answers.refused(*GONE)
        session.used_at = time.monotonic()
        if request.query_params.get("delete"):
            await run_in_threadpool(self.sessions.end, token)
        return answers.ok()

    async def query(self, request: Request) -> Response:
        """Run one statement and answer with its rows."""
        if (session := self.sessions.get(_token(request))) is None:
            return answers.refused(*GONE)
        request_id = request.query_params.get("requestId") or secrets.token_hex(8)
        answer = await run_in_threadpool(self._answer, session, request_id, await _body(request), str(request.base_url))
        return JSONResponse(answer)

    async def abort(self, request: Request) -> JSONResponse:
        """A client gave up on a statement: stop it."""
        if session := self.sessions.get(_token(request)):
            session.interrupt(str((await _body(request)).get("requestId")))
        return answers.ok()

    async def monitor(self, request: Request) -> JSONResponse:
        """The state of a query sent with execute_async; it had ended when it was answered."""
        if self.sessions.get(_token(request)) is None:
            return answers.refused(*GONE)
        known = self.catalog.results_cache.get(request.path_params["query_id"])
        return answers.ok(queries=[{"status": "SUCCESS"}] if known else [])

    async def upload(self, request: Request) -> Response:
        """Store a staged file: written whole or not at all, only where a PUT was given the signed address."""
        path = request.path_params["path"]
        if not hmac.compare_digest(request.query_params.get("signature", ""), self._signature(path)):
            return Response(status_code=403)
        target = Path(stage.LOCAL_BUCKET_PATH, path)
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                async for chunk in request.stream():
                    file.write(chunk)
                file.flush()
                await run_in_threadpool(os.fsync, file.fileno())
            part.replace(target)
        except OSError as error:
            part.unlink(missing_ok=True)
            return Response(f"cannot store {path}: {error.strerror}", status_code=400)  # a 5xx would be retried
        return Response()

    def _signature(self, path: str) -> str:
        return hmac.new(self.upload_key, path.encode(), hashlib.sha256).hexdigest()

    def _answer(self, session: Session, request_id: str, body: dict[str, Any], base: str) -> dict[str, Any]:
        """One statement, one at a time in a session. A request sent twice gets its first answer again."""
        with session.lock:
            if request_id in session.answers:
                return session.answers[request_id]
            session.running = request_id
            try:
                answer = self._run(session, body, base)
            except Exception as error:
                answer = answers.error(error if isinstance(error, Error) else to_error(error))
            finally:
                session.running = None
                session.used_at = time.monotonic()
            session.answers[request_id] = answer
            while len(session.answers) > ANSWERS_KEPT:
                session.answers.popitem(last=False)
            return answer

    def _run(self, session: Session, body: dict[str, Any], base: str) -> dict[str, Any]:
        cursor, sql = Cursor(session), str(body.get("sqlText") or "")
        try:
            if body.get("describeOnly"):
                return answers.described(session, cursor.describe_only(sql))
            params, rows = values.from_bindings(body.get("bindings"))
            result = cursor.run(sql, params, rows)
        except Error as error:
            if is_fatal(error):
                self.fatal = str(error)
            raise
        if result.put is not None:
            if not params:  # with a ? for the target, the client asks again by a way that only files serve
                result.put["stageInfo"] = self._upload_place(base, result.put)
            return {"data": result.put, "success": True}
        return answers.rows(session, result)

    def _upload_place(self, base: str, put: dict[str, Any]) -> dict[str, Any]:
        """An address on this server; the client uploads by plain HTTPS only to what looks like Google's storage."""
        file = Path(put["stageInfo"]["location"], Path(put["src_locations"][0]).name)
        path = os.path.relpath(file, stage.LOCAL_BUCKET_PATH)
        return {
            "locationType": "GCS",
            "location": f"{Path(path).parent}/",
            "creds": {},
            "presignedUrl": f"{base}upload/{quote(path)}?signature={self._signature(path)}",
        }


def _token(request: Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Snowflake Token=").strip('"')


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if request.headers.get("Content-Encoding") == "gzip":
        raw = gzip.decompress(raw)
    found = json.loads(raw or b"{}")
    return found if isinstance(found, dict) else {}
