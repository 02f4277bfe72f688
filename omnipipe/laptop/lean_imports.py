"""The provider's packages, a module at a time.

A package of the provider imports every resource of its service: compute has 300 modules, of which a program that makes
a network uses five. That takes a fifth of a program's time before anything is deployed, and of its memory. Here a
package gives out single modules as they are asked for, and is imported whole when it is asked for anything else.
"""

import importlib
import importlib.util
import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import pulumi_gcp

# BucketIAMMember is in bucket_iam_member.py.
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def install() -> None:
    """Let the provider's packages be imported in parts; those that are imported already stay as they are."""
    for package, module in list(vars(pulumi_gcp).items()):
        # The SDK puts a module of a type of its own in the place of what nobody has asked for yet.
        if isinstance(module, ModuleType) and type(module) is not ModuleType:
            name = f"{pulumi_gcp.__name__}.{package}"
            sys.modules[name] = partial(name)
            setattr(pulumi_gcp, package, sys.modules[name])


def partial(name: str) -> ModuleType:
    """A package whose ``__init__`` has not run: it has what its modules have that are named like it.

    That is every resource, by its class, and every lookup, by its function.
    """
    spec = PathFinder.find_spec(name, pulumi_gcp.__path__)
    if spec is None or spec.loader is None or not spec.submodule_search_locations:
        raise ImportError(f"{name} is no package of the provider that is installed")
    package, loader = importlib.util.module_from_spec(spec), spec.loader
    folder = Path(spec.submodule_search_locations[0])

    def find(attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        module = _WORDS.sub("_", attribute).lower()
        if (folder / f"{module}.py").is_file():
            found = importlib.import_module(f"{name}.{module}")
            value = getattr(found, attribute, found if attribute == module else None)
            if value is not None:
                setattr(package, attribute, value)  # in the place of the module, which the import has put there
                return value
        del vars(package)["__getattr__"]
        loader.exec_module(package)
        return getattr(package, attribute)

    vars(package)["__getattr__"] = find  # https://peps.python.org/pep-0562/
    return package
