"""The worker's answers beside those that Kafka Connect 4.3.1 gave to the same requests, in the same order."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

from .conftest import Connect, Kafka

# Requests about plugins and endpoints that this worker does not have.
NOT_OURS = re.compile(r"Debezium|debezium|/admin/|\"jd\"|/(pg|pg2|jd)\b")
# Same status and keys, other words: the text quotes Jackson or lists the plugins that are installed.
OTHER_WORDS = re.compile(r"Unexpected character|Failed to find any class")
# The runtime took a topic back from its log just after the reset; here it stays reset until the next record.
RACE = ("GET /connectors/s1/topics",)
WITHIN_S = 8.0


class Line(NamedTuple):
    method: str
    path: str
    body: str
    status: int
    kind: str
    location: str
    answer: str


def parse(line: str) -> Line | None:
    head, found, rest = line.partition(" -> ")
    match = re.match(r"(\d{3}) \[([^\];]*)(?:; Location=([^\]]*))?\] ?(.*)", rest)
    request = re.match(r"([A-Z]+) (/\S*) ?(.*)", head)
    if not (found and match and request):
        return None
    return Line(request[1], request[2], request[3].strip(), int(match[1]), match[2], match[3] or "", match[4])


def keys(value: Any) -> Any:
    """The shape of an answer: keys and types, with the first element standing for a list."""
    if isinstance(value, dict):
        return {key: keys(one) for key, one in value.items()}
    return [keys(value[0])] if isinstance(value, list) and value else type(value).__name__


def plain(text: str, worker: str, folder: Path) -> Any:
    """An answer with what differs from run to run taken out: addresses, cluster, traces, Jackson's places in a text."""
    text = text.replace(worker, "WORKER").replace("127.0.0.1:18083", "WORKER").replace("/data/", f"{folder}/")
    text = re.sub(r'"kafka_cluster_id":"[^"]*"', '"kafka_cluster_id":"ID"', text)
    text = re.sub(r"(at \[Source: REDACTED).*?\"\}$", r'\1"}', text)
    text = re.sub(r'("trace":"[^"\\]*)(\\.|[^"\\])*"', r'\1"', text)
    return json.loads(text) if text else None


def test_answers_are_those_of_the_runtime(connect: Connect, kafka: Kafka, recorded: list[str], tmp_path: Path) -> None:
    kafka.topic("orders", 3)
    for partition, count in enumerate((12, 10, 8)):
        kafka.produce("orders", *[b'{"id":%d}' % number for number in range(count)], partition=partition)
    kafka.topic("bad", 2)
    kafka.produce("bad", b'{"id":1}', b"not json", b'{"id":2}')
    worker = f"127.0.0.1:{connect.service.ports[0]}"
    compared, different, deleted_topics = 0, [], False
    for text in recorded:
        line = parse(text)
        if (
            line is None
            or NOT_OURS.search(text.split(" -> ")[0] + line.body)
            or line.path.startswith("/connector-plugins")
        ):
            continue
        deleted_topics |= line.path.endswith("/topics/reset")
        if deleted_topics and f"{line.method} {line.path}" in RACE:
            continue
        if line.answer and not line.answer.endswith(("}", "]")):
            line = line._replace(answer="")  # the recording cut it short: compare the status
        headers = (
            {"Content-Type": "application/json"} if line.body or line.status != 415 else {"Content-Type": "text/plain"}
        )
        body = line.body.replace('"/data/', f'"{tmp_path}/')
        if line.method == "POST" and line.path == "/connectors" and not body:
            body = "{nonsense"
        if line.method == "PATCH" and line.path.endswith("/config"):
            time.sleep(1)  # the recorder waited for the change before it to be carried out
        deadline = time.monotonic() + (WITHIN_S if line.method == "GET" else 0)
        while True:
            answer = connect.http.request(line.method, line.path, content=body or None, headers=headers)
            got = (
                plain(answer.text, worker, tmp_path)
                if "json" in answer.headers.get("content-type", "json")
                else answer.text
            )
            want = plain(line.answer, worker, tmp_path) if line.answer else got
            if OTHER_WORDS.search(text):
                got, want = keys(got), keys(want)
            same = answer.status_code == line.status and got == want
            if same or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        compared += 1
        kind = answer.headers.get("content-type", "None")
        location = answer.headers.get("location", "").replace(worker, "127.0.0.1:18083")
        if not same or kind != line.kind or location != line.location:
            different.append(f"{line.method} {line.path} {line.body[:80]}\n  real {line.status} {line.kind} {want}\n"
                             f"  here {answer.status_code} {kind} {location} {got}")  # fmt: skip
    assert compared > 85
    assert not different, "\n".join(different)
