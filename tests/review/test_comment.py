"""What the comment of a pull request shows, and in which order."""

from dataclasses import replace

from omnipipe.rehearsal.engine.problems import Problem
from omnipipe.review.comment import MARKER, Review, Stack, render
from omnipipe.review.models import Models
from omnipipe.review.preview import Change, Preview, Said, Violation, read
from tests.review.test_preview import SHOP

PREVIEW = read(SHOP.read_text().splitlines())
DEV = Stack("dev", "Compared with what is deployed", PREVIEW)
TOPIC = "gcp:pubsub/topic:Topic"


def urn(name: str) -> str:
    return f"urn:pulumi:dev::shop::{TOPIC}::{name}"


def stack(preview: Preview) -> str:
    return render(Review(stacks=[replace(DEV, preview=preview)]))


def test_it_begins_with_the_mark_by_which_it_is_found_again() -> None:
    assert render(Review()).startswith(f"{MARKER}\n")


def test_what_is_replaced_is_bold_and_what_holds_data_comes_first() -> None:
    rows = [line for line in stack(PREVIEW).splitlines() if line.startswith("| ")]
    shown = [" ".join(row.split(" | ")[:2]).removeprefix("| ") for row in rows[1:9]]
    assert shown == [
        "**replaced, with its data** **`receipts`**",
        "**replaced** **`orders`**",
        "**replaced** **`publishes`**",
        "**replaced** **`reads`**",
        "deleted `returns`",
        "created `asks`",
        "created `cook`",
        "created `menu`",
    ]
    assert "**4 replaced, of which 1 with data** · 1 deleted · 3 created · 6 unchanged." in stack(PREVIEW)


def test_what_is_deleted_with_its_data_is_bold_too() -> None:
    table = Change("deleted", urn("receipts"), "gcp:bigquery/table:Table")
    assert "| **deleted, with its data** | **`receipts`** |" in stack(Preview([table], ended=True))


def test_grants_are_told_with_role_member_and_resource() -> None:
    given = "| given | `roles/bigquery.jobUser` | `serviceAccount:shop-cook@shop-dev.iam.gserviceaccount.com` | "
    assert f"{given}`project shop-dev` |" in stack(PREVIEW)
    assert "| taken away | `roles/bigquery.dataViewer` |" in stack(PREVIEW)


def test_nothing_to_do_is_one_line() -> None:
    assert "Nothing would change (251 resources)." in stack(Preview(unchanged=251, ended=True))


def test_a_preview_that_did_not_end_is_said_to_be_no_whole() -> None:
    text = stack(replace(PREVIEW, ended=False, errors=[Said(urn("orders"), "Error 403:\n  not enabled")]))
    assert "**The preview did not end: there may be more than this.**" in text
    assert "**Errors**\n\n- `orders`: `Error 403: not enabled`\n" in text


def test_policies_that_forbid_come_before_those_that_advise() -> None:
    broken = [
        Violation(urn("returns"), "no label", "labels", False),
        Violation(urn("orders"), "is public", "public", True),
    ]
    text = stack(Preview(violations=broken, ended=True))
    forbidden = "| **forbidden** | `public` | `orders` | `is public` |\n"
    assert f"{forbidden}| advice | `labels` | `returns` | `no label` |" in text
    assert "Policies: all of `omnipipe` are kept." in stack(Preview(packs=("omnipipe",), ended=True))


def test_what_the_rehearsal_found_is_told_with_googles_words() -> None:
    problem = Problem("orders", TOPIC, "PUT pubsub/v1/projects/p/topics/orders", "Error 403: not enabled")
    told = replace(DEV, rehearsal="the last step was `up`, after 3 s", problems=[problem])
    text = render(Review(stacks=[told]))
    assert "Rehearsal: **1 problem**, the last step was `up`, after 3 s." in text
    assert "- `orders`: `PUT pubsub/v1/projects/p/topics/orders Error 403: not enabled`" in text
    assert told.stops
    assert "Rehearsal: no problem, after 3 s." in render(Review(stacks=[replace(DEV, rehearsal="after 3 s")]))


def test_models_and_golden_files_are_told() -> None:
    difference = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1,2 @@\n-old\n+new\n+```\n"
    review = Review("`origin/main` at `abc`", [], Models(("fct_trip",), ("kpis",), ("gone",)), difference)
    text = render(review)
    assert "Compared with `origin/main` at `abc`." in text
    assert "| changed | `fct_trip` |\n| below them | `kpis` |\n| gone | `gone` |" in text
    assert "<summary>2 lines more, 1 lines less</summary>" in text
    assert f"```diff\n{difference}" in text


def test_a_fence_is_longer_than_what_it_holds() -> None:
    assert "\n````diff\n+ ```\n````\n" in render(Review(golden="+ ```"))


def test_github_takes_it_however_much_there_is() -> None:
    many = [Change("created", urn(f"topic-{number}-{'x' * 900}"), TOPIC) for number in range(300)]
    review = Review(stacks=[replace(DEV, preview=Preview(many, ended=True))] * 3, golden="+ line\n" * 40_000)
    text = render(review)
    assert len(text) < 65_536
    assert "… and 240 more." in text
    assert text.count("and more than a comment can hold") == 2
    assert text.endswith("</details>\n")


def test_names_cannot_end_a_cell_mention_somebody_or_be_markdown() -> None:
    text = stack(Preview([Change("created", urn("a`|@octocat"), TOPIC)], ended=True))
    assert "| created | `a'\\|@octocat` |" in text
