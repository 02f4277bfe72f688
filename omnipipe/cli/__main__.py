"""``python -m omnipipe.cli``: the command, as a debugger starts it."""

from omnipipe.cli import main

main()
