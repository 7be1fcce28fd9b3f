"""From a message to a record: the key's and value's converters, then the transforms with their predicates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from local.connect.converters import converter
from local.connect.faults import ConfigFault, ConnectFault, Rejected
from local.connect.records import Message, Record
from local.connect.transforms import PREDICATES, TRANSFORMS, Predicate, Transform


class Step(NamedTuple):
    """One transform, applied where `predicate` (if any) differs from `negate`."""

    java_class: str
    apply: Transform
    predicate: Predicate | None
    negate: bool


def names(config: Mapping[str, str], setting: str) -> list[str]:
    """The aliases that a list setting such as `transforms` names, in order."""
    return [name.strip() for name in (config.get(setting) or "").split(",") if name.strip()]


def below(config: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The settings under `prefix`, with the prefix removed."""
    return {key[len(prefix) :]: value for key, value in config.items() if key.startswith(prefix) and value is not None}


def predicate_of(config: Mapping[str, str], alias: str) -> Predicate:
    """The predicate that the configuration declares as `alias`; raises ConfigFault."""
    settings = below(config, f"predicates.{alias}.")
    kind = settings.get("type", "")
    if kind not in PREDICATES:
        raise ConfigFault(f"Class {kind} could not be found.")
    return PREDICATES[kind](settings)


def step_of(config: Mapping[str, str], alias: str) -> Step:
    """The transform that the configuration declares as `alias`; raises ConfigFault."""
    settings = below(config, f"transforms.{alias}.")
    kind = settings.get("type", "")
    if kind not in TRANSFORMS:
        raise ConfigFault(f"Class {kind} could not be found.")
    predicate = None
    if wanted := settings.get("predicate"):
        if wanted not in names(config, "predicates"):
            raise ConfigFault(f"Predicate alias '{wanted}' is not declared in predicates")
        predicate = predicate_of(config, wanted)
    return Step(kind, TRANSFORMS[kind](settings), predicate, settings.get("negate", "false").lower() == "true")


class Pipeline:
    """Everything that happens to a message before a sink sees it. Raises ConfigFault for wrong settings."""

    def __init__(self, config: Mapping[str, str]) -> None:
        self._key_class, self._key = converter(config, "key")
        self._value_class, self._value = converter(config, "value")
        self._steps = [step_of(config, alias) for alias in names(config, "transforms")]

    def record(self, message: Message) -> Record | Rejected | None:
        """The record of a message; None where a transform dropped it; Rejected where a part of the line refused it."""
        stage, part = "KEY_CONVERTER", self._key_class
        try:
            key = self._key(message.key)
            stage, part = "VALUE_CONVERTER", self._value_class
            record = Record(message, message.topic, key, self._value(message.value))
            stage = "TRANSFORMATION"
            for step in self._steps:
                part = step.java_class
                if step.predicate is None or step.predicate(record) is not step.negate:
                    changed = step.apply(record)
                    if changed is None:
                        return None
                    record = changed
            return record
        except ConnectFault as fault:
            return Rejected(message, stage, part, fault)
