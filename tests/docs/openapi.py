"""
C{docs/openapi.yaml}, for comparison with answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from openapi_schema_validator import OAS31Validator
from openapi_spec_validator.readers import read_from_filename

from tests.net import ROOT

DOCUMENT, _ = read_from_filename(str(ROOT / "docs" / "openapi.yaml"))


def resolve(node: Any) -> Any:
    """
    Return a part of the document; if it is a reference, the part that it refers to.
    """
    while "$ref" in node:
        target: Any = DOCUMENT
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        node = target
    return node


def operation(operationId: str) -> dict[str, Any]:
    """
    Return an operation by its id.
    """
    (found,) = (
        each
        for path in DOCUMENT["paths"].values()
        for each in path.values()
        if each["operationId"] == operationId
    )
    return dict(found)


def statuses(operationId: str) -> set[int]:
    """
    Return the statuses of an operation's answers, without failures, which may have any status.
    """
    return {int(status) for status in operation(operationId)["responses"] if status.isdigit()}


def faults(schema: Any, value: Any) -> Iterator[str]:
    """
    Return how a value differs from a schema of the document.
    """
    whole = {**schema, "components": DOCUMENT["components"]}
    for error in OAS31Validator(whole).iter_errors(value):
        yield f"{error.json_path}: {error.message}"


def answerFaults(
    operationId: str, status: int, headers: Mapping[str, str], body: Any
) -> Iterator[str]:
    """
    Return how an answer differs from the document.

    @param headers: By their lower-case names.
    @param body: Decoded JSON, else text; L{None} if there is no body.
    """
    answers = operation(operationId)["responses"]
    if str(status) not in answers:
        yield f"{status} is not documented"
        return
    answer = resolve(answers[str(status)])
    for name, header in answer.get("headers", {}).items():
        header, value = resolve(header), headers.get(name.lower())
        if value is not None:
            yield from faults(header["schema"], value)
        elif header.get("required"):
            yield f"{name} is missing"
    kind = headers.get("content-type", "").partition(";")[0]
    content = answer.get("content", {})
    if kind in content:
        yield from faults(content[kind]["schema"], body)
    elif content or body is not None:
        yield f"the body is {kind}: {body}"
