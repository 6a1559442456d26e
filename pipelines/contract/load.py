"""Reads `contracts/<product>/` into a Contract, or refuses it with the file, the place in it and the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pipelines.contract import events, expected, meaning
from pipelines.contract.form import IN_WORDS, REFERENCE
from pipelines.contract.model import Check, Contract, Envelope, Metric, Source
from pipelines.contract.yaml_file import mapping, read_yaml
from pipelines.errors import ContractError, UsageError

FOLDER = Path(__file__).resolve().parents[2] / "contracts"

DEFAULTS: dict[str, Any] = {
    "clock": "arrival",
    "window": "1 minute",
    "allowed_lateness": "10 minutes",
    "dedup_horizon": "1 hour",
    "future_tolerance": "5 minutes",
    "max_event_bytes": 1024 * 1024,
    "max_depth": 20,
}
MADE = {"dimension_sources", "metrics", "checks", "sensitivity", "alerting", "folder", "expectations"}
# The validator's words where they speak of its own affairs; a value error's text is the model's.
_MESSAGES = {"missing": "missing", "extra_forbidden": "unknown key"}
_Model = TypeVar("_Model", bound=BaseModel)


def load(name_or_path: str | Path) -> Contract:
    """The contract of a product, by the name of its folder under contracts/ or by a path.

    Raises:
        UsageError: there is no such contract.
        ContractError: it is wrong; the message names file, place and reason.
    """
    folder = folder_of(name_or_path)
    if not (folder / "product.yaml").is_file():
        raise UsageError(f"there is no contract '{name_or_path}'", hint=f"one of: {', '.join(names())}, or a folder")
    return _compile(folder)


def folder_of(name_or_path: str | Path) -> Path:
    """Where the contract of a product is, or would be; a folder that holds one comes before a name."""
    given = Path(name_or_path)
    return given if (given / "product.yaml").is_file() else FOLDER / given


def names() -> list[str]:
    """Products that have a contract under contracts/."""
    return sorted(each.parent.name for each in FOLDER.glob("*/product.yaml"))


def load_all() -> list[Contract]:
    """Every contract under contracts/."""
    return [load(name) for name in names()]


def _compile(folder: Path) -> Contract:
    file, measured_file = folder / "product.yaml", folder / "metrics.yaml"
    product, measured = read_yaml(file), read_yaml(measured_file)
    for name in set(product) & MADE:
        raise ContractError(
            f"{file}: {name}: unknown key", hint="metrics, checks, sensitivity and alerts are in metrics.yaml"
        )
    for name in set(measured) - {"metrics", "checks", "sensitivity", "alerts"}:
        raise ContractError(f"{measured_file}: {name}: unknown key", hint="metrics, checks, sensitivity, alerts")
    dimensions = {
        name: _part(Source, file, f"dimensions.{name}", each)
        for name, each in mapping(file, product, "dimensions").items()
    }
    # Checked before the schemas: a field that the envelope fails to map would be taken for one of the payload's.
    envelope = _part(Envelope, file, "envelope", mapping(file, product, "envelope"))
    sources = {**dimensions, **envelope.sources()}
    mapped = {source.path: name for name, source in sources.items() if source.path is not None}
    given = {
        "title": product.get("product"),
        "topic": f"{product.get('product')}.events",
        **DEFAULTS,
        **{key: value for key, value in product.items() if key != "dimensions"},
        "envelope": envelope,
        "dimension_sources": dimensions,
        "events": events.read(file, folder, mapping(file, product, "events"), mapped, tuple(dimensions)),
        "metrics": (),
        "checks": (),
        "sensitivity": {},
        "alerting": {},
        "folder": str(folder),
    }
    bare = _part(Contract, file, "", given)
    listed = measured.get("checks") or []
    if not isinstance(listed, list):
        raise ContractError(f"{measured_file}: checks: expected a list", hint="see contracts/shop/metrics.yaml")
    metrics = [
        _metric(measured_file, name, each, bare) for name, each in mapping(measured_file, measured, "metrics").items()
    ]
    contract = bare.model_copy(
        update={
            "metrics": tuple(metrics),
            "checks": tuple(_part(Check, measured_file, f"checks[{i}]", each) for i, each in enumerate(listed)),
            "sensitivity": _part(
                type(bare.sensitivity), measured_file, "sensitivity", measured.get("sensitivity") or {}
            ),
            "alerting": _part(type(bare.alerting), measured_file, "alerts", measured.get("alerts") or {}),
        }
    )
    whole = meaning.checked(contract, file, measured_file)
    return whole.model_copy(update={"expectations": expected.read(folder, meaning.columns_of_layers(whole))})


def _metric(file: Path, name: str, given: Any, contract: Contract) -> Metric:
    if given is not None and not isinstance(given, dict):
        raise ContractError(f"{file}: metrics.{name}: expected keys and values", hint="see contracts/shop/metrics.yaml")
    defaults = {"title": name.replace("_", " "), "dimensions": contract.dimensions}
    return _part(Metric, file, f"metrics.{name}", {**defaults, **(given or {}), "name": name})


def _part(model: type[_Model], file: Path, place: str, given: Any) -> _Model:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        place_in_it = tuple(str(each) for each in first["loc"])
        where = ".".join((*([place] if place else []), *place_in_it))
        message = _MESSAGES.get(first["type"], first["msg"].removeprefix("Value error, "))
        hint = "see contracts/shop for the form"
        if first["type"] == "string_pattern_mismatch":
            message, hint = f"'{first['input']}' is not {IN_WORDS[first['ctx']['pattern']]}", REFERENCE
        elif first["type"] == "extra_forbidden" and len(place_in_it) == 1:
            known = {*model.model_fields, "dimensions"} - MADE if model is Contract else {*model.model_fields}
            message += f"; known are {', '.join(sorted(known))}"
        elif first["type"] not in (*_MESSAGES, "value_error") and isinstance(first["input"], str | int | float):
            message += f", found {first['input']!r}"
        raise ContractError(f"{file}: {where}: {message}", hint=hint) from error
