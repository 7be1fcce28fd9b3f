"""A task group of dbt models, rendered by Cosmos from the manifest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import TaskGroup

from include.operators import graph
from include.operators.manifest import ensure, read, target
from include.operators.models import BUILD, DONE, DbtBuild, DbtModel
from include.operators.parsing import wanted_task
from include.operators.profiles import TARGET

#: A model's task waits for nothing but a record: one more try, which builds the model itself.
_MODEL = {"retries": 1, "retry_delay": timedelta(seconds=15)}


def dbt_group(layer: str, warehouse: str, domain: str) -> TaskGroup:
    """The models of a domain in a layer (staging, marts), between a task that builds them all and one that closes.

    In a task's process the group holds that task alone, and no manifest is read. Raises ManifestError where the
    project cannot be parsed.
    """
    folder = f"models/{layer}/{domain}"
    wanted = wanted_task()
    if wanted is not None:
        with TaskGroup(layer) as lone:
            group_id, _, name = wanted.rpartition(".")
            if group_id == layer and name == BUILD:
                DbtBuild(task_id=BUILD, warehouse=warehouse, folder=folder)
            elif group_id == layer and name != DONE:
                DbtModel(task_id=name, warehouse=warehouse, folder=folder, model=_uid(warehouse, name), **_MODEL)
        return lone
    return _rendered(layer, warehouse, folder)


def _uid(warehouse: str, name: str) -> str:
    return f"model.floodgate_{warehouse}.{name}"


def _rendered(layer: str, warehouse: str, folder: str) -> TaskGroup:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from cosmos.airflow.task_group import DbtTaskGroup
    from cosmos.config import ProfileConfig, ProjectConfig, RenderConfig
    from cosmos.constants import DbtResourceType, LoadMode, TestBehavior

    where = ensure(warehouse)
    group = graph.group(read(where), folder)
    tasks: dict[str, DbtModel] = {}

    def convert(dag: Any, task_group: Any, node: Any, task_id: str, **_: Any) -> DbtModel:
        tasks[node.unique_id] = DbtModel(
            task_id=task_id,
            dag=dag,
            task_group=task_group,
            warehouse=warehouse,
            folder=folder,
            model=node.unique_id,
            **_MODEL,
        )
        return tasks[node.unique_id]

    rendered = DbtTaskGroup(
        group_id=layer,
        project_config=ProjectConfig(
            where,
            manifest_path=target(where) / "manifest.json",
            project_name=f"floodgate_{warehouse}",
            install_dbt_deps=False,
        ),
        # Asked for by Cosmos, read by nobody: a build writes its own profile from the connection.
        profile_config=ProfileConfig(warehouse, TARGET, profiles_yml_filepath=where / "dbt_project.yml"),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            select=[f"path:{folder}"],
            test_behavior=TestBehavior.NONE,
            emit_datasets=False,
            node_converters={DbtResourceType("model"): convert},
            normalize_task_id=lambda node: node.name,
        ),
    )
    if tasks.keys() != group.models.keys():
        raise ValueError(f"{folder}: Cosmos shows {sorted(tasks)}, dbt would build {sorted(group.models)}")
    for model, others in group.after.items():
        for other in others:  # a test of `model` asks `other` too
            if tasks[other].task_id not in tasks[model].upstream_task_ids:
                tasks[other] >> tasks[model]
    with rendered:
        first = DbtBuild(task_id=BUILD, warehouse=warehouse, folder=folder).as_setup()
        last = EmptyOperator(task_id=DONE)
    for task in tasks.values():
        if not task.upstream_task_ids:
            first >> task
        if not task.downstream_task_ids:
            task >> last
    last.as_teardown(setups=first)
    return rendered
