"""Validation of a connector's configuration, with the runtime's texts and the shape of its validate endpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from local.connect.converters import CLASSES, class_name
from local.connect.faults import ConnectFault, Refused
from local.connect.pipeline import names, predicate_of, step_of
from local.connect.plugins import REQUIRED, VERSION, Plugin, Setting, plugin

COMMON = (
    Setting("name", about="Globally unique name of the connector."),
    Setting("connector.class", about="Class of the connector, or an alias of it."),
    Setting("connector.plugin.version", default=VERSION, about="Version of the connector."),
    Setting("tasks.max", "INT", "1", least=1, about="Most tasks to run."),
    Setting("key.converter", "CLASS", None, about="Converter of keys; the worker's if unset."),
    Setting("value.converter", "CLASS", None, about="Converter of values; the worker's if unset."),
    Setting("topics", "LIST", "", about="Topics to read, separated by commas."),
    Setting("topics.regex", default="", about="Topics to read, as a regular expression."),
    Setting("transforms", "LIST", "", "Transforms", about="Aliases of the transforms, in order."),
    Setting("predicates", "LIST", "", "Predicates", about="Aliases of the predicates."),
    Setting("errors.tolerance", default="none", group="Error Handling", one_of=("none", "all"),
            about="none: a bad record ends the task. all: it is set aside."),
    Setting("errors.log.enable", "BOOLEAN", "false", "Error Handling", about="Log each bad record."),
    Setting("errors.log.include.messages", "BOOLEAN", "false", "Error Handling", about="With its place in Kafka."),
    Setting("errors.deadletterqueue.topic.name", default="", group="Error Handling", about="Topic for bad records."),
    Setting("errors.deadletterqueue.topic.replication.factor", "SHORT", "3", "Error Handling", about="Copies of it."),
    Setting("errors.deadletterqueue.context.headers.enable", "BOOLEAN", "false", "Error Handling",
            about="Headers that say why and whence."),
)  # fmt: skip
ENDPOINT = "/connector-plugins/{connectorType}/config/validate"
NUMBERS = ("INT", "SHORT", "LONG")


def check(config: Mapping[str, str]) -> Plugin:
    """The plugin of a valid configuration; raises Refused (400) with the runtime's list of what is wrong."""
    kind = config.get("connector.class")
    if not kind:
        shown = ", ".join(f"{key}={value}" for key, value in sorted(config.items()))
        raise Refused(400, f"Connector config {{{shown}}} contains no connector type")
    found = plugin(kind)
    errors = [text for _, _, texts in judge(config, found) for text in texts]
    if errors:
        text = f"Connector configuration is invalid and contains the following {len(errors)} error(s):\n"
        text += "\n".join(errors)
        raise Refused(400, f"{text}\nYou can also find the above list of errors at the endpoint `{ENDPOINT}`")
    return found


def report(name: str, config: Mapping[str, str]) -> dict[str, Any]:
    """The body of PUT /connector-plugins/{name}/config/validate; raises Refused for a class that does not exist."""
    found = plugin(name)
    if config.get("connector.class") not in (None, *found.aliases):
        raise Refused(400, f"Included connector type {config['connector.class']} does not match request type {name}")
    judged = judge(config, found)
    groups = list(
        dict.fromkeys(["Common", "Transforms", "Predicates", "Error Handling", *(s.group for s, _, _ in judged)])
    )
    order: dict[str, int] = {}
    configs = []
    for setting, value, errors in judged:
        order[setting.group] = order.get(setting.group, 0) + 1
        configs.append({"definition": _definition(setting, order[setting.group]), "value": {
            "name": setting.name, "value": value, "recommended_values": list(setting.one_of), "errors": errors,
            "visible": True}})  # fmt: skip
    return {
        "name": name,
        "error_count": sum(len(errors) for _, _, errors in judged),
        "groups": groups,
        "configs": configs,
    }


def judge(config: Mapping[str, str], found: Plugin) -> list[tuple[Setting, str | None, list[str]]]:
    """Every setting of the class with its value and what is wrong with it."""
    judged = [_value(setting, config) for setting in (*COMMON, *found.settings)]
    for alias in names(config, "transforms"):
        judged.append(_alias(config, "transforms", "Transforms", alias, step_of))
    for alias in names(config, "predicates"):
        judged.append(_alias(config, "predicates", "Predicates", alias, predicate_of))
    both = names(config, "topics") and config.get("topics.regex")
    for setting, _, errors in judged:
        if setting.name in ("topics", "topics.regex"):
            if both:
                errors.append("topics and topics.regex are mutually exclusive options, but both are set.")
            elif not names(config, "topics") and not config.get("topics.regex"):
                errors.append("Must configure one of topics or topics.regex")
        if setting.name == "topics":
            errors += _dead_letters_in_topics(config)
        if setting.name == "topics.regex" and not _compiles(config.get("topics.regex") or ""):
            errors.append(
                f"Invalid value {config['topics.regex']} for configuration topics.regex: Invalid regex pattern"
            )
    return judged


def _value(setting: Setting, config: Mapping[str, str]) -> tuple[Setting, str | None, list[str]]:
    given, errors = config.get(setting.name), []
    value = given if given is not None else (None if setting.default is REQUIRED else setting.default)
    wrong = f"Invalid value {given} for configuration {setting.name}: "
    if given is None:
        if setting.default is REQUIRED:
            errors.append(f'Missing required configuration "{setting.name}" which has no default value.')
    elif setting.name == "name" and not given:
        errors.append(wrong + "String may not be empty")
    elif setting.kind in NUMBERS and not re.fullmatch(r"\s*[+-]?\d+\s*", given):
        errors.append(f"{wrong}Not a number of type {setting.kind}")
        if setting.least is not None:
            errors.append(f"Invalid value null for configuration {setting.name}: Value must be non-null")
    elif setting.kind in NUMBERS and setting.least is not None and int(given) < setting.least:
        errors.append(f"{wrong}Value must be at least {setting.least}")
    elif setting.kind == "BOOLEAN" and given.strip().lower() not in ("true", "false"):
        errors.append(wrong + "Expected value to be either true or false")
    elif setting.kind == "CLASS" and class_name(given) is None:
        errors.append(f"{wrong}Class {given} could not be found. This worker has {', '.join(CLASSES.values())}.")
    elif setting.one_of and given not in setting.one_of:
        errors.append(f"{wrong}String must be one of: {', '.join(setting.one_of)}")
    return setting, value, errors


def _alias(
    config: Mapping[str, str], kind: str, group: str, alias: str, make: Any
) -> tuple[Setting, str | None, list[str]]:
    name = f"{kind}.{alias}.type"
    value, errors = config.get(name), []
    if value is None:
        errors.append(f'Missing required configuration "{name}" which has no default value.')
    else:
        try:
            make(config, alias)
        except ConnectFault as fault:
            errors.append(f"Invalid value {value} for configuration {name}: {fault}")
    return Setting(name, "CLASS", REQUIRED, f"{group}: {alias}", about=f"Class of '{alias}'."), value, errors


def _dead_letters_in_topics(config: Mapping[str, str]) -> list[str]:
    dead = config.get("errors.deadletterqueue.topic.name") or ""
    if dead and dead in names(config, "topics"):
        return [f"The DLQ topic '{dead}' may not be included in the list of topics ('topics={config['topics']}') "
                "consumed by the connector"]  # fmt: skip
    return []


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _definition(setting: Setting, order: int) -> dict[str, Any]:
    required = setting.default is REQUIRED
    return {
        "name": setting.name,
        "type": setting.kind,
        "required": required,
        "default_value": None if required else setting.default,
        "importance": "HIGH" if required else "MEDIUM",
        "documentation": setting.about,
        "group": setting.group,
        "order_in_group": order,
        "width": "MEDIUM",
        "display_name": setting.name,
        "dependents": [],
    }
