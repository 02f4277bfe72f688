"""Run a piece of program as Pulumi would, and see each registration: its inputs, its options, what it exposes."""

import asyncio
import contextvars
import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from google.protobuf import struct_pb2
from pulumi.output import Unknown
from pulumi.runtime import mocks, rpc, set_all_config
from pulumi.runtime.settings import get_root_resource, reset_options
from pulumi.runtime.stack import Stack, run_pulumi_func

from omnipipe.laptop import lookups

# What an input is that nobody knows before `up`. It may be part of a list or a mapping.
UNKNOWN = "[unknown]"


@dataclass(frozen=True)
class Registration:
    """A resource as the program registered it.

    ``inputs`` and ``outputs`` have Pulumi's camelCase keys; secrets stand in them in clear, and ``secrets`` has the
    paths of those among the inputs (``postgresqlProfile.password``). Other resources are told by name.
    ``property_dependencies`` says by key of ``inputs`` what each one comes from; ``provider`` is the name of the one
    that was chosen, or empty for the stack's own.
    """

    type: str
    name: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    secrets: frozenset[str]
    parent: str
    custom: bool
    protect: bool
    dependencies: frozenset[str]
    property_dependencies: dict[str, frozenset[str]]
    ignore_changes: tuple[str, ...]
    delete_before_replace: bool
    retain_on_delete: bool
    additional_secret_outputs: tuple[str, ...]
    custom_timeouts: dict[str, str]
    after_create: tuple[str, ...]
    on_error: tuple[str, ...]
    replace_on_changes: tuple[str, ...]
    provider: str
    replacement_trigger: Any

    @property
    def kind(self) -> str:
        """Short name, such as ``bigquery.Table``, ``random.RandomPassword`` or ``components.Network``."""
        package, module, kind = self.type.split(":")
        return f"{module.split('/')[0] if package in ('gcp', 'omnipipe') else package}.{kind}"


@dataclass
class Recorder:
    """Every registration of a program, in the order in which it came; what components expose; what is exported.

    ``hooks`` has the name of each hook, as often as it was registered.
    """

    registrations: list[Registration] = field(default_factory=list)
    exposed: dict[str, dict[str, Any]] = field(default_factory=dict)
    exports: dict[str, Any] = field(default_factory=dict)
    hooks: list[str] = field(default_factory=list)

    @property
    def resources(self) -> list[Registration]:
        """What becomes something on Google: all but the components."""
        return [registration for registration in self.registrations if registration.custom]

    @property
    def components(self) -> list[Registration]:
        """The components, outer ones first."""
        return [registration for registration in self.registrations if not registration.custom]

    def named(self, name: str) -> Registration:
        """The one resource of a name."""
        (found,) = (resource for resource in self.resources if resource.name == name)
        return found

    def of(self, kind: str) -> list[Registration]:
        """All resources of a kind, such as ``bigquery.Table``, by name: they come in the order of threads."""
        found = (resource for resource in self.resources if resource.kind == kind)
        return sorted(found, key=lambda resource: resource.name)


def record(
    program: Callable[[], object],
    *,
    config: Mapping[str, str] | None = None,
    stack: str = "test",
    preview: bool = False,
    stashed: Mapping[str, Any] | None = None,
    into: Recorder | None = None,
) -> Recorder:
    """Run a program and return what it registered. With ``preview`` nothing exists, so computed values are unknown.
    ``stashed`` is what an earlier deployment left in each ``pulumi.Stash``, by its name. ``into`` is written to, if
    given: it tells what came before an error.

    Each call has an event loop of its own: what an earlier one left open is neither waited for nor seen. Raises
    what the program raises.
    """
    recorder = Recorder() if into is None else into
    monitor = _Monitor(recorder, preview, stashed or {})
    with asyncio.Runner() as runner:  # it closes the loop, its descriptors and its threads
        loop = runner.get_loop()
        loop.set_exception_handler(lambda *_: None)  # of what an error has left undone, that error is told alone
        asyncio.set_event_loop(loop)
        reset_options()
        set_all_config(dict(config or {}))
        mocks.set_mocks(monitor, project="omnipipe", stack=stack, preview=preview, monitor=monitor)
        root = get_root_resource()
        assert isinstance(root, Stack)

        async def run() -> None:
            program()
            recorder.exports |= await pulumi.Output.from_input(root.outputs).future() or {}

        runner.run(run_pulumi_func(run), context=contextvars.copy_context())  # Pulumi keeps its settings there
    return recorder


class _Monitor(mocks.MockMonitor, mocks.Mocks):
    """The engine's part: answers registrations, from several threads, and writes them down."""

    def __init__(self, recorder: Recorder, preview: bool, stashed: Mapping[str, Any]) -> None:
        mocks.MockMonitor.__init__(self, self)
        self._recorder, self._preview, self._stashed = recorder, preview, stashed
        self._request = threading.local()
        self._lock = threading.Lock()

    def RegisterResource(self, request: Any) -> Any:
        if request.type == "pulumi:pulumi:Stack":
            return super().RegisterResource(request)
        secrets: set[str] = set()
        inputs = _plain(rpc.deserialize_properties(request.object, keep_unknowns=True), "", secrets)
        self._request.secret_outputs = request.additionalSecretOutputs  # not passed on to new_resource
        response = super().RegisterResource(request)
        registration = Registration(
            type=request.type,
            name=request.name,
            inputs=inputs,
            outputs=_plain(rpc.deserialize_properties(response.object), "", set()),
            secrets=frozenset(secrets),
            parent=_name(request.parent),
            custom=request.custom,
            protect=request.protect,
            dependencies=frozenset(map(_name, request.dependencies)),
            property_dependencies={
                key: frozenset(map(_name, of.urns)) for key, of in request.propertyDependencies.items()
            },
            ignore_changes=tuple(request.ignoreChanges),
            delete_before_replace=request.deleteBeforeReplace,
            retain_on_delete=request.retainOnDelete,
            additional_secret_outputs=tuple(request.additionalSecretOutputs),
            custom_timeouts={
                key: value
                for key in ("create", "update", "delete")
                if (value := getattr(request.customTimeouts, key))
            },
            after_create=tuple(request.hooks.after_create),
            on_error=tuple(request.hooks.on_error),
            replace_on_changes=tuple(request.replaceOnChanges),
            provider=_name(request.provider.rpartition("::")[0]),  # it is written as URN::ID
            replacement_trigger=_trigger(request),
        )
        with self._lock:
            self._recorder.registrations.append(registration)
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:
        outputs = _plain(rpc.deserialize_properties(request.outputs, keep_unknowns=True), "", set())
        with self._lock:
            self._recorder.exposed[_name(request.urn)] = outputs
        return super().RegisterResourceOutputs(request)

    def RegisterResourceHook(self, request: Any) -> Any:
        with self._lock:
            self._recorder.hooks.append(request.name)
        return super().RegisterResourceHook(request)

    def RegisterErrorHook(self, request: Any) -> Any:
        with self._lock:
            self._recorder.hooks.append(request.name)
        return super().RegisterErrorHook(request)

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if not args.custom:
            return "", {}
        if args.typ == "pulumi:index:Stash":  # the engine's own: what it gives is known in a preview too
            return args.name, args.inputs | {"output": self._stashed.get(args.name, args.inputs["input"])}
        if self._preview:
            return "", args.inputs
        outputs = {"name": args.name, **args.inputs, **_computed(args.typ, args.name, args.inputs)}
        for key in outputs.keys() & set(self._request.secret_outputs):
            outputs[key] = {rpc._special_sig_key: rpc._special_secret_sig, "value": outputs[key]}
        return _id(args.typ, args.name, args.inputs), outputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        return lookups.answer(args.token, args.args), []


def _id(type_: str, name: str, inputs: dict[str, Any]) -> str:
    """What Google knows it by; of a custom role as it is, because a grant is told by its role."""
    if type_.endswith(":IAMCustomRole"):
        return f"projects/{inputs['project']}/roles/{inputs['roleId']}"
    return f"id/{name}"


def _computed(type_: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """What Google would fill in, as far as the program uses it. It shows where a value comes from."""
    match type_.rpartition(":")[2]:
        case "Account":
            email = f"{inputs['accountId']}@{inputs['project']}.iam.gserviceaccount.com"
            return {"email": email, "name": f"projects/{inputs['project']}/serviceAccounts/{email}"}
        case "RandomPassword" | "RandomBytes":
            return {"result": "generated", "base64": "Z2VuZXJhdGVk"}
        case "Image":
            return {"digest": f"sha256:{name}", "ref": f"{inputs['tags'][0]}@sha256:{name}"}
        case "Function":
            uri = f"https://{inputs['name']}.example.run.app"
            return {
                "url": f"https://example.cloudfunctions.net/{inputs['name']}",
                "serviceConfig": {**inputs["serviceConfig"], "uri": uri},
            }
        case "SecretVersion":
            return {"version": "1"}
        case "Address":
            return {"address": "10.20.0.5", "selfLink": f"links/{name}"}
        case "DatabaseInstance":
            return {
                "pscServiceAttachmentLink": f"links/{name}",
                "serverCaCerts": [{"cert": f"certificates/{name}"}],
            }
        case "ServiceIdentity":
            return {"member": f"serviceAccount:{inputs['service'].partition('.')[0]}@agents.example"}
        case "WorkloadIdentityPool":
            return {"name": f"pools/{name}"}
        case _:
            return {}


def _trigger(request: Any) -> Any:
    """The value that a resource is replaced for when it is another one, or None."""
    if not request.HasField("replacement_trigger"):
        return None
    wrapped = struct_pb2.Struct(fields={"value": request.replacement_trigger})
    return _plain(rpc.deserialize_properties(wrapped, keep_unknowns=True), "", set())["value"]


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def _plain(value: Any, path: str, secrets: set[str]) -> Any:
    """Plain data: secrets unwrapped, but noted; what is unknown as ``UNKNOWN``; files by what they hold."""
    if isinstance(value, dict):
        if rpc._special_sig_key in value:
            secrets.add(path)
            return _plain(value["value"], path, secrets)
        return {
            key: _plain(item, f"{path}.{key}" if path else key, secrets)
            for key, item in value.items()
            if not key.startswith("__")
        }
    if isinstance(value, list):
        return [_plain(item, f"{path}.{index}", secrets) for index, item in enumerate(value)]
    if isinstance(value, pulumi.FileAsset):  # Pulumi compares the hashes of files, and not where they are
        return f"file with the SHA-256 {hashlib.sha256(Path(value.path).read_bytes()).hexdigest()}"
    if isinstance(value, Unknown):
        return UNKNOWN
    return int(value) if isinstance(value, float) and value.is_integer() else value
