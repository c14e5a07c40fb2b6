"""`coremachine submit JOB_TYPE`: a command for every job type that the server has, made when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cached_property
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from triggers.cli import completion, watching
from triggers.cli.command import AsJson, session_of
from triggers.cli.document import From, parameters_from
from triggers.cli.parameters import Flag, flags_of
from triggers.cli.session import Session, connect
from triggers.cli.tables import Column, facts, rows_of, short

if TYPE_CHECKING:
    from coremachine_client import JobType, Preview

STAGES = (
    Column("stage", lambda stage: stage.name),
    Column("shape", lambda stage: stage.shape),
    Column("reads", lambda stage: ", ".join(stage.reads)),
    Column("does", lambda stage: stage.description, gives=True),
)


METAVARS: dict[type, str] = {str: "TEXT", int: "N", float: "NUMBER"}


Wait = Annotated[
    bool,
    typer.Option(
        "--wait/--no-wait", help="Show the job until it has ended; its end is the exit code."
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(min=0, metavar="SECONDS", help="Wait so many seconds at most; the job goes on."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check the parameters and show the plan; begin nothing.")
]
Force = Annotated[bool, typer.Option("--force", help="Run it again if it has ended.")]
Priority = Annotated[
    int | None,
    typer.Option(min=-100, max=100, metavar="N", help="Higher ones go first, from -100 to 100."),
]
After = Annotated[
    list[str] | None,
    typer.Option(
        metavar="JOB",
        help="Begin when this job has ended; may be given several times.",
        autocompletion=completion.jobs,
    ),
]
AfterSuccess = Annotated[
    bool, typer.Option("--after-success", help="Begin only if those jobs succeed.")
]


def _how(
    source: From = None,
    wait: Wait = True,
    timeout: Timeout = None,
    dry_run: DryRun = False,
    force: Force = False,
    priority: Priority = None,
    after: After = None,
    after_success: AfterSuccess = False,
) -> None:
    """The options that every submission has."""


class JobTypes(TyperGroup):
    """The job types of the server as commands."""

    @cached_property
    def _found(self) -> dict[str, JobType]:
        return {}

    def list_commands(self, ctx: Any) -> list[str]:
        """All of them; none when the server does not answer, for help must help then too."""
        from coremachine_client import ClientError  # noqa: PLC0415 - importing it takes time

        try:
            with completion.quick_client(ctx) as client:
                self._found.update((each.job_type, each) for each in client.job_types())
        except ClientError as error:
            if not ctx.resilient_parsing:
                typer.echo(f"The job types cannot be listed: {error}", err=True)
        return sorted(self._found)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self._found:
            with connect(session_of(ctx).target) as client:
                self._found[cmd_name] = client.job_type(cmd_name)
        return command_of(self._found[cmd_name])


app = typer.Typer(cls=JobTypes, no_args_is_help=True)


@app.callback()
def submit() -> None:
    """Submit a job, and show it until it has ended.

    Every job type of the server is a command here, and its parameters are options.
    Equal parameters are the same job: submitting twice finds the first.

    \b
    coremachine submit                            # which job types there are
    coremachine submit process_raster --help      # what one takes
    coremachine submit process_raster --source bronze/x/y.tif --collection demo --tiers archive
    coremachine submit process_raster --from order.yaml --no-wait
    """


def command_of(job_type: JobType) -> Any:
    """The command that submits jobs of this type."""
    flags = list(flags_of(job_type.parameters))
    shared = Signature.from_callable(_how, eval_str=True).parameters.values()
    taken = frozenset(name for each in shared for name in _spelled(each)) | {"--help", "--json"}
    own = {f"with_{flag.name}": flag for flag in flags}
    parameters = [
        Parameter("ctx", Parameter.KEYWORD_ONLY, annotation=typer.Context),
        *(_parameter(name, flag, taken) for name, flag in own.items()),
        *(each.replace(kind=Parameter.KEYWORD_ONLY) for each in shared),
        Parameter("as_json", Parameter.KEYWORD_ONLY, annotation=AsJson, default=False),
    ]

    def run(ctx: typer.Context, as_json: bool, **given: Any) -> None:
        told = {flag: given.pop(name) for name, flag in own.items()}
        session = session_of(ctx, as_json=as_json)
        try:
            _submit(session, job_type.job_type, told, **given)
        finally:
            session.close()

    vars(run)["__signature__"] = Signature(parameters)
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__doc__ = _described(job_type)
    made = typer.Typer(add_completion=False, rich_markup_mode=None)
    spelling: dict[Any, Any] = {"token_normalize_func": _with_dashes}
    made.command(job_type.job_type, short_help=job_type.description, context_settings=spelling)(run)
    return get_command(made)


def _with_dashes(word: str) -> str:
    """Options may be written as the job knows its parameters, too: --raster_type."""
    return word.replace("_", "-")


def _spelled(parameter: Parameter) -> list[str]:
    """How an option of ours is written."""
    word = parameter.name.replace("_", "-")
    return ["--from" if parameter.name == "source" else f"--{word}", f"--no-{word}"]


def choices_of(flag: Flag) -> Any:
    """The words that an option takes, as typer wants them."""
    return Enum(flag.name, {f"choice_{n}": word for n, word in enumerate(flag.choices)})


def _parameter(name: str, flag: Flag, taken: frozenset[str]) -> Parameter:
    option = typer.Option(
        flag.option(taken),
        help=flag.help,
        show_default=False,
        metavar=_metavar(flag),
    )
    kind: Any = choices_of(flag) if flag.choices else flag.kind
    annotation = Annotated[(list[kind] if flag.many else kind) | None, option]
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=None)


def _metavar(flag: Flag) -> str | None:
    """What stands for one value. An option that may be given several times takes one each time."""
    if flag.is_json:
        return "JSON"
    if flag.choices:
        return f"[{'|'.join(flag.choices)}]"
    return METAVARS.get(flag.kind)


def _described(job_type: JobType) -> str:
    stages = "\n".join(f"{s.name}: {s.description or s.shape}" for s in job_type.stages)
    return f"{job_type.description}\n\n\b\nStages:\n{stages}\n"


def _submit(
    session: Session,
    job_type: str,
    told: Mapping[Flag, Any],
    *,
    source: str | None,
    wait: bool,
    timeout: float | None,
    dry_run: bool,
    force: bool,
    priority: int | None,
    after: list[str] | None,
    after_success: bool,
) -> None:
    parameters = _parameters(told, source)
    if dry_run:
        preview = session.client.preview(job_type, parameters)
        return session.answer(preview, lambda: _show_plan(preview))
    submitted = session.client.submit(
        job_type,
        parameters,
        force=force,
        priority=priority,
        after=[session.job(each) for each in after or ()],
        after_success=after_success or None,
    )
    if not wait:
        session.remark(submitted.message)
        return session.answer(submitted, submitted.job_id)
    session.remark(f"job {short(submitted.job_id)}: {submitted.message}")
    watching.conclude(session, watching.wait(session, submitted.job_id, timeout))


def _parameters(told: Mapping[Flag, Any], source: str | None) -> dict[str, Any]:
    """Those of the file, and over them those of the options."""
    parameters = parameters_from(source)
    parameters |= {
        flag.name: flag.value(given) for flag, given in told.items() if given not in (None, [])
    }
    missing = [flag.name for flag in told if flag.required and flag.name not in parameters]
    if missing:
        words = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise typer.BadParameter(f"{words} must be given", param_hint="parameters")
    return parameters


def _show_plan(preview: Preview) -> None:
    typer.echo(preview.message)
    pairs = [
        ("job", preview.job_id),
        *((f"{name}", value) for name, value in preview.parameters.items()),
    ]
    typer.echo("\n".join([*facts(pairs), "", *rows_of(preview.plan, STAGES)]))
