"""The page of what the laptop supports says what the kinds say."""

from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.laptop.supported import page


def test_the_page_is_made_of_the_kinds() -> None:
    written = (PROJECT_ROOT / "docs" / "laptop.md").read_text()
    assert written == page(), "make it anew: python -m omnipipe.laptop.supported > docs/laptop.md"
