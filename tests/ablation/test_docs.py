"""The tables of docs/ablation.md are those of docs/ablation.json, and speak of every module."""

import json

import pytest

from qt_core.errors import DataError
from research.ablation.docs import DOCS, digest_of, markdown, put_tables
from research.ablation.plan import NAMES


@pytest.fixture(scope="module")
def digests():
    return json.loads((DOCS / "ablation.json").read_text(encoding="utf-8"))


def test_the_page_holds_what_the_numbers_say(digests):
    page = (DOCS / "ablation.md").read_text(encoding="utf-8")
    assert put_tables(page, digests) == page
    assert sorted(digests) == ["control", "majors"]
    assert digests["control"]["control"]
    assert not digests["majors"]["control"]


@pytest.mark.parametrize("name", ["majors", "control"])
def test_every_module_and_group_has_its_row(digests, name):
    doc = digests[name]
    assert sorted(r["name"] for r in doc["rows"]) == sorted(NAMES)
    assert len(doc["seeds"]) >= 5
    text = markdown(doc)
    for row in doc["rows"]:
        assert row["name"] in text
    for row in doc["rows"]:
        if row["verdict"] in ("earns", "costs"):
            assert f"**{row['verdict']}" in next(x for x in text.splitlines() if x.startswith(f"| {row['name']} "))


def test_a_table_without_a_place_is_refused(digests):
    with pytest.raises(DataError, match="no place for 'majors'"):
        put_tables("nothing here", {"majors": digests["majors"]})


def test_numbers_are_kept_to_six_digits(digests):
    row = {**digests["majors"]["rows"][0], "total_return": {"difference": 1.23456789e-3, "seeds": [0.1 + 0.2]}}
    kept = digest_of({**digests["majors"], "rows": [row], "symbols": ["A", "B"]})
    assert kept["rows"][0]["total_return"] == {"difference": 1.23457e-3, "seeds": [0.3]}
    assert kept["symbols"] == 2
