"""Servers that take less than the protocol grants: what does not fit is kept whole in artifacts of the run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fitscribe.dialects import AddressBook, Parcel, kept
from fitscribe.dialects.limits import Limits, lengths, room
from fitscribe.dialects.mlflow import MLflow
from fitscribe.errors import TransportError
from fitscribe.records import Artifact, DatasetUsed, Metrics, Params, RunEnded, RunStarted, Tags
from fitscribe.run import WHOLE_PARAMS
from fitscribe.testing.endpoint import Endpoint, Request
from fitscribe.transport.http import Http

RUN = "a" * 32
THEIRS = "0" * 31 + "1"
Pack = Callable[..., Parcel]


def refusal(words: str, status: int = 400) -> tuple[int, Any]:
    return status, {"error_code": "INVALID_PARAMETER_VALUE", "message": words}


def said(request: Request, kind: str) -> list[dict[str, Any]]:
    body = request.body if isinstance(request.body, dict) else {}
    if request.path.endswith("log-parameter") and kind == "params":
        return [body]
    return list(body.get(kind, []))


def at_most(length: int, words: str, kind: str = "params") -> Callable[[Request], Any]:
    """Refuse longer values, in words that may hold {value}, {has} and {length}."""

    def rule(request: Request) -> Any:
        for item in said(request, kind):
            if len(item["value"]) > length:
                return refusal(words.format(value=item["value"], has=len(item["value"]), length=length))
        return None

    return rule


def at_most_params(endpoint: Endpoint, most: int, words: str) -> Callable[[Request], Any]:
    def rule(request: Request) -> Any:
        new = {item["key"] for item in said(request, "params")}
        if not new:
            return None
        there = endpoint.ledger.runs[request.body["run_id"]].params.keys()
        return refusal(words.format(most=most, has=len(there | new))) if len(there | new) > most else None

    return rule


def started(endpoint: Endpoint, **fields: Any) -> RunStarted:
    return RunStarted(**{"run": RUN, "at": 1, "to": endpoint.uri, **fields})


def whole(endpoint: Endpoint, path: str = kept.PARAMS) -> Any:
    return msgspec.json.decode(endpoint.ledger.artifacts[f"0/{THEIRS}/artifacts/{path}"])


def test_both_wings_mean_the_same_artifact() -> None:
    assert kept.PARAMS == WHOLE_PARAMS


@pytest.mark.parametrize(
    ("words", "taken"),
    [
        ("Param value '{value}' had length {has}, which exceeded length limit of 600", 600),
        ("'params[0].value' exceeds the maximum length of {length} characters", 600),
        ("value must be at most 600 characters", 600),
        ("{has} > 600 characters", 600),
        ("no", 500),
    ],
)
def test_a_param_that_is_too_long_there_is_cut_and_kept_whole(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, caplog: pytest.LogCaptureFixture, words: str, taken: int
) -> None:
    endpoint.rules.append(at_most(600, words))
    long = "7" * 900
    sent = parcel(started(endpoint), Params(RUN, 2, {"a": "1", "long": long, "b": "2"}))
    mlflow.write(sent)
    run = endpoint.ledger.runs[THEIRS]
    assert run.params == {"a": "1", "b": "2", "long": "7" * (taken - 3) + "..."}
    assert whole(endpoint) == {"long": long}
    assert sent.refused == []
    count = len(endpoint.requests)
    mlflow.write(parcel(Params(RUN, 3, {"longer": "8" * 901})))
    assert endpoint.paths()[count] == "POST runs/log-batch"
    assert "log-batch" not in "".join(endpoint.paths()[count + 1 :]), "the limit is known by now"
    assert whole(endpoint) == {"long": long, "longer": "8" * 901}
    assert len(caplog.messages) == 1
    assert "takes shorter params" in caplog.messages[0]


def test_a_param_that_is_cut_by_two_processes_is_one_param(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, book: AddressBook
) -> None:
    endpoint.rules.append(at_most(600, "no"))
    mlflow.write(parcel(started(endpoint), Params(RUN, 2, {"long": "7" * 900})))
    other = MLflow(Http(endpoint.uri), endpoint.uri)
    again = parcel(Params(RUN, 2, {"long": "7" * 900}), Params(RUN, 3, {"more": "8" * 900}))
    other.write(again)
    other.close()
    assert again.refused == []
    assert {key: len(value) for key, value in endpoint.ledger.runs[THEIRS].params.items()} == {"long": 500, "more": 500}
    assert whole(endpoint) == {"long": "7" * 900, "more": "8" * 900}


def test_what_the_user_side_has_kept_whole_is_not_overwritten(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, tmp_path: Path
) -> None:
    endpoint.rules.append(at_most(600, "no"))
    (tmp_path / "s1").write_bytes(msgspec.json.encode({"huge": "9" * 9000}))
    (tmp_path / "s2").write_bytes(msgspec.json.encode({"vast": "8" * 9000}))
    cut = "9" * 5997 + "..."
    first = parcel(
        started(endpoint), Params(RUN, 2, {"huge": cut, "long": "7" * 900}), Artifact(RUN, 3, WHOLE_PARAMS, "s1")
    )
    mlflow.write(first)
    assert whole(endpoint) == {"huge": "9" * 9000, "long": "7" * 900}
    mlflow.write(parcel(Artifact(RUN, 4, WHOLE_PARAMS, "s2"), RunEnded(RUN, 5, "FINISHED")))
    assert whole(endpoint) == {"huge": "9" * 9000, "long": "7" * 900, "vast": "8" * 9000}
    assert first.refused == []


@pytest.mark.parametrize(
    "words",
    [
        "A run can have at most {most} params",
        "Too many params: {has} exceed the limit of {most}",
        "limit of {most} parameters per run reached",
    ],
)
def test_params_beyond_the_servers_number_are_kept_in_an_artifact(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, words: str
) -> None:
    endpoint.rules.append(at_most_params(endpoint, 230, words))
    params = {f"p{i}": str(i) for i in range(300)}
    sent = parcel(started(endpoint), Params(RUN, 2, params), Metrics(RUN, 3, 0, {"m": 1.0}))
    mlflow.write(sent)
    run = endpoint.ledger.runs[THEIRS]
    assert len(run.params) == 230
    assert {**run.params, **whole(endpoint)} == params
    assert (run.points, sent.refused) == ({"m": [(1.0, 3, 0)]}, [])
    assert len(endpoint.requests) < 15
    late = parcel(Params(RUN, 4, {"late": "1", "p0": "0"}))
    mlflow.write(late)
    assert (whole(endpoint)["late"], late.refused) == ("1", [])


def test_a_tag_that_is_too_long_there_is_cut_and_kept_whole(endpoint: Endpoint, mlflow: MLflow, parcel: Pack) -> None:
    endpoint.rules.append(at_most(1000, "tag values have at most 1000 characters", "tags"))
    sent = parcel(started(endpoint, tags={"born": "b" * 2000}), RunEnded(RUN, 3, "FINISHED"))
    mlflow.write(sent)
    mlflow.write(parcel(Tags(RUN, 4, {"note": "x" * 1500})))
    mlflow.write(parcel(Tags(RUN, 5, {"note": "y" * 1500, "short": "s"})))
    tags = endpoint.ledger.runs[THEIRS].tags
    assert {key: (len(tags[key]), tags[key][0]) for key in ("born", "note", "short")} == {
        "born": (1000, "b"),
        "note": (1000, "y"),
        "short": (1, "s"),
    }
    assert whole(endpoint, kept.TAGS) == {"born": "b" * 2000, "note": "y" * 1500}
    assert sent.refused == []


def test_a_param_that_is_refused_whatever_its_length_is_set_aside_whole(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack
) -> None:
    endpoint.rules.append(lambda request: refusal("no sevens") if "777" in str(request.body) else None)
    sent = parcel(started(endpoint), Params(RUN, 2, {"a": "1", "long": "7" * 900}))
    mlflow.write(sent)
    assert endpoint.ledger.runs[THEIRS].params == {"a": "1"}
    assert [refusal.record for refusal in sent.refused] == [Params(RUN, 2, {"long": "7" * 900})]
    assert endpoint.ledger.artifacts == {}


def test_a_long_value_whose_artifact_is_refused_goes_to_the_dead_letters_whole(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack
) -> None:
    endpoint.rules.append(at_most(600, "no"))
    endpoint.rules.append(lambda request: refusal("read-only") if request.method == "PUT" else None)
    sent = parcel(started(endpoint), Params(RUN, 2, {"long": "7" * 900}), RunEnded(RUN, 3, "FINISHED"))
    mlflow.write(sent)
    assert len(endpoint.ledger.runs[THEIRS].params["long"]) == 500
    assert [refusal.record for refusal in sent.refused] == [Params(RUN, 2, {"long": "7" * 900})]
    assert endpoint.ledger.runs[THEIRS].status == "FINISHED"


def test_a_server_of_smaller_batches_gets_smaller_batches(endpoint: Endpoint, mlflow: MLflow, parcel: Pack) -> None:
    def rule(request: Request) -> Any:
        if len(said(request, "metrics")) > 100:
            return refusal("A batch may contain at most 100 metrics")
        return None

    endpoint.rules.append(rule)
    points = [Metrics(RUN, step, step, {"m": 0.5}) for step in range(1000)]
    mlflow.write(parcel(started(endpoint), *points))
    assert len(endpoint.ledger.runs[THEIRS].points["m"]) == 1000
    assert len(endpoint.requests) == 12
    mlflow.write(parcel(*(Metrics(RUN, step, step, {"n": 0.5}) for step in range(500))))
    assert len(endpoint.requests) == 17


def test_a_proxy_that_takes_small_bodies_alone_gets_small_bodies(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack
) -> None:
    def rule(request: Request) -> Any:
        if len(msgspec.json.encode(request.body if isinstance(request.body, dict) else {})) > 64_000:
            return 413, b"<html>413 Request Entity Too Large"
        return None

    endpoint.rules.append(rule)
    params = {f"p{i}": "x" * 5000 for i in range(90)}
    sent = parcel(started(endpoint), Params(RUN, 2, params))
    mlflow.write(sent)
    assert (endpoint.ledger.runs[THEIRS].params, sent.refused) == (params, [])
    count = len(endpoint.requests)
    mlflow.write(parcel(Params(RUN, 3, {f"q{i}": "x" * 5000 for i in range(90)})))
    assert not [r for r in endpoint.requests[count:] if len(msgspec.json.encode(r.body)) > 64_000]


def test_a_web_page_in_between_does_not_make_a_feature_absent(endpoint: Endpoint, mlflow: MLflow, parcel: Pack) -> None:
    endpoint.trouble("html", "log-inputs")
    endpoint.trouble("html", "log-batch")
    sent = parcel(started(endpoint), Params(RUN, 2, {"a": "1"}), DatasetUsed(RUN, 3, "data", "abc"))
    mlflow.write(sent)
    run = endpoint.ledger.runs[THEIRS]
    assert (run.params, len(run.inputs), endpoint.ledger.artifacts) == ({"a": "1"}, 1, {})


def test_what_is_kept_is_read_before_it_is_written_even_in_an_outage(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack
) -> None:
    endpoint.rules.append(at_most(600, "no"))
    mlflow.write(parcel(started(endpoint), Params(RUN, 2, {"one": "7" * 900})))
    endpoint.trouble("answer", "artifacts/list", status=503)
    endpoint.trouble("answer", "fitscribe/params.json", status=503, times=2)
    sent = parcel(Params(RUN, 3, {"two": "8" * 900}))
    for _ in range(3):
        with pytest.raises(TransportError):
            mlflow.write(sent)
    mlflow.write(sent)
    assert whole(endpoint) == {"one": "7" * 900, "two": "8" * 900}
    assert sent.refused == []


def test_lengths_are_read_from_the_servers_words() -> None:
    value = "5432 " * 200
    told = f"Param value '{value}' had length 1000, which exceeded length limit of 250"
    assert list(lengths("params", value, told)) == [250, 500]
    assert list(lengths("params", "short", "at most 3 characters")) == []
    assert list(lengths("tags", "v" * 9000, "")) == [5000, 500, 250]


def test_room_is_read_from_the_servers_words() -> None:
    assert room("a run has at most 200 params", 150) == 50
    assert room("Too many parameters: 230, limit 200", 200) == 0
    assert room("Invalid parameter name", 10) is None
    assert room("the metrics exceed 10", 5) is None


def test_a_batch_of_more_kinds_has_its_own_limit() -> None:
    limits = Limits()
    assert limits.learn_counts("at most 50 params")
    assert limits.learn_counts("can contain at most 500 metrics, params, and tags")
    assert not limits.learn_counts("at most 100 params")
    assert (limits.counts["params"], limits.in_all) == (50, 500)
