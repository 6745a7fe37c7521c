"""The search of everything that a deployed stack keeps or tells for every secret that was ever issued on it.

It runs at the end of each stack, after all tests that used it: see `tests.e2e.local_stack.started`.
"""

from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.e2e.local_stack import LocalStack

SHAPES = {
    # Assertions by which an application proves itself are new each time, so none could be looked for.
    "JWT": re.compile(r"eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}"),
    # What the examples of the documentation were given, which run in processes of their own.
    "API key": re.compile(r"mb_key_[0-9A-Z]{26}_[\w-]{20,}"),
    "webhook secret": re.compile(r"whsec_[\w+/=-]{20,}"),
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
}
"""What is a secret by its looks, whoever issued it."""
GIVEN_ONCE = {
    "API key": re.compile(r"mb_key_\w{26}_([\w-]+)"),
    "webhook secret": re.compile(r"whsec_([\w+/=-]+)"),
    "ticket": re.compile(r"/connect/([\w-]+)"),
}
"""What answers show once, and which part of it is secret."""
CONTENT = frozenset({"subject", "text", "html", "raw", "content"})
"""Fields of requests that hold what is in a mail."""
SHORTEST = 12
"""Characters; what is shorter stands in texts by chance."""
_IN_VAULT = frozenset({"access_token", "refresh_token", "client_secret", "private_key", "current", "value", "secret"})
_LAWFUL = {
    # Mail travels in the queue and waits in the bucket; a template is kept to be used again.
    "content": re.compile(
        r"queue .*(messages|dead-letters)$|bucket .*content|table .*templates|answer .*/v1/(templates|captured)"
    ),
    # The link for a mailbox's owner is what the event, the webhook and the mail are for.
    "invitation": re.compile(r"queue |bucket .*content"),
}
"""Where something may lie that may lie nowhere else."""
_ENOUGH = 200
"""Characters of a large part of a mail, by which it is known."""
_HIDDEN = 20
"""Seconds for which what was read from a queue stays out of the way of the next read."""


@dataclass
class Secrets:
    """Secrets by value, with what each is; none is ever printed."""

    kinds: dict[str, str] = field(default_factory=dict, repr=False)

    def add(self, kind: str, *values: str) -> None:
        """Take secrets, of a key or a text each of its lines."""
        for value in values:
            for line in value.splitlines():
                if len(line.strip()) >= SHORTEST and not line.startswith("-----"):
                    self.kinds.setdefault(line.strip(), kind)

    def hear(self, answer: str) -> None:
        """Take what an answer shows this once."""
        for kind, shape in GIVEN_ONCE.items():
            self.add(kind, *shape.findall(answer))

    def say(self, request: Any) -> None:
        """Take what a request has of a mail; of a large part its beginning."""
        for name, value in _texts(request):
            if name in CONTENT:
                self.add("content", value[:_ENOUGH])


@dataclass(frozen=True, slots=True, order=True)
class Leak:
    """Where a secret of some kind lies."""

    place: str
    kind: str


def search(stack: LocalStack) -> list[Leak]:
    """Look everywhere for everything."""
    time.sleep(1)  # the engine writes the functions' last lines a moment after their answers
    places = dict(everything(stack))
    vault = Secrets()
    for body in vault_of(stack):
        vault.add("what lies in the vault", *(value for name, value in _texts(body) if name in _IN_VAULT))
    for kind, values in stack.control.secrets_by_kind().items():
        stack.secrets.add(kind, *values)
    for place, text in places.items():
        if place.startswith("queue "):
            stack.secrets.add("invitation", *GIVEN_ONCE["ticket"].findall(text))
    return sorted(set(leaks(places, vault.kinds | stack.secrets.kinds)))


def leaks(places: Mapping[str, str], secrets: Mapping[str, str]) -> Iterator[Leak]:
    """Find each secret that lies where it may not."""
    forms = {form: kind for secret, kind in secrets.items() for form in forms_of(secret)}
    heads: dict[str, list[str]] = {}
    for form in forms:
        heads.setdefault(form[:SHORTEST], []).append(form)
    for place, text in places.items():
        found = {kind for kind, shape in SHAPES.items() if shape.search(text)}
        # One look at each position: thousands of secrets in megabytes of text, one by one, would take minutes.
        for at in range(len(text) - SHORTEST + 1):
            for form in heads.get(text[at : at + SHORTEST], ()):
                if text.startswith(form, at):
                    found.add(forms[form])
        yield from (Leak(place, kind) for kind in found if not lawful(kind, place))


def lawful(kind: str, place: str) -> bool:
    """Tell whether this may lie there."""
    return kind in _LAWFUL and _LAWFUL[kind].match(place) is not None


def forms_of(secret: str) -> set[str]:
    """Give a secret as it is, as in an address, and what base64 makes of it wherever it begins, as for SASL."""
    encoded = (base64.b64encode(b"." * before + secret.encode()).decode() for before in range(3))
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]} | {
        form for text in encoded if len(form := text[4:-4]) >= SHORTEST
    }


def _texts(body: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Give every text of a JSON value with the name of the field that it stands in."""
    if isinstance(body, dict):
        for key, value in body.items():
            yield from _texts(value, key)
    elif isinstance(body, list):
        for value in body:
            yield from _texts(value, name)
    elif isinstance(body, str):
        yield name, body


# --- every place ----------------------------------------------------------------------------------------------------


def everything(stack: LocalStack) -> Iterator[tuple[str, str]]:
    """Read every place of a stack but the vault."""
    for of_a_kind in (logs_of, queues_of, tables_of, buckets_of, functions_of, schedules_of, files_of):
        yield from of_a_kind(stack)
    yield from stack.said.items()


def vault_of(stack: LocalStack) -> Iterator[Any]:
    """Read every secret of Secrets Manager."""
    vault = stack.aws("secretsmanager")
    for page in vault.get_paginator("list_secrets").paginate():
        for each in page["SecretList"]:
            yield json.loads(vault.get_secret_value(SecretId=each["Name"])["SecretString"])


def logs_of(stack: LocalStack) -> Iterator[tuple[str, str]]:
    """Read every log group."""
    logs = stack.aws("logs")
    events = logs.get_paginator("filter_log_events")
    for page in logs.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            read = events.paginate(logGroupName=group["logGroupName"])
            lines = [event["message"] for each in read for event in each["events"]]
            yield f"log {group['logGroupName']}", "\n".join(lines)


def queues_of(stack: LocalStack) -> Iterator[tuple[str, str]]:
    """Read every queue, dead letters and what the bus told included, without taking anything from it."""
    sqs = stack.aws("sqs")
    for url in sqs.list_queues().get("QueueUrls", []):
        lie: list[str] = []
        asked = {"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": _HIDDEN, "WaitTimeSeconds": 0}
        while found := sqs.receive_message(MessageAttributeNames=["All"], **asked).get("Messages"):
            lie += [each["Body"] + json.dumps(each.get("MessageAttributes", {})) for each in found]
        yield f"queue {url.rpartition('/')[2]}", "\n".join(lie)


def tables_of(stack: LocalStack) -> Iterator[tuple[str, str]]:
    """Read every table."""
    dynamodb = stack.aws("dynamodb")
    for page in dynamodb.get_paginator("list_tables").paginate():
        for name in page["TableNames"]:
            pages = dynamodb.get_paginator("scan").paginate(TableName=name)
            yield f"table {name}", repr([each["Items"] for each in pages])


def buckets_of(stack: LocalStack) -> Iterator[tuple[str, str]]:
    """Read every version of every object in the stack's buckets."""
    s3 = stack.aws("s3")
    for output in ("ContentBucketName", "ArchiveBucketName"):
        bucket = stack.output(output)
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for each in page.get("Versions", []):
                named = {"VersionId": each["VersionId"]} if each["VersionId"] != "null" else {}
                body = s3.get_object(Bucket=bucket, Key=each["Key"], **named)["Body"].read()
                yield f"bucket {bucket} {each['Key']}", body.decode(errors="replace")


def functions_of(stack: LocalStack) -> Iterator[tuple[str, str]]:
    """Read how each function is configured, and what the stack was given and tells."""
    for page in stack.aws("lambda").get_paginator("list_functions").paginate():
        for each in page["Functions"]:
            yield f"function {each['FunctionName']}", repr(each)
    yield "stack", repr(stack.aws("cloudformation").describe_stacks(StackName=stack.world.stack.name)["Stacks"])


def schedules_of(stack: LocalStack) -> Iterator[tuple[str, str]]:
    """Read what each one-time schedule will bring."""
    scheduler = stack.aws("scheduler")
    for page in scheduler.get_paginator("list_schedules").paginate():
        for each in page["Schedules"]:
            whole = scheduler.get_schedule(GroupName=each["GroupName"], Name=each["Name"])
            yield f"schedule {each['Name']}", repr(whole)


def files_of(stack: LocalStack) -> Iterator[tuple[str, str]]:
    """Read what the processes wrote, and the exports and reports that the command made."""
    run = stack.world.places.run
    for path in (*run.rglob("*.log"), *run.rglob("*.jsonl")):
        yield f"file {path.name}", path.read_text(errors="replace")
    for path in _beside(stack.reports):
        yield f"report {path.name}", path.read_text(errors="replace")


def _beside(reports: Iterable[Any]) -> Iterator[Any]:
    """Give the files of reports that are still there; of one there may be three."""
    for report in reports:
        for path in {report, *(report.with_suffix(suffix) for suffix in (".json", ".jsonl", ".md"))}:
            if path.exists():
                yield path
