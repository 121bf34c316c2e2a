"""Every error that fitscribe raises on purpose.

FitscribeError
├── MisuseError (also ValueError)    what the caller wrote cannot be recorded; nothing of it was
│   ├── ParamConflict                a param that has a value already was given another
│   ├── MissingFile                  (also FileNotFoundError) a file or folder to log that is not there
│   ├── UntrustedModel               loading a model would run code, and nothing says that it may
│   ├── SignatureMismatch            data that is not what a model's signature says
│   └── FilterError                  a search filter or ordering that does not parse
├── NotFoundError (also KeyError)    a run, experiment, artifact or model that is not there
├── NotBuiltYet                      an option or a road that this version does not have
├── Unavailable                      an integration that cannot be switched on here, and why
├── ServerError                      the endpoint refused a request for good; carries its status and words
└── TransportError                   the endpoint could not be reached or answered nonsense; may work later
"""

__all__ = [
    "FilterError",
    "FitscribeError",
    "MissingFile",
    "MisuseError",
    "NotBuiltYet",
    "NotFoundError",
    "ParamConflict",
    "ServerError",
    "SignatureMismatch",
    "TransportError",
    "Unavailable",
    "UntrustedModel",
]


class FitscribeError(Exception):
    """The root: catch it to catch whatever fitscribe raises on purpose."""


class MisuseError(FitscribeError, ValueError):
    """What the caller wrote cannot be recorded; the message says what to write instead."""


class ParamConflict(MisuseError):
    """A param is written once per run; this one has another value already."""


class MissingFile(MisuseError, FileNotFoundError):
    """A file or folder that was to be logged is not there."""


class UntrustedModel(MisuseError):
    """Loading a model would run code, and neither a signature nor the caller says that it may."""


class SignatureMismatch(MisuseError):
    """Data that is not what a model's signature says; the message names the column."""


class FilterError(MisuseError):
    """A search filter or ordering that does not parse; the message points at the place."""


class NotFoundError(FitscribeError, KeyError):
    """A run, experiment, artifact or model that is not there."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""  # KeyError would show the repr


class NotBuiltYet(FitscribeError):
    """An option or a road that this version does not have; better said than ignored."""


class Unavailable(FitscribeError):
    """An integration that cannot be switched on here: framework missing, too old, or changed."""


class ServerError(FitscribeError):
    """The endpoint refused a request for good (most 4xx): sending it again would change nothing."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Keep the HTTP `status`, the protocol's `error_code` and the server's own words."""
        super().__init__(f"{code or 'HTTP'} {status}: {message}")
        self.status, self.code, self.message = status, code, message


class TransportError(FitscribeError):
    """The endpoint could not be reached, or failed in a way that may pass."""

    def __init__(self, message: str, *, wait: float = 0.0, lasting: bool = False) -> None:
        """`wait` is how long the endpoint asked us to stay away (Retry-After), in seconds.

        What is `lasting` passes only when somebody does something, and is said at once.
        """
        super().__init__(message)
        self.wait, self.lasting = wait, lasting
