"""A deployment's rehearsal: Google's control plane on this machine, made from Google's own descriptions of its APIs.

- ``discovery`` and ``schema`` read the descriptions and check requests against them; ``errors`` are Google's.
- ``standard``, ``operations``, ``policies``, ``masks``, ``etags``, ``paging``: what the APIs have in common.
- ``references``, ``identities``, ``grants``, ``keys``, ``mounts``, ``enabling``, ``propagation``: Google's order.
- ``services`` has a file for each API: what its description does not say, with the source of each rule.
- ``control_plane`` puts them together, ``server`` puts that on a port.
"""
