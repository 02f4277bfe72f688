"""What a user is told when the laptop cloud cannot go on."""


class LaptopError(Exception):
    """Something a person can mend. The message is one line: what is wrong, and what to do about it."""
