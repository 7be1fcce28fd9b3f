"""Imported by every Airflow process. In those that fork, it loads what the children need, once for all.

A task is forked, so it begins with these imports done: a light task takes a quarter of a second instead of several.
Only other people's packages are loaded: of our own code each task reads the present state.
"""

import importlib
import logging
import sys

_TASKS = (
    "airflow.dag_processing.dagbag",
    "airflow.providers.standard.operators.empty",
    "airflow.sdk.execution_time.task_runner",
    "clickhouse_connect",
    "confluent_kafka.admin",
    "cosmos.airflow.task_group",  # its plugin is looked at in every task
    "dbt.adapters.clickhouse",
    "dbt.adapters.snowflake",
    "dbt.cli.main",
    "dbt.task.build",
    "great_expectations",
    "msgspec",
    "slack_sdk.models.blocks",
    "snowflake.connector",
    "stamina",
    "yaml",
)
_PARSES = ("cosmos.airflow.task_group", "airflow.providers.standard.operators.empty", "msgspec", "yaml")
#: Of airflow.sdk each name is imported when it is first asked for.
_NAMES = ("DAG", "Asset", "BaseHook", "BaseOperator", "CronTriggerTimetable", "Param", "TaskGroup", "task")


def _load(modules: tuple[str, ...]) -> None:
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # it greets with 200 lines
    for module in modules:
        importlib.import_module(module)
    for name in _NAMES:
        getattr(importlib.import_module("airflow.sdk"), name)


if "scheduler" in sys.argv or "worker" in sys.argv:
    _load(_TASKS)
elif "dag-processor" in sys.argv:
    _load(_PARSES)
