"""Mail over SMTP submission with OAuth2 (RFC 6409, RFC 7628)."""

from __future__ import annotations

import hashlib
import re
import ssl
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from mailbearer.errors import UnsafeEndpoint
from mailbearer.message import Outcome, Remedy
from mailbearer.transports.kept_dialogues import KeptDialogues
from mailbearer.transports.outcomes import MALFORMED_TOKEN, is_bearer_token, refused
from mailbearer.transports.smtp_dialogue import Dialogue, Line, Refused, Stale

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.message import Outgoing
    from mailbearer.ports import Clock
    from mailbearer.registration import Registration, SmtpServer

_PATH = re.compile(r"[!-;=?-~](?:[ -;=?-~]*[!-;=?-~])?")
