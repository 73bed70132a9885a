"""What the READMEs print is what was measured, and the weights are those that they describe."""

import re
from pathlib import Path

import pandas as pd
import pytest

from hdsr import checkpoint, config, readmes
from hdsr.errors import HdsrError
from hdsr.files import sha256
from hdsr.paths import OWN_WEIGHTS, PROJECT


def test_the_tables_are_of_the_published_rows_and_the_weights_that_ship() -> None:
    current = readmes.current_tables()
    for path, contents in current.items():
        text = path.read_text(encoding="utf-8")
        assert readmes.with_tables(text, contents, path.name) == text, f"{path}: renew its tables"
    assert len(current[PROJECT / "README.md"]["headline"].splitlines()) == 2 + 9


def test_published_rows_are_of_the_weights_that_ship() -> None:
    rows = pd.read_csv(readmes.PUBLISHED_ROWS).query("weights == 'ours'")
    for (model, scale), part in rows.groupby(["model", "scale"]):
        shipped = sha256(OWN_WEIGHTS / f"{model}_x{scale}.safetensors")
        assert set(part["weights_sha256"]) == {shipped}, f"{model} x{scale}: run the paper profile anew"


@pytest.mark.parametrize("path", sorted(OWN_WEIGHTS.glob("*.safetensors")), ids=lambda path: path.stem)
def test_weights_describe_themselves(path: Path) -> None:
    about = checkpoint.describe(path)
    assert path.stem.endswith(f"_x{about['scale']}")
    assert about["config"]["scale"] == about["scale"]
    assert about["step"] > 0
    assert len(about["training_data_sha256"]) == 64


def test_a_table_takes_the_place_between_its_marks() -> None:
    text = "before\n<!-- a -->\nold\n<!-- end of a -->\nafter\n"
    renewed = readmes.with_tables(text, {"a": r"| new \1 |"}, "README.md")
    assert renewed == "before\n<!-- a -->\n" + r"| new \1 |" + "\n<!-- end of a -->\nafter\n"
    with pytest.raises(HdsrError, match=r"README\.md has no place for a table: expected <!-- b -->"):
        readmes.with_tables(text, {"b": ""}, "README.md")


def test_a_configuration_is_named_with_what_differs_in_it() -> None:
    path = Path("hdsrnet_x2.safetensors")
    given = config.load_config(readmes.CONFIGS / "cpu_x2.yaml").model_dump(mode="json", exclude_none=True)
    start = given.pop("warm_start")
    link = readmes.configuration_link(path, {"config": given, "warm_start": start})
    assert link == "[cpu_x2](../../hdsr/configs/cpu_x2.yaml)"
    other = readmes.configuration_link(path, {"config": given | {"seed": 12345}, "warm_start": start})
    assert other == "[cpu_x2](../../hdsr/configs/cpu_x2.yaml) with other seed"


def test_links_of_the_readmes_lead_somewhere() -> None:
    for path in readmes.current_tables():
        for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), target
