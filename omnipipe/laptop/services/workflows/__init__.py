"""Workflows: the resource, the API of executions, and the interpreter of the language."""
