"""Deliberate mistakes in the program, and who notices them: the rehearsal, the policies, the laptop, the unit tests."""
