"""`check_contract` passes a good integration, and finds in each bad one what is bad about it, in plain words."""

from __future__ import annotations

import importlib
import itertools
import logging
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fitscribe import discovery
from fitscribe.errors import MisuseError
from fitscribe.testing import check_contract, contract

FRAMEWORK = """
    import random, time
    CALLBACKS = []
    PAUSE = 0.0

    class Model:
        def __init__(self, **settings):
            self.settings, self.weights = settings, []

        def fit(self, data, callbacks=()):
            numbers = random.Random(self.settings["seed"])
            for step in range(3):
                time.sleep(PAUSE)
                self.weights.append(sum(data) * numbers.random())
                for each in [*callbacks, *CALLBACKS]:
                    each(step, {"loss": self.weights[-1]})
            return self

    def score(model):
        return sum(model.weights)
"""

GOOD = """
    import fitscribe
    from fitscribe import Integration, guarded

    integration = Integration("fakeml", requires="fakeml>=2", options={"log_models": True})

    @integration.around("fakeml:Model.fit")
    def fit(call):
        with call.run("fakeml") as run:

            @guarded("fakeml round")
            def each_round(step, metrics):
                run.log_metrics(metrics, step)

            run.log_params(call.target.settings)
            call.kwargs["callbacks"] = [*call.argument("callbacks", ()), each_round]
            yield
            if call.options["log_models"]:
                run.log_text(repr(call.target.weights), "model/weights.txt")
"""

USES = """
    import fakeml

    def use():
        return fakeml.Model(seed=7).fit([1.0, 2.0], callbacks=[])

    def two():
        return [fakeml.Model(seed=seed).fit([1.0], callbacks=[]) for seed in (1, 2)]

    def restless():
        import time
        return time.perf_counter()

    class Hidden:
        @staticmethod
        def use():
            return use()
"""

ENV = ("FITSCRIBE", "MLFLOW", "PYTEST")
WITHOUT = {"fresh_processes": "this test is about the others"}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install the framework and an integration for it, as an installer leaves them; return both modules."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def installer(plugin=GOOD, framework=FRAMEWORK, uses=USES, entry=True):
        for name, source in (("fakeml", framework), ("fakeml_scribe", plugin), ("fakeml_uses", uses)):
            (site / f"{name}.py").write_text(textwrap.dedent(source))
        points = "[fitscribe.integrations]\nfakeml = fakeml_scribe:integration\n" if entry else ""
        for name, entries in (("fakeml", ""), ("fakeml_scribe", points)):
            info = site / f"{name}-2.1.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.1\n")
            (info / "entry_points.txt").write_text(entries)
        importlib.invalidate_caches()
        return importlib.import_module("fakeml_scribe").integration, importlib.import_module("fakeml_uses")

    yield installer
    for name in ("fakeml", "fakeml_scribe", "fakeml_uses"):
        sys.modules.pop(name, None)


def broken(integration, use, **given):
    """Return what is broken, by the check's name, as the error says it."""
    try:
        check_contract(integration, use, tell=lambda _: None, **given)
    except AssertionError as error:
        parts = re.split(rf"^({'|'.join(contract.NAMES)}): ", str(error), flags=re.MULTILINE)
        return dict(zip(parts[1::2], parts[2::2], strict=True))
    return {}


def test_a_good_integration_keeps_all_of_it(install):
    integration, uses = install()
    lines = []
    found = check_contract(integration, uses.use, tell=lines.append)
    assert list(found) == list(contract.NAMES)
    assert set(found.values()) == {"kept"}
    assert len(lines) == len(found) + 1
    assert re.fullmatch(r"fakeml: same_result: kept \(0\.\d s\)", lines[1])


@pytest.mark.parametrize("entry", [True, False], ids=["installed", "not yet installed"])
def test_several_trainings_in_one_use(install, entry):
    integration, uses = install(entry=entry)
    assert broken(integration, uses.two) == {}


def test_a_use_that_is_an_attribute_of_something_is_found(install):
    integration, uses = install()
    assert broken(integration, uses.Hidden.use, only=("autolog_first",)) == {}


def bad(*edits, says, **given):
    """A bad integration: the good one with edits, and what has to be said by which check, and by no other."""
    return pytest.param(edits, says, given, id=next(iter(says)))


FIRST = 'integration = Integration("fakeml", requires="fakeml>=2", options={"log_models": True})'
LOGS = "run.log_metrics(metrics, step)"
PARAMS = "run.log_params(call.target.settings)"
LAST = 'run.log_text(repr(call.target.weights), "model/weights.txt")'
BODY = "with call.run("
MADE = 'class Mine(Integration):\n{methods}\n    integration = Mine("fakeml", requires="fakeml>=2")'

BAD = [
    bad((LAST, "call.target.weights.append(0.0)"), says={"same_result": r"the attributes of the result\['weights'\]"}),
    bad(
        (LAST, "import random; random.random()"), says={"randomness": "the next random number after the training is"}
    ),
    bad((LOGS, "pass"), (PARAMS, "pass"), says={"recorded": "no run has a param or a metric"}),
    bad(
        ('"fakeml:Model.fit"', '"fakeml:score"'),
        says={
            "recorded": "no run was recorded: does `use` call what is watched?",
        },
    ),
    bad(
        (FIRST, MADE.format(methods="""
        def enable(self):
            import fakeml
            super().enable()
            fakeml.CALLBACKS.append(lambda step, metrics: fitscribe.unwatched and extra(metrics))

        def disable(self):
            import fakeml
            super().disable()
            fakeml.CALLBACKS.clear()

    def extra(metrics):
        from fitscribe.current import current
        if current() is not None and metrics:
            current().log_metrics({"extra": 1})
""")),
        (
            'if call.options["log_models"]:',
            "if True:",
        ),
        says={
            "enabled_twice": r"switched on twice, of the run 'fakeml' the metrics are .*'extra', 6",
            "exclusive": "extra",
            "words_fail": "raised MemoryError, and the user's training raised",
        },
    ),
    bad((LAST, "type(call.target).last = 7"), says={"undone": "fakeml.Model.last was not there before"}),
    bad(
        (LAST, "import fakeml; fakeml.score = lambda model, old=fakeml.score: old(model)"),
        says={"undone": "fakeml.score is not what it was"},
    ),
    bad(
        (LAST, "import os; os.environ['FAKEML_X'] = str(__import__('time').time())"),
        says={"surroundings_kept": "the variable FAKEML_X is not what it was"},
    ),
    bad(
        (FIRST, f"{FIRST}\n    KEPT = []"),
        (LAST, "KEPT.append(call.target)"),
        says={"lets_go": "Model of the training's result is still alive when nobody holds it any more"},
    ),
    bad((LAST, "run.end()"), says={"inside_a_run": "the user's run was ended, as FINISHED"}),
    bad(
        (
            BODY,
            "if there := fitscribe.active_run(): there.log_metric('seen', 1)\n"
            "        if call.options['exclusive'] and there: there.run.log_params({'here': 1})\n        with call.run(",
        ),
        says={"exclusive": "exclusive=True in a run of the user's added .*here"},
    ),
    bad(
        (PARAMS, f"{PARAMS}; run.set_tags({{'mlflow.autologging': ''}})"),
        says={"extra_tags": "the tag mlflow.autologging of 'fakeml' is ''"},
    ),
    bad(
        (FIRST, MADE.format(methods="""
        def enable(self):
            import fakeml
            super().enable()
            fakeml.CALLBACKS[:] = [lambda step, metrics: fitscribe.log_metrics(metrics)]

        def disable(self):
            import fakeml
            super().disable()
            fakeml.CALLBACKS.clear()
""")),
        ('if call.options["log_models"]:', "if True:"),
        says={"unwatched_blocks": r"in `with unwatched\(\)` were recorded \["},
        only=("same_result", "unwatched_blocks"),
    ),
    bad(
        (PARAMS, f"{PARAMS}\n            if not call.options['log_models']: call.replace('data', [0])"),
        says={"options_turned": r"with log_models=False, the attributes of the result\['weights'\]"},
    ),
    bad(
        ('call.kwargs["callbacks"] = [*call.argument("callbacks", ()), each_round]',
         'call.argument("callbacks").append(each_round)'),
        says={"hands_off": r"before its yield the hook `fit` changed 0 of callbacks, a list"},
    ),
    bad(
        ("            yield\n", "            try:\n                yield\n            except Exception as error:\n"
         "                error.add_note('in fakeml')\n                raise\n"),
        says={"users_error": r"its __notes__ is \['in fakeml'\], and without us None"},
    ),
    bad(
        ("            yield\n", "            try:\n                yield\n            except BaseException as error:\n"
         "                run.end('FAILED')\n                raise\n"),
        says={"interrupted": r"ends with KeyboardInterrupt: the runs ended as \['FAILED'\], and none as KILLED"},
    ),
    bad(
        ('@guarded("fakeml round")', ""),
        says={"words_fail": "`run.log_metrics`, word 2 of 5, raised OSError, and the user's training raised"},
    ),
    bad(
        ('@guarded("fakeml round")', ""),
        (LOGS, "run.log_metrics(metrics, step); f = guarded('a')(run.spool_path)('w'); f and f.write_text('here')"),
        says={
            "records_fail": "no file could be kept for want of space, and the user's training raised",
            "words_fail": "",
        },
    ),
    bad(
        ("            yield\n", "            part = run.child('part')\n            yield\n            part.end()\n"),
        says={
            "hooks_fail": r"the hook `fit` raised just before its yield, and the runs \['part'\] were not ended",
            "users_error": r"the runs \['part'\] were left open",
            "interrupted": r"the runs \['part'\] were left open",
        },
    ),
    bad(
        (LAST, "import logging; call.options['silent'] and logging.getLogger('fitscribe').warning('hello')"),
        says={"silent": r"silent=True, and it said: \['hello'\]"},
    ),
    bad(
        ('requires="fakeml>=2"', 'requires="fakeml"'),
        says={"requires_a_version": "requires='fakeml' names no version; write 'fakeml>=...'"},
    ),
    bad(
        (FIRST, MADE.format(methods="        def _untried(self, wary): return ''")),
        ('if call.options["log_models"]:', "if True:"),
        says={"too_old": "too old, and it was switched on", "not_installed": "not installed, and it was switched on"},
    ),
    bad(
        (FIRST, MADE.format(methods="        def _off(self, reason): pass")),
        ('if call.options["log_models"]:', "if True:"),
        says={
            "a_name_is_gone": r"is watched and not there: it said \[\], enabled=True",
            "too_old": "",
            "not_installed": "",
        },
    ),
    bad(
        (FIRST, f"import fakeml; fakeml.PAUSE = 0.01\n    {FIRST}\n    STATE = {{}}"),
        (PARAMS, f"STATE['run'] = run\n            {PARAMS}"),
        (LOGS, "STATE['run'].log_metrics(metrics, step)"),
        says={"threads": "of 3 trainings at once of the run 'fakeml' the metrics are"},
        only=("same_result", "recorded", "threads"),
    ),
    bad(
        (FIRST, f"import os; BORN = os.getpid()\n    {FIRST}"),
        (BODY, "if os.getpid() != BORN: return\n        with call.run("),
        says={"fork": r"in a forked child there are 0 runs \[\] and not 1"},
    ),
    bad(
        (PARAMS, f"{PARAMS}\n            call.target.run_ = run"),
        says={
            "pickled": "the pickled result refers to fitscribe.run",
            "same_result": "its keys",
            "hands_off": r"changed 'run_' of argument 0, a Model",
        },
        only=("same_result", "hands_off", "pickled"),
    ),
    bad(
        (FIRST, "import sys; READY = hasattr(sys.modules.get('fakeml_uses'), 'use') or sys.argv[-1][-5:] != '.json'"
         f"\n    {FIRST}"),
        (BODY, "if not READY: return\n        with call.run("),
        says={"autolog_first": "the framework was imported after autolog(), and no run was recorded"},
        skip={},
    ),
    bad(
        (
            BODY,
            "import os, urllib.request\n        uri = os.environ.get('MLFLOW_TRACKING_URI')\n"
            "        if uri: urllib.request.urlopen(uri)\n        with call.run(",
        ),
        says={"framework_first": "an error was swallowed: .*refused", "dead_endpoint": "an error was swallowed"},
        only=("framework_first", "dead_endpoint", "autolog_first"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "says", "given"), BAD)
def test_a_bad_integration_is_found_by_the_right_check_with_the_right_words(install, edits, says, given):
    plugin = textwrap.dedent(GOOD)
    plugin = GOOD
    for before, after in edits:
        assert before in plugin
        plugin = plugin.replace(before, after)
    integration, uses = install(plugin)
    if not given:
        given = {"skip": WITHOUT}
    if "fork" in says and not hasattr(os, "fork"):
        return
    found = broken(integration, uses.use, **given)
    assert sorted(found) == sorted(says), found
    for name, words in says.items():
        assert re.search(words.replace("(), and", r"\(\), and"), found[name], re.DOTALL), found[name]


def test_what_each_check_promises_stands_in_its_words():
    for check in (*contract.HERE, *contract.fresh.CHECKS):
        assert (check.__doc__ or "").strip().endswith("."), check.__name__


def test_what_cannot_be_tried_is_said_at_once(install):
    integration, uses = install()
    with pytest.raises(MisuseError, match="there is no check 'frok'; there are same_result, "):
        check_contract(integration, uses.use, skip={"frok": "it hangs"})
    with pytest.raises(MisuseError, match="say why it is left out"):
        check_contract(integration, uses.use, skip={"fork": ""})
    with pytest.raises(MisuseError, match="cannot be found by a fresh process: write it at the top level of a file"):
        check_contract(integration, lambda: uses.two())  # noqa: PLW0108
    with pytest.raises(AssertionError, match="`use` itself gives another result each time: seed it, or give `same=`"):
        check_contract(integration, uses.restless)
    found = check_contract(integration, uses.use, only=("recorded",), skip={"fork": "it hangs"})
    assert found["recorded"] == "kept"
    assert found["fork"] == "left out: it hangs" or found["fork"] == "left out: not asked for"


def test_results_are_compared_by_the_authors_own_word(install):
    integration, uses = install()
    assert broken(integration, uses.restless, same=lambda one, other: True, only=("same_result", "threads")) == {}
    found = itertools.count()
    with pytest.raises(AssertionError, match="`same` says that"):
        check_contract(integration, uses.use, same=lambda one, other: next(found) < 1, only=("same_result",))


def test_the_process_is_as_it_was(install, caplog, monkeypatch):
    integration, uses = install(GOOD.replace('@guarded("fakeml round")', ""))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nowhere://")
    logger = logging.getLogger("fitscribe")
    before = (logger.handlers[:], logger.level, logger.propagate, dict(os.environ), discovery._all, list(sys.path))
    hooks = list(integration.hooks)
    assert "words_fail" in broken(integration, uses.use, skip=WITHOUT)
    after = (logger.handlers[:], logger.level, logger.propagate, dict(os.environ), discovery._all, list(sys.path))
    assert before == after
    assert hooks == integration.hooks
    assert not integration.enabled
    assert caplog.records == []


def test_the_file_of_tests_in_the_docstring_runs_as_it_stands(install, tmp_path):
    """The example is an author's whole test file; it passes in a process of its own."""
    install(GOOD.replace("fakeml:Model.fit", "fakeml:train").replace("call.target.settings", 'call.argument("params")')
            .replace(LAST, "run.set_tags({'done': 'yes'})"),
            framework="""
            def train(params, callbacks=()):
                for step in range(params["rounds"]):
                    for each in callbacks:
                        each(step, {"loss": 1 / (step + 1)})
                return params["rounds"]
            """, uses="")  # fmt: skip
    example = textwrap.dedent(contract.__doc__.split("tests:\n")[1].split("\n\nEach check")[0])
    example = example.replace("fakeml_fitscribe", "fakeml_scribe")
    (tmp_path / "test_example.py").write_text(example)
    path = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "test_example.py"]
    done = subprocess.run(command, cwd=tmp_path, env=path, capture_output=True, text=True, timeout=120, check=False)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert not list(Path(tmp_path).glob(".fitscribe"))
