"""A function app with one of each: what the development host is tested with."""

import asyncio
import json
import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import azure.functions as func
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.memory_bus import BUS
from triggers.asgi_bridge import AsgiBridge

SEEN: list[dict[str, object]] = []
STARTS: list[str] = []
RELEASE = Path(os.environ.get("TINY_RELEASE", "/nowhere"))

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@asynccontextmanager
async def lifespan(web: Starlette) -> AsyncIterator[None]:
    STARTS.append("start")
    await asyncio.sleep(0.2)
    yield


async def starts(request: Request) -> JSONResponse:
    return JSONResponse(STARTS)


async def cookies(request: Request) -> Response:
    response = Response(bytes(range(256)), media_type="image/png")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2", httponly=True)
    return response


async def boom(request: Request) -> Response:
    raise RuntimeError("a secret")


web = AsgiBridge(
    lambda: Starlette(
        routes=[
            Route("/api/web/starts", starts),
            Route("/api/web/cookies", cookies),
            Route("/api/web/boom", boom),
        ],
        lifespan=lifespan,
    )
)


@app.function_name("web")
@app.route("{*route}", methods=["GET", "HEAD", "POST"])
async def catch_all(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return await web.serve(req, context)


@app.route("hello/{name}", methods=["GET"])
def hello(req: func.HttpRequest) -> func.HttpResponse:
    text = f"hello {req.route_params['name']} {req.params.get('q')} on {threading.current_thread().name}"
    return func.HttpResponse(text)


@app.route("echo", methods=["POST"])
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.get_body(), mimetype="application/octet-stream", status_code=201)


@app.route("fail", methods=["GET"])
def fail(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("a secret")


@app.route("send", methods=["POST"])
def send(req: func.HttpRequest) -> func.HttpResponse:
    for body in req.get_body().split():
        BUS.send(os.environ["TINY_QUEUE"], body)
    return func.HttpResponse(status_code=202)


@app.route("seen", methods=["GET"])
def seen(req: func.HttpRequest) -> func.HttpResponse:
    state = {"seen": SEEN, "completed": len(BUS.completed), "dead": len(BUS.dead)}
    return func.HttpResponse(json.dumps(state), mimetype="application/json")


@app.service_bus_queue_trigger("message", connection="TINY_BUS", queue_name="%TINY_QUEUE%")
def work(message: func.ServiceBusMessage) -> None:
    body = message.get_body().decode()
    SEEN.append({"body": body, "id": message.message_id, "count": message.delivery_count})
    if body == "fail-twice" and (message.delivery_count or 0) < 3:
        raise RuntimeError("not yet")
    if body == "poison":
        raise RuntimeError("never")
    if body == "slow":
        while not RELEASE.exists():
            time.sleep(0.01)
        RELEASE.write_text("finished")


@app.service_bus_queue_trigger("message", connection="NO_SUCH_BUS", queue_name="other")
def unconnected(message: func.ServiceBusMessage) -> None:
    SEEN.append({"unconnected": True})


@app.timer_trigger("timer", schedule="%TINY_SCHEDULE%", use_monitor=False)
def tick(timer: func.TimerRequest) -> None:
    SEEN.append({"tick": timer.past_due})


@app.timer_trigger("timer", schedule="* * * * * *", use_monitor=False)
def switched_off(timer: func.TimerRequest) -> None:
    SEEN.append({"switched_off": True})
