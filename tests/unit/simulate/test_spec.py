"""A wrong simulator.yaml is refused with its path and the reason."""

from __future__ import annotations

import pytest
import yaml

from pipelines.errors import ContractError
from pipelines.simulate import spec

from .conftest import SHOP


def wrong(change) -> str:
    data = yaml.safe_load((SHOP / "simulator.yaml").read_text())
    change(data)
    with pytest.raises(ContractError) as caught:
        spec.parse(spec.Simulator, data, "simulator.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d["seasonality"]["daily"].pop(), "seasonality.daily"),
        (lambda d: d["events"]["transaction"].update(key="nobody"), "'nobody' is not one of"),
        (lambda d: d["events"]["transaction"]["fields"]["status"].update(kind="magic"), "transaction.fields.status"),
        (lambda d: d["events"]["transaction"]["dimensions"].update(colour={"red": 1}), "'colour' is not one of"),
        (lambda d: d["events"]["transaction"]["dimensions"].update(region={"x": 1}), "is overridden"),
        (lambda d: d["populations"]["user"].update(dimensions=["colour"]), "'colour' is not one of"),
        (lambda d: d["dimensions"]["region"].update(shares={}), "shares must be"),
        (lambda d: d.update(speed=3), "speed"),
    ],
)
def test_wrong_description_is_refused(change, says):
    message = wrong(change)
    assert says in message
    assert "simulator.yaml" in message


def test_missing_file_names_the_file_to_write(tmp_path):
    with pytest.raises(ContractError, match=r"simulator\.yaml: no such file"):
        spec.load(tmp_path)
