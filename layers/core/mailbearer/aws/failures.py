"""What a failed AWS call means: trouble that passes, or a mistake of ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mailbearer.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.exceptions import ClientError

# AWS says with these that the request itself is wrong. Trying again cannot help, so they stay what they are: our bugs.
_MISTAKES = frozenset(
    {
        "BatchRequestTooLong",
        "EmptyBatchRequest",
        "EntityTooLarge",
        "InvalidAttributeName",
        "InvalidAttributeValue",
        "InvalidMessageContents",
        "InvalidParameterException",
        "InvalidParameterValue",
        "InvalidParameterValueException",
        "InvalidRequest",
        "KeyTooLongError",
        "MissingParameter",
        "SerializationException",
        "UnknownOperationException",
        "ValidationError",
        "ValidationException",
    }
)


@contextmanager
def calling(operation: str) -> Iterator[None]:
    """Turn what AWS or the network refuses within into `Unavailable`; mistakes of ours stay errors.

    Throttling, missing permission, missing resources and broken connections all pass or are mended outside, so the same
    request is worth repeating. The detail names operation and code, never the request.
    """
    from botocore.exceptions import (  # noqa: PLC0415 - loaded with the client long before; not at import
        ClientError,
        ConnectionError,  # noqa: A004 - botocore's own
        CredentialRetrievalError,
        HTTPClientError,
        IncompleteReadError,
        NoCredentialsError,
    )

    try:
        yield
    except ClientError as error:
        if code(error) in _MISTAKES:
            raise
        raise Unavailable(f"{operation} failed: {code(error)}.") from error
    except (
        ConnectionError,
        CredentialRetrievalError,
        HTTPClientError,
        IncompleteReadError,
        NoCredentialsError,
    ) as error:
        raise Unavailable(f"{operation} failed: {type(error).__name__}.") from error


def code(error: ClientError) -> str:
    """Give the error code of an AWS answer."""
    return str(error.response.get("Error", {}).get("Code", "Unknown"))
