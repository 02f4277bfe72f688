"""What a user is told when the laptop cloud cannot go on."""


class LaptopError(Exception):
    """Something a person can mend. The message says what is wrong, and what to do about it, a line for each problem."""


class LosesData(LaptopError):
    """What was asked for would remove or replace something with data in it, and nobody has agreed to that."""
