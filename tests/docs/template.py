"""What template.yaml says, as the tables of the reference say it."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from sandbox.deploy import load_template
from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def template() -> Mapping[str, Any]:
    """Read the template."""
    return load_template(ROOT / "template.yaml")


def resources(kind: str) -> dict[str, Mapping[str, Any]]:
    """Give the properties of every resource of a type, by logical name."""
    found = template()["Resources"].items()
    return {name: resource["Properties"] for name, resource in found if resource["Type"] == kind}


def functions() -> dict[str, Mapping[str, Any]]:
    """Give each function's properties, by the name of its folder."""
    found = resources("AWS::Serverless::Function").values()
    return {properties["CodeUri"].rpartition("/")[2]: properties for properties in found}


def environment() -> dict[str, set[str]]:
    """Give every environment variable, with the functions that have it."""
    everybody = template()["Globals"]["Function"]["Environment"]["Variables"]
    found = {name: set(functions()) for name in everybody}
    for folder, properties in functions().items():
        for name in properties["Environment"]["Variables"]:
            found.setdefault(name, set()).add(folder)
    return found


def permissions() -> dict[str, list[str]]:
    """Give each function's permissions as the rows of a table."""
    found = {}
    for folder, properties in functions().items():
        role = template()["Resources"][properties["Role"]["Fn::GetAtt"][0]]["Properties"]
        (policy,) = role["Policies"]
        found[folder] = [_row(statement) for statement in policy["PolicyDocument"]["Statement"]]
    return found


def alarms() -> set[str]:
    """Give the alarms' names without the stage's part."""
    return {
        alarm["AlarmName"]["Fn::Sub"].removeprefix("mailbearer-${Stage}-")
        for alarm in resources("AWS::CloudWatch::Alarm").values()
    }


def _row(statement: Mapping[str, Any]) -> str:
    when = ""
    if "Fn::If" in statement:
        statement, when = statement["Fn::If"][1], ", if given"
    if "Condition" in statement:
        wanted = (pair for operator in statement["Condition"].values() for pair in operator.items())
        when = f", only {', '.join(f'`{name}` = {_values(value)}' for name, value in wanted)}"
    purpose = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", statement["Sid"]).capitalize()
    actions = " ".join(f"`{action}`" for action in statement["Action"])
    return f"| {purpose} | {actions} | {_resource(statement['Resource'])}{when} |"


def _values(value: str | list[str]) -> str:
    return " ".join(f"`{each}`" for each in (value if isinstance(value, list) else [value]))


def _resource(resource: Any) -> str:
    if isinstance(resource, list):
        return ", ".join(_resource(each) for each in resource)
    if "Fn::GetAtt" in resource:
        return f"`{resource['Fn::GetAtt'][0]}`"
    if "Ref" in resource:
        return f"`{resource['Ref']}`"
    text = resource["Fn::Sub"]
    return _named(text[0] if isinstance(text, list) else text)


def _named(text: str) -> str:
    """Give the name out of a text in which the template's names stand."""
    if ":secret:" in text:
        return f"secrets `{text.rpartition(':secret:')[2].replace('${Stage}', '<stage>')}`"
    if ":schedule/" in text:
        return f"`{text.rpartition(':schedule/')[2].replace('${ScheduleGroup}', 'ScheduleGroup')}`"
    if text.startswith("arn:"):
        named = re.sub(r"\$\{AWS::\w+\}", "", text).split(":", 5)[5]
        return f"`{named.replace('${Stage}', '<stage>')}`"
    return re.sub(r"\$\{(\w+)\.Arn\}(.*)", r"`\1\2`", text)
