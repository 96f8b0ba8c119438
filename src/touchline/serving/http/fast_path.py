"""The outermost layer of the server: every request passes here; predictions are answered here.

FastAPI's own way through middleware, routing, dependencies and response models costs more than a prediction does, so
`POST /predict` is answered before it, from a plan made once per release, and so are the probes of an orchestrator.
Everything else goes on to FastAPI.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import monotonic, perf_counter, time_ns
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from touchline.contracts.json_text import canonical_json, parse_json
from touchline.errors import TouchlineError
from touchline.http.correlation import PROBE_ID, correlation_of, trace_context
from touchline.http.problems import InternalError, MethodNotAllowed, Problem, respond
from touchline.http.statuses import CLIENT_GONE, is_server_error, problem_of_any
from touchline.http.validation_words import refuse_undeclared
from touchline.serving.http.admission import Admission, Headers
from touchline.serving.http.probes import PROBES, Probe
from touchline.serving.http.request_bodies import ClientGone, replayed
from touchline.serving.http.request_heads import RequestHead, RequestHeads
from touchline.serving.http.respond import (
    SMALL_BYTES,
    answer_body,
    answer_now,
    may_answer_now,
    read_now,
    record_beside_shadow,
    require_room,
    traffic_of,
)
from touchline.serving.http.state import Serving
from touchline.serving.predicting.scored_row import RequestContext, Row

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from touchline.serving.predicting.predict import Predictor
    from touchline.serving.releases.release_slot import ReleaseSlot

_log = logging.getLogger("touchline.serving")
_access = logging.getLogger("touchline.access")
_LINES_A_SECOND = 20
_JSON_TYPE = (b"content-type", b"application/json")
Lines = Sequence[tuple[bytes, bytes]]


class Front:
    """ASGI application that answers predictions, and guards the one it is in front of."""

    def __init__(self, app: ASGIApp, serving: Serving, admission: Admission) -> None:
        self.app = app
        self.serving = serving
        self.admission = admission
        self._second = self._lines = self._untold = 0
        self._predict = {f"/projects/{name}/predict": slot for name, slot in serving.slots.items()}
        self._predict["/predict"] = serving.slots[serving.default]
        self.slots_by_url = {path.encode(): slot for path, slot in self._predict.items()}
        self.heads = RequestHeads()
        self._most_bytes_at_once = min(SMALL_BYTES, serving.limits.body_bytes)
        self._own_headers: Lines = ()
        self._start_of_response = b""

    def answer_packet(self, packet: bytes, own_headers: Lines) -> bytes | None:
        """The response to one whole request whose head is known; None for all other bytes, and where it has to wait."""
        known = self.heads.split(packet)
        return None if known is None else self.answer_at_once(known[0], known[1], own_headers)

    def answer_at_once(self, request: RequestHead, body: bytes, own_headers: Lines) -> bytes | None:
        """The response to `POST /predict`, with uvicorn's own headers; None where it has to wait for a thing.

        The same as `__call__` for the requests of one row, without ASGI. A plain row that no rollout divides goes by
        as few calls as possible: a model leaves little of them in the processor's caches, so each costs several times
        what it does in a loop.
        """
        started = perf_counter()
        serving, slot = self.serving, request.slot
        predictor = slot.current
        if predictor is None or serving.tracer is not None or len(body) > self._most_bytes_at_once:
            return None
        if slot.waiting is not None:
            return None
        row = predictor.requests.plain.read(body)
        traffic = traffic_of(slot, predictor)
        if row is None or not (traffic is None or traffic.has_plain_shadow):
            whole = read_now(predictor, body) if row is None else predictor.requests.plain.whole(row)
            return self._answer_whole(request, predictor, whole, own_headers, started)
        request_id, prediction_id, correlation_id = serving.ids.three()
        if request.correlation_id is not None:
            correlation_id = request.correlation_id
            if correlation_id == PROBE_ID:
                return None
        try:
            self.admission.admit_prediction(request)
            require_room(serving)
            context = RequestContext(request_id, correlation_id, *slot.instants())
            answered = predictor.answer_plain(row, context, prediction_id)
            if traffic is None:
                serving.log.record(answered.line)
            else:
                record_beside_shadow(serving, slot, traffic, answered.line)
        except Exception as wrong:  # noqa: BLE001  one request's fault must not become another's
            return self._refusal(wrong, request, correlation_id, own_headers, started)
        seconds = perf_counter() - started
        slot.meter.answered_plain(answered, seconds)
        if seconds > serving.limits.slow_seconds or _access.isEnabledFor(logging.DEBUG):
            self._log_request("POST", request.url.decode(), "/predict", 200, seconds, correlation_id)
        return self._response(answered.json, correlation_id, own_headers)

    def _answer_whole(
        self, request: RequestHead, predictor: Predictor, row: Row | Problem | None, own_headers: Lines, started: float
    ) -> bytes | None:
        """The same for a row that is not plain, the problem with it, and a row of a rollout."""
        serving, slot = self.serving, request.slot
        if row is None or request.correlation_id == PROBE_ID or not may_answer_now(slot):
            return None
        correlation_id = request.correlation_id or serving.ids.next()
        try:
            self.admission.admit_prediction(request)
            if isinstance(row, Problem):
                raise row
            answer = answer_now(serving, slot, predictor, row, correlation_id)
        except Exception as wrong:  # noqa: BLE001  one request's fault must not become another's
            return self._refusal(wrong, request, correlation_id, own_headers, started)
        seconds = perf_counter() - started
        slot.meter.answered("/predict", 200, seconds)
        self._log_request("POST", request.url.decode(), "/predict", 200, seconds, correlation_id)
        return self._response(answer, correlation_id, own_headers)

    def _refusal(
        self, wrong: Exception, request: RequestHead, correlation_id: str, own_headers: Lines, started: float
    ) -> bytes:
        problem = problem_of_any(wrong, correlation_id)
        headers, body = _problem_parts(problem, correlation_id)
        seconds = perf_counter() - started
        request.slot.meter.answered("/predict", problem.status, seconds)
        self._log_request("POST", request.url.decode(), "/predict", problem.status, seconds, correlation_id)
        return b"%s%s\r\n%s" % (STATUS_LINE[problem.status], _lines([*own_headers, *headers]), body)

    def _response(self, answer: bytes, correlation_id: str, own_headers: Lines) -> bytes:
        if own_headers is not self._own_headers:  # uvicorn makes another list once a second
            self._own_headers = own_headers
            self._start_of_response = STATUS_LINE[200] + _lines([*own_headers, _JSON_TYPE]) + b"content-length: "
        return b"%s%d\r\nx-correlation-id: %s\r\n\r\n%s" % (
            self._start_of_response,
            len(answer),
            correlation_id.encode(),
            answer,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        serving = self.serving
        started = perf_counter()
        headers: Headers = dict(scope["headers"])
        correlation_id = correlation_of(headers) or serving.ids.next()
        slot = self._predict.get(scope["path"])
        serving.in_flight += 1
        try:
            if slot is not None:
                route, status = "/predict", await self._answer(slot, scope, headers, correlation_id, receive, send)
            elif scope["path"] in PROBES:
                route, status = (
                    scope["path"],
                    await self._answer_probe(PROBES[scope["path"]], scope, correlation_id, send),
                )
            else:
                status = await self._pass_on(scope, headers, correlation_id, receive, send)
                route = getattr(scope.get("route"), "path", "unknown")
        finally:
            serving.in_flight -= 1
        seconds = perf_counter() - started
        (slot.meter if slot else serving.meter).answered(route, status, seconds)
        self._log_request(scope["method"], scope["path"], route, status, seconds, correlation_id)
        if serving.tracer is not None:
            attributes = {
                "http.request.method": scope["method"],
                "http.route": route,
                "http.response.status_code": status,
            }
            ended = time_ns()
            serving.tracer.span(route, trace_context(headers), ended - int(seconds * 1e9), ended, attributes)

    async def _answer(
        self, slot: ReleaseSlot, scope: Scope, headers: Headers, correlation_id: str, receive: Receive, send: Send
    ) -> int:
        method = scope["method"]
        try:
            caller = self.admission.admit(method, "/predict", headers)
            if correlation_id == PROBE_ID:
                self.admission.admit_probe(caller)
            if method != "POST":
                raise MethodNotAllowed(method, "POST")
            if query := scope.get("query_string"):
                refuse_undeclared(dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)))
            limits = self.serving.limits
            body = await self.serving.bodies.read(receive, limits.body_bytes, limits.body_seconds)
            answer = await answer_body(self.serving, slot, body, correlation_id)
        except ClientGone:
            return CLIENT_GONE
        except Exception as wrong:  # noqa: BLE001  one request's fault must not become another's
            problem = problem_of_any(wrong, correlation_id)
            await _send_problem(send, problem, correlation_id)
            return problem.status
        await _send(send, 200, [_JSON_TYPE], answer, correlation_id)
        return 200

    async def _answer_probe(self, probe: Probe, scope: Scope, correlation_id: str, send: Send) -> int:
        if scope["method"] not in ("GET", "HEAD"):
            problem = MethodNotAllowed(scope["method"], "GET, HEAD")
            await _send_problem(send, problem, correlation_id)
            return problem.status
        status, document = probe(self.serving)
        await _send(send, status, [_JSON_TYPE], orjson.dumps(document), correlation_id)
        return status

    async def _pass_on(self, scope: Scope, headers: Headers, correlation_id: str, receive: Receive, send: Send) -> int:
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        status = 500

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                marked = [*message.get("headers", []), (b"x-correlation-id", correlation_id.encode())]
                message = {**message, "headers": marked}
            await send(message)

        try:
            scope["state"]["caller"] = self.admission.admit(scope["method"], scope["path"], headers)
            if b"content-length" in headers or b"transfer-encoding" in headers:
                receive = await self._with_body(scope, headers, receive)
        except ClientGone:
            return CLIENT_GONE
        except (Problem, TouchlineError) as wrong:
            problem = problem_of_any(wrong, correlation_id)
            await _send_problem(send, problem, correlation_id)
            return problem.status
        try:
            await self.app(scope, receive, send_marked)
        except InternalError as problem:  # raised in place of an answer; what FastAPI raises, it has answered
            await _send_problem(send, problem, correlation_id)
            return problem.status
        except Exception:  # noqa: BLE001  the handler has answered; Starlette raises again so that it can be logged
            _log.exception("request %s failed", correlation_id)
        return status

    async def _with_body(self, scope: Scope, headers: Headers, receive: Receive) -> Receive:
        """The body, read within the limits of size and time, for FastAPI to read again: JSON in one spelling.

        The rows of a job are read one by one later.
        """
        limits, is_job = self.serving.limits, scope["path"].endswith("/predict/jobs")
        if scope["path"].endswith("/outcomes"):
            # As for predictions: whatever a client such as curl calls it, the body is JSON.
            others = [(name, value) for name, value in scope["headers"] if name != _JSON_TYPE[0]]
            scope["headers"], headers = [*others, _JSON_TYPE], {**headers, _JSON_TYPE[0]: _JSON_TYPE[1]}
        seconds = limits.job_seconds if is_job else limits.body_seconds
        body = await self.serving.bodies.read(receive, self.serving.most_body_bytes(scope["path"]), seconds)
        if not is_job and body and b"json" in headers.get(b"content-type", b"json"):
            body = canonical_json(body)
            if body.count(b":") > 1:
                parse_json(body)  # refuses a repeated key
        return replayed(body, receive)

    def _may_write_down(self) -> bool:
        """Whether another line fits: a part that is away for a minute must not fill the log with one sentence."""
        second = int(monotonic())
        if second != self._second:
            if self._untold:
                _access.warning("%d more requests failed or were slow in a second; /metrics counts them", self._untold)
            self._second, self._lines, self._untold = second, 0, 0
        self._lines += 1
        if self._lines <= _LINES_A_SECOND:
            return True
        self._untold += 1
        return False

    def _log_request(
        self, method: str, path: str, route: str, status: int, seconds: float, correlation_id: str
    ) -> None:
        """Log a request that failed or was slow; each one at the level DEBUG."""
        is_worth_it = is_server_error(status) or seconds > self.serving.limits.slow_seconds
        if not (_access.isEnabledFor(logging.DEBUG) or (is_worth_it and self._may_write_down())):
            return
        level = logging.WARNING if is_server_error(status) else logging.INFO
        facts = {
            "method": method,
            "path": path,
            "route": route,
            "status": status,
            "milliseconds": round(seconds * 1000, 3),
            "correlation_id": correlation_id,
        }
        _access.log(level, "%s %s %d", method, path, status, extra={"facts": facts})


def _lines(headers: Lines) -> bytes:
    return b"".join([b"%s: %s\r\n" % header for header in headers])


async def _send_problem(send: Send, problem: Problem, correlation_id: str) -> None:
    headers, body = _problem_parts(problem, correlation_id)
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _problem_parts(problem: Problem, correlation_id: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The headers and the body of a problem document."""
    response = respond(problem, correlation_id)
    headers = [(name.lower().encode(), value.encode()) for name, value in response.headers.items()]
    return [*headers, *_own_headers(response.body, correlation_id)], response.body


def _own_headers(body: bytes, correlation_id: str) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", str(len(body)).encode()), (b"x-correlation-id", correlation_id.encode())]


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes, correlation_id: str) -> None:
    marked = [*headers, *_own_headers(body, correlation_id)]
    await send({"type": "http.response.start", "status": status, "headers": marked})
    await send({"type": "http.response.body", "body": body})
