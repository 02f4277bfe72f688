"""What stands on PATH for gcloud, gh and pulumi: each knows the commands of a bootstrap, and keeps what they made.

    standins.py TOOL STATE ARGUMENT…

STATE is a JSON file. Each call is written down in `calls` of it; what it does not know, it refuses.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

Options = dict[str, str]
State = dict[str, Any]

TOOLS = ("gcloud", "gh", "pulumi")


class Refused(Exception):
    """What the tool says on stderr, and ends with 1."""


def install(folder: Path, state: Path, tools: tuple[str, ...] = TOOLS) -> None:
    """Put them into a folder, all with one state."""
    for tool in tools:
        program = folder / tool
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -S {__file__} {tool} {state} "$@"\n')
        program.chmod(0o755)


def gcloud(state: State, words: list[str], options: Options) -> str:
    """Google's command, with the words and the options that are typed."""
    match words:
        case ["projects", "describe", _]:
            return "123456789"
        case ["services", "list"]:
            return "\n".join(state["apis"])
        case ["services", "enable", *names]:
            state["apis"] += names
        case ["storage", "buckets", "list"]:
            return "\n".join(
                name for name, bucket in state["buckets"].items() if bucket["project"] == options["project"]
            )
        case ["storage", "buckets", "create", url]:
            name = url.removeprefix("gs://")
            if name in state["buckets"]:
                raise Refused("HTTPError 409: The requested bucket name is not available.")
            state["buckets"][name] = {**options, "policy": []}
        case ["storage", "buckets", "describe", url]:
            bucket = _bucket(state, url)
            return (
                str(bucket.get("versioning", "")) if "versioning" in options["format"] else bucket.get("days", "")
            )
        case ["storage", "buckets", "update", url]:
            if "versioning" in options:
                _bucket(state, url)["versioning"] = True
            else:
                rule = json.loads(Path(options["lifecycle-file"]).read_text())["rule"][0]
                _bucket(state, url)["days"] = str(rule["condition"]["daysSinceNoncurrentTime"])
        case ["storage", "buckets", what, url]:
            return _policy(state, _bucket(state, url)["policy"], what, options)
        case ["kms", "keyrings", "list"]:
            return "\n".join(state["rings"])
        case ["kms", "keyrings", "create", id_]:
            state["rings"].append(f"projects/{options['project']}/locations/{options['location']}/keyRings/{id_}")
        case ["kms", "keys", "list"]:
            return "\n".join(state["keys"])
        case ["kms", "keys", "create", id_]:
            (ring,) = state["rings"]
            state["keys"][f"{ring}/cryptoKeys/{id_}"] = []
        case ["kms", "keys", what, _]:
            (key,) = state["keys"].values()
            return _policy(state, key, what, options)
        case ["iam", "service-accounts", "list"]:
            return "\n".join(state["accounts"])
        case ["iam", "service-accounts", "create", id_]:
            state["accounts"][f"{id_}@{options['project']}.iam.gserviceaccount.com"] = options["display-name"]
        case _:
            raise Refused(f"Invalid choice: {words}")
    return ""


def _bucket(state: State, url: str) -> dict[str, Any]:
    if (name := url.removeprefix("gs://")) not in state["buckets"]:
        raise Refused(f"gs://{name} not found: 404.")
    return state["buckets"][name]


def _policy(state: State, policy: list[list[str]], what: str, options: Options) -> str:
    if what == "get-iam-policy":
        return "\n".join(f"{role},{who}" for who, role in policy)
    email = options["member"].removeprefix("serviceAccount:")
    if email not in state["accounts"] or state.get("late", 0):
        state["late"] = state.get("late", 1) - 1
        raise Refused(f"HTTPError 400: Service account {email} does not exist.")
    policy.append([options["member"], options["role"]])
    return ""


def gh(state: State, words: list[str], options: Options) -> str:
    """GitHub's command."""
    repository = {"id": "4711", "owner": {"id": "815"}}
    match words:
        case ["variable", "set", name]:
            state["variables"][name] = options["body"]
        case ["api", path] if "method" not in options:
            asked = path.removeprefix("repos/acme/omnipipe").strip("/")
            answers: dict[str, Any] = {"": repository} | {
                f"actions/variables/{name}": {"value": value} for name, value in state["variables"].items()
            }
            for name, branches in state["environments"].items():
                answers |= {
                    f"environments/{name}": {"name": name},
                    f"environments/{name}/deployment-branch-policies": {"branch_policies": branches},
                }
            if asked not in answers:
                raise Refused("gh: Not Found (HTTP 404)")
            return _jq(options["jq"], answers[asked])
        case ["api", path] if options["method"] == "PUT":
            state["environments"][path.rpartition("/")[2]] = []
        case ["api", path]:
            name = path.split("/")[4]
            state["environments"][name].append({"name": options["raw-field"].removeprefix("name=")})
        case _:
            raise Refused(f"unknown command {words}")
    return ""


def _jq(path: str, value: Any) -> str:
    """`.a.b`, or a field of each of a list, as `.a[].b`."""
    for part in path.strip(".").split("."):
        value = [item[part] for item in value] if isinstance(value, list) else value[part.removesuffix("[]")]
    return "\n".join(value) if isinstance(value, list) else str(value)


def pulumi(state: State, words: list[str], options: Options) -> str:
    """Pulumi's command, in the folder of the project."""
    match words:
        case ["stack", "select", stack]:
            if stack not in state["stacks"]:
                raise Refused(f"error: no stack named '{stack}' found")
        case ["stack", "init", stack]:
            state["stacks"].append(stack)
            _set_secrets_provider(stack, options["secrets-provider"])
        case ["stack", "change-secrets-provider", provider]:
            _set_secrets_provider(options["stack"], provider)
        case ["config", "get", key]:
            said = re.search(rf"^  {key}: (.*)$", _stack_file(options["stack"]).read_text(), re.MULTILINE)
            if not said:
                raise Refused(f"error: configuration key '{key}' not found")
            return said[1].strip('"')
        case ["config", "set", key, value]:
            file = _stack_file(options["stack"])
            text = re.sub(rf"^  {key}: .*\n", "", file.read_text(), flags=re.MULTILINE)
            file.write_text(text.replace("config:\n", f"config:\n  {key}: {json.dumps(value)}\n"))
        case _:
            raise Refused(f"unknown command {words}")
    return ""


def _stack_file(stack: str) -> Path:
    return Path(f"Pulumi.{stack}.yaml")


def _set_secrets_provider(stack: str, provider: str) -> None:
    file = _stack_file(stack)
    text = re.sub(r"^secretsprovider: .*\n", "", file.read_text(), flags=re.MULTILINE)
    file.write_text(f"secretsprovider: {provider}\n{text}")


def main() -> None:
    """Answer one call."""
    tool, file, *arguments = sys.argv[1:]
    state = {
        "apis": [],
        "buckets": {},
        "rings": [],
        "keys": {},
        "accounts": {},
        "variables": {},
        "environments": {},
        "stacks": [],
        "calls": [],
    }
    if Path(file).exists():
        state |= json.loads(Path(file).read_text())
    state["calls"].append([tool, *arguments])
    words, options, rest = [], {}, iter(arguments)
    for argument in rest:
        if argument == "--jq":
            options["jq"] = next(rest)
        elif argument.startswith("--"):
            name, _, value = argument.removeprefix("--").partition("=")
            options[name] = value
        else:
            words.append(argument)
    try:
        answer, code = {"gcloud": gcloud, "gh": gh, "pulumi": pulumi}[tool](state, words, options), 0
    except Refused as error:
        sys.stderr.write(f"{error}\n")
        answer, code = "", 1
    Path(file).write_text(json.dumps(state))
    if answer:
        sys.stdout.write(f"{answer}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
