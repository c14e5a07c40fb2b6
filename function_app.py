"""Azure Functions entry point: the HTTP app, the queues and the timer."""

import azure.functions as func

from core.queues import QueueName
from triggers import wiring
from triggers.asgi_bridge import AsgiBridge

CONNECTION = "SERVICEBUS_CONNECTION_STRING"

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)  # the web app checks its callers
queues = func.Blueprint()
web = AsgiBridge(wiring.web_app)


@app.function_name("http")
@app.route("{*route}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def http(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Every request, pages and API, in the one process-wide web app."""
    return await web.serve(req, context)


@app.function_name("tick")
@app.timer_trigger(arg_name="timer", schedule="*/5 * * * * *", use_monitor=False)
def tick(timer: func.TimerRequest) -> None:
    """Repair what was lost, send what was promised, submit what the clock calls for."""
    wiring.tick()


@app.function_name("clean")
@app.timer_trigger(arg_name="timer", schedule="0 17 * * * *", use_monitor=False)
def clean(timer: func.TimerRequest) -> None:
    """Remove what has been kept for long enough."""
    wiring.clean_up()


@queues.function_name("jobs")
@queues.service_bus_queue_trigger("message", connection=CONNECTION, queue_name="%CM_QUEUE_JOBS%")
def jobs(message: func.ServiceBusMessage) -> None:
    """Open and close stages."""
    wiring.run_message(QueueName.JOBS, message.get_body(), message.delivery_count or 1)


@queues.function_name("tasks-light")
@queues.service_bus_queue_trigger("message", connection=CONNECTION, queue_name="%CM_QUEUE_LIGHT%")
def tasks_light(message: func.ServiceBusMessage) -> None:
    """Run short tasks."""
    wiring.run_message(QueueName.LIGHT, message.get_body(), message.delivery_count or 1)


# A Service Bus trigger without its connection is an error at every start of the host.
if wiring.uses_service_bus():
    app.register_functions(queues)
