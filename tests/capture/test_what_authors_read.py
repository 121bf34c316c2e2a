"""What an author reads is true: the chapters on integrations, calls and runs are run as they stand."""

from __future__ import annotations

import doctest
import sys

from fitscribe import Integration, calls, integration, run
from fitscribe.run import Run

CHAPTERS = {
    "integration": integration.__doc__,
    "call": calls.Call.__doc__,
    "run": run.__doc__,
}


class Figure:
    """What a figure of matplotlib's is to us."""

    def savefig(self, out, format):
        out.write(b"a drawing")


def test_every_example_does_what_it_says(monkeypatch):
    monkeypatch.setitem(sys.modules, "fakeml", None)  # put back afterwards
    shared = {"Figure": Figure}
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    said: list[str] = []
    for chapter, words in CHAPTERS.items():
        example = doctest.DocTestParser().get_doctest(words, shared, chapter, None, 0)
        assert example.examples, f"{chapter} has no example"
        runner.run(example, out=said.append, clear_globs=False)
        shared = example.globs
    assert not runner.failures, "".join(said)


SPOKEN = {name for name in dir(Run) if name.startswith("log_")} | {"set_tags", "child", "search", "later"}
FILES = {"log_bytes", "log_checkpoint", "log_dataset", "log_file", "log_spooled"}  # as the other words for files


def test_every_word_of_a_run_and_of_a_call_is_shown():
    shown = " ".join(CHAPTERS.values())
    assert not [word for word in sorted(SPOKEN - FILES) if f"run.{word}(" not in shown]
    words = {name for name in vars(calls.Call) if not name.startswith("_")} | {"outer", "state"}
    assert not [word for word in sorted(words - OURS) if f"call.{word}" not in shown]
    words = {name for name in vars(Integration) if not name.startswith("_")}
    assert not [word for word in sorted(words - OURS) if f"integration.{word}" not in shown]


OURS = {"close", "configure_for_all"}  # said by the house, not by an author
