"""Updates by a mask of fields: https://google.aip.dev/161"""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor

from omnipipe.laptop.services.pubsub.failures import invalid
from omnipipe.laptop.services.pubsub.messages import Message


def merged(request: Message, given: Message, known: Message, fixed: frozenset[str]) -> Message:
    """A copy of ``known`` with the fields of the request's mask as ``given`` has them.

    Raises Failure for a mask that is empty, or that names a field that there is not, or one of ``fixed``.
    """
    kind = type(request).DESCRIPTOR.name
    paths = list(request.update_mask.paths)
    if not paths:
        raise invalid(f"The update_mask in the {kind} must be set, and must contain a non-empty paths list.")
    made = type(known)()
    made.CopyFrom(known)
    for path in paths:
        first, *rest = path.split(".")
        descriptor: Descriptor = type(known).DESCRIPTOR
        if first not in descriptor.fields_by_name or first in fixed:
            raise invalid(
                f"Invalid update_mask provided in the {kind}: {path} is not a known {descriptor.name} field. Note "
                "that field paths must be of the form 'push_config' rather than 'pushConfig'."
            )
        _set(made, given, [first, *rest], kind, path)
    return made


def _set(target: Message, source: Message, path: list[str], kind: str, whole: str) -> None:
    name, *rest = path
    field = type(target).DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        raise invalid(f"Invalid update_mask provided in the {kind}: {whole} is not a known field.")
    if rest and field.message_type and not field.is_repeated:
        _set(getattr(target, name), getattr(source, name), rest, kind, whole)
        return
    target.ClearField(name)
    if field.is_repeated:
        if field.message_type and field.message_type.GetOptions().map_entry:
            getattr(target, name).update(getattr(source, name))
        else:
            getattr(target, name).extend(getattr(source, name))
    elif field.message_type:
        if source.HasField(name):
            getattr(target, name).CopyFrom(getattr(source, name))
    else:
        setattr(target, name, getattr(source, name))
