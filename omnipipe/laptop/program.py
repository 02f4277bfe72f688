"""Run the Pulumi program in-process: what the Pulumi engine does, without the engine.

The SDK's own test monitor calls an object for each resource, in dependency order, with resolved inputs; what
that object returns becomes the resource's outputs. Here the object makes the resource real.
"""

import asyncio
import contextlib
import gc
import logging
import os
import runpy
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pulumi
from pulumi.output import Unknown
from pulumi.runtime import mocks, rpc, set_all_config
from pulumi.runtime.settings import get_root_resource, reset_options
from pulumi.runtime.stack import Stack, run_pulumi_func

from omnipipe.laptop import lean_imports, lookups
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.project import Project


class Deployment(Protocol):
    """What makes resources real."""

    def register(
        self,
        type_: str,
        name: str,
        inputs: dict[str, Any],
        protect: bool,
        replace_on_changes: Sequence[str],
        ignore_changes: Sequence[str],
    ) -> tuple[str, dict[str, Any]]:
        """Make one resource real; returns its id and its outputs. Called from several threads.

        ``replace_on_changes`` and ``ignore_changes`` are Pulumi's options of these names: keys of ``inputs``; for the
        first also ``*``, for all.
        """
        ...


def run(project: Project, deployment: Deployment, *, preview: bool = False) -> dict[str, Any]:
    """Run the program against a deployment; returns the stack's outputs.

    In a ``preview`` an output that a resource does not have yet is unknown, as it is to `pulumi preview`.

    Raises what ``deployment.register`` raised first, or LaptopError for an error of the program itself;
    KeyboardInterrupt on Ctrl-C, without waiting for the resources that are being made.
    """
    lean_imports.install()
    monitor = _Monitor(deployment)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    reset_options()  # what an earlier run in this process has left open is not waited for
    set_all_config(project.config)
    mocks.set_mocks(monitor.mocks, project=project.name, stack=project.stack, preview=preview, monitor=monitor)
    root = get_root_resource()
    if not isinstance(root, Stack):
        raise LaptopError("this version of the Pulumi SDK makes no stack for its mocks: `make install` brings one")
    outputs: dict[str, Any] = {}

    async def program() -> None:
        runpy.run_path(str(project.main), run_name="__main__")
        exported = await pulumi.Output.from_input(root.outputs).future()
        outputs.update(exported or {})

    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # the first error is reported; its echoes are not
    with as_the_engine_runs_it(project.main), _stopped_by_ctrl_c(loop), _without_collecting():
        try:
            loop.run_until_complete(run_pulumi_func(program))
        except Exception as error:
            if monitor.failure is not None:
                raise monitor.failure from None
            if isinstance(error, LaptopError):
                raise
            if isinstance(error, pulumi.RunError):  # the program's own words, as the engine prints them
                raise LaptopError(str(error)) from error
            if isinstance(error, ModuleNotFoundError):
                raise LaptopError(
                    f"the program imports {error.name}, which is not installed beside OmniPipe: "
                    f"{sys.executable} -m pip install PACKAGE"
                ) from error
            raise LaptopError(f"the program failed: {type(error).__name__}: {error}") from error
    if monitor.failure is not None:
        raise monitor.failure
    return outputs


class _Monitor(mocks.MockMonitor, mocks.Mocks):
    """Hands each registration to the cloud, and keeps the first failure, which is the one that matters."""

    def __init__(self, deployment: Deployment) -> None:
        mocks.MockMonitor.__init__(self, self)
        self._deployment = deployment
        self._request = threading.local()
        self._failing = threading.Lock()
        self.failure: Exception | None = None

    def RegisterResource(self, request: Any) -> Any:
        # Not passed on to new_resource.
        self._request.options = (
            request.protect,
            tuple(request.replaceOnChanges),
            tuple(request.ignoreChanges),
        )
        return super().RegisterResource(request)

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if not args.custom:
            return "", args.inputs
        if self.failure is not None:
            raise self.failure
        try:
            return self._deployment.register(args.typ, args.name, _plain(args.inputs), *self._request.options)
        except Exception as error:
            with self._failing:
                self.failure = self.failure or error
            raise

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        return lookups.answer(args.token, args.args), []


def _plain(value: Any) -> Any:
    """Plain JSON: secrets without their wrapping (the registry is readable by its owner only), files as paths, what
    is not known yet as the engine writes it.

    An archive that is put together is a mapping of its files, a text ``{"text": …}``; relative paths are the program's.
    """
    if isinstance(value, dict):
        if rpc._special_sig_key in value:
            return _plain(value["value"])
        return {key: _plain(item) for key, item in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Unknown):
        return rpc.UNKNOWN
    if isinstance(value, pulumi.FileAsset | pulumi.FileArchive):
        return str(value.path)
    if isinstance(value, pulumi.StringAsset):
        return {"text": value.text}
    if isinstance(value, pulumi.AssetArchive):
        return _plain(value.assets)
    if isinstance(value, pulumi.RemoteAsset | pulumi.RemoteArchive):
        raise LaptopError(f"{value.uri}: the laptop takes files of the program's own, and none from elsewhere")
    return value


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """The SDK makes very many objects that live long: to look among them for garbage takes a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextlib.contextmanager
def _stopped_by_ctrl_c(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Ctrl-C ends the loop from outside: the SDK catches a KeyboardInterrupt, and then waits for every resource."""
    interrupted = False

    def stop() -> None:
        nonlocal interrupted
        interrupted = True
        loop.stop()

    loop.add_signal_handler(signal.SIGINT, stop)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        if interrupted:  # whatever became of the program meanwhile
            raise KeyboardInterrupt


@contextlib.contextmanager
def as_the_engine_runs_it(main: Path) -> Iterator[None]:
    """The program's folder is the working directory and comes first on the path, as under `pulumi up`."""
    before, folder = Path.cwd(), main if main.is_dir() else main.parent
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        os.chdir(before)
