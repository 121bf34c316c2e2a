"""The framework that an integration is for: the distributions it comes in, and which versions of them will do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fitscribe.errors import MisuseError, Unavailable

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

__all__ = ["Framework"]


class Framework:
    """A framework as its integration names it; its version is read from its metadata, it is never imported."""

    def __init__(self, name: str, requires: str, also: tuple[str, ...], tested: str) -> None:
        """`MisuseError`: `requires` is no plain requirement, or `tested` names no versions."""
        self.name = name
        self.wanted = _requirement(name, requires)
        if isinstance(also, str):
            raise MisuseError(f"Integration {name!r}: also={also!r} is a text; it should be a tuple of names")
        self.distributions = (self.wanted.name, *also)
        self.tested = _versions(name, tested)

    def found(self) -> tuple[str, str]:
        """Return the distribution that is installed and its version; two empty texts where none is."""
        from importlib.metadata import PackageNotFoundError, version

        for each in self.distributions:
            try:
                return each, str(version(each) or "")  # metadata without a version is broken, not absent
            except PackageNotFoundError:
                continue
        return "", ""

    def version(self) -> str:
        """Return the version that is installed. `Unavailable`: there is none, or it is out of the range."""
        distribution, version = self.found()
        if not distribution:
            raise Unavailable(f"{self.name}: {self.wanted.name} is not installed")
        if not _holds(self.wanted.specifier, version):
            raise Unavailable(f"{self.name}: found {distribution} {version}, and this needs {self.wanted.specifier}")
        return version

    def untried(self) -> str:
        """Say why nobody knows that this version works, or "". `Unavailable`: see `version`."""
        version = self.version()
        return "" if _holds(self.tested, version) else f"it was tested with {self.tested} and this is {version}"


def _requirement(name: str, requires: str) -> Requirement:
    from packaging.requirements import InvalidRequirement, Requirement

    words = f"Integration {name!r}: requires={requires!r}"
    try:
        found = Requirement(requires)
    except (InvalidRequirement, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise MisuseError(
            f"{words} is no requirement ({reason}); write a distribution's name and its versions, such as 'fakeml>=2'"
        ) from None
    for what, there in (("extras", found.extras), ("a marker", found.marker), ("an address", found.url)):
        if there:
            raise MisuseError(f"{words} names {what}, which cannot be looked up in what is installed; leave that out")
    return found


def _versions(name: str, tested: str) -> SpecifierSet:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(tested)
    except (InvalidSpecifier, TypeError, AttributeError):
        raise MisuseError(f"Integration {name!r}: tested={tested!r} names no versions; write such as '<3'") from None


def _holds(versions: SpecifierSet, version: str) -> bool:
    from packaging.version import InvalidVersion

    try:
        return versions.contains(version, prereleases=True)
    except InvalidVersion:  # a build of somebody's own
        return not str(versions)
