"""Practices 4 and 9: secrets are where they belong and nowhere else, and nothing travels without TLS."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mailbearer.practices.picture import plural
from mailbearer.practices.practice import failed, passed, some
from mailbearer.public_hosts import is_loopback_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mailbearer.practices.picture import Picture
    from mailbearer.practices.practice import Seen

_ITEMS = 50
_NAMES_A_SECRET = re.compile(r"(SECRET|TOKEN|PASSWORD|PRIVATE_KEY|CREDENTIAL)S?(_VALUE)?$")
# Refresh tokens of Google and Microsoft, keys of AWS, private keys; access tokens are among the shapes of the logs.
_SHAPES = re.compile(
    r"\b1//0[\w-]{20,}|\b[01]\.A[\w-]{30,}|\bM\.[CR]\d+_[\w.!*$-]{20,}"
    r"|\bAKIA[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY"
)
_NEVER = "Take it out, and end what leaked: rotate the client secret, or revoke the mailbox and connect it again."


def vaulted(picture: Picture) -> Iterator[Seen]:
    """See that mailboxes' and registrations' secrets are in the vault, under the stage's prefix and key."""
    place = picture.place
    some_active = picture.sample(picture.active)
    wanted = {f"{place.secrets_prefix}/registrations/{each.name}": each.name for each in picture.registered}
    wanted |= {f"{place.secrets_prefix}/accounts/{one.id}": one.address for one in some_active}
    missing, otherwise = [], []
    for name, whose in wanted.items():
        facts = picture.sources.inspector.secret(name)
        if facts is None or facts.deleted:
            missing.append(whose)
        elif place.kms_key_id and facts.key_id != place.kms_key_id:
            otherwise.append(whose)
    if missing:
        yield failed(
            f"{plural(len(missing), 'secret')} not in the vault, or about to be deleted: {some(missing)}.",
            "A mailbox: connect it again (mailbearer accounts consent ID). A registration: providers add it again.",
        )
    if otherwise:
        yield failed(
            f"{plural(len(otherwise), 'secret')} not under the key of KmsKeyArn: {some(otherwise)}.",
            "aws secretsmanager update-secret --secret-id NAME --kms-key-id KEY",
        )
    if not missing and not otherwise:
        key = "the stage's KMS key" if place.kms_key_id else "the account's own key for secrets"
        yield passed(
            f"{len(wanted)} of {len(picture.registered) + len(picture.active)} secrets described: each is under "
            f"{place.secrets_prefix}/ and {key}."
        )


def environments(picture: Picture) -> Iterator[Seen]:
    """Look for secrets in what functions are told."""
    missing = [name for name, function in picture.functions.items() if function is None]
    if missing:
        yield failed(f"Not deployed: {some(missing)}.", "Deploy the whole template again: sam build && sam deploy.")
    there = [function for function in picture.functions.values() if function is not None]
    leaking = [
        f"{function.name}: {name}"
        for function in there
        for name, value in function.environment.items()
        if _NAMES_A_SECRET.search(name) or _secret(picture, value)
    ]
    if leaking:
        yield failed(f"Environment variables that look like secrets: {some(leaking)}.", _NEVER)
    else:
        count = sum(len(function.environment) for function in there)
        yield passed(f"{count} environment variables of {plural(len(there), 'function')}: none looks like a secret.")


def tables(picture: Picture) -> Iterator[Seen]:
    """Look for secrets in a sample of what tables hold."""
    looked = 0
    for name, table in picture.place.tables:
        items = picture.sources.inspector.sample(table, limit=_ITEMS)
        looked += len(items)
        if any(_secret(picture, item) for item in items):
            yield failed(f"The table of {name} holds something of the shape of a secret.", _NEVER)
            return
    names = ", ".join(name for name, _ in picture.place.tables)
    yield passed(f"{plural(looked, 'item')} of the tables of {names}: nothing has the shape of a secret.")


def lines(picture: Picture) -> Iterator[Seen]:
    """Look for secrets in the audit log."""
    day = picture.day
    if day.leaking:
        yield failed(f"Audit events with something of the shape of a secret: {some(day.leaking)}.", _NEVER)
    else:
        yield passed(f"{plural(day.lines, 'audit event')} of {day.span}: none holds the shape of a secret.")


def endpoints(picture: Picture) -> Iterator[Seen]:
    """See that every address of every registration is one for TLS."""
    plain = []
    count = 0
    for each in picture.registered:
        urls = [getattr(each.endpoints, field.name) for field in fields(each.endpoints)] + [each.api_base_url]
        urls = [url for url in urls if url]
        count += len(urls)
        plain += [f"{each.name}: {url}" for url in urls if not _tls(url, local=picture.place.local)]
        if each.smtp is not None:
            count += 1
            if each.smtp.security not in {"tls", "starttls"}:
                plain.append(f"{each.name}: {each.smtp.host} ({each.smtp.security})")
    if plain:
        yield failed(f"Addresses without TLS: {some(plain)}.", "Add the registration anew with https addresses.")
    else:
        secured = "all TLS, or plain HTTP on the loopback" if picture.place.local else "all TLS"
        yield passed(
            f"{plural(count, 'address', 'addresses')} of {plural(len(picture.registered), 'registration')}: {secured}."
        )


def front_door(picture: Picture) -> Iterator[Seen]:
    """See that the API itself is reached by TLS."""
    if _tls(picture.place.api_url, local=picture.place.local):
        yield passed(f"The API is at {picture.place.api_url}.")
    else:
        yield failed(f"The API is at {picture.place.api_url}.", "Set PublicUrl to an https address.")
    if picture.place.local:
        yield passed("A local stage: plain HTTP is taken on the loopback, and there alone.")
        return
    lenient = [
        function.name
        for function in picture.functions.values()
        if function is not None and function.environment.get("MAILBEARER_LOCAL", "false") != "false"
    ]
    if lenient:
        yield failed(
            f"LocalStage is on, so plain HTTP and private addresses are taken: {some(lenient)}.",
            "Deploy with LocalStage=false.",
        )


def closed(picture: Picture) -> Iterator[Seen]:
    """See that queues and buckets take nothing without TLS."""
    inspector = picture.sources.inspector
    doors: list[tuple[str, tuple[Mapping[str, Any], ...]]] = [
        (name, inspector.bucket_policy(bucket)) for name, bucket in picture.place.buckets
    ]
    doors += [(name, inspector.queue_policy(url)) for name, url in picture.place.queues]
    open_ones = [name for name, policy in doors if not any(_denies_plain(statement) for statement in policy)]
    if open_ones:
        yield failed(
            f"No policy denies what comes without TLS: {some(open_ones, 7)}.",
            "Somebody changed the policy; deploying the template again restores it.",
        )
    else:
        yield passed(f"The policies of {', '.join(name for name, _ in doors)} deny whatever comes without TLS.")


def _denies_plain(statement: Mapping[str, Any]) -> bool:
    condition = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    everybody = statement.get("Principal") in ("*", {"AWS": "*"})
    everything = statement.get("Action") in ("s3:*", "sqs:*", "*", ["s3:*"], ["sqs:*"])
    plain = condition in ("false", ["false"], False)
    return statement.get("Effect") == "Deny" and everybody and everything and plain


def _secret(picture: Picture, text: str) -> bool:
    return bool(_SHAPES.search(text)) or picture.sources.looks_secret(text)


def _tls(url: str, *, local: bool) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (local and is_loopback_name(parts.hostname or ""))
