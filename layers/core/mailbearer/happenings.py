"""Every event that others can hear of: its type, what it means, and the schema of its detail. There is no other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mailbearer.ids import derived_id, rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.account import Account
    from mailbearer.incident import Incident
    from mailbearer.message import MessageRecord
    from mailbearer.webhook import Webhook

_MOST_REFUSED = 100

_TEXT: dict[str, Any] = {"type": "string"}
_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}
_TIME_OR_NONE: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_SCOPES: dict[str, Any] = {"type": "string", "description": "Scopes, separated by blanks."}
_CODE: dict[str, Any] = {"type": "string", "description": "A code of the reference of problems."}

_ACCOUNT_ID: dict[str, Any] = {"type": "string", "description": "The mailbox it is about."}

_SUBJECTS: dict[str, dict[str, Any]] = {
    "message": {
        "account": _ACCOUNT_ID,
        "message": {"type": "string", "description": "The message's id."},
        "status": _TEXT,
        "message_id": {"type": "string", "description": "The Message-ID of RFC 5322."},
        "provider_id": {"type": ["string", "null"]},
        "sent_at": _TIME_OR_NONE,
        "retry_at": _TIME_OR_NONE,
        "attempts": {"type": "integer", "description": "How many calls of the provider were begun."},
        "problem": {
            "type": ["object", "null"],
            "properties": {"code": _CODE, "detail": _TEXT},
            "required": ["code", "detail"],
        },
        "refused": {
            "type": "array",
            "description": "Recipients it did not go to, a hundred at most.",
            "maxItems": _MOST_REFUSED,
            "items": {
                "type": "object",
                "properties": {"recipient": _TEXT, "code": _CODE},
                "required": ["recipient", "code"],
            },
        },
        "tags": {"type": "array", "items": _TEXT},
        "metadata": {"type": "object", "additionalProperties": _TEXT},
    },
    "account": {
        "account": _ACCOUNT_ID,
        "address": _TEXT,
        "provider": {"type": "string", "description": "The name of its registration."},
    },
    "registration": {"registration": _TEXT},
    "incident": {
        "incident": {"type": "string", "description": "The incident's id."},
        "reach": {"enum": ["account", "provider", "all"]},
        "target": {"type": "string", "description": "An account's id or a registration's name; empty for all."},
        "reason": {"type": "string", "description": "What whoever declared it said."},
        "drill": {"type": "boolean"},
    },
    "webhook": {"webhook": {"type": "string", "description": "The webhook's id."}},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One type of event: when it is told, what it is about, and what its detail holds beyond that.

    What is `routine` is told of messages only where the stack says so, for the bus takes money for each event.
    """

    meaning: str
    about: str
    facts: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    routine: bool = False


@dataclass(frozen=True, slots=True)
class Happened:
    """An event: its type, and its detail, in which `id` and `at` stand."""

    kind: str
    detail: Mapping[str, object] = field(repr=False)

    @property
    def id(self) -> str:
        """Give the event's id."""
        return str(self.detail["id"])


EVENTS: dict[str, Happening] = {
    "message.sent": Happening(
        meaning="The message has reached whom it can reach; routine unless somebody was refused.",
        about="message",
        routine=True,
    ),
    "message.deferred": Happening(meaning="It will be tried again at `retry_at`.", about="message", routine=True),
    "message.canceled": Happening(meaning="Somebody canceled it before it was sent.", about="message", routine=True),
    "message.held": Happening(meaning="It waits for its mailbox, or for its limits.", about="message"),
    "message.failed": Happening(meaning="It was not sent and will not be.", about="message"),
    "message.unknown": Happening(
        meaning="The provider's answer was lost: nobody can say whether it was sent.", about="message"
    ),
    "account.connected": Happening(meaning="The mailbox was connected.", about="account"),
    "account.paused": Happening(meaning="Somebody paused it: its mail waits.", about="account"),
    "account.resumed": Happening(meaning="It sends again after a pause.", about="account"),
    "account.revoked": Happening(meaning="It was cut off.", about="account", facts={"reason": _TEXT}),
    "account.revocation_unconfirmed": Happening(
        meaning="The provider could not be told of a revocation for seven days; `reason` is what a person has to do.",
        about="account",
        facts={"reason": _TEXT},
    ),
    "account.reconnect_wanted": Happening(
        meaning="Its grant died, and its owner has to connect it again: here is his link.",
        about="account",
        facts={
            "reason": _CODE,
            "reconnect_url": {"type": "string", "format": "uri", "description": "Good until `expires_at`."},
            "expires_at": _TIME,
        },
    ),
    "account.identity_drift": Happening(
        meaning="Its token turned out to be another mailbox's.", about="account", facts={"identity": _TEXT}
    ),
    "account.mail_refused": Happening(
        meaning="The mail side takes no mail from it until somebody acts.", about="account", facts={"reason": _CODE}
    ),
    "account.mail_accepted": Happening(meaning="After that, mail goes again.", about="account"),
    "token.rejected": Happening(
        meaning="The grant died at the token endpoint; its mail waits.", about="account", facts={"reason": _CODE}
    ),
    "token.unusable": Happening(
        meaning="The provider refuses even a fresh token.", about="account", facts={"reason": _CODE}
    ),
    "token.scope_drift": Happening(
        meaning="Other scopes are granted than before.",
        about="account",
        facts={"scope_missing": _SCOPES, "scope_excessive": _SCOPES},
    ),
    "grant.ends": Happening(
        meaning="The grant ends at `ends_at` whatever we do.",
        about="account",
        facts={"reason": _CODE, "ends_at": _TIME},
    ),
    "registration.refused": Happening(
        meaning="The provider does not take the registration; told once for each of its mailboxes and reasons.",
        about="account",
        facts={"registration": _TEXT, "reason": _CODE},
    ),
    "credential.expiring": Happening(
        meaning="A registration's client secret or certificate is about to expire, or has.",
        about="registration",
        facts={
            "credential": _TEXT,
            "days": {"type": "integer", "minimum": 0},
            "expires_at": _TIME,
            "has_successor": {"type": "boolean"},
        },
    ),
    "incident.declared": Happening(meaning="An emergency was declared: mailboxes are being shut.", about="incident"),
    "incident.contained": Happening(meaning="All the mailboxes it covers are shut.", about="incident"),
    "incident.resolved": Happening(meaning="It is over: what may come back comes back.", about="incident"),
    "webhook.disabled": Happening(
        meaning="Nothing is delivered to a webhook any more.", about="webhook", facts={"reason": _TEXT}
    ),
    "webhook.test": Happening(meaning="Somebody asked for a test; it goes to that webhook alone.", about="webhook"),
}


def schema_of(kind: str) -> dict[str, Any]:
    """Give the JSON Schema (2020-12) of an event's detail; fields may be added to it."""
    happening = EVENTS[kind]
    fields = {
        "id": {"type": "string", "pattern": "^evt_[0-9A-HJKMNP-TV-Z]{26}$", "description": "Same fact, same id."},
        "at": _TIME,
        **({} if "account" in _SUBJECTS[happening.about] else {"account": _ACCOUNT_ID}),
        **_SUBJECTS[happening.about],
        **happening.facts,
    }
    needed = [name for name in fields if name != "account" or happening.about in {"message", "account"}]
    return {
        "description": happening.meaning,
        "type": "object",
        "properties": fields,
        "required": needed,
    }


def schema_name(kind: str) -> str:
    """Give the name under which the API's description holds the schema, such as `MessageSentEvent`."""
    return "".join(word.capitalize() for word in kind.replace("_", ".").split(".")) + "Event"


def happened(kind: str, subject: str, mark: str, at: float, facts: Mapping[str, object]) -> Happened:
    """Make an event; the same kind, subject and mark are the same event, however often it is told.

    `at` is in epoch seconds.
    """
    return Happened(kind, {"id": derived_id("evt_", kind, subject, mark), "at": rfc3339(at), **facts})


def of_message(record: MessageRecord) -> dict[str, object]:
    """Say what an event tells of a message: what the API shows of it, without the provider's words about recipients."""
    problem = {"code": record.problem_code, "detail": record.problem_detail} if record.problem_code else None
    return {
        "account": record.account,
        "message": record.id,
        "status": str(record.status),
        "message_id": record.message_id,
        "provider_id": record.provider_id or None,
        "sent_at": rfc3339(record.sent_at) if record.sent_at else None,
        "retry_at": rfc3339(record.retry_at) if record.retry_at else None,
        "attempts": record.attempt,
        "problem": problem,
        "refused": [{"recipient": each.recipient, "code": each.code} for each in record.refused[:_MOST_REFUSED]],
        "tags": list(record.tags),
        "metadata": dict(record.metadata),
    }


def of_account(account: Account) -> dict[str, object]:
    """Say what an event tells of a mailbox."""
    return {"account": account.id, "address": account.address, "provider": account.provider}


def of_incident(incident: Incident) -> dict[str, object]:
    """Say what an event tells of an emergency; one that shuts a single mailbox is about that."""
    about = {"account": incident.target} if incident.reach == "account" else {}
    return about | {
        "incident": incident.id,
        "reach": str(incident.reach),
        "target": incident.target,
        "reason": incident.reason,
        "drill": incident.drill,
    }


def of_webhook(webhook: Webhook) -> dict[str, object]:
    """Say what an event tells of a webhook; not its URL, which may hold a secret."""
    return {"webhook": webhook.id}
