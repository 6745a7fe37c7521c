"""The templates table."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mailbearer.aws import items
from mailbearer.aws.failures import calling
from mailbearer.errors import Conflict, NotFound
from mailbearer.template import Template, TemplateVersion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

_KIND = "template"
"""The one partition of `by_name`, which holds the templates and none of their versions."""


class DynamoDBTemplateStore:
    """Templates and their versions, by name and version; version 0 is the template itself.

    A name can be given to a new template as soon as the old one is deleted; what may be left of the old versions then
    counts as not there.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def create(self, template: Template) -> Template:
        """Put the template if its name is new; give the one that stands there."""
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=_to_item(template),
                    ConditionExpression="attribute_not_exists(#name)",
                    ExpressionAttributeNames={"#name": "name"},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                failure: Any = error.response
                return _from_item(failure["Item"])
        return template

    def get(self, name: str) -> Template | None:
        """Read one template."""
        item = self._read(name, 0)
        return _from_item(item) if item else None

    def replace(self, new: Template, *, expected: Template) -> Template:
        """Write `new` if the stored revision still is that of `expected`; give the template that stands there."""
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=_to_item(new),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **_unchanged(expected),
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                failure: Any = error.response
                if "Item" not in failure:
                    raise NotFound("There is no such template.") from error
                return _from_item(failure["Item"])
        return new

    def delete(self, template: Template) -> None:
        """Remove the template, then its versions, if nobody has changed it since. Raises `Conflict` if so."""
        with calling("dynamodb:DeleteItem"):
            try:
                self._client.delete_item(
                    TableName=self._table,
                    Key=_key(template.name, 0),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **_unchanged(template),
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                failure: Any = error.response
                if "Item" in failure:
                    raise Conflict("The template was changed meanwhile. Read it again before deleting it.") from error
        # By their age, so that none of a template which takes the name at this very moment goes with them.
        last: dict[str, Any] = {
            "ConditionExpression": "created_at <= :last",
            "ExpressionAttributeValues": items.encode({":last": template.updated_at}),
        }
        for item in self._versions(template.name, {"ProjectionExpression": "version"}):
            gone = self._client.exceptions.ConditionalCheckFailedException
            with calling("dynamodb:DeleteItem"), suppress(gone):
                self._client.delete_item(
                    TableName=self._table, Key=_key(template.name, int(item["version"]["N"])), **last
                )

    def listing(self, *, limit: int, cursor: str) -> tuple[list[Template], str]:
        """List templates by name; the second value continues the list, empty at its end."""
        start: dict[str, Any] = {}
        if cursor:
            (last,) = items.read_cursor(cursor, 1)
            start = {"ExclusiveStartKey": _key(last, 0) | {"kind": {"S": _KIND}}}
        with calling("dynamodb:Query"):
            answer = self._client.query(
                TableName=self._table,
                IndexName="by_name",
                KeyConditionExpression="kind = :kind",
                ExpressionAttributeValues={":kind": {"S": _KIND}},
                # One more than asked for tells whether the list goes on.
                Limit=limit + 1,
                **start,
            )
        found = [_from_item(item) for item in answer["Items"]]
        return found[:limit], items.write_cursor(found[limit - 1].name) if len(found) > limit else ""

    def add_version(self, version: TemplateVersion, *, since: float) -> TemplateVersion:
        """Put the version if there is none of this number from `since` on; give the one that stands there."""
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=_to_version_item(version),
                    ConditionExpression="attribute_not_exists(version) OR created_at < :since",
                    ExpressionAttributeValues=items.encode({":since": since}),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                failure: Any = error.response
                return _from_version_item(failure["Item"])
        return version

    def version(self, name: str, version: int) -> TemplateVersion | None:
        """Read one version."""
        item = self._read(name, version)
        return _from_version_item(item) if item else None

    def versions(self, name: str, *, limit: int, cursor: str) -> tuple[list[TemplateVersion], str]:
        """List a template's versions, newest first; the second value continues the list."""
        query: dict[str, Any] = {"ScanIndexForward": False}
        if cursor:
            owner, last = items.read_cursor(cursor, 2)
            if owner != name or not (last.isascii() and last.isdigit()):
                raise items.bad_cursor()
            query["ExclusiveStartKey"] = _key(name, int(last))
        found: list[TemplateVersion] = []
        for item in self._versions(name, query):
            if len(found) == limit:
                return found, items.write_cursor(name, str(found[-1].version))
            found.append(_from_version_item(item))
        return found, ""

    def _versions(self, name: str, query: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Give the items of all versions, page by page: a page holds at most 1 MB."""
        while True:
            with calling("dynamodb:Query"):
                answer = self._client.query(
                    TableName=self._table,
                    KeyConditionExpression="#name = :name AND version > :zero",
                    ExpressionAttributeNames={"#name": "name"},
                    ExpressionAttributeValues=items.encode({":name": name, ":zero": 0}),
                    ConsistentRead=True,
                    **query,
                )
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            query = query | {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _read(self, name: str, version: int) -> Mapping[str, Any] | None:
        with calling("dynamodb:GetItem"):
            answer = self._client.get_item(TableName=self._table, Key=_key(name, version), ConsistentRead=True)
        return answer.get("Item")


def _key(name: str, version: int) -> items.Item:
    return items.encode({"name": name, "version": version})


def _unchanged(template: Template) -> dict[str, Any]:
    """Demand that the revision is that of a template as it was read."""
    condition = items.unchanged(items.encode(items.pack(template)), ("revision",), key="name")
    return condition.arguments()


def _to_item(template: Template) -> items.Item:
    return items.encode(items.pack(template) | {"version": 0, "kind": _KIND})


def _from_item(item: Mapping[str, Any]) -> Template:
    return items.unpack(Template, items.decode(item))


def _to_version_item(version: TemplateVersion) -> items.Item:
    values = items.pack(version)
    return items.encode(values | {"name": values.pop("template")})


def _from_version_item(item: Mapping[str, Any]) -> TemplateVersion:
    values = items.decode(item)
    return items.unpack(TemplateVersion, values, template=values["name"])
