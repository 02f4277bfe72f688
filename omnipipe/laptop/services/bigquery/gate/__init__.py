"""The gate before BigQuery, inside the emulator's own process: no further hop, and its catalog at hand.

``routes`` and ``jobs`` say what a REST request needs, ``statements`` what SQL needs, ``checks`` compares that with
the bindings, ``tags`` keeps the policy tags that the emulator drops, ``middleware`` puts it before the emulator.
"""
