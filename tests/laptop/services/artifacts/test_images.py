"""Images are built from Dockerfiles as Docker would, or not at all."""

from pathlib import Path

import pytest

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.services.artifacts.image import Image
from omnipipe.laptop.services.artifacts.images import build

DOCKERFILE = """
FROM python:3.12-slim
WORKDIR /app
ENV MODE=quiet
COPY jobs/hello/requirements.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements.txt
COPY shared shared
COPY jobs/hello/main.py ./
ENTRYPOINT ["python", "main.py"]
CMD ["--fast"]
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    job = tmp_path / "context" / "jobs" / "hello"
    job.mkdir(parents=True)
    (job / "Dockerfile").write_text(DOCKERFILE)
    (job / "requirements.txt").write_text("")
    (job / "main.py").write_text("print('hello')")
    shared = tmp_path / "context" / "shared"
    (shared / "__pycache__").mkdir(parents=True)
    (shared / "code.py").write_text("x = 1")
    (shared / "notes.md").write_text("not for the image")
    (shared / "__pycache__" / "code.pyc").write_text("")
    return tmp_path / "context"


def built(context: Path, dockerfile: str = DOCKERFILE) -> Image:
    path = context / "jobs" / "hello" / "Dockerfile"
    path.write_text(dockerfile)
    return build(context, path, context.parent / "images")


def files(image: Image) -> set[str]:
    root = Path(image.root)
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()} - {"image.json"}


def test_an_image_has_what_the_dockerfile_copies_and_starts_as_it_says(context: Path) -> None:
    image = built(context)

    assert files(image) == {"app/requirements.txt", "app/main.py", "app/shared/code.py", "app/shared/notes.md"}
    assert (image.workdir, image.env, image.entrypoint, image.cmd) == (
        "/app",
        {"MODE": "quiet"},
        ["python", "main.py"],
        ["--fast"],
    )
    assert (Path(image.environment) / "bin" / "python").exists()
    assert Image.load(Path(image.root)) == image


def test_the_digest_changes_with_the_content_and_only_with_it(context: Path) -> None:
    first = built(context)
    (context / "unrelated.txt").write_text("x")
    assert built(context).digest == first.digest

    (context / "shared" / "code.py").write_text("x = 2")
    assert built(context).digest != first.digest


def test_what_dockerignore_leaves_out_is_not_there(context: Path) -> None:
    (context / "jobs" / "hello" / "Dockerfile.dockerignore").write_text("# notes stay here\n**/*.md\n")
    assert "app/shared/notes.md" not in files(built(context))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("RUN apt-get install -y git", "RUN apt-get install -y git: the laptop builds"),
        ("EXPOSE 80", "EXPOSE 80: the laptop builds"),
        ("COPY missing.txt ./", "missing.txt is not in the build's context"),
        ("COPY --from=other /a /b", "COPY without options"),
        ("ENTRYPOINT python main.py", "as a JSON list"),
        ("RUN pip install -r other.txt", "other.txt was not copied before"),
    ],
)
def test_what_the_laptop_cannot_do_is_refused_and_named(context: Path, line: str, complaint: str) -> None:
    with pytest.raises(LaptopError, match=complaint):
        built(context, DOCKERFILE + line + "\n")


def test_a_missing_dockerfile_is_named(context: Path) -> None:
    with pytest.raises(LaptopError, match="nothing/Dockerfile: there is no file"):
        build(context, context / "nothing" / "Dockerfile", context / "images")
