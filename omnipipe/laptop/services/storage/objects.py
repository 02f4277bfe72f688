"""Cloud Storage's JSON API for objects: files of the buckets' folders, with what is known of them in files beside.

https://cloud.google.com/storage/docs/json_api/v1/objects. A method, parameter or field of it that is not here is
refused by name. Since an object is a file, `a` and `a/b` cannot both be one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import mimetypes
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from flask import Blueprint, Response, g, jsonify, request

from omnipipe.laptop.home import write_json
from omnipipe.laptop.iam.control import asks_itself
from omnipipe.laptop.services.storage.resources import BUCKET, object_path

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.iam.gate import Gate

_API = "/storage/v1/b"
_UPLOAD = "/upload/storage/v1/b"
_DOWNLOAD = "/download/storage/v1/b"
MAX_RESULTS = 1000
MAX_NAME = 1024
# What a caller may say of an object; the rest of the resource is the service's own.
_FIELDS = ("contentType", "metadata", "temporaryHold", "eventBasedHold", "cacheControl", "contentDisposition")
_FIELDS += ("contentEncoding", "contentLanguage", "customTime")
_HOLDS = ("temporaryHold", "eventBasedHold")
_CONDITIONS = ("ifGenerationMatch", "ifGenerationNotMatch", "ifMetagenerationMatch", "ifMetagenerationNotMatch")
_WITHOUT_EFFECT = {"projection", "userProject", "alt", "prettyPrint", "predefinedAcl", "destinationPredefinedAcl"}


class _Answer(Exception):
    """A request that is answered with an error of the API's."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message


@dataclass(frozen=True)
class _Method:
    """A method of the API: the form of its path, the parameters that count, and what it does."""

    verb: str
    path: re.Pattern[str]
    parameters: frozenset[str]
    run: Callable[[Objects, dict[str, str]], Response]


class Objects:
    """The objects of a cloud's buckets. One at a time is written: a condition holds until the write is done."""

    def __init__(self, cloud: Cloud, gate: Gate) -> None:
        self._cloud = cloud
        self._gate = gate
        self._writing = threading.Lock()

    # --- methods ---

    def get(self, names: dict[str, str]) -> Response:
        """The object's resource, or with ``alt=media`` its content."""
        bucket, name = self._known(names["bucket"]), names["object"]
        self._require("storage.objects.get", bucket, name)
        path, state = self._existing(bucket, name)
        _check(request.args, state)
        if request.args.get("alt") == "media" or request.path.startswith(_DOWNLOAD):
            return Response(path.read_bytes(), content_type=state.get("contentType"))
        return jsonify(self._resource(bucket, name, path, state))

    def list(self, names: dict[str, str]) -> Response:
        """The objects in the order of their names, a page at a time; with a delimiter what is below it as a prefix."""
        bucket = self._known(names["bucket"])
        self._require("storage.objects.list", bucket)
        query = request.args
        limit = min(_number(query, "maxResults", MAX_RESULTS), MAX_RESULTS)
        items, prefixes, last, more = [], [], "", False
        for name in self._names(bucket, query.get("prefix", "")):
            entry = _entry(name, query.get("prefix", ""), query.get("delimiter", ""))
            before, after = query.get("startOffset", ""), query.get("endOffset")
            if (
                name < before
                or (after and name >= after)
                or entry <= query.get("pageToken", "")
                or entry in prefixes
            ):
                continue
            if len(items) + len(prefixes) == limit:
                more = True
                break
            last = entry
            if entry == name:
                path, state = self._existing(bucket, name)
                items.append(self._resource(bucket, name, path, state))
            else:
                prefixes.append(entry)
        answer: dict[str, Any] = {"kind": "storage#objects"}
        answer |= {key: value for key, value in (("items", items), ("prefixes", prefixes)) if value}
        return jsonify(answer | ({"nextPageToken": last} if more else {}))

    def insert(self, names: dict[str, str]) -> Response:
        """Write an object: with ``uploadType=media`` the body is its content, without it is the resource, and empty."""
        bucket = self._known(names["bucket"])
        kind = request.args.get("uploadType")
        if kind not in (None, "media") or (request.path.startswith(_UPLOAD) and kind is None):
            raise _Answer(400, "invalid", f"uploadType {kind!r} is not known here: use media")
        if kind == "media":
            fields, content = {"contentType": request.content_type}, request.get_data()
            fields = {key: value for key, value in fields.items() if value}
        else:
            fields, content = _fields(_body()), b""
        name = request.args.get("name") or _body_name(kind)
        if encoding := request.args.get("contentEncoding"):
            fields["contentEncoding"] = encoding
        return jsonify(self._write(bucket, name, content, fields, request.args))

    def delete(self, names: dict[str, str]) -> Response:
        """Remove an object."""
        bucket, name = self._known(names["bucket"]), names["object"]
        self._require("storage.objects.delete", bucket, name)
        with self._writing:
            path, state = self._existing(bucket, name)
            _check(request.args, state)
            _refuse_held(bucket, name, state)
            path.unlink()
            self._state_file(bucket, name).unlink(missing_ok=True)
            with suppress(OSError):  # a folder that still has something in it stays
                for folder in path.parents[: name.count("/")]:
                    folder.rmdir()
        return Response(status=204)

    def patch(self, names: dict[str, str]) -> Response:
        """Change fields of an object; null takes one away."""
        return self._change(names, keep=True)

    def update(self, names: dict[str, str]) -> Response:
        """Give an object exactly these fields."""
        return self._change(names, keep=False)

    def copy(self, names: dict[str, str]) -> Response:
        """Copy an object."""
        return jsonify(self._copy(names))

    def rewrite(self, names: dict[str, str]) -> Response:
        """Copy an object, which takes one call here."""
        resource = self._copy(names)
        done = {"kind": "storage#rewriteResponse", "done": True, "resource": resource}
        return jsonify({**done, "totalBytesRewritten": resource["size"], "objectSize": resource["size"]})

    # --- parts ---

    def _require(self, permission: str, bucket: str, name: str | None = None) -> None:
        resource = f"projects/_/buckets/{bucket}" + (f"/objects/{name}" if name is not None else "")
        self._gate.require(g.caller, permission, resource)

    def _known(self, bucket: str) -> str:
        self._cloud.registry.refresh()
        if bucket not in (each.inputs["name"] for each in self._cloud.registry.of_type(BUCKET)):
            raise _Answer(404, "notFound", f"The specified bucket does not exist: {bucket}")
        return bucket

    def _names(self, bucket: str, prefix: str) -> list[str]:
        folder = self._cloud.home.path("storage", bucket)
        found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        return sorted(name for name in found if name.startswith(prefix))

    def _state_file(self, bucket: str, name: str) -> Path:
        # hashed, because a name may be longer than a file's
        return self._cloud.home.path("storage-states", bucket) / hashlib.sha256(name.encode()).hexdigest()

    def _existing(self, bucket: str, name: str) -> tuple[Path, dict[str, Any]]:
        """The file of an object, and what is known of it. Raises 404."""
        path = object_path(self._cloud, bucket, _checked_name(name))
        try:
            stat = path.stat()
            if not path.is_file():
                raise FileNotFoundError
        except (FileNotFoundError, NotADirectoryError):
            raise _Answer(404, "notFound", f"No such object: {bucket}/{name}") from None
        state: dict[str, Any] = {"file": stat.st_mtime_ns}
        with suppress(FileNotFoundError):
            state = json.loads(self._state_file(bucket, name).read_text())
        if state["file"] != stat.st_mtime_ns:  # a deployment has written another file since
            state = {"file": stat.st_mtime_ns}
        guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return path, {"contentType": guessed, "generation": stat.st_mtime_ns // 1000, "metageneration": 1} | state

    def _write(
        self, bucket: str, name: str, content: bytes, fields: dict[str, Any], conditions: Mapping[str, str]
    ) -> dict[str, Any]:
        path = object_path(self._cloud, bucket, _checked_name(name))
        self._require("storage.objects.create", bucket, name)
        with self._writing:
            old = None
            with suppress(_Answer):
                old = self._existing(bucket, name)[1]
            if old is not None:  # to write over an object is to delete it, too
                self._require("storage.objects.delete", bucket, name)
                _refuse_held(bucket, name, old)
            _check(conditions, old)
            draft = self._cloud.home.path("storage-drafts") / secrets.token_hex(8)
            draft.write_bytes(content)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                draft.replace(path)
            except OSError as error:
                draft.unlink(missing_ok=True)
                raise _Answer(
                    400,
                    "invalid",
                    f"objects are files here, and {name!r} is below or above another one: {error.strerror}",
                ) from None
            return self._resource(bucket, name, path, self._remember(bucket, name, path, fields, old))

    def _remember(
        self, bucket: str, name: str, path: Path, fields: dict[str, Any], old: dict[str, Any] | None
    ) -> dict[str, Any]:
        modified_ns = path.stat().st_mtime_ns
        generation = max(modified_ns // 1000, old["generation"] + 1 if old else 0)
        state = {"file": modified_ns, "generation": generation, "metageneration": 1, **fields}
        write_json(self._state_file(bucket, name), state)
        return self._existing(bucket, name)[1]

    def _change(self, names: dict[str, str], *, keep: bool) -> Response:
        bucket, name = self._known(names["bucket"]), names["object"]
        self._require("storage.objects.update", bucket, name)
        fields = _fields(_body())
        with self._writing:
            path, state = self._existing(bucket, name)
            _check(request.args, state)
            own = {key: value for key, value in state.items() if keep or key not in _FIELDS}
            if keep and fields.get("metadata"):
                fields["metadata"] = {**own.get("metadata", {}), **fields["metadata"]}
            changed = {**own, **fields, "metageneration": state["metageneration"] + 1}
            if changed.get("metadata"):
                changed["metadata"] = {
                    key: value for key, value in changed["metadata"].items() if value is not None
                }
            state = {key: value for key, value in changed.items() if value is not None}
            write_json(self._state_file(bucket, name), state)
            return jsonify(self._resource(bucket, name, path, state))

    def _copy(self, names: dict[str, str]) -> dict[str, Any]:
        source, name = self._known(names["sourceBucket"]), names["sourceObject"]
        target = self._known(names["destinationBucket"])
        self._require("storage.objects.get", source, name)
        path, state = self._existing(source, name)
        conditions = {key.replace("ifSource", "if"): value for key, value in request.args.items()}
        _check({key: conditions[key] for key in conditions if "ifSource" + key[2:] in request.args}, state)
        fields = {key: state[key] for key in _FIELDS if key in state and key not in _HOLDS} | _fields(_body())
        return self._write(target, names["destinationObject"], path.read_bytes(), fields, request.args)

    def _resource(self, bucket: str, name: str, path: Path, state: dict[str, Any]) -> dict[str, Any]:
        generation, whole = str(state["generation"]), f"{bucket}/{name}"
        link = f"https://www.googleapis.com{_API}/{bucket}/o/{quote(name, safe='')}"
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "md5").digest()
        made = datetime.fromtimestamp(state["file"] / 1e9, UTC).isoformat(timespec="milliseconds")
        moment = made.replace("+00:00", "Z")
        return {
            "kind": "storage#object",
            "id": f"{whole}/{generation}",
            "selfLink": link,
            "mediaLink": link.replace(_API, _DOWNLOAD) + f"?generation={generation}&alt=media",
            "name": name,
            "bucket": bucket,
            "generation": generation,
            "metageneration": str(state["metageneration"]),
            "storageClass": "STANDARD",
            "size": str(path.stat().st_size),
            "md5Hash": base64.b64encode(digest).decode(),
            "etag": f"{generation}-{state['metageneration']}",
            "timeCreated": moment,
            "updated": moment,
            **{key: state[key] for key in _FIELDS if key in state},
        }


_CHECKED = frozenset(_CONDITIONS)
_SOURCE_CHECKED = frozenset(name.replace("if", "ifSource", 1) for name in _CONDITIONS)
_OBJECT = _API + r"/(?P<bucket>[^/]+)/o/(?P<object>[^/]+)"
_FROM = r"/(?P<sourceBucket>[^/]+)/o/(?P<sourceObject>[^/]+)"
_TO = r"/b/(?P<destinationBucket>[^/]+)/o/(?P<destinationObject>[^/]+)"
_LIST = _API + r"/(?P<bucket>[^/]+)/o"
_PAGING = frozenset({"prefix", "delimiter", "maxResults", "pageToken", "startOffset", "endOffset"})
_METHODS = tuple(
    _Method(verb, re.compile(path), parameters, run)
    for verb, path, parameters, run in (
        ("GET", _OBJECT, _CHECKED, Objects.get),
        ("GET", _DOWNLOAD + r"/(?P<bucket>[^/]+)/o/(?P<object>[^/]+)", _CHECKED | {"generation"}, Objects.get),
        ("GET", _LIST, _PAGING, Objects.list),
        ("POST", f"(?:{_API}|{_UPLOAD})" + r"/(?P<bucket>[^/]+)/o",
         _CHECKED | {"name", "uploadType", "contentEncoding"}, Objects.insert),
        ("DELETE", _OBJECT, _CHECKED, Objects.delete),
        ("PATCH", _OBJECT, _CHECKED, Objects.patch),
        ("PUT", _OBJECT, _CHECKED, Objects.update),
        ("POST", _API + _FROM + "/copyTo" + _TO, _CHECKED | _SOURCE_CHECKED, Objects.copy),
        ("POST", _API + _FROM + "/rewriteTo" + _TO,
         _CHECKED | _SOURCE_CHECKED | {"rewriteToken", "maxBytesRewrittenPerCall"}, Objects.rewrite),
    )
)  # fmt: skip


def blueprint(cloud: Cloud, gate: Gate) -> Blueprint:
    """The API's routes. Who may do what is asked here: it depends on what is there already."""
    objects = Objects(cloud, gate)
    routes = Blueprint("storage", __name__)

    @routes.route(f"{_API}/<path:rest>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    @routes.route(f"{_UPLOAD}/<path:rest>", methods=["POST"])
    @routes.route(f"{_DOWNLOAD}/<path:rest>", methods=["GET"])
    @asks_itself  # what it needs depends on the object
    def call(rest: str) -> Response:
        g.caller = gate.caller(request.headers.get("Authorization"))
        # as it was sent: a slash within an object's name is written %2F, and another one is none of it
        path = request.environ["REQUEST_URI"].partition("?")[0]
        for method in _METHODS:
            if request.method == method.verb and (found := method.path.fullmatch(path)):
                if unknown := request.args.keys() - method.parameters - _WITHOUT_EFFECT:
                    raise _Answer(400, "invalid", f"the parameter {min(unknown)} is not known here")
                return method.run(objects, {key: unquote(value) for key, value in found.groupdict().items()})
        raise _Answer(404, "notFound", f"there is no {request.method} {path} here: is a name not URL-encoded?")

    @routes.errorhandler(_Answer)
    def as_google_says_it(error: _Answer) -> tuple[Response, int]:
        why = {"message": error.message, "domain": "global", "reason": error.reason}
        return jsonify({"error": {"code": error.code, "message": error.message, "errors": [why]}}), error.code

    return routes


def _checked_name(name: str) -> str:
    parts = name.split("/")
    if not name or len(name.encode()) > MAX_NAME or {"", ".", ".."} & set(parts) or {"\0", "\n", "\r"} & set(name):
        raise _Answer(
            400, "invalid", f"{name[:80]!r} cannot be an object here: objects are files, and it is no name of one"
        )
    return name


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True) if request.get_data() else {}
    if not isinstance(body, dict):
        raise _Answer(400, "parseError", "Parse Error: the body must be an object resource in JSON")
    return body


def _body_name(kind: str | None) -> str:
    name = None if kind == "media" else _body().get("name")
    if not isinstance(name, str):
        raise _Answer(400, "required", "Required: name")
    return name


def _fields(body: dict[str, Any]) -> dict[str, Any]:
    """The fields of a resource that a caller may set. Raises 400 for one that is not known here."""
    own = {"name", "bucket", "kind", "id", "generation", "metageneration", "size", "md5Hash", "etag", "selfLink"}
    own |= {"mediaLink", "storageClass", "timeCreated", "updated"}
    if unknown := body.keys() - set(_FIELDS) - own:
        raise _Answer(400, "invalid", f"the field {min(unknown)} of an object is not known here")
    fields = {key: body[key] for key in _FIELDS if key in body}
    # as all of Google's APIs read a boolean in quotes
    return {
        key: value == "true" if key in _HOLDS and isinstance(value, str) else value
        for key, value in fields.items()
    }


def _check(conditions: Mapping[str, str], state: dict[str, Any] | None) -> None:
    """Raise 412 where a condition on the generation does not hold; 0 stands for no object."""
    for name in conditions.keys() & set(_CONDITIONS):
        key = "metageneration" if "Meta" in name else "generation"
        wanted, found = _number(conditions, name, 0), state[key] if state else 0
        if (wanted == found) == name.endswith("NotMatch"):
            raise _Answer(
                412, "conditionNotMet", f"At least one of the pre-conditions you specified did not hold: {name}"
            )


def _refuse_held(bucket: str, name: str, state: dict[str, Any]) -> None:
    for hold, words in (("temporaryHold", "Temporary"), ("eventBasedHold", "Event-Based")):
        if state.get(hold):
            raise _Answer(
                403,
                "forbidden",
                f"Object '{bucket}/{name}' is under active {words} hold and cannot be deleted, overwritten or archived "
                "until hold is removed.",
            )


def _number(values: Mapping[str, str], name: str, default: int) -> int:
    text = values.get(name, str(default))
    if not text.isdecimal():
        raise _Answer(400, "invalid", f"Invalid value for {name}: {text!r}")
    return int(text)


def _entry(name: str, prefix: str, delimiter: str) -> str:
    """The name, or what of it stands up to the first delimiter behind the prefix."""
    cut = name.find(delimiter, len(prefix)) if delimiter else -1
    return name if cut < 0 else name[: cut + len(delimiter)]
