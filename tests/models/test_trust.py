"""Models that run code when they are loaded: signed ones without a word, others when somebody says so."""

from __future__ import annotations

import fractions
import json
import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from fitscribe import config
from fitscribe.errors import MisuseError, UntrustedModel
from fitscribe.models import serialization, soundness, trust
from fitscribe.models.copies import digest_of
from fitscribe.models.format import MLMODEL, mlmodel_text, new_mlmodel, read_mlmodel, write_files
from fitscribe.models.keys import Key, key_file
from fitscribe.models.sklearn import load_model
from fitscribe.models.trust import SIGNATURE

posix = pytest.mark.skipif(os.name == "nt", reason="permissions are other things there")
THIRD = fractions.Fraction(1, 3)
TEAM = "a secret of the whole team"


def pickled(folder: Path, model: object = THIRD, signed: bool = True, **flavor: object) -> Path:
    """A model directory with a pickle, signed by this user."""
    folder.mkdir()
    serialization.dump(model, folder / "model.pkl", "cloudpickle")
    entry = {"pickled_model": "model.pkl", "serialization_format": "cloudpickle", **flavor}
    content = new_mlmodel({"sklearn": entry}, None, 1)
    if signed:
        content = trust.sign(folder, content, ["model.pkl"])
    write_files(folder, {MLMODEL: mlmodel_text(content), "requirements.txt": "scikit-learn"})
    return folder


def edited(folder: Path, **changes: object) -> Path:
    content = {**read_mlmodel(folder), **changes}
    write_files(folder, {MLMODEL: mlmodel_text(content)})
    return folder


def setting(monkeypatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"FITSCRIBE_{name.upper()}", value)
    config.configure()


def full(*_: object) -> str:
    raise OSError(28, "No space left on device")


def test_own_model_loads_without_a_word(tmp_path, caplog):
    assert load_model(pickled(tmp_path / "m")) == THIRD
    assert caplog.records == []


def test_error_names_the_file_the_reason_and_every_way_on(tmp_path):
    with pytest.raises(UntrustedModel) as raised:
        load_model(pickled(tmp_path / "m", signed=False))
    words = str(raised.value)
    for part in ("run code from model.pkl", "it is not signed", "trust=True", "trust='sha256:", "this content alone"):
        assert part in words
    for part in ("FITSCRIBE_TRUST_MODELS=true", "FITSCRIBE_MODEL_KEY", str(tmp_path / "m")):
        assert part in words


def test_unsigned_model_loads_when_the_caller_says_so(tmp_path):
    folder = pickled(tmp_path / "m", signed=False)
    assert load_model(folder, trust=True) == THIRD
    with pytest.raises(UntrustedModel):
        load_model(folder, trust=False)


@pytest.mark.parametrize("said", ["true", "1", "YES"])
def test_unsigned_model_loads_when_the_setting_says_so(tmp_path, monkeypatch, said):
    folder = pickled(tmp_path / "m", signed=False)
    setting(monkeypatch, trust_models=said)
    assert load_model(folder) == THIRD
    with pytest.raises(UntrustedModel):  # the argument wins
        load_model(folder, trust=False)


@pytest.mark.parametrize("said", ["", "0", "false", "no"])
def test_setting_says_no(tmp_path, monkeypatch, said):
    setting(monkeypatch, trust_models=said)
    with pytest.raises(UntrustedModel):
        load_model(pickled(tmp_path / "m", signed=False))


@pytest.mark.parametrize("said", ["perhaps", "sha256:0, perhaps"])
def test_setting_that_is_a_mistake_trusts_nothing(tmp_path, monkeypatch, said):
    setting(monkeypatch, trust_models=said)
    with pytest.raises(MisuseError, match="FITSCRIBE_TRUST_MODELS names 'perhaps'; write True, or the sha256"):
        load_model(pickled(tmp_path / "m"))


def test_text_is_no_yes_for_an_argument(tmp_path):
    with pytest.raises(MisuseError, match="trust names 'true'; write True"):
        load_model(pickled(tmp_path / "m", signed=False), trust="true")


def test_one_very_model_is_trusted_by_its_digest(tmp_path, monkeypatch):
    folder = pickled(tmp_path / "m", signed=False)
    with pytest.raises(UntrustedModel) as raised:
        load_model(folder)
    shown = re.search(r"sha256:[0-9a-f]{64}", str(raised.value))[0]
    assert load_model(folder, trust=shown) == load_model(folder, trust=[shown]) == THIRD
    setting(monkeypatch, trust_models=f"sha256:0, {shown}")
    assert load_model(folder) == THIRD
    serialization.dump(fractions.Fraction(1, 4), folder / "model.pkl", "cloudpickle")
    with pytest.raises(UntrustedModel, match="which is not the one that trust names"):
        load_model(folder)
    with pytest.raises(UntrustedModel):  # nor is one that differs in how it is loaded
        load_model(pickled(tmp_path / "n", signed=False, serialization_format="pickle"), trust=shown)


def test_edited_file(tmp_path):
    folder = pickled(tmp_path / "m")
    serialization.dump("evil", folder / "model.pkl", "cloudpickle")
    with pytest.raises(UntrustedModel, match=r"and model\.pkl was edited after it was signed"):
        load_model(folder)


def test_added_file(tmp_path):
    folder = pickled(tmp_path / "m")
    (folder / "code").mkdir()
    (folder / "code" / "numpy.py").write_text("import os")
    with pytest.raises(UntrustedModel, match=r"and code/numpy\.py was added after it was signed"):
        load_model(folder)


def test_missing_file(tmp_path):
    folder = pickled(tmp_path / "m")
    (folder / "model.pkl").rename(folder / "other.pkl")
    with pytest.raises(UntrustedModel, match=r"and model\.pkl is missing"):
        load_model(edited(folder))


def test_signature_of_another_model(tmp_path):
    good, evil = pickled(tmp_path / "good"), pickled(tmp_path / "evil", "evil", signed=False)
    with pytest.raises(UntrustedModel, match=r"model\.pkl was edited"):
        load_model(edited(evil, **{SIGNATURE: read_mlmodel(good)[SIGNATURE]}))


def test_signature_whose_digests_were_made_to_fit(tmp_path):
    good, evil = pickled(tmp_path / "good"), pickled(tmp_path / "evil", "evil", signed=False)
    forged = {**read_mlmodel(good)[SIGNATURE], "files": {"model.pkl": digest_of(evil / "model.pkl")}}
    with pytest.raises(UntrustedModel, match="MLmodel was edited after it was signed, or the signature is another"):
        load_model(edited(evil, **{SIGNATURE: forged}))


def test_format_that_was_changed_under_a_signature(tmp_path):
    folder = pickled(tmp_path / "m", serialization_format="skops")
    content = read_mlmodel(folder)
    content["flavors"]["sklearn"]["serialization_format"] = "pickle"
    with pytest.raises(UntrustedModel, match="MLmodel was edited after it was signed"):
        load_model(edited(folder, **content))


def test_loader_that_was_added_under_a_signature(tmp_path):
    from fitscribe.models.loaded import loaded

    folder = pickled(tmp_path / "m")
    flavors = {**read_mlmodel(folder)["flavors"], "python_function": {"loader_module": "antigravity"}}
    with pytest.raises(UntrustedModel, match="run code from MLmodel, and its MLmodel was edited"):
        loaded(edited(folder, flavors=flavors))


@pytest.mark.parametrize(
    "value",
    [
        "text",
        [],
        {},
        {"files": []},
        {"files": {}, "version": 2},
        {"files": {"model.pkl": 3}, "version": 1, "key": None, "value": None},
        {"files": {}, "version": 1, "key": {"a": 1}},
        {"files": {1: "a", "b": "c", None: "d"}, "version": 1},
    ],
)
def test_signature_that_is_none(tmp_path, value):
    with pytest.raises(UntrustedModel):
        load_model(edited(pickled(tmp_path / "m"), **{SIGNATURE: value}))


def test_signature_by_another_key_says_whose(tmp_path, monkeypatch):
    setting(monkeypatch, model_key=TEAM)
    folder = pickled(tmp_path / "m")
    assert load_model(folder) == THIRD
    setting(monkeypatch, model_key="")
    with pytest.raises(UntrustedModel, match=f"it was signed with another key .{Key(TEAM).name}; yours: "):
        load_model(folder)


def test_model_of_one_member_loads_for_another_of_the_team(tmp_path, monkeypatch):
    setting(monkeypatch, model_key=TEAM)
    folder = pickled(tmp_path / "m")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another"))
    monkeypatch.setenv("APPDATA", str(tmp_path / "another"))
    assert load_model(folder) == THIRD


def test_what_mlflow_rewrites_leaves_the_signature_good(tmp_path):
    folder = edited(pickled(tmp_path / "m"), signature={"inputs": "[]"}, model_id="m-1", run_id="r", metadata={"a": 1})
    for name in ("requirements.txt", "conda.yaml", "python_env.yaml", "registered_model_meta", "input_example.json"):
        (folder / name).write_text("other")
    assert load_model(folder) == THIRD


def test_signature_outlives_mlmodel_as_json_and_in_another_order(tmp_path):
    folder = pickled(tmp_path / "m", skops_trusted_types=None, code=None, more={"b": [1.5, True], "a": {"1": "x"}})
    content = read_mlmodel(folder)
    (folder / MLMODEL).write_text(json.dumps(dict(reversed(content.items()))))
    assert load_model(folder) == THIRD
    (folder / MLMODEL).write_text(yaml.safe_dump(content, default_flow_style=True))
    assert load_model(folder) == THIRD


def test_caches_of_compiled_code_never_run_in_place_of_the_code(tmp_path):
    folder = pickled(tmp_path / "m")
    (folder / "code" / "__pycache__").mkdir(parents=True)
    (folder / "code" / "own.py").write_text("x = 1")
    content = read_mlmodel(folder)
    content["flavors"]["sklearn"]["code"] = "code"
    edited(folder, **trust.sign(folder, content, ["model.pkl", "code/own.py"]))
    (folder / "code" / "__pycache__" / "own.cpython-311.pyc").write_bytes(b"evil")
    place = trust.check(folder, read_mlmodel(folder), ["model.pkl"])
    assert place != folder.resolve()
    assert sorted(each.name for each in place.rglob("*")) == [
        "MLmodel",
        "code",
        "model.pkl",
        "own.py",
        "requirements.txt",
    ]


@posix
def test_model_that_others_can_write_to_is_loaded_from_a_copy(tmp_path):
    folder = pickled(tmp_path / "m")
    assert trust.steady(folder) == folder.resolve()
    for which, mode in ((folder, 0o775), (folder / "model.pkl", 0o666), (tmp_path, 0o777)):
        before = which.stat().st_mode
        which.chmod(mode)
        place = trust.steady(folder)
        assert place != folder.resolve()
        assert place.stat().st_mode & 0o777 == 0o700
        assert trust.check(place, read_mlmodel(place), ["model.pkl"]) == place
        assert trust.steady(folder, True) == folder  # who trusts it anyway is spared the copy
        which.chmod(before)
    pickled(tmp_path / "n", signed=False).chmod(0o777)
    with pytest.raises(UntrustedModel, match=re.escape(repr(str(tmp_path / "n")))):  # the name that a person knows
        load_model(tmp_path / "n")


@posix
def test_model_of_a_shared_folder_is_copied_once_until_it_changes(tmp_path, monkeypatch):
    folder = pickled(tmp_path / "m")
    folder.chmod(0o777)
    place = trust.steady(folder)
    assert trust.steady(folder) == place
    (folder / "requirements.txt").write_text("other")
    changed = trust.steady(folder)
    assert changed != place
    assert (changed / "requirements.txt").read_text() == "other"
    (changed / "model.pkl").unlink()  # as whoever sweeps /tmp does
    assert (trust.steady(folder) / "model.pkl").exists()


@posix
def test_shared_model_that_no_disk_takes_says_how_to_go_on(tmp_path, monkeypatch):
    folder = pickled(tmp_path / "m")
    folder.chmod(0o777)
    monkeypatch.setattr("fitscribe.models.copies._read", full)
    with pytest.raises(MisuseError, match=r"cannot be copied: .*No space left.*load it with trust=True, or from a"):
        load_model(folder)
    assert load_model(folder, trust=True) == THIRD


@posix
def test_swapping_a_file_between_look_and_load_gains_nothing(tmp_path):
    folder = pickled(tmp_path / "m")
    folder.chmod(0o777)
    place = trust.steady(folder)
    serialization.dump("evil", folder / "model.pkl", "cloudpickle")
    assert load_model(place) == THIRD


def test_code_beside_a_harmless_format_needs_trust(tmp_path):
    folder = pickled(tmp_path / "m", signed=False, code="code", serialization_format="skops")
    (folder / "code").mkdir()
    (folder / "code" / "numpy.py").write_text("")
    with pytest.raises(UntrustedModel, match="run code from code/"):
        trust.check(folder, read_mlmodel(folder), [])


def test_pickle_under_the_name_of_a_text_is_not_covered_by_a_signature(tmp_path):
    folder = pickled(tmp_path / "m", pickled_model="requirements.txt")
    shutil.copy(folder / "model.pkl", folder / "requirements.txt")
    with pytest.raises(UntrustedModel, match="no signature covers a file of that name"):
        load_model(folder)


def test_home_that_takes_no_key_leaves_the_model_unsigned_with_one_line(tmp_path, monkeypatch, caplog):
    (tmp_path / "config").write_text("a file, where a folder should be")
    for variable in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "config"))
    for name in ("m", "n"):
        assert SIGNATURE not in read_mlmodel(pickled(tmp_path / name))
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("the model is not signed (")
    assert str(key_file()) in said
    assert said.endswith("give FITSCRIBE_MODEL_KEY, or load it with trust=True where it runs code")


def test_key_that_is_refused_does_not_lose_the_model(tmp_path, monkeypatch, caplog):
    setting(monkeypatch, model_key="short")
    assert SIGNATURE not in read_mlmodel(pickled(tmp_path / "m"))
    assert "can be guessed" in caplog.text


def test_signing_signs_anew_and_leaves_the_content_alone(tmp_path):
    folder = pickled(tmp_path / "m")
    content = {**read_mlmodel(folder), SIGNATURE: {"value": "old"}}
    signed = trust.sign(folder, content, ["model.pkl", "requirements.txt"])
    assert content[SIGNATURE] == {"value": "old"}
    assert signed[SIGNATURE]["files"].keys() == {"model.pkl"}
    assert trust.unsigned_because(folder, signed) == ""
    assert trust.unsigned_because(folder, content) == "its signature is of no kind that this version knows"


def test_fingerprint_is_the_same_wherever_the_model_lies(tmp_path):
    folder = pickled(tmp_path / "m")
    shutil.copytree(folder, tmp_path / "n")
    found = [trust.fingerprint(tmp_path / name, read_mlmodel(tmp_path / name)) for name in ("m", "n")]
    assert found[0] == found[1]


@pytest.mark.parametrize("mode", [0o755, 0o777])
def test_file_of_its_own_is_trusted_by_its_digest(tmp_path, mode):
    file = tmp_path / "some" / "state.pth"
    file.parent.mkdir()
    file.write_bytes(b"pickle")
    file.parent.chmod(mode)
    digest = f"sha256:{digest_of(file)}"
    assert trust.check_file(file, lambda it: it.read_bytes() != b"pickle").read_bytes() == b"pickle"
    with pytest.raises(UntrustedModel, match=rf"run code from state\.pth, and no signature .*trust='{digest}'"):
        trust.check_file(file, lambda it: True)
    assert trust.check_file(file, lambda it: True, True) == file
    assert trust.check_file(file, lambda it: True, digest).read_bytes() == b"pickle"
    with pytest.raises(UntrustedModel):
        trust.check_file(file, lambda it: True, "sha256:0")


def test_variable_that_forbids_pickles_forbids_those_of_every_flavor(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    folder = pickled(tmp_path / "m")
    for file in ("data/model.pth", "python_model.pkl"):
        with pytest.raises(MisuseError, match=f"{file}' is a pickle, and MLFLOW_ALLOW_PICKLE_DESERIALIZATION forbids"):
            trust.check(folder, read_mlmodel(folder), [file], True)


@pytest.mark.parametrize(("version", "loads"), [("0.12.0", False), ("0.13.0", True)])
def test_a_skops_file_is_believed_to_run_nothing_only_where_skops_has_no_known_hole(
    tmp_path, monkeypatch, version, loads
):
    installed = tmp_path / "site" / f"skops-{version}.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: skops\nVersion: {version}\n")
    monkeypatch.syspath_prepend(installed.parent)
    soundness.doubted.cache_clear()
    folder = tmp_path / "m"
    folder.mkdir()
    entry = {"pickled_model": "model.skops", "serialization_format": "skops"}
    write_files(folder, {MLMODEL: mlmodel_text(new_mlmodel({"sklearn": entry}, None, 1)), "model.skops": "no archive"})
    try:
        with pytest.raises(MisuseError) as raised:
            load_model(folder)
    finally:
        soundness.doubted.cache_clear()
    assert ("is no skops file" in str(raised.value)) == loads
    told = "run code from model.skops (skops 0.12.0 has known holes, and is believed from 0.13 on)"
    assert (told in str(raised.value)) != loads
