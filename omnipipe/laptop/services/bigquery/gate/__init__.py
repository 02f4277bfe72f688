"""The gate before BigQuery, inside the emulator's own process: no further hop, and its catalog at hand.

``call`` reads a request; ``routes`` and ``jobs`` say what it needs, ``statements`` what SQL needs, ``rights`` compares
that with the bindings. ``answers`` has what becomes of the emulator's answer; ``tags`` keeps the policy tags that the
emulator drops, ``makers`` whose a job is. ``middleware`` puts all this before the emulator.
"""
