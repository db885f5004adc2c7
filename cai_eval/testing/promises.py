"""What all plug-ins promise: a name, a title, and a config that refuses what it does not know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cai_eval import registry
from cai_eval.contracts import JSON


def promise(kept: object, broken: str) -> None:
    """Raise AssertionError(broken) unless `kept`; unlike `assert`, also under `python -O`."""
    if not kept:
        raise AssertionError(broken)


def build(group: str, plugin: type | str, config: Mapping[str, Any]) -> Any:
    """The plug-in from a class, or from a name by the registry, after checks of its class and its config."""
    cls: Any = registry.load(group, plugin) if isinstance(plugin, str) else plugin
    for attribute in ("name", "title"):
        value = getattr(cls, attribute, None)
        promise(isinstance(value, str) and value, f"{cls.__name__}.{attribute} must be a text that is not empty")
    promise("\n" not in cls.title, f"{cls.__name__}.title must be one line")
    if isinstance(plugin, str):
        base = plugin.partition(":")[0]
        promise(cls.name == base, f"{cls.__name__}.name is {cls.name!r} but its entry point is {base!r}")
    check_config(cls)
    instance = registry.create(group, plugin, config) if isinstance(plugin, str) else cls(cls.Config(**config))
    values = getattr(instance, "config", None)
    if values is not None:
        stored = values.model_dump(mode="json")
        promise(
            cls.Config.model_validate(json.loads(json.dumps(stored))) == values,
            f"the config of {cls.__name__} must survive JSON: it is stored in run.json and read again",
        )
    return instance


def check_config(cls: Any) -> None:
    """`Config` is a frozen pydantic model that refuses unknown keys."""
    from pydantic import BaseModel

    config = getattr(cls, "Config", None)
    promise(
        isinstance(config, type) and issubclass(config, BaseModel),
        f"{cls.__name__}.Config must be a pydantic BaseModel",
    )
    settings = cls.Config.model_config
    promise(settings.get("extra") == "forbid", f"{cls.__name__}.Config must refuse unknown keys: extra='forbid'")
    promise(settings.get("frozen"), f"{cls.__name__}.Config must not change once made: frozen=True")
    argument = getattr(cls, "argument", None)
    promise(
        argument is None or argument in cls.Config.model_fields,
        f"{cls.__name__}.argument is {argument!r}, which is no field of its Config",
    )


def is_json(value: JSON) -> bool:
    """`value` comes back from JSON as it went in (so: no tuples, no sets, no NaN, only text keys)."""
    try:
        restored: object = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return False
    return bool(restored == value)
