"""Integrations take options, find their framework, and switch themselves off alone."""

from __future__ import annotations

import importlib
import logging
import sys

import pytest

import fitscribe
from fitscribe import Integration, autologging, discovery, imports
from fitscribe.errors import MisuseError, NotBuiltYet, Unavailable


def test_a_plugin_is_loaded_when_its_framework_is_and_not_before(install, recorder):
    install("afakeml")
    fitscribe.autolog()
    assert "afakeml" in discovery.names()
    assert "afakeml_scribe" not in sys.modules
    assert "afakeml" not in sys.modules
    framework = importlib.import_module("afakeml")
    assert "afakeml_scribe" in sys.modules
    assert framework.train() == "trained"
    assert recorder.metrics(recorder.run()) == {"every": 1.0}


def test_a_framework_that_was_imported_before_is_found_too(install, recorder):
    install("bfakeml")
    framework = importlib.import_module("bfakeml")
    original = framework.train
    fitscribe.autolog()
    framework.train()
    fitscribe.autolog(disable=True)
    framework.train()
    assert framework.train is original
    assert len(recorder.runs()) == 1


@pytest.mark.swallows
def test_a_broken_plugin_disables_itself_alone(install, recorder, caplog):
    install("cbroken", plugin="raise ImportError('no luck with {name}')")
    install("cwhole")
    fitscribe.autolog()
    broken, whole = importlib.import_module("cbroken"), importlib.import_module("cwhole")
    assert broken.train() == "trained"
    assert whole.train() == "trained"
    assert [run.name for run in recorder.runs()] == ["cwhole"]
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "cbroken" in warnings[0]


def test_a_name_that_is_gone_switches_the_integration_off_with_one_line(install, recorder, caplog):
    install("dfakeml", framework="def fit(): return 'fitted'\n")
    fitscribe.autolog()
    framework = importlib.import_module("dfakeml")
    assert framework.fit() == "fitted"
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "has no 'train' any more" in warnings[0]
    assert not discovery.integration("dfakeml").enabled


def test_a_version_too_old_is_no_reason_to_stop_unless_asked_for_by_name(install, recorder):
    install("efakeml", requires="pytest>=999")
    fitscribe.autolog()
    framework = importlib.import_module("efakeml")
    assert framework.train() == "trained"
    assert recorder.runs() == []
    with pytest.raises(Unavailable, match="needs >=999"):
        autologging.autolog_one("efakeml", {})
    with pytest.raises(Unavailable, match="no integration is named 'nobody'"):
        autologging.autolog_one("nobody", {})


def test_what_one_framework_was_told_wins_over_what_all_were_told(install, recorder):
    install("ffakeml")
    autologging.autolog_one("ffakeml", {"every": 7})
    fitscribe.autolog()
    importlib.import_module("ffakeml").train()
    autologging.autolog_one("ffakeml", {"silent": True})
    found = discovery.integration("ffakeml")
    assert (found.options["every"], found.options["silent"]) == (7, True), "telling one option leaves the others"
    autologging.autolog_one("ffakeml", {"disable": True})
    assert found.options["every"] == 1
    assert recorder.metrics(recorder.run()) == {"every": 7.0}


def test_excluded_flavors_are_left_alone(install, recorder):
    install("gfakeml")
    fitscribe.autolog(exclude_flavors=["gfakeml"])
    importlib.import_module("gfakeml").train()
    assert recorder.runs() == []


def test_enabled_twice_is_enabled_once(install, recorder):
    install("hfakeml")
    fitscribe.autolog()
    fitscribe.autolog()
    importlib.import_module("hfakeml").train()
    fitscribe.autolog()
    assert len(recorder.runs()) == 1


def test_options_are_checked_in_plain_words():
    integration = Integration("x", options={"every": 1}, not_built={"registered_model_name": None})
    with pytest.raises(MisuseError, match=r"x has no option 'evry'; it has .*every"):
        integration.configure({"evry": 1}, explicit=True)
    with pytest.raises(MisuseError, match="every='often' is a str; it should be a int"):
        integration.configure({"every": "often"}, explicit=True)
    with pytest.raises(NotBuiltYet, match="registered_model_name='m' is not supported yet"):
        integration.configure({"registered_model_name": "m"}, explicit=True)
    integration.configure({"registered_model_name": None}, explicit=True)
    with pytest.raises(NotBuiltYet, match="log_traces"):
        fitscribe.autolog(log_traces=True)
    with pytest.raises(MisuseError, match="silent is True or False, not 'yes'"):
        fitscribe.autolog(silent="yes")


@pytest.mark.swallows
def test_a_callback_that_raises_does_not_fail_the_users_import(install, caplog):
    install("ifakeml")

    def callback(module):
        raise ValueError("ours")

    imports.when_imported("ifakeml", callback)
    assert importlib.import_module("ifakeml").train() == "trained"
    assert "acting on the import of ifakeml" in caplog.text


def test_a_watched_import_leaves_nothing_on_the_module_or_its_loader(install):
    install("jfakeml")
    arrived = []
    imports.when_imported("jfakeml", arrived.append)
    module = importlib.import_module("jfakeml")
    assert arrived == [module]
    assert "exec_module" not in vars(module.__loader__)
    imports.forget(arrived.append)


def test_an_import_that_fails_is_tried_again_and_told_of_then(install, tmp_path):
    install("kfakeml", framework="raise RuntimeError('not today')\n")
    arrived = []
    imports.when_imported("kfakeml", arrived.append)
    with pytest.raises(RuntimeError, match="not today"):
        importlib.import_module("kfakeml")
    assert arrived == []
    path = tmp_path / "site" / "kfakeml.py"
    path.write_text("fixed = True\n")
    importlib.invalidate_caches()
    assert importlib.import_module("kfakeml").fixed
    assert len(arrived) == 1
    imports.forget()


def test_a_version_nobody_tried_is_recorded_unless_the_user_does_not_want_that(install, recorder, caplog):
    caplog.set_level(logging.INFO, "fitscribe")
    plugin = install.PLUGIN.replace("options=", 'tested="<1", options=')
    install("sfakeml", plugin=plugin)
    fitscribe.autolog(disable_for_unsupported_versions=True)
    framework = importlib.import_module("sfakeml")
    original = framework.train
    framework.train()
    assert recorder.runs() == []
    fitscribe.autolog()
    framework.train()
    assert len(recorder.runs()) == 1
    autologging.autolog_one("sfakeml", {"disable_for_unsupported_versions": True})
    assert framework.train is original, "told afterwards, it is switched off as well"
    autologging.autolog_one("sfakeml", {"disable_for_unsupported_versions": True, "silent": True})
    said = [words for record in caplog.records if "sfakeml" in (words := record.getMessage())]
    words = f"it was tested with <1 and this is {pytest.__version__}"
    off = f"autologging for sfakeml (sfakeml-scribe 1.0) is off: {words}"
    assert said == [off, f"autologging is on for sfakeml, though {words}", off]


def test_a_version_too_old_is_no_error_where_the_user_said_so(install, recorder, caplog):
    install("tfakeml", requires="pytest>=999")
    autologging.autolog_one("tfakeml", {"disable_for_unsupported_versions": True})
    importlib.import_module("tfakeml").train()
    assert recorder.runs() == []
    assert [
        each.levelname for each in caplog.records if "tfakeml (tfakeml-scribe 1.0) is off" in each.getMessage()
    ] == ["WARNING"]


def test_a_name_that_is_gone_leaves_nothing_behind(install, recorder, caplog):
    caplog.set_level(logging.INFO, "fitscribe")
    more = """
@integration.around("{name}:fit")
def fit(call):
    yield

@integration.around("{name}_later:train")
def later(call):
    yield
"""
    install("ufakeml", framework="def fit(): return 'fitted'\n", plugin=install.PLUGIN + more)
    fitscribe.autolog()
    framework = importlib.import_module("ufakeml")
    assert not hasattr(framework.fit, "__fitscribe__"), "what stands behind the name that is gone is not watched"
    assert "ufakeml_later" not in imports._finder.waiting
    assert not [each for each in caplog.records if "is on for ufakeml" in each.getMessage()]


def test_what_all_were_told_stays_when_one_is_told_more(install, recorder):
    install("vfakeml")
    fitscribe.autolog(extra_tags={"team": "a"})
    framework = importlib.import_module("vfakeml")
    autologging.autolog_one("vfakeml", {"every": 2})
    framework.train()
    assert recorder.tags(recorder.run())["team"] == "a"
    assert recorder.metrics(recorder.run()) == {"every": 2.0}
