"""Cloud Storage's API for objects: what is in the buckets' folders, and who may do what."""

import base64
import hashlib
import threading
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from omnipipe.laptop import server
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.iam.bindings import CUSTOM_ROLE
from omnipipe.laptop.iam.tokens import CLOUD_PLATFORM
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.storage.resources import BUCKET, object_path
from tests.laptop.conftest import PROJECT, grant, owners_client

OBJECTS = "/storage/v1/b/landing/o"
UPLOAD = "/upload/storage/v1/b/landing/o?uploadType=media&name="
WHO = f"daily@{PROJECT}.iam.gserviceaccount.com"


def bucket(cloud: Cloud, name: str = "landing") -> None:
    Deployment(cloud).register(BUCKET, name, {"name": name, "location": "EU"}, False)


@pytest.fixture
def client(cloud: Cloud) -> FlaskClient:
    bucket(cloud)
    return owners_client(cloud)


def write(client: FlaskClient, name: str, content: bytes = b"content", kind: str | None = "text/plain") -> Any:
    answer = client.post(UPLOAD + name, data=content, content_type=kind)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_json()


def names(answer: Any) -> list[str]:
    return [item["name"] for item in answer.get_json().get("items", [])]


def said(answer: Any) -> tuple[int, str]:
    error = answer.get_json()["error"]
    assert error["code"] == answer.status_code
    return answer.status_code, error["message"]


def test_what_is_written_is_a_file_and_can_be_read(client: FlaskClient, cloud: Cloud) -> None:
    made = write(client, "2026%2Fmay%2Fa%20b.csv", b"a,b\n", "text/csv")

    assert (made["name"], made["bucket"], made["size"]) == ("2026/may/a b.csv", "landing", "4")
    assert (made["contentType"], made["metageneration"]) == ("text/csv", "1")
    assert made["md5Hash"] == base64.b64encode(hashlib.md5(b"a,b\n").digest()).decode()  # noqa: S324 - Google's
    assert object_path(cloud, "landing", "2026/may/a b.csv").read_bytes() == b"a,b\n"
    resource = client.get(f"{OBJECTS}/2026%2Fmay%2Fa%20b.csv")
    assert resource.get_json() == made
    for path in (f"{OBJECTS}/2026%2Fmay%2Fa%20b.csv?alt=media", made["mediaLink"].partition("googleapis.com")[2]):
        content = client.get(path)
        assert (content.get_data(), content.content_type) == (b"a,b\n", "text/csv")


def test_an_object_of_a_deployment_is_there_too(client: FlaskClient, cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "code.zip").write_bytes(b"one")
    for content in (b"one", b"second"):
        (tmp_path / "code.zip").write_bytes(content)
        inputs = {
            "bucket": "landing",
            "name": "code.zip",
            "source": str(tmp_path / "code.zip"),
            "digest": len(content),
        }
        Deployment(cloud).register("gcp:storage/bucketObject:BucketObject", "code", inputs, False)
        found = client.get(f"{OBJECTS}/code.zip").get_json()
        assert (found["size"], found["contentType"]) == (str(len(content)), "application/zip")
        assert client.patch(f"{OBJECTS}/code.zip", json={"metadata": {"k": "v"}}).status_code == 200
    assert client.get(f"{OBJECTS}/code.zip").get_json()["metadata"] == {"k": "v"}


def test_an_object_without_content_is_made_from_its_resource(client: FlaskClient) -> None:
    by_query = client.post(f"{OBJECTS}?name=.lock")
    by_body = client.post(OBJECTS, json={"name": "b", "metadata": {"who": "me"}, "contentType": "text/x"})

    assert (by_query.get_json()["size"], by_query.get_json()["name"]) == ("0", ".lock")
    assert by_body.get_json()["metadata"] == {"who": "me"}
    assert by_body.get_json()["contentType"] == "text/x"
    assert names(client.get(OBJECTS)) == [".lock", "b"]


def test_a_list_has_pages_prefixes_and_bounds(client: FlaskClient) -> None:
    assert client.get(OBJECTS).get_json() == {"kind": "storage#objects"}
    for name in ("a", "b%2F1", "b%2F2", "b%2Fdeep%2F3", "c", "d"):
        write(client, name)

    assert names(client.get(OBJECTS)) == ["a", "b/1", "b/2", "b/deep/3", "c", "d"]
    assert names(client.get(f"{OBJECTS}?prefix=b/")) == ["b/1", "b/2", "b/deep/3"]
    assert names(client.get(f"{OBJECTS}?startOffset=b/2&endOffset=d")) == ["b/2", "b/deep/3", "c"]
    top = client.get(f"{OBJECTS}?delimiter=/").get_json()
    assert ([item["name"] for item in top["items"]], top["prefixes"]) == (["a", "c", "d"], ["b/"])
    below = client.get(f"{OBJECTS}?delimiter=/&prefix=b/").get_json()
    assert ([item["name"] for item in below["items"]], below["prefixes"]) == (["b/1", "b/2"], ["b/deep/"])
    seen, token = [], ""
    while token is not None:
        page = client.get(f"{OBJECTS}?maxResults=2&delimiter=/&pageToken={token}").get_json()
        seen.append([item["name"] for item in page.get("items", [])] + page.get("prefixes", []))
        token = page.get("nextPageToken")
    assert seen == [["a", "b/"], ["c", "d"]]


def test_a_deleted_object_and_its_empty_folders_are_gone(client: FlaskClient, cloud: Cloud) -> None:
    write(client, "x%2Fy%2Fone")
    write(client, "x%2Ftwo")

    assert client.delete(f"{OBJECTS}/x%2Fy%2Fone").status_code == 204
    assert said(client.delete(f"{OBJECTS}/x%2Fy%2Fone")) == (404, "No such object: landing/x/y/one")
    folder = cloud.home.directory / "storage/landing"
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*")] == ["x", "x/two"]
    assert client.delete(f"{OBJECTS}/x%2Ftwo").status_code == 204
    assert folder.is_dir()
    write(client, "x")  # the folder's name is free again


def test_fields_are_patched_and_replaced(client: FlaskClient) -> None:
    write(client, "a")
    patched = client.patch(f"{OBJECTS}/a", json={"metadata": {"k": "1", "l": "2"}, "cacheControl": "no-store"})
    assert patched.get_json()["metadata"] == {"k": "1", "l": "2"}
    again = client.patch(f"{OBJECTS}/a", json={"metadata": {"k": None, "m": "3"}, "cacheControl": None}).get_json()
    assert (again["metadata"], again["metageneration"], "cacheControl" in again) == (
        {"l": "2", "m": "3"},
        "3",
        False,
    )
    assert again["generation"] == patched.get_json()["generation"]
    replaced = client.put(f"{OBJECTS}/a", json={"contentType": "text/html"}).get_json()
    assert ("metadata" in replaced, replaced["contentType"]) == (False, "text/html")
    assert client.get(f"{OBJECTS}/a").get_json() == replaced


def test_a_copy_has_the_content_and_the_fields_of_its_source(client: FlaskClient, cloud: Cloud) -> None:
    bucket(cloud, "archive")
    write(client, "a%2Fb", b"text", "text/csv")
    client.patch(f"{OBJECTS}/a%2Fb", json={"metadata": {"k": "v"}})

    copied = client.post(f"{OBJECTS}/a%2Fb/copyTo/b/archive/o/c%2Fd").get_json()
    assert (copied["name"], copied["bucket"], copied["metadata"]) == ("c/d", "archive", {"k": "v"})
    to = f"{OBJECTS}/a%2Fb/rewriteTo/b/archive/o/e"
    rewritten = client.post(to, json={"contentType": "text/plain"}).get_json()
    assert (rewritten["done"], rewritten["totalBytesRewritten"]) == (True, "4")
    assert rewritten["resource"]["contentType"] == "text/plain"
    assert client.get("/storage/v1/b/archive/o/e?alt=media").get_data() == b"text"
    wrong = client.post(f"{to}?ifSourceGenerationMatch=1")
    assert (wrong.status_code, client.post(f"{to}?ifGenerationMatch=0").status_code) == (412, 412)
    assert client.post(f"{OBJECTS}/none/copyTo/b/archive/o/f").status_code == 404


def test_conditions_hold_or_nothing_is_done(client: FlaskClient, cloud: Cloud) -> None:
    assert client.post(f"{UPLOAD}a&ifGenerationMatch=1", data=b"x").status_code == 412
    assert not object_path(cloud, "landing", "a").exists()
    first = client.post(f"{UPLOAD}a&ifGenerationMatch=0", data=b"first")
    assert first.status_code == 200
    generation = first.get_json()["generation"]
    assert client.post(f"{UPLOAD}a&ifGenerationMatch=0", data=b"second").status_code == 412
    assert client.get(f"{OBJECTS}/a?ifGenerationNotMatch={generation}").status_code == 412
    assert client.delete(f"{OBJECTS}/a?ifMetagenerationMatch=2").status_code == 412
    assert client.get(f"{OBJECTS}/a?alt=media&ifGenerationMatch={generation}").get_data() == b"first"
    second = client.post(f"{UPLOAD}a&ifGenerationMatch={generation}", data=b"second").get_json()
    assert int(second["generation"]) > int(generation)


def test_one_of_many_who_write_only_where_nothing_is_wins(client: FlaskClient, cloud: Cloud) -> None:
    service = server.application(cloud, server.apis(cloud))
    barrier, codes = threading.Barrier(8), []

    def claim(number: int) -> None:
        path, own = f"{UPLOAD}lock&ifGenerationMatch=0", service.test_client()
        barrier.wait(10)
        codes.append(own.post(path, data=str(number), headers=cloud.as_owner()).status_code)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(codes) == [200] + [412] * 7


def test_a_held_object_is_neither_deleted_nor_written_over(client: FlaskClient) -> None:
    write(client, "a", b"kept")
    assert client.patch(f"{OBJECTS}/a", json={"temporaryHold": "true"}).get_json()["temporaryHold"] is True

    for refused in (client.delete(f"{OBJECTS}/a"), client.post(UPLOAD + "a", data=b"other")):
        code, message = said(refused)
        assert (code, message.partition(" and ")[0]) == (403, "Object 'landing/a' is under active Temporary hold")
    assert client.get(f"{OBJECTS}/a?alt=media").get_data() == b"kept"
    client.patch(f"{OBJECTS}/a", json={"temporaryHold": "false"})
    assert client.delete(f"{OBJECTS}/a").status_code == 204


@pytest.mark.parametrize(
    "name", ["..%2Fout", "a%2F..%2F..%2Fout", "a%2F%2Fb", "%2Fa", "a%2F", ".", "a%0Ab", "x" * 1025]
)
def test_a_name_that_no_file_can_have_is_refused(client: FlaskClient, cloud: Cloud, name: str) -> None:
    before = sorted(cloud.home.directory.rglob("*"))
    code, message = said(client.post(UPLOAD + name, data=b"x"))
    assert (code, "cannot be an object here" in message) == (400, True)
    assert client.get(f"{OBJECTS}/{name}").status_code in (400, 404)
    assert sorted(cloud.home.directory.rglob("*")) == before


def test_an_object_below_another_one_is_refused_and_nothing_is_left(client: FlaskClient, cloud: Cloud) -> None:
    write(client, "a")
    write(client, "b%2Fc")
    for name in ("a%2Fb", "b"):
        code, message = said(client.post(UPLOAD + name, data=b"x"))
        assert (code, "is below or above another one" in message) == (400, True)
    assert names(client.get(OBJECTS)) == ["a", "b/c"]
    assert list(cloud.home.path("storage-drafts").iterdir()) == []
    assert client.get(f"{OBJECTS}/b").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "code", "words"),
    [
        ("GET", "/storage/v1/b/other/o", 404, "The specified bucket does not exist: other"),
        ("GET", f"{OBJECTS}/none", 404, "No such object: landing/none"),
        ("GET", f"{OBJECTS}/a/b", 404, "is a name not URL-encoded?"),
        ("GET", f"{OBJECTS}?versions=true", 400, "the parameter versions is not known here"),
        ("GET", f"{OBJECTS}?maxResults=many", 400, "Invalid value for maxResults: 'many'"),
        ("POST", OBJECTS, 400, "Required: name"),
        ("POST", "/upload/storage/v1/b/landing/o?uploadType=resumable&name=a", 400, "use media"),
        ("GET", "/storage/v1/b/landing", 404, "there is no GET /storage/v1/b/landing here"),
    ],
)
def test_what_is_not_there_is_told(client: FlaskClient, method: str, path: str, code: int, words: str) -> None:
    found, message = said(client.open(path, method=method))
    assert (found, words in message) == (code, True), message


@pytest.mark.parametrize("body", [b"[1]", b"{", b'{"acl": []}'])
def test_a_body_that_is_no_resource_is_refused(client: FlaskClient, body: bytes) -> None:
    write(client, "a")
    assert said(client.patch(f"{OBJECTS}/a", data=body, content_type="application/json"))[0] == 400


def test_a_bucket_that_is_made_again_knows_nothing_of_the_first(cloud: Cloud) -> None:
    Deployment(cloud).register(BUCKET, "landing", {"name": "landing", "forceDestroy": True}, False)
    client = owners_client(cloud)
    write(client, "a")
    client.patch(f"{OBJECTS}/a", json={"metadata": {"k": "v"}})
    Deployment(cloud).take_down_unregistered()
    assert client.get(f"{OBJECTS}/a").status_code == 404
    bucket(cloud)
    assert names(client.get(OBJECTS)) == []
    assert "metadata" not in write(client, "a")


# Method, path, what the caller needs on the object; the last is on the bucket.
NEEDS: list[tuple[str, str, str]] = [
    ("GET", f"{OBJECTS}/a", "storage.objects.get"),
    ("GET", f"{OBJECTS}/a?alt=media", "storage.objects.get"),
    ("POST", f"{UPLOAD}new", "storage.objects.create"),
    ("POST", f"{UPLOAD}a", "storage.objects.delete"),
    ("PATCH", f"{OBJECTS}/a", "storage.objects.update"),
    ("PUT", f"{OBJECTS}/a", "storage.objects.update"),
    ("POST", f"{OBJECTS}/a/copyTo/b/landing/o/new", "storage.objects.get"),
    ("POST", f"{OBJECTS}/a/rewriteTo/b/landing/o/new", "storage.objects.create"),
    ("DELETE", f"{OBJECTS}/a", "storage.objects.delete"),
    ("GET", OBJECTS, "storage.objects.list"),
]


@pytest.mark.parametrize(("method", "path", "permission"), NEEDS)
def test_a_request_needs_its_permission(
    client: FlaskClient, cloud: Cloud, method: str, path: str, permission: str
) -> None:
    write(client, "a", b"secret words")
    caller = server.application(cloud, server.apis(cloud)).test_client()
    token = {"Authorization": f"Bearer {cloud.tokens.issue(WHO, CLOUD_PLATFORM)}"}
    everything = {need for *_, need in NEEDS}

    def permit(permissions: set[str]) -> None:
        role = f"projects/{PROJECT}/roles/test"
        cloud.registry.put(Resource(CUSTOM_ROLE, "test", {"permissions": sorted(permissions)}, {}, role))
        grant(cloud, "gcp:storage/bucketIAMMember:BucketIAMMember", role, WHO, bucket="landing")

    assert caller.open(path, method=method).status_code == 401
    permit(everything - {permission})
    refused = caller.open(path, method=method, headers=token)
    assert refused.status_code == 403
    assert f"Permission '{permission}' denied on resource 'projects/_/buckets/landing" in said(refused)[1]
    assert client.get(f"{OBJECTS}/a?alt=media").get_data() == b"secret words"
    assert client.get(f"{OBJECTS}/new").status_code == 404
    permit(everything)
    assert caller.open(path, method=method, headers=token).status_code in (200, 204)


def test_a_grant_on_one_bucket_is_none_on_another(client: FlaskClient, cloud: Cloud) -> None:
    bucket(cloud, "archive")
    grant(
        cloud, "gcp:storage/bucketIAMMember:BucketIAMMember", "roles/storage.objectViewer", WHO, bucket="archive"
    )
    token = {"Authorization": f"Bearer {cloud.tokens.issue(WHO, CLOUD_PLATFORM)}"}
    caller = server.application(cloud, server.apis(cloud)).test_client()

    assert caller.get("/storage/v1/b/archive/o", headers=token).status_code == 200
    assert caller.get(OBJECTS, headers=token).status_code == 403
