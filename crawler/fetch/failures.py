"""What went wrong on the network, as an outcome. Details say what, never where or when."""

from __future__ import annotations

from collections.abc import Container

from scrapy import exceptions as scrapy_errors
from twisted.internet import error as twisted_errors
from twisted.web.client import ResponseFailed

from webtext.corpus.outcomes import Outcome
from webtext.crawler.fetch.judging import Refused, Verdict

RETRIED = frozenset({Outcome.UNREACHABLE, Outcome.TIMEOUT})
"""Failures that may pass: these are tried again."""


def verdict_of(error: Exception, host: str, refused: Container[str], max_bytes: int) -> Verdict:
    """The outcome of a request that gave no answer.

    Args:
        refused: names that the address guard has found to be private (`GuardedResolver.refused`).
    """
    if isinstance(error, Refused):
        return error.verdict
    if isinstance(error, (scrapy_errors.DownloadTimeoutError, twisted_errors.TimeoutError)):
        return Verdict(Outcome.TIMEOUT, "no whole answer in time")
    if isinstance(error, scrapy_errors.DownloadCancelledError):
        # The only thing that cancels a download and is not our own stop: its size.
        return Verdict(Outcome.TOO_LARGE, f"more than {max_bytes:,} bytes as sent")
    if isinstance(error, (scrapy_errors.CannotResolveHostError, twisted_errors.DNSLookupError)):
        if host in refused:
            return Verdict(Outcome.PRIVATE_ADDRESS, "the host's name leads to no public address")
        return Verdict(Outcome.UNREACHABLE, "the host's name is not known")
    return Verdict(Outcome.UNREACHABLE, _what(error))


def _what(error: Exception) -> str:
    if isinstance(error, scrapy_errors.DownloadConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, scrapy_errors.ResponseDataLossError):
        return "the answer broke off"
    cause = error.__cause__
    if isinstance(cause, ResponseFailed) and cause.reasons:
        return _why(cause.reasons[0].value)
    return _why(error)


def _why(error: BaseException) -> str:
    if type(error).__module__.startswith("OpenSSL"):
        return "no TLS connection"
    if isinstance(
        error, (twisted_errors.ConnectionLost, twisted_errors.ConnectionDone, twisted_errors.ConnectionAborted)
    ):
        return "the connection was closed"
    if isinstance(error, twisted_errors.ConnectError):
        return "no connection"
    if isinstance(error, (ValueError, UnicodeError)) and "host" in str(error):
        return "the host's name is not valid"
    return f"no valid answer ({type(error).__name__})"
