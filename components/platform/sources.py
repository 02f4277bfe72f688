"""Where the code of the functions and jobs is, and what of this project travels with each function."""

from pathlib import Path

from components.packaging import Sources

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = Sources(
    root=ROOT,
    # The parts of the package that every function and job may import.
    shared=("omnipipe/__init__.py", "omnipipe/contracts", "omnipipe/runtime"),
    packages=ROOT / ".omnipipe" / "packages",
)
