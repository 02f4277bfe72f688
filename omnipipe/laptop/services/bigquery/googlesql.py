"""BigQuery's language, by Google's own parser: what BigQuery would refuse of a statement, and where.

The emulator's engine takes more than BigQuery (``ILIKE``, ``now()``, ``VARCHAR``, ``a,,b``), so a mistake would show
only on Google. The parser is that of GoogleSQL (https://github.com/google/googlesql), which the package ``zetasql``
brings as WebAssembly; compiled for this machine once, it loads in a tenth of a second.

Checked are the syntax, the names of functions and the names of types. What tables and columns there are is the
emulator's business.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import hashlib
import re
import sys
import threading
from collections import defaultdict
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from wasmtime import Config

    Answer = TypeVar("Answer", bound=Message)

# https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types, with the aliases that it lists
TYPES = frozenset(
    """
    INT64 INT SMALLINT INTEGER BIGINT TINYINT BYTEINT NUMERIC DECIMAL BIGNUMERIC BIGDECIMAL FLOAT64 BOOL BOOLEAN
    STRING BYTES DATE DATETIME TIME TIMESTAMP GEOGRAPHY INTERVAL JSON
    """.split()  # noqa: SIM905 - as a list it would be twenty lines
)
# What BigQuery has more than the language: https://cloud.google.com/bigquery/docs/reference/standard-sql/functions-all
_OF_BIGQUERY = frozenset(
    """
    appends bag_of_words changes collate contains_substr external_object_transform external_query gap_fill max_by
    min_by range_sessionize search st_regionstats text_analyze tf_idf vector_search
    """.split()  # noqa: SIM905 - as above
)
# Kinds of nodes, and the part of each that is a name.
_NAMED = {
    "ASTFunctionDeclarationProto": "name",
    "ASTFunctionCallProto": "function",
    "ASTSimpleTypeProto": "type_name",
    "ASTSimpleColumnSchemaProto": "type_name",
}
_PLACE = re.compile(r" \[at (\d+:\d+)\]$")


@dataclass(frozen=True)
class _Name:
    """A name in a statement's tree, and where it begins, in bytes of the text."""

    name: str
    start: int


class Language:
    """The parser. Its methods may be called from several threads."""

    def __init__(self) -> None:
        """Load it, from the cache if it was compiled before (else that takes seconds)."""
        from wasmtime import Engine, Linker, Module, Store, WasiConfig
        from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2 as service
        from zetasql.wasi._pb2.zetasql.proto import options_pb2 as options

        self._service = service
        self._lock = threading.Lock()
        engine = Engine(_config())
        self._store = Store(engine)
        self._store.set_wasi(WasiConfig())
        linker = Linker(engine)
        linker.define_wasi()
        module = Module.deserialize_file(engine, str(compiled()))
        self._exports = linker.instantiate(self._store, module).exports(self._store)
        self._run("_initialize")
        self._options = self._call(
            "GetLanguageOptions",
            service.LanguageOptionsRequest(maximum_features=True),
            options.LanguageOptionsProto,
        )
        known = self._call(
            "GetBuiltinFunctions",
            options.ZetaSQLBuiltinFunctionOptionsProto(language_options=self._options),
            service.GetBuiltinFunctionsResponse,
        )
        named = {".".join(each.name_path).lower() for each in known.function}
        self._functions = _OF_BIGQUERY | named | {each.options.alias_name.lower() for each in known.function}

    def problem(self, sql: str) -> str | None:
        """Why BigQuery would refuse a statement or script, with line and column; None if it would take it."""
        from wasmtime import Trap

        request = self._service.ParseRequest(sql_statement=sql, options=self._options, allow_script=True)
        try:
            tree = self._call("Parse", request, self._service.ParseResponse)
        except SyntaxError as error:
            return _PLACE.sub(r" at [\1]", str(error))
        except Trap as error:
            return f"the statement is too deeply nested to be read: {str(error).splitlines()[0]}"
        names = _names(tree)
        made = {each.name.lower() for each in names["ASTFunctionDeclarationProto"]}
        for called in names["ASTFunctionCallProto"]:
            name = called.name.lower().removeprefix("safe.")
            # What has a dot is a function of a dataset, of a service (ML.PREDICT), or of a group that is not asked for.
            if "." not in name and name not in self._functions | made:
                return f"Function not found: {called.name} at [{_place(sql, called.start)}]"
        for used in (*names["ASTSimpleTypeProto"], *names["ASTSimpleColumnSchemaProto"]):
            if "." not in used.name and used.name.upper() not in TYPES:
                return f"Type not found: {used.name} at [{_place(sql, used.start)}]"
        return None

    def _call(self, method: str, request: Message, answer: type[Answer]) -> Answer:
        """One call of the parser's service. Raises SyntaxError with its words when it refuses."""
        content = request.SerializeToString()
        with self._lock:
            memory = self._exports["memory"]
            request_at, length_at = self._run("wasm_malloc", len(content)), self._run("wasm_malloc", 4)
            try:
                ctypes.memmove(_base(memory) + request_at, content, len(content))
                answer_at = self._run(f"ZetaSqlLocalService_{method}", request_at, len(content), length_at)
                if not answer_at:
                    words = _bytes(memory, self._run("wasm_get_last_error"), self._run("wasm_get_last_error_size"))
                    raise SyntaxError(words.decode().partition("Message: ")[2])
                size = int.from_bytes(_bytes(memory, length_at, 4), "little")
                result = answer.FromString(_bytes(memory, answer_at, size))
                self._run("wasm_free", answer_at)
                return result
            finally:
                self._run("wasm_free", request_at)
                self._run("wasm_free", length_at)

    def _run(self, name: str, *arguments: int) -> int:
        return self._exports[name](self._store, *arguments)  # pyright: ignore[reportCallIssue] - a function


_loading = threading.Lock()
_load = cache(Language)
atexit.register(_load.cache_clear)  # while what frees its memory is still there


def language() -> Language:
    """The parser of this process, loaded at the first call."""
    with _loading:
        return _load()


@lru_cache(maxsize=1024)
def problem(sql: str) -> str | None:
    """Why BigQuery would refuse a statement or script, with line and column; None if it would take it."""
    return language().problem(sql)


def compiled() -> Path:
    """The parser as machine code, in the environment that it is installed in; compiled if it is not there yet.

    Takes about ten seconds the first time, which `make install` spends.
    """
    from wasmtime import Engine, Module
    from zetasql.wasi import get_wasm_path

    source = get_wasm_path()
    stat = source.stat()
    made_of = (stat.st_size, stat.st_mtime_ns, version("wasmtime"))
    digest = hashlib.sha256(repr(made_of).encode()).hexdigest()[:16]
    target = Path(sys.prefix) / f"googlesql-{digest}.cwasm"
    if target.exists():
        return target
    with target.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two processes may want it at once
        if not target.exists():
            part = target.with_suffix(".part")
            part.write_bytes(Module.from_file(Engine(_config()), str(source)).serialize())
            part.rename(target)
    return target


def _config() -> Config:
    from wasmtime import Config

    config = Config()
    config.shared_memory = True
    config.cranelift_opt_level = "none"  # half the time to compile; a statement takes milliseconds either way
    return config


def _base(memory: Any) -> int:
    return ctypes.addressof(memory.data_ptr().contents)


def _bytes(memory: Any, start: int, size: int) -> bytes:
    return ctypes.string_at(_base(memory) + start, size)


def _names(tree: Message) -> defaultdict[str, list[_Name]]:
    """By kind of node, the dotted names that a statement's tree holds in the parts listed in ``_NAMED``."""
    found: defaultdict[str, list[_Name]] = defaultdict(list)
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        kind = node.DESCRIPTOR.name
        part = _NAMED.get(kind)
        if part and node.HasField(part):
            path = getattr(node, part)
            found[kind].append(_Name(".".join(each.id_string for each in path.names), _start(path)))
        below: list[Any] = []
        for field, value in node.ListFields():
            if field.message_type is not None:
                below.extend(value if field.is_repeated else (value,))
        waiting.extend(reversed(below))  # in the order of the text, so that the first mistake is told
    return found


def _start(node: Any) -> int:
    """Where a node begins; the range is kept in the outermost of the classes that it derives from."""
    while not hasattr(node, "parse_location_range"):
        node = node.parent
    return node.parse_location_range.start


def _place(sql: str, start: int) -> str:
    """Line and column, both from 1, of a place in the bytes of a text."""
    before = sql.encode()[:start].decode(errors="replace")
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


if __name__ == "__main__":
    compiled()
