"""Who pays and whom to ask: the labels of everything on Google that takes some."""

import re
from collections.abc import Mapping
from typing import Any

import pulumi

# https://cloud.google.com/resource-manager/docs/creating-managing-labels#requirements, less what is not ASCII
_VALUE = re.compile(r"[a-z0-9_-]{1,63}")
_DATABASE_INSTANCE = "gcp:sql/databaseInstance:DatabaseInstance"


def is_label_value(text: str) -> bool:
    """Whether a label may have this value."""
    return bool(_VALUE.fullmatch(text))


def labels(environment: str, owner: str) -> pulumi.ResourceTransformation:
    """A transformation that labels a component's children, and theirs, with environment, owner and component.

    ``component`` is the name of the component that made the resource. Labels that it gave itself stay. Bills show what
    each part of a stack costs by them.
    """

    def transform(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        parent = args.opts.parent
        if not args.type_.startswith("gcp:") or parent is None:
            return None
        own = {"environment": environment, "owner": owner, "component": parent.pulumi_resource_name}
        props: dict[str, Any] = dict(args.props)
        # Where there are both, as with a channel of Cloud Monitoring, `labels` are what it is made of.
        key = "user_labels" if "user_labels" in props else "labels"
        if key in props:
            props[key] = _with(own, props[key])
        if args.type_ == _DATABASE_INSTANCE:
            props["settings"] = {**props["settings"], "user_labels": own}
        return pulumi.ResourceTransformationResult(props, args.opts)

    return transform


def _with(labels: Mapping[str, str], given: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None) -> Any:
    return dict(labels) if given is None else pulumi.Output.from_input(given).apply(lambda own: {**labels, **own})
