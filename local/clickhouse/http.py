"""The HTTP port: bodies in (chunked or whole, never a cut one), responses out (whole or streamed)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local.clickhouse.answers import Response, answer, refusal
from local.clickhouse.engine import Engine
from local.clickhouse.errors import EngineError
from local.clickhouse.request import Request

MOST_BYTES = 1 << 30
log = logging.getLogger("clickhouse.http")


class Server(ThreadingHTTPServer):
    """Serves the engine on 127.0.0.1, a thread a client."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, engine: Engine, port: int) -> None:
        self.engine = engine
        super().__init__(("127.0.0.1", port), _Handler)


def _unread(message: str) -> EngineError:
    return EngineError(33, "CANNOT_READ_ALL_DATA", message)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 600  # an idle client's thread ends
    # Whole responses in one packet, at once.
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle_expect_100(self) -> bool:
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def do(self) -> None:
        """Any method: read the body, ask the engine, send what it says."""
        try:
            body = self._body()
        except (EngineError, ValueError, EOFError, OSError) as error:
            # Nothing of a body that was cut short may be executed, and what follows it cannot be read.
            self.close_connection = True
            if not isinstance(error, EngineError):
                error = _unread(f"The request's body ended early or is malformed: {error}")
            return self._send(refusal(self.server.engine, error))
        try:
            with self.server.engine.busy():
                self._send(self._response(body))
        except EngineError as error:
            self.close_connection = True
            self._send(refusal(self.server.engine, error))

    do_GET = do_POST = do_HEAD = do_PUT = do_OPTIONS = do_DELETE = do  # noqa: N815

    def _response(self, body: bytes) -> Response:
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            return answer(self.server.engine, Request(self.command, self.path, headers, body))
        except Exception as error:  # a mistake of this server's own: the client still gets an answer
            log.exception("%s %s", self.command, self.path.split("?")[0])
            return refusal(self.server.engine, EngineError(1001, "STD_EXCEPTION", f"{type(error).__name__}: {error}"))

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return b"".join(self._chunks())
        size = int(self.headers.get("Content-Length") or 0)
        if not 0 <= size <= MOST_BYTES:
            raise _unread(f"A body of {size} bytes: at most {MOST_BYTES} are taken. Send less at once.")
        return self._exactly(size)

    def _chunks(self) -> Iterator[bytes]:
        total = 0
        while size := int(self.rfile.readline(100).split(b";")[0], 16):
            total += size
            if size < 0 or total > MOST_BYTES:
                raise _unread(f"A body of more than {MOST_BYTES} bytes. Send less at once.")
            yield self._exactly(size)
            if self.rfile.readline(100).strip():
                raise ValueError("a chunk is longer than it says")
        while self.rfile.readline(10_000).strip():
            pass

    def _exactly(self, size: int) -> bytes:
        data = self.rfile.read(size)
        if len(data) != size:
            raise EOFError(f"{len(data)} of {size} bytes came")
        return data

    def _send(self, response: Response) -> None:
        if response.status != 200 and isinstance(response.body, bytes):
            text = response.body[:500].decode("utf-8", "replace").strip()
            log.warning("%s refused or failed (%s): %s", self.command, response.status, " ".join(text.split()))
        try:
            if isinstance(response.body, bytes):
                response.close()  # a session must be free before its client knows that the answer is complete
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            if isinstance(response.body, bytes):
                self.send_header("Content-Length", str(len(response.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(response.body)
            else:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for chunk in response.body:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                    self.wfile.flush()
                response.close()
                self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        except OSError:
            self.close_connection = True  # the client has gone
        finally:
            response.close()

    def version_string(self) -> str:
        """The Server header."""
        return "ClickHouse"

    def log_message(self, format: str, *args: object) -> None:
        """Normal operation logs nothing."""
