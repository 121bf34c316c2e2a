"""From the body of a request, by its content type, to the data and params that a model predicts on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from fitscribe.models.signature import ModelSignature
from fitscribe.scoring import tables, tensors
from fitscribe.scoring.refusals import WRONG_TYPE, Refusal

__all__ = ["CSV", "JSON", "PARQUET", "Question", "asked", "form_of"]

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
CHAT = ("messages", "prompt", "input")  # one of these words, and the whole object goes to the model as it is
SHOWN = 60  # characters of what was sent that an error repeats


class Question(NamedTuple):
    """What a model is asked: data, inference params, and whether the answer goes bare, as to chat clients."""

    data: Any
    params: dict[str, Any] | None = None
    bare: bool = False


def form_of(content_type: str | None) -> str:
    """Return the media type that a Content-Type header means. `Refusal` (415): none that can be read here."""
    media, *words = [part.strip() for part in (content_type or "").split(";")]
    given = {
        name.strip().lower(): value.strip().strip('"') for name, _, value in (word.partition("=") for word in words)
    }
    if given.pop("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise Refusal(f"Content-Type {content_type!r}: the body must be UTF-8", WRONG_TYPE)
    if any(given):
        raise Refusal(
            f"Content-Type {content_type!r}: {', '.join(sorted(given))} is not understood; the form of the data is said"
            f" by its key, one of {', '.join(FORMS)}",
            WRONG_TYPE,
        )
    if media.lower() not in (JSON, CSV, PARQUET):
        raise Refusal(f"Content-Type {content_type or ''!r}: send {JSON}, {CSV} or {PARQUET}", WRONG_TYPE)
    return media.lower()


def asked(body: bytes, media: str, signature: ModelSignature | None, *, hinted: bool = False) -> Question:
    """Return what a body of that media type asks. `Refusal`: it cannot be read, or not as the signature says.

    With `hinted`, the signature is a Python type hint, and the model itself reads `inputs`.
    """
    if media == CSV:
        return Question(tables.from_csv(_text(body), signature))
    if media == PARQUET:
        return Question(tables.from_parquet(body))
    return _of_object(_parsed(body), signature, hinted)


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal(f"the body is no UTF-8: {error}") from None


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except RecursionError:
        raise Refusal("the body nests deeper than anything that a model takes") from None
    except ValueError as error:  # no JSON, or no text
        raise Refusal(f"the body is no JSON: {error}; it begins with {body[:SHOWN]!r}") from None
    if not isinstance(found, dict):
        raise Refusal(f"the body is {_kind(found)}; send an object with one of the keys {', '.join(FORMS)}")
    return found


def _of_object(found: dict[str, Any], signature: ModelSignature | None, hinted: bool) -> Question:
    if any(word in found for word in CHAT):
        return _of_chat(found, signature)
    forms = [form for form in FORMS if form in found]
    if len(forms) != 1:
        keys = ", ".join(repr(key)[:SHOWN] for key in list(found)[:10]) or "none"
        raise Refusal(f"send an object with exactly one of the keys {', '.join(FORMS)}; this one has {keys}")
    form, params = forms[0], found.get("params")
    if params is not None and not isinstance(params, dict):
        raise Refusal(f"params is {_kind(params)}; send an object of names and values")
    if hinted and form != "inputs":
        raise Refusal(f"this model's signature is a type hint: send its data under the key inputs, not {form}")
    return Question(found[form] if hinted else _data(form, found[form], signature), params)


def _data(form: str, value: Any, signature: ModelSignature | None) -> Any:
    if form == "dataframe_split":
        return tables.from_split(value, signature)
    if form == "dataframe_records":
        return tables.from_records(value, signature)
    return tensors.from_inputs(value, signature) if form == "inputs" else tensors.from_instances(value, signature)


def _of_chat(found: Mapping[str, Any], signature: ModelSignature | None) -> Question:
    names = {each["name"] for each in (signature.params if signature else None) or ()}
    params = {name: value for name, value in found.items() if name in names}
    return Question({name: value for name, value in found.items() if name not in names}, params, bare=True)


def _kind(value: Any) -> str:
    return {list: "a list", str: "a text", bool: "true or false", type(None): "null"}.get(type(value), "a number")
