"""Why something cannot be read from a store: one error for the errors of all their libraries."""

from __future__ import annotations

import errno
import os
import re

from xai_audit.errors import AuditError
from xai_audit.store.address import EXTRAS, scheme_of

# By name: the libraries of the stores need not be installed.
_NO_CREDENTIALS = {
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "DefaultCredentialsError",
    "ClientAuthenticationError",
    "GatedRepoError",
}
_ABSENT = {"RepositoryNotFoundError", "RevisionNotFoundError", "ResourceNotFoundError"}
_CREDENTIALS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or FSSPEC_S3_ANON=true "
    "for a public bucket",
    "gcs": "set GOOGLE_APPLICATION_CREDENTIALS, or FSSPEC_GCS_TOKEN=anon for a public bucket",
    "azure": "set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and _ACCOUNT_KEY",
    "hub": "set HF_TOKEN, and see that it may read there",
}
_WAIT = "check network and endpoint, then run the same command again; store.timeout and "
_WAIT += "store.retries say how long it is waited for"
_SECRET_NAME = re.compile(r"SECRET|TOKEN|KEY|PASSWORD|CONNECTION_STRING|CREDENTIAL")
_SECRET = re.compile(
    r"((?:sig|signature|token|key|secret|password|credential)[a-z_-]*=)[^&\s\"'>]+", re.IGNORECASE
)
_LONGEST = 300


class StoreError(OSError):
    """Why something cannot be read; ``strerror`` is the reason in one line.

    Attributes:
        remedy: what the user can do.
        lasting: whether another attempt would fail in the same way.
    """

    def __init__(self, number: int, reason: str, remedy: str, *, lasting: bool = True) -> None:
        super().__init__(number, reason)
        self.remedy, self.lasting = remedy, lasting

    def __reduce__(self) -> tuple[type[StoreError], tuple[int, str, str]]:
        """Rebuild on the other side of a process border."""
        return type(self), (self.errno or errno.EIO, self.strerror or "", self.remedy)


class StoreLostError(AuditError):
    """A store that leaves file after file unanswered; everything finished so far is kept."""


class AbsentError(StoreError, FileNotFoundError):
    """There is nothing at the address."""


def failure(exc: Exception, path: str) -> StoreError:
    """What ``exc``, of a store's library, means for the address that ``path`` stands for."""
    extra, name, text = EXTRAS.get(scheme_of(path)) or "", type(exc).__name__, _scrubbed(exc)
    if isinstance(exc, StoreError):
        return exc
    if isinstance(exc, ImportError):
        reason = f"a package is missing ({text})"
        return StoreError(errno.ENOSYS, reason, f'pip install "xai-audit[{extra}]"')
    if name in _NO_CREDENTIALS:
        return StoreError(errno.EACCES, f"no credentials: {text}", _CREDENTIALS.get(extra, ""))
    if isinstance(exc, FileNotFoundError) or name in _ABSENT:
        bucket = "bucket" in text.lower() and "not exist" in text.lower()
        return AbsentError(
            errno.ENOENT, "no such bucket" if bucket else "nothing there", "correct the address"
        )
    if isinstance(exc, PermissionError):
        return StoreError(errno.EACCES, f"no access: {text}", _CREDENTIALS.get(extra, ""))
    if _is_lasting(exc):
        return StoreError(errno.EINVAL, f"{name}: {text}", "correct the address")
    reason = f"no answer: {name}: {text}" if text else f"no answer: {name}"
    return StoreError(errno.EIO, reason, _WAIT, lasting=False)


def _is_lasting(exc: Exception) -> bool:
    """Whether the request itself is wrong, so that any attempt fails."""
    refused = (errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.ENOSYS, errno.ENAMETOOLONG)
    if isinstance(exc, OSError):
        return exc.errno in refused or isinstance(exc, IsADirectoryError | NotADirectoryError)
    return isinstance(exc, ValueError | LookupError | NotImplementedError)


def _scrubbed(exc: Exception) -> str:
    """The message in one line of limited length, without a secret."""
    text = " ".join((getattr(exc, "strerror", None) or str(exc)).split())
    for name, value in os.environ.items():
        if len(value) >= 8 and _SECRET_NAME.search(name):
            text = text.replace(value, "...")
    text = _SECRET.sub(r"\1...", text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
