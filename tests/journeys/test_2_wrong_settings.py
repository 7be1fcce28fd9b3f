"""A wrong setting ends with one clear sentence and what to do, and with no traceback."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local.place import PORTS
from tests.journeys.conftest import free_offset
from tests.journeys.stack import ROOT, Stack

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]


@pytest.fixture
def other(tmp_path: Path) -> Stack:
    return Stack(tmp_path / "home", free_offset(5500))


def one_sentence(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    for word in words:
        assert word in said, f"{word!r} is not in: {said}"


def test_a_port_in_use_names_its_owner_and_the_way_out(other: Stack) -> None:
    with socket.create_server(("127.0.0.1", PORTS["kafka"] + other.offset)):
        one_sentence(
            other.run("up"),
            f"Port {PORTS['kafka'] + other.offset} for kafka",
            str(os.getpid()),
            "FLOODGATE_PORT_OFFSET",
        )
    assert other.run("down").returncode == 0


@pytest.mark.parametrize("offset", ["many", "-1", "99999"])
def test_a_port_offset_that_is_none(other: Stack, offset: str) -> None:
    other.environ["FLOODGATE_PORT_OFFSET"] = offset
    one_sentence(other.run("status"), f"FLOODGATE_PORT_OFFSET is '{offset}'", "whole number")


def test_a_disk_without_room(other: Stack, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", small], check=False).returncode
    ):
        pytest.skip("needs to mount a small disk: run as root")
    try:
        one_sentence(Stack(small / "home", free_offset(5500)).run("up"), "free at", str(small))
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_bad_contract_field_names_file_and_field(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "include", copy / "include", ignore=shutil.ignore_patterns("target"))
    contract = copy / "include" / "contracts" / "ecommerce.odcs.yaml"
    contract.write_text(
        contract.read_text().replace("name: quantity, logicalType: integer", "name: quantity, logicalType: number")
    )
    done = subprocess.run(
        [sys.executable, "-m", "include.contracts"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    one_sentence(done, "ecommerce.odcs.yaml", "orders.quantity", "does not fit a number")


def test_a_wrong_password_names_the_connection(stack: Stack) -> None:
    for warehouse, conn_id in (("clickhouse", "clickhouse_reader"), ("snowflake", "snowflake_history")):
        wrong = Stack(stack.home, stack.offset)
        name = f"AIRFLOW_CONN_{conn_id.upper()}"
        right = json.loads(stack.variables()[name])
        if warehouse == "snowflake":
            right["extra"].pop("private_key_content")
        wrong.environ[name] = json.dumps(right | {"password": "no"})
        one_sentence(wrong.run("query", warehouse, "select 1"), "refuses user", f"connection {conn_id}")


def test_a_wrong_word_to_a_command(stack: Stack) -> None:
    one_sentence(stack.run("run", "nope"), "Airflow has no DAG 'nope'")
    one_sentence(stack.run("run", "prepare", "--conf", "{"), "--conf is not JSON")
    one_sentence(stack.run("query", "clickhouse", "drop table x"), "This reads only")
    one_sentence(stack.run("query", "oracle", "select 1"), "clickhouse or snowflake")
    one_sentence(stack.run("query", "clickhouse", "select * from nowhere"), "ClickHouse at", "nowhere")
    one_sentence(stack.run("break", "nothing"), "There is no fault 'nothing'")


def test_a_bad_file_to_replay_is_told_before_anything_is_produced(stack: Stack, tmp_path: Path) -> None:
    bad = tmp_path / "clicks.csv"
    bad.write_text("a,b\n1,2\n")
    done = stack.run("replay", "fashion", "--clicks", str(bad), "--transactions", str(bad))
    one_sentence(done, "burst_fashion failed at produce")


def test_a_demo_with_half_of_the_files_says_so_before_anything_starts(other: Stack) -> None:
    one_sentence(other.run("demo", "--clicks", "clicks.csv"), "needs both files")
    one_sentence(other.run("demo", "--clicks", "no.csv", "--transactions", "no.csv"), "There is no file no.csv")
    assert not (other.home / "run").exists()


def test_two_checkouts_run_side_by_side(stack: Stack, other: Stack) -> None:
    """The second one's own services; the first one's are as they were."""
    before = {one["name"]: one["pid"] for one in stack.status()["services"]}
    try:
        other.floodgate("up", "--only", "clickhouse", "--only", "kafka", "--only", "slack")
        assert {one["state"] for one in other.floodgate("status")["services"]} == {"ready"}
        assert other.floodgate("slack") == []
    finally:
        assert other.run("down").returncode == 0
    assert {one["name"]: one["pid"] for one in stack.status()["services"]} == before
