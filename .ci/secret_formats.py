"""The formats of the secrets that this project deals with, for detect-secrets; it knows those of AWS and others."""

from __future__ import annotations

import re

from detect_secrets.plugins.base import RegexBasedDetector


class MailSecretDetector(RegexBasedDetector):
    """Finds tokens and client secrets of Google, Microsoft and Zoho, and our own API keys."""

    secret_type = "Secret of a mail provider or API key of Mailbearer"  # noqa: S105 - what it is called

    denylist = (
        re.compile(r"ya29\.[0-9A-Za-z_-]{40,}"),  # Google's access tokens
        re.compile(r"1//0[0-9A-Za-z_-]{40,}"),  # Google's refresh tokens
        re.compile(r"GOCSPX-[0-9A-Za-z_-]{28}"),  # Google's client secrets
        re.compile(r"[0-9A-Za-z_~.-]{3}[78]Q~[0-9A-Za-z_~.-]{31,34}"),  # Entra's client secrets
        re.compile(r"[01]\.A[0-9A-Za-z_-]{200,}"),  # Entra's refresh tokens
        re.compile(r"1000\.[0-9a-f]{32}\.[0-9a-f]{32}"),  # Zoho's tokens
        re.compile(r"mb_key_[0-9A-HJKMNP-TV-Z]{26}_[0-9A-Za-z_-]{40,}"),  # ours
    )
