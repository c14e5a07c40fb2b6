"""What a query may hold is what the document says of the operation, everywhere."""

import re

import httpx

METHODS = frozenset({"get", "post", "put", "patch", "delete"})


def test_every_operation_takes_the_query_parameters_of_the_document_and_no_other(
    common_client: httpx.Client,
) -> None:
    """Each is asked with one it cannot know, and names those that it does."""
    document = common_client.get("/api/openapi.json").json()
    asked = 0
    for path, operations in document["paths"].items():
        for method in sorted(METHODS & operations.keys()):
            told = operations[method].get("parameters", ())
            known = sorted(each["name"] for each in told if each["in"] == "query")
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            answer = common_client.request(
                method, re.sub(r"\{[^}]+\}", "1", path), params={"no_such_thing": "1"}
            )
            said = answer.json().get("errors", [{}])[0].get("message", "")
            if answer.status_code == 422 and "no_such_thing" in answer.text:
                assert said == f"unknown; {takes}", (method, path)
                asked += 1
    assert asked > 150
