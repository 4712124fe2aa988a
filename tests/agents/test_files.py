"""Files of an agent: what is changed, missing, foreign, of another version or schema, or could run code is refused."""

import json
import shutil

import pytest

from qt_core.agents.files import FORMAT, body_digest, file_digest, read_manifest, write_agent
from qt_core.agents.registry import load_agent
from qt_core.errors import DataError


@pytest.fixture
def folder(agents, tmp_path):
    agents["lgbm"].save(tmp_path / "model", {"cutoff_ms": 7})
    return tmp_path / "model"


def edit(folder, change):
    """Change the manifest and its own digest, those of the files left as they are."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    manifest["digest"] = body_digest(manifest)
    path.write_text(json.dumps(manifest))


def test_a_changed_number_of_the_manifest(folder):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["calibration"]["slope"] += 0.5
    path.write_text(json.dumps(manifest))
    refused(folder, r"manifest\.json: changed since it was written")


def renew(folder):
    """Let the manifest agree with the files again."""

    def change(manifest):
        manifest["files"] = {name: file_digest(folder / name) for name in manifest["files"]}

    edit(folder, change)


def refused(folder, match, schema=""):
    with pytest.raises(DataError, match=match) as error:
        load_agent(folder, schema)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)


def test_as_written_it_loads_and_says_what_it_is(folder, data):
    manifest = read_manifest(folder)
    assert manifest["format"] == FORMAT
    assert manifest["about"] == {"cutoff_ms": 7}
    assert manifest["schema"] == data.panel.schema
    assert set(manifest["files"]) == {"model.txt"}
    load_agent(folder, data.panel.schema)


def test_one_changed_byte(folder):
    path = folder / "model.txt"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))
    refused(folder, r"model\.txt: changed since it was written")


def test_a_cut_file(folder):
    path = folder / "model.txt"
    path.write_bytes(path.read_bytes()[:-1])
    refused(folder, r"model\.txt: changed since it was written")


def test_a_missing_file(folder):
    (folder / "model.txt").unlink()
    refused(folder, r"model\.txt: missing, though the manifest names it")


def test_a_foreign_file(folder):
    (folder / "extra.txt").write_text("x")
    refused(folder, r"extra\.txt: not in the manifest")


def test_a_foreign_folder(folder):
    (folder / "__pycache__").mkdir()
    refused(folder, "__pycache__: not in the manifest")


def test_no_manifest_and_no_folder(folder):
    (folder / "manifest.json").unlink()
    refused(folder, r"no manifest\.json")
    shutil.rmtree(folder)
    refused(folder, r"no manifest\.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '"x"', "{}"])
def test_a_manifest_that_is_none(folder, text):
    (folder / "manifest.json").write_text(text)
    refused(folder, "JSON file expected|format None")


def test_another_format(folder):
    edit(folder, lambda m: m.update(format="qt-agent/9"))
    refused(folder, "format 'qt-agent/9'; 'qt-agent/2' expected")


def test_another_version(folder):
    edit(folder, lambda m: m.update(version=99))
    refused(folder, "lgbm of version 99; version 1 expected")


def test_another_agent(folder):
    edit(folder, lambda m: m.update(agent="prophet"))
    refused(folder, "model 'prophet'; expected one of xgb")
    edit(folder, lambda m: m.update(agent=["lgbm"]))
    refused(folder, "expected one of xgb")


def test_the_files_of_one_agent_under_the_name_of_another(folder, agents):
    for name in ("xgb", "nhits", "patchtst"):
        params = dict(agents[name].params._asdict())
        edit(folder, lambda m, name=name, params=params: m.update(agent=name, params=params))
        refused(folder, f"cannot be loaded as {name}")


def test_another_schema(folder):
    refused(folder, "feature schema .*; 0123456789abcdef expected, so train it again", schema="0123456789abcdef")


@pytest.mark.parametrize(
    "name", ["../model.txt", "/etc/hostname.txt", "a/b.txt", "..", "model.pkl", "model.pt", "model"]
)
def test_a_manifest_may_name_plain_data_files_only(folder, name):
    def change(manifest):
        manifest["files"][name] = "0" * 64

    edit(folder, change)
    refused(folder, "a plain name ending in .ubj, .txt, .safetensors, .json expected")


@pytest.mark.parametrize("files", [None, {}, [], "model.txt"])
def test_a_manifest_without_files(folder, files):
    shutil.move(folder / "model.txt", folder.parent / "model.txt")
    edit(folder, lambda m: m.update(files=files))
    refused(folder, "names no files")


@pytest.mark.parametrize("key", ["params", "calibration", "class_forward"])
def test_a_manifest_that_lacks_a_part(folder, key):
    edit(folder, lambda m: m.pop(key))
    refused(folder, f"cannot be loaded as lgbm .*{key}")


def test_unknown_hyperparameters(folder):
    edit(folder, lambda m: m["params"].update(depth=3))
    refused(folder, "cannot be loaded as lgbm")


@pytest.mark.parametrize("name", ["xgb", "lgbm", "nhits", "patchtst"])
def test_files_that_are_whole_but_nonsense(agents, name, tmp_path):
    agents[name].save(tmp_path / "model", {})
    for path in (tmp_path / "model").iterdir():
        if path.name != "manifest.json":
            path.write_bytes(b"nonsense")
    renew(tmp_path / "model")
    refused(tmp_path / "model", f"cannot be loaded as {name}|a JSON file expected")


@pytest.mark.parametrize("name", ["nhits", "patchtst"])
def test_weights_of_another_shape(agents, name, tmp_path):
    agents[name].save(tmp_path / "model", {})
    width = {"nhits": "units", "patchtst": "width"}[name]
    edit(tmp_path / "model", lambda m: m["params"].update({width: 24}))
    refused(tmp_path / "model", f"cannot be loaded as {name}")


def test_a_file_the_manifest_does_not_name_is_missed(agents, tmp_path):
    agents["nhits"].save(tmp_path / "model", {})
    (tmp_path / "model" / "weights.safetensors").unlink()
    edit(tmp_path / "model", lambda m: m["files"].pop("weights.safetensors"))
    refused(tmp_path / "model", "cannot be loaded as nhits")


def test_no_file_that_is_written_is_a_pickle(agents, tmp_path):
    for name, agent in agents.items():
        agent.save(tmp_path / name, {})
        for path in (tmp_path / name).iterdir():
            assert path.suffix in (".ubj", ".txt", ".safetensors", ".json")
            assert not path.read_bytes().startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK"))


class Stopped(BaseException):
    """Ctrl-C."""


@pytest.mark.parametrize("error", [Stopped, OSError, MemoryError])
def test_a_write_that_ends_early_leaves_the_earlier_folder_and_nothing_else(folder, error):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def write(temporary):
        (temporary / "model.txt").write_text("half")
        raise error

    with pytest.raises(error):
        write_agent(folder, write, {"agent": "lgbm"})
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in folder.parent.iterdir()] == ["model"]


def test_a_new_save_replaces_the_whole_folder(folder):
    write_agent(folder, lambda temporary: (temporary / "other.json").write_text("{}"), {"agent": "lgbm"})
    assert sorted(p.name for p in folder.iterdir()) == ["manifest.json", "other.json"]
