"""Bricks for data platforms on Google Cloud, one component a file, and in ``platform`` what composes them to OmniPipe.

A brick knows nothing of this platform: what it makes, is named and watches is told to it in its arguments. Of
``omnipipe.contracts`` it knows ``schema`` alone, the language in which tables are declared.
"""
