"""The HTTP side: a raw request in, an answer with the exchange's headers out, and the faults that were ordered."""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from live.testing import errors as e
from live.testing import faults as f
from live.testing.errors import ApiError
from live.testing.filters import Params
from live.testing.limits import Limits
from live.testing.rest.routes import PUBLIC, ROUTES, SIGNED, Endpoint
from live.testing.signing import check_key, check_signature, check_time
from live.testing.simulation import Simulation
from live.testing.sockets import Sockets

OK, BROKEN = 200, 500
HIDDEN = {f.UNKNOWN: e.UNKNOWN_EXECUTION, f.TIMEOUT: e.TIMEOUT}  # executed, but that is not what is answered
RETRY_AFTER_S = "1"
BEFORE = (f.HTTP_ERROR, f.RATE_LIMIT, f.BAN, f.BUSY, f.REJECT)  # nothing is executed
AFTER = (f.TIMEOUT, f.SLOW, f.HANG, f.CUT, f.TRUNCATE, f.UNKNOWN)
PAGE = "<html><body><h1>{} Service error</h1></body></html>"
DEFAULT_5XX = 502
DEFAULT_DELAY_S = 1.0
DEFAULT_REJECT = (-2010, "Order would be rejected.")


class Server:
    """Answers requests to one simulation."""

    def __init__(self, x: Simulation, sockets: Sockets) -> None:
        self.x = x
        self.sockets = sockets
        self.limits = Limits(x.settings)
        self.requests: list[tuple[str, str, Params]] = []  # method, path, parameters: what was asked, for tests
        self.in_flight = 0
        self.defects: list[Exception] = []  # what broke in here: no fault of the exchange's, a defect of ours
        self.stopping = asyncio.Event()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One request under /fapi."""
        self.in_flight += 1
        try:
            return await self._serve(request)
        finally:
            self.in_flight -= 1

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        body = await request.text()
        params = dict(parse_qsl(f"{query}&{body}", keep_blank_values=True))
        endpoint = ROUTES.get((request.method, path))
        is_order = endpoint is not None and endpoint.is_order
        self.requests.append((request.method, path, params))
        late = planned = None
        try:
            if self.x.faults.maintenance:
                self.x.faults.note(f.MAINTENANCE)
                raise ApiError(e.MAINTENANCE)
            planned = self.x.faults.take(BEFORE, request.method, path)
            if planned is not None and planned.kind == f.HTTP_ERROR:
                status = int(planned.values.get("status", DEFAULT_5XX))
                return web.Response(status=status, text=PAGE.format(status), content_type="text/html")
            self._refuse(planned)
            if endpoint is None:
                raise ApiError(e.NO_PATH, path, request.method)
            self.limits.count(self.x.now_ms(), endpoint.weight(params), is_order)
            self._authorise(endpoint, request.headers.get("X-MBX-APIKEY", ""), query, body, params)
            late = self.x.faults.take(AFTER, request.method, path)
            if late is not None and late.kind == f.UNKNOWN and not int(late.values.get("execute", 1)):
                raise ApiError(e.UNKNOWN_EXECUTION)
            status, answer = OK, endpoint.handler(self.x, params)
        except ApiError as error:
            status, answer = error.refusal.status, error.body
        except Exception as error:  # shown by name, so that it is not taken for an ordered fault
            self.defects.append(error)
            status, answer = BROKEN, {"code": e.UNKNOWN.code, "msg": f"defect of the simulator: {error!r}"}
        await self.sockets.flush()
        wait = str(planned.values.get("retry_after", RETRY_AFTER_S)) if planned is not None else RETRY_AFTER_S
        return await self._answer(request, status, json.dumps(answer), late, is_order, wait)

    def _refuse(self, planned: "f.Planned | None") -> None:
        if planned is None:
            return
        if planned.kind == f.REJECT:
            code, text = planned.values.get("code", DEFAULT_REJECT[0]), planned.values.get("text", DEFAULT_REJECT[1])
            raise ApiError(e.Refusal(int(code), str(text).replace("{", "{{").replace("}", "}}")))
        if planned.kind == f.BAN:
            raise ApiError(e.BANNED, self.x.now_ms())
        if planned.kind == f.RATE_LIMIT:
            raise ApiError(e.TOO_MUCH_WEIGHT, self.x.settings.weight_per_minute)
        raise ApiError(e.BUSY)

    def _authorise(self, endpoint: Endpoint, key: str, query: str, body: str, params: Params) -> None:
        if endpoint.security == PUBLIC:
            return
        if not self.x.faults.futures_permission:
            self.x.faults.note(f.NO_PERMISSION)
        check_key(self.x.settings, key, self.x.faults.futures_permission)
        if endpoint.security != SIGNED:
            return
        check_signature(self.x.settings, query, body)
        skewed = self.x.clock.skew_ms != 0
        try:
            check_time(params, self.x.now_ms(), skewed or self.x.settings.checks_time)
        except ApiError as error:
            if skewed and error.refusal.code == e.OUT_OF_TIME.code:
                self.x.faults.note(f.SKEW)
            raise

    async def _answer(
        self,
        request: web.Request,
        status: int,
        text: str,
        late: "f.Planned | None",
        is_order: bool,
        retry_after: str,
    ) -> web.StreamResponse:
        kind = late.kind if late is not None else ""
        if late is not None and kind == f.SLOW:
            await asyncio.sleep(float(late.values.get("seconds", DEFAULT_DELAY_S)))
        if kind in HIDDEN:
            status, text = HIDDEN[kind].status, json.dumps(ApiError(HIDDEN[kind]).body)
        if kind == f.HANG:
            self.in_flight -= 1  # nobody waits for this one
            await self.stopping.wait()
            self.in_flight += 1
        if kind in (f.CUT, f.HANG):
            if request.transport is not None:
                request.transport.close()
            return web.Response(status=status)
        if kind == f.TRUNCATE:
            text = text[: len(text) // 2]
        headers: dict[str, Any] = self.limits.headers(is_order)
        if status in (e.TOO_MANY, e.TEAPOT):
            headers["Retry-After"] = retry_after
        return web.Response(status=status, text=text, content_type="application/json", headers=headers)
