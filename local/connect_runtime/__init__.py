"""Kafka Connect itself, run by Java: what local.connect stands in for, with the file sink as its only plugin.

No part of the local stack needs it: tests compare the two, and a connector that only exists for Java can run here.
"""

from __future__ import annotations

import shutil

from local.connect import waiting_for
from local.kafka import jars, jvm
from local.kafka.java import Java
from local.place import Place
from local.service import Service

NAME = "connect_runtime"
PLUGIN = "connect-file"


def service(place: Place) -> Service:
    """One distributed worker on loopback, beside the broker of the same place."""
    port = place.ports[NAME]
    return jvm.service(
        place,
        NAME,
        ("org.apache.kafka.connect.cli.ConnectDistributed", "connect.properties"),
        prepare=lambda java: _prepare(place, java),
        ready=lambda: waiting_for(port),
        ports=(port,),
        needs=("kafka",),
    )


def settings(place: Place) -> dict[str, str | int]:
    """connect.properties: what it keeps is in three topics of the broker, one copy of each."""
    return {
        "bootstrap.servers": f"127.0.0.1:{place.ports['kafka']}",
        "group.id": NAME,
        "listeners": f"http://127.0.0.1:{place.ports[NAME]}",
        "plugin.path": "plugins",
        # By default every class of every jar is looked at: half a minute for a connector with many.
        "plugin.discovery": "service_load",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "config.storage.topic": f"{NAME}.configs",
        "config.storage.replication.factor": 1,
        "offset.storage.topic": f"{NAME}.offsets",
        "offset.storage.replication.factor": 1,
        "offset.storage.partitions": 1,
        "status.storage.topic": f"{NAME}.status",
        "status.storage.replication.factor": 1,
        "status.storage.partitions": 1,
        "topic.creation.default.replication.factor": 1,
        # Nobody is waited for: the only worker that can be missing is the one that would wait, 5 min.
        "scheduled.rebalance.max.delay.ms": 0,
        "offset.flush.interval.ms": 500,
    }


def _prepare(place: Place, java: Java) -> None:
    folder, cache = place.data(NAME), jars.cache()
    needed = jars.ensure(place, NAME)
    plugins = [jar for jar in needed if jar.artifact == PLUGIN]
    shutil.rmtree(folder / "plugins", ignore_errors=True)
    (folder / "plugins" / PLUGIN).mkdir(parents=True)
    for jar in plugins:
        shutil.copyfile(cache / jar.path, folder / "plugins" / PLUGIN / jar.path.name)
    jvm.write_properties(folder / "connect.properties", settings(place))
    # A class that is on both paths is loaded twice, and a plugin's is then not the worker's.
    jvm.prepare(place, NAME, java, jars.class_path([jar for jar in needed if jar not in plugins], cache))
