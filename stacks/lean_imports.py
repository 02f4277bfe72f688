"""The provider's packages, a module at a time.

A package of the provider imports every resource of its service: compute has 300 modules, of which a program that makes
a network uses five. That took a fifth of the program's time before anything is deployed, and of its memory. Here a
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

# Those that the program uses and that take longest.
PACKAGES = ("artifactregistry", "bigquery", "cloudrunv2", "compute", "datastream", "monitoring", "storage")
# BucketIAMMember is in bucket_iam_member.py.
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def install() -> None:
    """Let the packages be imported in parts; those that are imported already stay as they are."""
    for package in PACKAGES:
        name = f"{pulumi_gcp.__name__}.{package}"
        if type(sys.modules.get(name)) is ModuleType:  # another type stands for what is not imported yet
            continue
        module = partial(name)
        sys.modules[name] = module
        setattr(pulumi_gcp, package, module)


def partial(name: str) -> ModuleType:
    """A package whose ``__init__`` has not run: its attributes are its modules, and classes by their modules' names."""
    spec = PathFinder.find_spec(name, pulumi_gcp.__path__)
    if spec is None or spec.loader is None or not spec.submodule_search_locations:
        raise ImportError(f"{name} is no package of the provider that is installed: see {__name__}.PACKAGES")
    package, loader = importlib.util.module_from_spec(spec), spec.loader
    modules = {file.stem for file in Path(spec.submodule_search_locations[0]).glob("*.py")}

    def find(attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        module = _WORDS.sub("_", attribute).lower()
        if attribute in modules:
            return importlib.import_module(f"{name}.{attribute}")
        if module in modules:
            return getattr(importlib.import_module(f"{name}.{module}"), attribute)
        del vars(package)["__getattr__"]
        loader.exec_module(package)
        return getattr(package, attribute)

    vars(package)["__getattr__"] = find  # https://peps.python.org/pep-0562/
    return package
