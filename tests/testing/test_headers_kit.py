"""`check_headers` passes what is good, and finds in each bad provider what is bad about it."""

from __future__ import annotations

import doctest
import itertools
import time

import pytest

from fitscribe.testing import check_headers, headers


def test_the_example_of_the_kit_passes():
    assert doctest.testmod(headers) == doctest.TestResults(failed=0, attempted=5)


def test_a_provider_of_other_endpoints_passes():
    check_headers(lambda uri: {"X-Team": "blue"} if "example.com" in uri else {})


SHARED = {"X-Team": "blue"}


def raises(uri):
    raise OSError("no ticket s3cret")


def slow(uri):
    time.sleep(0.05)
    return {}


def picky(uri):
    return {"https://tracking.example.com": {"X-Team": "blue"}}[uri]


@pytest.mark.parametrize(
    ("provider", "given", "words"),
    [
        (raises, {}, "asked for https://tracking.example.com it raised OSError"),
        (slow, {"seconds": 0.01}, "it took 0.. s; delivery waits for it"),
        (lambda uri: None, {}, "it returned NoneType, and should return a dict"),
        (lambda uri: [("X-Team", "blue")], {}, "it returned list"),
        (lambda uri: {"X-Team": 7}, {}, "the value of X-Team is of type int"),
        (lambda uri: {"X-Team": b"blue"}, {}, "the value of X-Team is of type bytes"),
        (lambda uri: {7: "blue"}, {}, "the header's name 7 is no text"),
        (lambda uri: {"X Team": "blue"}, {}, "no header is named 'X Team'"),
        (lambda uri: {"X-Team:": "blue"}, {}, "no header is named 'X-Team:'"),
        (lambda uri: {"X-Team": "s3cret\r\nX-Admin: yes"}, {}, "the value of X-Team has a line break"),
        (lambda uri: {"X-Team": "s3cret "}, {}, "the value of X-Team has"),
        (lambda uri: {"X-Team": "s3cret\u2603"}, {}, "the value of X-Team has"),
        (lambda uri: {}, {"expected": {"X-Team": "blue"}}, "the header X-Team is not there"),
        (lambda uri: {"x-team": "s3cret"}, {"expected": {"X-Team": "blue"}}, "has another value than expected"),
        (picky, {}, "asked for http://127.0.0.1:5000 it raised KeyError"),
        (lambda uri: SHARED, {}, "it gives out the same dict each time"),
        (
            lambda uri: {"Authorization": "Bearer s3cret"},
            {"fresh": ("Authorization",)},
            "asked again, as after a 401, the header Authorization is the same",
        ),
    ],
)
def test_a_bad_provider_is_found_and_its_secrets_are_kept(provider, given, words):
    SHARED.pop("X-Changed", None)
    with pytest.raises(AssertionError, match=words) as raised:
        check_headers(provider, **given)
    assert "s3cret" not in str(raised.value)


def test_a_provider_that_cannot_be_asked_from_threads_is_found():
    asked = itertools.count()

    def provider(uri):
        if next(asked) > 5:
            raise RuntimeError("one at a time")
        return {}

    with pytest.raises(AssertionError, match=r"asked in four threads at once: .* it raised RuntimeError"):
        check_headers(provider)
