"""What the user says about a model that is to be written, checked before anything is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from fitscribe.errors import MisuseError
from fitscribe.guard import guarded
from fitscribe.models import codepaths, examples, flavors
from fitscribe.models.format import mlmodel_text
from fitscribe.models.given import Given, conda_given, given_requirements
from fitscribe.models.signature import ModelSignature, as_signature, infer_signature

__all__ = ["Wishes", "wishes"]


class Wishes(msgspec.Struct, frozen=True):
    """What shall stand around a model. `given` is the whole of its requirements, `added` goes beside what is found."""

    signature: ModelSignature | None = None
    unsigned: bool = False  # the user wants no signature, whatever the example says
    example: examples.Example | None = None
    given: list[str] | None = None
    added: tuple[str, ...] = ()
    constraints: list[str] | None = None
    conda: dict[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    code: tuple[Path, ...] = ()
    modules: tuple[str, ...] = ()  # that making the model's input takes

    def signed(self, module: ModuleType, model: Any, data: Any, options: Mapping[str, Any]) -> Wishes:
        """Return these wishes with a signature: the user's, or else one of the example and what the model answers."""
        if self.signature is not None or self.unsigned:
            return self
        if self.example is None:
            hinted = getattr(module, "hinted", lambda model: None)(model)
            return msgspec.structs.replace(self, signature=ModelSignature(hinted)) if hinted else self
        rows, params = examples.with_params(data)
        output = None
        with guarded("predicting the input example for the signature"):
            output = flavors.answers(module, model, examples.first_rows(rows), **options)
        return msgspec.structs.replace(self, signature=infer_signature(rows, output, params))


def wishes(
    *,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    conda_env: Any = None,
    metadata: Mapping[str, Any] | None = None,
    code_paths: Any = None,
) -> Wishes:
    """Read MLflow's arguments. `MisuseError`: one of them cannot be written, or two exclude each other."""
    said = {"pip_requirements": pip_requirements, "extra_pip_requirements": extra_pip_requirements}
    told = [name for name, value in {"conda_env": conda_env, **said}.items() if value is not None]
    if len(told) > 1:
        raise MisuseError(f"give {' or '.join(told)}, not both: the first replaces what we find")
    if metadata:
        mlmodel_text({"metadata": dict(metadata)})
    lines, extra = (Given() if each is None else given_requirements(each) for each in said.values())
    conda = None if conda_env is None else conda_given(conda_env)
    if conda is not None:
        lines = conda[1]
    rows = examples.with_params(input_example)[0]
    return Wishes(
        signature=as_signature(signature),
        unsigned=signature is False,
        example=None if input_example is None else examples.input_example(input_example),
        given=None if pip_requirements is None and conda is None else list(lines.lines),
        added=tuple(extra.lines),
        constraints=[*lines.constraints, *extra.constraints] or None,
        conda=None if conda is None else conda[0],
        metadata=metadata,
        code=codepaths.checked(code_paths),
        modules=() if rows is None else (type(rows).__module__,),
    )
