"""A wrong contract is refused with its file, the place in it, the reason and the way out; never accepted by half."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from pipelines import contract as contracts
from pipelines.contract.load import FOLDER
from pipelines.errors import ContractError, UsageError

KIOSK = Path(__file__).resolve().parents[2] / "data" / "kiosk"
EDITS = yaml.safe_load(Path(__file__).with_name("refused.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A copy of the shop's contract to break."""
    return Path(shutil.copytree(FOLDER / "shop", tmp_path / "shop"))


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit["case"])
def test_refused_with_file_place_and_reason(shop, edit):
    file = shop / edit["file"]
    text = file.read_text(encoding="utf-8")
    assert edit.get("replace", "") in text, "the edit no longer meets the shop's contract"
    file.write_text(text.replace(edit["replace"], edit["by"], 1) if "replace" in edit else edit["by"], encoding="utf-8")
    with pytest.raises(ContractError) as refused:
        contracts.load(shop)
    assert str(refused.value) == f"{shop}/{edit['message']} | next: {edit['next']}"


def test_an_id_made_of_what_no_schema_describes_is_refused(tmp_path):
    kiosk = Path(shutil.copytree(KIOSK, tmp_path / "kiosk"))
    contracts.load(kiosk)
    file = kiosk / "product.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("$.seq", "$.sqe"), encoding="utf-8")
    with pytest.raises(ContractError, match=r"/kiosk/product\.yaml: envelope\.event_id: no schema describes \$\.sqe"):
        contracts.load(kiosk)


@pytest.mark.parametrize(
    ("given", "slip", "field", "nearest"),
    [
        ("event_type: $.kind", "event_type: $.machine.lien", "event_type", "$.machine.line"),
        ("event_type: $.kind", "event_type: $.machine", "event_type", "$.machine.line"),
        ("{path: $.meta.schema, default: 1}", "$.state.papr", "schema_version", "$.state.paper_m"),
        ("$.at", "$.payment.cent", "event_time", "$.payment.cents"),
    ],
)
def test_an_envelope_that_names_no_member_of_a_described_object_is_refused(tmp_path, given, slip, field, nearest):
    kiosk = Path(shutil.copytree(KIOSK, tmp_path / "kiosk"))
    file = kiosk / "product.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace(given, slip), encoding="utf-8")
    with pytest.raises(ContractError) as refused:
        contracts.load(kiosk)
    path = slip.split()[-1]
    assert refused.value.what == f"{file}: envelope.{field}: no schema describes {path}; nearest is {nearest}"


@pytest.mark.parametrize("path", ["$.meta.kind", "{path: $.machine.kind, default: sale}"])
def test_an_envelope_beside_the_schemas_or_with_a_default_is_taken(tmp_path, path):
    kiosk = Path(shutil.copytree(KIOSK, tmp_path / "kiosk"))
    file = kiosk / "product.yaml"
    text = file.read_text(encoding="utf-8").replace("event_type: $.kind", f"event_type: {path}")
    file.write_text(text, encoding="utf-8")
    assert contracts.load(kiosk).product == "kiosk"


def test_a_channels_own_template_is_found_beside_the_contract(shop):
    file = shop / "metrics.yaml"
    told = "alerts:\n  link: https://pulseiq.example/{incident_id}\n  channels: [{name: a, to: webhook, body: pager}]\n"
    file.write_text(f"{told}{file.read_text(encoding='utf-8')}", encoding="utf-8")
    (shop / "pager.json.j2").write_text('{"summary": {{ message.subject | tojson }}}\n', encoding="utf-8")
    assert contracts.load(shop).alerting.channels[0].body == "pager"


def test_bytes_that_are_no_text_are_refused(shop):
    (shop / "metrics.yaml").write_bytes(b"metrics: \xff\n")
    with pytest.raises(ContractError, match=r"^\S+/shop/metrics\.yaml: not YAML: 'utf-8' codec can't decode byte 0xff"):
        contracts.load(shop)


@pytest.mark.parametrize("nested", ["[" * 5000, "{a: " * 5000])
def test_nesting_without_end_is_refused_and_ends_no_process(shop, nested):
    (shop / "metrics.yaml").write_text(f"metrics: {nested}\n", encoding="utf-8")
    with pytest.raises(ContractError, match=r"^\S+/shop/metrics\.yaml"):
        contracts.load(shop)


def test_missing_metrics_file_is_named(shop):
    (shop / "metrics.yaml").unlink()
    with pytest.raises(ContractError) as refused:
        contracts.load(shop)
    assert str(refused.value) == f"{shop}/metrics.yaml: no such file | next: see contracts/shop for the form"


def test_unknown_product_names_those_there_are():
    with pytest.raises(UsageError) as refused:
        contracts.load("bakery")
    assert str(refused.value) == "there is no contract 'bakery' | next: one of: shop, weblog, or a folder"
