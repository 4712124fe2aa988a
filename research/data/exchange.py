"""Questions to the exchange through ccxt's client: rate-limited, repeated only where a repeat can help.

What is repeated: HTTP 5xx and 408, time-outs, cut connections, an answer that is not whole JSON, and 418 / 429 after
the wait the exchange asks for. What is not: any other 4xx (a bad symbol stays bad) and error codes inside an answer.
"""

import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from qt_core.errors import QtError

API_KEY_ENV = "QT_BINANCE_API_KEY"
API_SECRET_ENV = "QT_BINANCE_API_SECRET"

_LIMITED = (418, 429)
_TIMED_OUT = 408  # the exchange's gateway waited in vain for its own back end
_RETRYABLE_CODES = (-1000, -1001, -1003, -1007, -1008)  # unknown, disconnected, too many, time-out, overloaded
_CODE = re.compile(r'"code"\s*:\s*"?(-\d+)')


class ExchangeError(QtError):
    """The exchange refused or could not be reached; the message says what was asked and what came back.

    ``code`` is the exchange's own error code, 0 where it gave none.
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class RetryParams(NamedTuple):
    """When to repeat a request, and how long to wait before."""

    attempts: int = 8  # requests in all, the first included
    first_wait_s: float = 1.0  # doubles with every attempt
    longest_wait_s: float = 60.0  # of the doubling
    longest_ban_s: float = 900.0  # a longer Retry-After than this is reported instead of waited for
    weight_limit: int = 2_000  # request weight used this minute (of 2,400) at which to wait for the next minute


class _Answer(NamedTuple):
    status: "int | None"  # None = no answer came
    headers: Mapping[str, str]


def make_client() -> Any:
    """ccxt's client for USDT-M futures; keys come from the environment only and are not needed for market data."""
    import ccxt

    keys = {"apiKey": os.environ.get(API_KEY_ENV, ""), "secret": os.environ.get(API_SECRET_ENV, "")}
    return ccxt.binanceusdm({"enableRateLimit": True, "options": {"fetchCurrencies": False}, **keys})


class Exchange:
    """One client and its patience.

    Parameters
    ----------
    client : an unmodified ``ccxt.binanceusdm``.
    sleep, clock : seconds; tests put their own in.
    notify : called with one line before each wait.
    """

    def __init__(
        self,
        client: Any,
        retry: RetryParams = RetryParams(),  # noqa: B008 - a NamedTuple is immutable
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
        notify: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.client = client
        self.retry = retry
        self.notify = notify
        self._sleep = sleep
        self._clock = clock
        self._last = _Answer(None, {})
        client.session.hooks["response"].append(self._remember)

    @property
    def has_keys(self) -> bool:
        """Whether private questions can be asked."""
        return bool(self.client.apiKey and self.client.secret)

    def ask(self, method: str, params: dict[str, Any], expect: type) -> Any:
        """Parsed JSON of one endpoint.

        Parameters
        ----------
        method : ccxt's name of the endpoint, e.g. ``fapiPublicGetKlines``.
        expect : ``list`` or ``dict``; another type is an answer that was cut off.

        Raises
        ------
        ExchangeError
            If the exchange refuses, or the attempts are used up.
        """
        what = " ".join([method, *(f"{k}={v}" for k, v in params.items())])
        problem = ""
        for attempt in range(1, self.retry.attempts + 1):
            self._last = _Answer(None, {})
            try:
                answer = getattr(self.client, method)(params)
            except Exception as error:
                problem, wait = _describe(error), self._wait_for(error, attempt)
                if wait is None:
                    raise ExchangeError(f"{what}: {problem}; not repeated", _code(error)) from error
            else:
                if isinstance(answer, expect):
                    self._respect_weight()
                    return answer
                problem, wait = "answer is not whole JSON", self._backoff(attempt)
            if attempt < self.retry.attempts:
                self.notify(f"{problem}; trying again in {wait:.0f} s")
                self._sleep(wait)
        raise ExchangeError(f"{what}: {problem}; gave up after {self.retry.attempts} attempts")

    def server_time_ms(self) -> int:
        """The exchange's own clock."""
        return int(self.ask("fapiPublicGetTime", {}, dict)["serverTime"])

    def _remember(self, response: Any, *_args: Any, **_kwargs: Any) -> None:
        self._last = _Answer(int(response.status_code), response.headers)

    def _wait_for(self, error: Exception, attempt: int) -> "float | None":
        """Seconds to wait before a repeat, None where a repeat cannot help."""
        import ccxt

        if not isinstance(error, ccxt.BaseError):
            raise error
        status = self._last.status
        if status in _LIMITED:
            return self._limited_wait(attempt)
        code = _code(error)
        if status is None or status < 400:
            retryable = code in _RETRYABLE_CODES if code else isinstance(error, ccxt.NetworkError)
        else:
            retryable = status >= 500 or status == _TIMED_OUT
        return self._backoff(attempt) if retryable else None

    def _limited_wait(self, attempt: int) -> "float | None":
        """What Retry-After says; a ban too long to wait for is not waited for."""
        try:
            asked = float(self._last.headers.get("Retry-After", ""))
        except ValueError:
            return self._backoff(attempt)
        return asked if asked <= self.retry.longest_ban_s else None

    def _backoff(self, attempt: int) -> float:
        return min(self.retry.longest_wait_s, self.retry.first_wait_s * 2.0 ** (attempt - 1))

    def _respect_weight(self) -> None:
        """Wait for the next minute when the exchange says that this minute's weight is nearly used."""
        used = self._last.headers.get("X-MBX-USED-WEIGHT-1M", "")
        if used.isdigit() and int(used) >= self.retry.weight_limit:
            wait = 60.0 - self._clock() % 60.0
            self.notify(f"request weight {used} of this minute used; going on in {wait:.0f} s")
            self._sleep(wait)


def _code(error: Exception) -> int:
    found = _CODE.search(str(error))
    return int(found[1]) if found else 0


def _describe(error: Exception) -> str:
    """One line of an error, without the client's own prefix."""
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{type(error).__name__}: {text[:200]}"
