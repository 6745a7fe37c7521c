"""The codes of mail servers: reply codes (RFC 5321, 4954), enhanced codes (RFC 3463), and identifiers in the text.

Sources: the RFCs, Google's page of SMTP errors, Microsoft's page of non-delivery reports, and replies seen in the wild.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from mailbearer.diagnosis import client_table as client
from mailbearer.diagnosis import mail_table as mail
from mailbearer.diagnosis import smtp_table as smtp
from mailbearer.diagnosis import transport_table as transport

if TYPE_CHECKING:
    from mailbearer.diagnosis.finding import Diagnosis


def _by_key(*rows: tuple[Diagnosis, str]) -> MappingProxyType[str, Diagnosis]:
    return MappingProxyType({key: diagnosis for diagnosis, keys in rows for key in keys.lower().split()})


# Exchange and Yahoo put identifiers into the text, the machine-readable part where one number means several things.
# The verdicts of the outbound spam filter count only beside its name; the rest wherever they stand.
VERDICTS = _by_key(
    (mail.UNVERIFIED_LIMIT, "RefuseQuota"),
    (mail.SENDING_BLOCKED, "HipNotify HipSend Hip Suspend Block Blocked"),
    (smtp.DEFERRED, "TransientError"),
    (mail.THROTTLED, "Throttle Throttled"),
)
VERDICT_SIGNS = frozenset({"wascl", "outboundspamexception", "verdict"})
IDENTIFIERS = _by_key(
    (smtp.SMTP_AUTH_DISABLED, "SmtpClientAuthentication SmtpClientAuthenticationDisabled"),
    (mail.SEND_AS, "SendAsDenied SendAsDeniedException MapiExceptionSendAsDenied SendOnBehalfOfDeniedException"),
    (mail.DAILY_LIMIT, "SubmissionQuotaExceeded SubmissionQuotaExceededException RecipientRateLimitExceeded"),
    (mail.MAILBOX_FULL, "QuotaExceededException MapiExceptionShutoffQuotaExceeded MapiExceptionQuotaExceeded"),
    (mail.TOO_LARGE, "MessageTooBigException MessageSizeExceededException MapiExceptionMaxSubmissionExceeded"),
    (mail.TOO_LARGE, "MessageSubmissionExceededException"),
    (mail.THROTTLED, "SenderThreadLimitExceeded SenderSubmissionExceeded ConcurrentConnectionLimitExceeded"),
    (mail.RECIPIENT, "InvalidRecipientsException"),
    (mail.SENDING_BLOCKED, "OutboundSpamException"),
    (mail.LOGIN_LOCKED, "AUTH005"),
    (smtp.PASSWORD_USED, "MBR1212"),
)

# Exchange has one number, 5.7.139, for every refused sign-in, and no identifier in these texts.
MARKERS: dict[str, tuple[tuple[str, Diagnosis], ...]] = {
    "5.7.139": (
        ("basic authentication is disabled", smtp.BASIC_AUTH),
        ("user credentials were incorrect", smtp.PASSWORD_USED),
        ("sts url does not support https", smtp.FEDERATION_TLS),
    ),
    "5.7.0": (("must issue a starttls", smtp.TLS_REQUIRED), ("mail relay denied", smtp.RELAY)),
    "5.7.1": (
        ("daily smtp relay", mail.DAILY_LIMIT),
        ("unable to relay", smtp.RELAY),
        ("relaying denied", smtp.RELAY),
        ("relay access denied", smtp.RELAY),
        ("send as this sender", mail.SEND_AS),
    ),
    "5.2.2": (("submission quota exceeded", mail.DAILY_LIMIT),),
    "": (("relaying disallowed as", mail.SENDER_REFUSED), ("relay access denied", smtp.RELAY)),
}

# Reply and enhanced code together; they go before either alone.
EXACT = MappingProxyType(
    {
        ("451", "5.7.3"): smtp.TLS_REQUIRED,
        ("454", "5.7.3"): smtp.AUTH_REQUIRED,
        ("454", "5.5.1"): smtp.PROTOCOL,
        ("432", "4.7.12"): smtp.PASSWORD_USED,
        ("501", "5.5.124"): smtp.HVE_SUBMISSION,
        ("504", "5.7.4"): smtp.MECHANISM,
        ("530", "5.7.57"): smtp.AUTH_REQUIRED,
        ("530", "5.5.1"): smtp.AUTH_REQUIRED,
        ("534", "5.7.14"): smtp.BROWSER_SIGN_IN,
        ("535", "5.7.3"): mail.SMTP_IDENTITY,
        ("535", "5.7.9"): smtp.APP_PASSWORD,
        ("535", "5.7.14"): smtp.BROWSER_SIGN_IN,
        ("535", "5.7.139"): smtp.SIGN_IN_POLICY,
        ("535", "5.5.4"): smtp.PROTOCOL,
        ("550", "5.4.6"): mail.SENDING_BLOCKED,
        ("552", "5.7.0"): mail.CONTENT,
        ("553", "5.7.1"): mail.SENDER_REFUSED,
        ("452", "4.5.3"): mail.TOO_MANY_RECIPIENTS,
    }
)

ENHANCED = _by_key(
    (mail.LOGIN_THROTTLED, "4.7.8"),
    (mail.THROTTLED, "4.3.2 4.2.1 4.7.500 4.7.28 4.7.650 4.7.232 4.7.233"),
    (mail.RECIPIENT, "5.1.0 5.1.1 5.1.2 5.1.3 5.1.4 5.1.6 5.1.10 5.2.1 5.4.1 5.4.4 5.4.14 5.4.310 5.7.504 5.7.505"),
    (mail.RECIPIENT, "5.7.12 5.7.13 5.7.124 5.7.133 5.7.134 5.7.135 5.7.136 5.7.507 5.7.513 5.1.20 5.1.351"),
    (mail.SENDER_REFUSED, "5.1.7"),
    (mail.SENDER_BANNED, "5.1.8 5.7.508 5.7.511"),
    (mail.DAILY_LIMIT, "5.1.90 5.1.91 5.1.92 5.4.5"),
    (mail.THROTTLED, "5.2.121 5.2.122"),
    (mail.MAILBOX_FULL, "5.2.2"),
    (mail.TOO_LARGE, "5.2.3 5.3.4"),
    (mail.SEND_AS, "5.2.252 5.7.60"),
    (mail.MAIL_LOOP, "5.4.6"),
    (mail.TOO_MANY_RECIPIENTS, "5.5.3"),
    (smtp.HVE_SUBMISSION, "5.5.124"),
    (transport.SMTPUTF8_UNAVAILABLE, "5.6.7 5.6.8 5.6.9 5.6.10"),
    (smtp.MECHANISM, "5.7.4 5.7.11"),
    (smtp.TLS_REQUIRED, "5.7.10"),
    (smtp.AUTH_REQUIRED, "5.7.3 5.7.57"),
    (smtp.RELAY, "5.7.64 5.7.54"),
    (mail.SMTP_TOKEN, "5.7.8"),
    (mail.SENDER_AUTHENTICATION, "5.7.20 5.7.21 5.7.22 5.7.23 5.7.24 5.7.25 5.7.26 5.7.27 5.7.30 5.7.32 5.7.509"),
    (mail.TENANT_LIMIT, "5.7.232 5.7.233"),
    (mail.CONTENT, "5.7.28"),
    (mail.MESSAGE_REJECTED, "5.7.512"),
)

# Exchange's families of numbers: the last part of 5.7.N.
FAMILIES: tuple[tuple[range, Diagnosis], ...] = (
    (range(500, 504), mail.SENDER_BANNED),
    (range(600, 700), mail.SENDER_BANNED),
    (range(700, 800), mail.SENDER_BANNED),
)

# The reply code alone, where the enhanced code says nothing more exact.
REPLIES = _by_key(
    (client.NO_ERROR, "220 221 235 250 251 252 354"),
    (smtp.SERVICE_UNAVAILABLE, "421"),
    (mail.THROTTLED, "432"),
    (smtp.DEFERRED, "450 451 452 453 455 458 459"),
    (mail.LOGIN_THROTTLED, "454"),
    (smtp.PROTOCOL, "500 501 502 503 555"),
    (smtp.MECHANISM, "504 525 534 538"),
    (smtp.TLS_REQUIRED, "523"),
    (smtp.AUTH_REQUIRED, "530"),
    (mail.SMTP_TOKEN, "535"),
    (mail.RECIPIENT, "521 551 556"),
    (mail.TOO_LARGE, "552"),
    (mail.SENDER_REFUSED, "553"),
)

# What is left at each stage of a dialogue where a 5yz says nothing more exact, or what cannot be at that stage: before
# MAIL nothing can be refused for the message's sake.
STAGES = MappingProxyType(
    {
        "greeting": transport.SERVICE_REFUSED,
        "ehlo": transport.EHLO_REFUSED,
        "starttls": transport.TLS_UNAVAILABLE,
        "auth": transport.SIGN_IN_REFUSED,
        "mail": mail.SENDER_REFUSED,
        "rcpt": mail.RECIPIENT,
        "data": mail.CONTENT,
        "content": mail.CONTENT,
    }
)
BEFORE_MAIL = frozenset({"greeting", "ehlo", "starttls", "auth"})

# RFC 3463: class and subject of an enhanced code that has no row of its own.
SUBJECTS = MappingProxyType(
    {
        "5.1": mail.RECIPIENT,
        "5.3": smtp.SYSTEM,
        "5.4": mail.RECIPIENT,
        "5.5": smtp.PROTOCOL,
        "5.6": mail.MESSAGE_REJECTED,
        "5.7": mail.CONTENT,
    }
)

# Where a provider means something of its own: Zoho's SMTP takes passwords only, and blocks an owner where Exchange bans
# a sender.
PROVIDERS: dict[tuple[str, str], Diagnosis] = {
    # By RFC 4954 this would be a mechanism that is too weak.
    ("google", "5.7.9"): smtp.APP_PASSWORD,
    ("zoho", "535"): smtp.PASSWORD_USED,
    ("zoho", "5.1.8"): mail.SENDING_BLOCKED,
}
