"""A third party's integration that is broken disables itself alone, says whose it is once, and the rest goes on."""

from __future__ import annotations

import importlib
import logging
import subprocess
import sys

import pytest

import fitscribe
from fitscribe import Integration, autologging, config, discovery, ranks
from fitscribe.current import entered
from fitscribe.errors import MisuseError, Unavailable
from fitscribe.run import Run

GENERATOR = """
@integration.around("{name}:train")
def train(call):
    with call.run("{name}") as run:
        yield
"""
HEAD = 'from fitscribe import Integration\nintegration = Integration("{name}", requires="pytest")\n'

BROKEN = {
    "its module raises": ("raise ImportError('no luck with {name}')", "cannot be loaded: ImportError: no luck with"),
    "its module has a syntax error": ("def (:", "cannot be loaded: SyntaxError"),
    "its module needs what is not there": ("import nothing_of_this_name", "No module named 'nothing_of_this_name'"),
    "its module ends the program": ("raise SystemExit(3)", "ends the program when it is imported"),
    "it has no such object": ("pass", "AttributeError: module .* has no attribute 'integration'"),
    "it is no Integration": ("integration = object()", "is no fitscribe.Integration but a object"),
    "it has another name": (
        'from fitscribe import Integration\nintegration = Integration("other")',
        "calls itself 'other'; it should have the entry point's name",
    ),
    "its requirement is none": (HEAD.replace("pytest", "pytest >="), "requires='pytest >=' is no requirement"),
    "its target is none": (HEAD + GENERATOR.replace("{name}:train", "{name}.train"), "a target is written"),
}


def warnings(caplog):
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


def title(name):
    return rf"{name} = {name}_scribe:integration \({name}-scribe 1\.0\)"


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_plugin_says_whose_it_is_once_and_the_others_go_on(install, recorder, caplog, reason):
    plugin, words = BROKEN[reason]
    name = f"pl{list(BROKEN).index(reason)}broken"
    install(name, plugin=plugin)
    install(f"{name}_not", plugin=install.PLUGIN)
    for _ in range(2):
        fitscribe.autolog()
    assert importlib.import_module(name).train() == "trained"
    assert importlib.import_module(f"{name}_not").train() == "trained"
    fitscribe.autolog()
    assert [run.name for run in recorder.runs()] == [f"{name}_not"]
    assert len(warnings(caplog)) == 1, warnings(caplog)
    with pytest.raises(Unavailable, match=f"(?s){title(name)}.*{words}"):
        autologging.autolog_one(name, {})


def test_the_line_names_entry_point_and_package(install, recorder, caplog):
    install("pmfakeml", plugin="raise RuntimeError('line one\\nline two')")
    fitscribe.autolog()
    importlib.import_module("pmfakeml")
    assert warnings(caplog) == [
        "no autologging for pmfakeml: the integration pmfakeml = pmfakeml_scribe:integration (pmfakeml-scribe 1.0) "
        "cannot be loaded: RuntimeError: line one"
    ]


def test_a_plugin_that_was_mended_works_without_a_new_process(install, recorder):
    install("pnfakeml", plugin="raise ImportError('half written')")
    fitscribe.autolog()
    framework = importlib.import_module("pnfakeml")
    install.module("pnfakeml_scribe", install.PLUGIN.format(name="pnfakeml", requires="pytest") + "# mended\n")
    importlib.invalidate_caches()
    fitscribe.pnfakeml.autolog()
    framework.train()
    assert len(recorder.runs()) == 1


def test_a_target_in_a_module_that_is_not_there_is_no_silence(install, recorder, caplog):
    install("pofakeml", plugin=HEAD + GENERATOR.replace("{name}:train", "{name}.trainer:train"))
    fitscribe.autolog()
    assert importlib.import_module("pofakeml").train() == "trained"
    assert warnings(caplog) == [
        "autologging for pofakeml (pofakeml-scribe 1.0) is off: pofakeml.trainer:train: there is no module "
        "'pofakeml.trainer'"
    ]


def test_a_target_in_a_module_that_is_imported_later_is_waited_for(install, recorder, caplog, tmp_path):
    package = tmp_path / "site" / "pofakepack"
    (package / "core").mkdir(parents=True)
    for name in ("__init__.py", "core/__init__.py"):
        (package / name).write_text("")
    (package / "core" / "trainer.py").write_text("def train(): return 'trained'\n")
    more = "\n@integration.around('po_of_another_package.api:fit')\ndef fit(call):\n    yield\n"
    plugin = HEAD + GENERATOR.replace("{name}:train", "{name}.core.trainer:train") + more
    install.module("pofakepack_scribe", plugin.format(name="pofakepack"))
    install.distribution("pofakepack-scribe", {"pofakepack": "pofakepack_scribe:integration"})
    install.names.extend(["pofakepack.core.trainer", "pofakepack.core", "pofakepack"])
    fitscribe.autolog()
    importlib.import_module("pofakepack")
    assert "pofakepack.core" not in sys.modules, "looking for it imports nothing"
    assert importlib.import_module("pofakepack.core.trainer").train() == "trained"
    assert len(recorder.runs()) == 1
    assert not warnings(caplog)


@pytest.mark.swallows
def test_a_hook_without_a_yield_says_what_it_lacks(install, recorder, caplog):
    install("ppfakeml", plugin=HEAD + '@integration.around("{name}:train")\ndef train(call): call.run()\n')
    fitscribe.autolog()
    assert importlib.import_module("ppfakeml").train() == "trained"
    assert "a hook is a generator with one `yield`; this one returned NoneType" in caplog.text


def both(install, name, ours, *others):
    """One framework, and an integration of each package, which makes runs of the package's name."""
    install.module(name, "def train(): pass\n")
    for package in filter(None, (ours, *others)):
        module = f"{name}_of_{package.replace('-', '_')}"
        content = install.PLUGIN.format(name=name, requires="pytest").replace(f'run("{name}")', f'run("{package}")')
        install.module(module, content)
        install.distribution(package, {name: f"{module}:integration"})


def test_a_third_partys_integration_goes_before_ours(install, recorder, caplog):
    caplog.set_level(logging.INFO, "fitscribe")
    both(install, "pqfakeml", "fitscribe", "zz-scribe")
    fitscribe.autolog()
    importlib.import_module("pqfakeml").train()
    assert [run.name for run in recorder.runs()] == ["zz-scribe"]
    said = [each for each in caplog.records if "several packages" in each.getMessage()]
    assert [each.levelname for each in said] == ["INFO"]
    assert "not pqfakeml = pqfakeml_of_fitscribe:integration (fitscribe 1.0)" in said[0].getMessage()


def test_a_third_partys_that_is_broken_makes_way_for_ours(install, recorder, caplog):
    both(install, "qefakeml", "fitscribe", "zz-scribe")
    install.module("qefakeml_of_zz_scribe", "raise ImportError('no luck')")
    fitscribe.autolog()
    importlib.import_module("qefakeml").train()
    assert [run.name for run in recorder.runs()] == ["fitscribe"]
    assert warnings(caplog) == [
        "the integration qefakeml = qefakeml_of_zz_scribe:integration (zz-scribe 1.0) cannot be loaded: ImportError: "
        "no luck; used is qefakeml = qefakeml_of_fitscribe:integration (fitscribe 1.0)"
    ]


def test_an_entry_point_that_leads_to_no_object_says_how_it_is_written(install):
    install.module("qffakeml", "def train(): pass\n")
    install.distribution("qffakeml-scribe", {"qffakeml": "qffakeml_scribe"})
    with pytest.raises(Unavailable, match=r"qffakeml-scribe 1\.0.* leads nowhere: it is written 'module:object'"):
        fitscribe.qffakeml.autolog()


def test_of_two_third_parties_the_first_by_name_is_used_and_that_is_said_once(install, recorder, caplog):
    both(install, "prfakeml", "", "b-scribe", "a-scribe")
    for _ in range(3):
        fitscribe.autolog()
        importlib.import_module("prfakeml").train()
    assert [run.name for run in recorder.runs()] == ["a-scribe"] * 3
    assert len(warnings(caplog)) == 1
    assert "used is prfakeml = prfakeml_of_a_scribe:integration (a-scribe 1.0), and not" in warnings(caplog)[0]


def test_a_package_with_broken_metadata_hides_no_other(install, recorder, caplog):
    install("psfakeml")
    install.distribution("garbled", "this is no entry point")
    fitscribe.autolog()
    importlib.import_module("psfakeml").train()
    assert len(recorder.runs()) == 1
    assert warnings(caplog)[0].startswith("the entry points of garbled cannot be read")


@pytest.mark.parametrize(
    ("requires", "words"),
    [
        ("fakeml >=", "is no requirement"),
        ("fakeml 2", "write a distribution's name and its versions, such as 'fakeml>=2'"),
        (2, "is no requirement"),
        ("fakeml[gpu]>=2", "names extras"),
        ("fakeml>=2; python_version > '3'", "names a marker"),
        ("fakeml @ https://example.org/fakeml.zip", "names an address"),
    ],
)
def test_a_requirement_that_cannot_be_looked_up_is_the_authors_error(requires, words):
    with pytest.raises(MisuseError, match=words):
        Integration("fakeml", requires=requires)


def test_other_slips_of_an_author_are_told_at_once():
    with pytest.raises(MisuseError, match="tested='below 3' names no versions"):
        Integration("fakeml", tested="below 3")
    with pytest.raises(MisuseError, match="should be a tuple of names"):
        Integration("fakeml", also="fakeml-cpu")
    with pytest.raises(MisuseError, match="named as its framework's module is imported, not 'fake-ml'"):
        Integration("fake-ml")
    with pytest.raises(MisuseError, match=r"has no option 'evry' to check; it has .*every"):
        Integration("fakeml", options={"every": 1}).check("evry")


def test_the_options_for_all_reach_those_that_have_them(install, recorder, caplog):
    plugin = install.PLUGIN.replace('{{"every": 1}}', '{{"log_models": True, "log_datasets": "some", "every": 1}}')
    install("ptfakeml", plugin=plugin)
    install("pufakeml")
    fitscribe.autolog(log_models=False, log_datasets=False)
    importlib.import_module("ptfakeml").train()
    importlib.import_module("pufakeml").train()
    assert len(recorder.runs()) == 2
    options = discovery.integration("ptfakeml").options
    assert (options["log_models"], options["log_datasets"]) == (False, "some"), "what it cannot take it was not told"
    assert "log_models" not in discovery.integration("pufakeml").options
    assert [each for each in warnings(caplog) if "autolog: left out: ptfakeml: log_datasets=False is a bool" in each]


def test_a_plugin_that_records_no_models_unless_it_is_asked_keeps_to_that(install, recorder):
    plugin = install.PLUGIN.replace('{{"every": 1}}', '{{"log_models": False, "every": 1}}')
    install("pyfakeml", plugin=plugin)
    fitscribe.autolog()
    importlib.import_module("pyfakeml")
    assert discovery.integration("pyfakeml").options["log_models"] is False


@pytest.mark.swallows
@pytest.mark.parametrize("broken", ["before", "after"])
def test_a_hook_of_an_unusual_kind_that_fails_says_whose_it_is(install, recorder, caplog, broken):
    plugin = HEAD + "import functools\ndef hook(more, call):\n" + (
        "    1 / 0\n    yield\n" if broken == "before" else "    yield\n    1 / 0\n"
    )  # fmt: skip
    plugin += "hook.__module__ = None\nintegration.around('{name}:train')(functools.partial(hook, 1))\n"
    name = f"qa{broken}ml"
    install(name, plugin=plugin)
    fitscribe.autolog()
    assert importlib.import_module(name).train() == "trained"
    assert [words.partition(" (")[0] for words in warnings(caplog)] == [f"the integration {name}"]
    assert f"{broken} the call) failed; your training goes on without it" in warnings(caplog)[0]


# ranks that the framework alone knows of

PLACED = """
@integration.ranks
def place(call):
    return call.argument("place")
"""
PLACES = "def train(place=None, inner=None):\n    if inner: inner()\n    return 'trained'\n"


def test_the_framework_may_know_which_rank_this_is(install, recorder, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "fitscribe")
    monkeypatch.setattr(ranks, "_said", False)
    install("qbfakeml", framework=PLACES, plugin=install.PLUGIN + PLACED)
    fitscribe.autolog()
    train = importlib.import_module("qbfakeml").train
    for place in (None, (0, 1), (0, 2)):
        train(place)
    assert len(recorder.runs()) == 3, "a process of its own, and rank 0"
    assert train((1, 2)) == "trained"
    assert train((1, 2)) == "trained"
    assert len(recorder.runs()) == 3
    said = [each.getMessage() for each in caplog.records if "rank 1 of 2 (qbfakeml)" in each.getMessage()]
    assert len(said) == 1
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    train((0, 1))
    assert len(recorder.runs()) == 3, "one that is alone for its framework may still be one of a launcher's"
    config.configure(ranks="all")
    train((1, 2))
    assert len(recorder.runs()) == 4


def test_a_run_that_the_user_opened_is_written_to_whatever_the_rank(install, recorder):
    install("qcfakeml", framework=PLACES, plugin=install.PLUGIN + PLACED)
    fitscribe.autolog()
    train = importlib.import_module("qcfakeml").train
    with entered(Run.start("mine", by_user=True)) as run:
        train((1, 2))
    run.end()
    assert recorder.metrics(recorder.run("mine")) == {"every": 1.0}


@pytest.mark.swallows
def test_ranks_that_cannot_be_told_are_those_of_the_environment(install, recorder, caplog):
    install("qdfakeml", framework=PLACES, plugin=install.PLUGIN + PLACED)
    fitscribe.autolog()
    train = importlib.import_module("qdfakeml").train
    assert train("nonsense") == "trained"
    assert len(recorder.runs()) == 1
    assert "asking the framework for the rank failed" in caplog.text


# fitscribe.<name>


@pytest.mark.parametrize("look", ["fitscribe.xgboost.autolog", "dir(fitscribe)", "hasattr(fitscribe, 'nothing')"])
def test_to_look_at_what_is_installed_first_keeps_nothing_from_being_watched(look, tmp_path):
    code = f"import fitscribe\nfitscribe.autolog()\n{look}\nimport packaging\nfrom fitscribe import imports\n"
    code += "print({'sklearn', 'torch'} <= set(imports._finder.waiting))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_every_installed_integration_has_a_face(install, recorder):
    install("pvfakeml")
    fitscribe.pvfakeml.autolog(every=3)
    assert "pvfakeml" not in sys.modules, "the framework is not imported for it"
    importlib.import_module("pvfakeml").train()
    assert recorder.metrics(recorder.run()) == {"every": 3.0}
    fitscribe.pvfakeml.autolog(disable=True)
    importlib.import_module("pvfakeml").train()
    assert len(recorder.runs()) == 1


def test_a_face_tells_its_options_and_refuses_others(install):
    import inspect

    install("pwfakeml")
    signature = inspect.signature(fitscribe.pwfakeml.autolog)
    assert signature.parameters["every"].default == 1
    with pytest.raises(MisuseError, match=r"pwfakeml has no option 'nope'; it has disable, .*every"):
        fitscribe.pwfakeml.autolog(nope=1)
    with pytest.raises(MisuseError, match="pwfakeml has no option 'nope'"):
        fitscribe.pwfakeml.autolog(disable=True, nope=1)
    with pytest.raises(MisuseError, match="every='often' is a str"):
        fitscribe.pwfakeml.autolog(every="often")


def test_the_face_of_a_broken_plugin_says_why(install):
    install("pxfakeml", plugin="raise ImportError('no luck')")
    face = fitscribe.pxfakeml
    with pytest.raises(Unavailable, match=r"pxfakeml-scribe 1\.0.*no luck"):
        face.autolog()


def test_an_unknown_name_is_told_what_there_is(install):
    install("pyfakeml")
    with pytest.raises(AttributeError, match=r"no attribute 'pyfakml'; integrations installed here: .*pyfakeml"):
        _ = fitscribe.pyfakml
    assert not hasattr(fitscribe, "__nothing__")
    with pytest.raises(AttributeError, match=r"fitscribe.pyfakeml has no log_model: no model flavor 'pyfakeml'"):
        _ = fitscribe.pyfakeml.log_model
    with pytest.raises(AttributeError, match=r"'fitscribe.pyfakeml' has no attribute 'fit'; it has autolog"):
        _ = fitscribe.pyfakeml.fit
    assert "autolog" in dir(fitscribe.pyfakeml)
    assert "pyfakeml" in dir(fitscribe)


FLAVOR = """
from fitscribe.models.written import Written

def write(model, folder, *, compact=False):
    (folder / "model.txt").write_text(f"{model} {compact}")
    flavors = {"{name}": {"data": "model.txt"}, "python_function": {"loader_module": "{name}_scribe"}}
    return Written(flavors, ("model.txt",), 1)

def load(folder, conf, *, shout=False):
    words = (folder / "model.txt").read_text()
    return words.upper() if shout else words

def predictor(folder, conf):
    return load(folder, conf)

def runs_code(folder, conf):
    return ()
"""


def test_with_a_flavor_of_its_name_a_face_saves_and_loads_models(install, tmp_path):
    install("pzfakeml")
    install.module("pzfakeml_flavor", FLAVOR.replace("{name}", "pzfakeml") + 'FLAVOR = "pzfakeml"')
    entries = tmp_path / "site" / "pzfakeml_scribe-1.0.dist-info" / "entry_points.txt"
    entries.write_text(entries.read_text() + "[fitscribe.flavors]\npzfakeml = pzfakeml_flavor\n")
    face = fitscribe.pzfakeml
    face.save_model("a tree", "model", compact=True, metadata={"by": "me"})
    assert face.load_model("model") == "a tree True"
    assert face.load_model("model", shout=True) == "A TREE TRUE"
    with pytest.raises(MisuseError, match=r"fitscribe.pzfakeml has no option 'deep'; it has .*compact"):
        face.save_model("a tree", "other", deep=True)
    with pytest.raises(MisuseError, match=r"fitscribe.pzfakeml has no option 'wrong'; it has dst_path, shout, trust"):
        face.load_model("model", wrong=1)
    face.save_model(pz_model="under another name", path="third")
    assert face.load_model("third") == "under another name False"
    with pytest.raises(MisuseError, match="was given no model"):
        face.save_model(None, "fourth")
    assert {"log_model", "save_model", "load_model"} <= set(dir(face))
