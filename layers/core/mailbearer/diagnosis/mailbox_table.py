"""The table, the part that no answer of a provider leads to: what is found out here about a mailbox or a message."""

from __future__ import annotations

from mailbearer.diagnosis.finding import UNKNOWN_OUTCOME, Answer, Diagnosis, Who
from mailbearer.diagnosis.table import RECONNECT, VERIFY, WAIT

CONSENT_REQUIRED = Diagnosis(
    code="consent_required",
    who=Who.USER,
    cause="The grant is dead.",
    remedy=RECONNECT,
)
PENDING = Diagnosis(
    code="account_pending_consent",
    who=Who.USER,
    cause="Nobody has consented yet.",
    remedy="The owner opens the consent link; a new one: `mailbearer accounts consent {account}`.",
)
REVOKED = Diagnosis(
    code="account_revoked",
    who=Who.OPERATOR,
    cause="The mailbox was revoked here.",
    remedy="To send through it again, connect it anew: `mailbearer accounts consent {account}`.",
)
SHUT = Diagnosis(
    code="incident_declared",
    who=Who.OPERATOR,
    cause="An incident that is not resolved yet shuts the mailbox; its mail waits.",
    remedy="When the emergency is over: `mailbearer incident list`, then `mailbearer incident resolve ID`.",
)
IN_TESTING = Diagnosis(
    code="registration_in_testing",
    who=Who.OPERATOR,
    cause="The app is in Testing at Google, so every grant ends seven days after consent, and mail through it stops.",
    remedy="Publish the app (https://console.cloud.google.com/auth/audience), then have the mailbox connected again "
    "(`mailbearer accounts consent {account}`), for the present grant ends all the same.",
)
GRANT_ENDS = Diagnosis(
    code="grant_ends",
    who=Who.USER,
    cause="The owner or an administrator gave the access for a limited time; no refresh puts its end off.",
    remedy="Connect again before that: `mailbearer accounts consent {account}`.",
)
SCOPE_EXCESSIVE = Diagnosis(
    code="scope_excessive",
    who=Who.OPERATOR,
    cause="More scopes were granted than sending needs, so a stolen token could do more than send.",
    remedy="Take them from the registration or at the provider, then have the mailbox connected again: "
    "`mailbearer accounts consent {account}`.",
)
IDENTITY_DRIFT = Diagnosis(
    code="identity_drift",
    who=Who.OPERATOR,
    cause="The provider says that the token is of another address than the mailbox's and its aliases'.",
    remedy="If the mailbox was renamed, add its new address to the aliases (`PATCH /v1/accounts/{account}`). Otherwise "
    "revoke it: `mailbearer accounts revoke {account}`.",
)
FOREIGN_TOKEN = Diagnosis(
    code="token_of_another_client",
    who=Who.OPERATOR,
    cause="The provider says that the token was given to another application than the registration.",
    remedy="Find out who changed the registration's client id or the mailbox's secret. " + VERIFY,
)
TOKEN_USELESS = Diagnosis(
    code="fresh_token_refused",
    who=Who.USER,
    cause="The provider gives tokens for the mailbox and then refuses them, even one fetched a moment ago.",
    remedy=RECONNECT,
)
UNAVAILABLE = Diagnosis(
    code="token_endpoint_unavailable",
    who=Who.NOBODY,
    retry=True,
    cause="The provider's token endpoint could not be reached, or had no answer to give.",
    remedy=WAIT,
)
ANSWER_LOST = Diagnosis(
    code="token_answer_lost",
    who=Who.NOBODY,
    retry=True,
    cause="The token endpoint was asked and its answer never came; a rotated refresh token may be lost with it.",
    remedy="It is tried once more with the same token. If the provider then refuses: " + RECONNECT,
)
DEFERRED = Diagnosis(
    code="token_refresh_deferred",
    who=Who.NOBODY,
    retry=True,
    cause="The last refresh failed.",
    remedy=WAIT,
)
CREDENTIAL_EXPIRING = Diagnosis(
    code="credential_expiring",
    who=Who.OPERATOR,
    cause="A credential of the registration ends soon; when its last one has ended, every mailbox of it stands still.",
    remedy="Make a new one at the provider and add it, the old one stays good beside it: `mailbearer providers "
    "credentials add {registration} --client-secret-stdin`. "
    "Entra's can be rotated by themselves: `mailbearer providers credentials rotate {registration}`.",
)
MAILBOX_NOT_OPENED = Diagnosis(
    code="mailbox_not_opened",
    who=Who.TENANT_ADMIN,
    cause="The registration gets tokens, but none for this mailbox.",
    remedy="An administrator allows the application this mailbox: the provider's page in docs/providers names the "
    "steps. " + VERIFY,
)
TOKEN_ERROR = Diagnosis(
    code="token_error",
    who=Who.OPERATOR,
    cause="The authorization server refused in a way that fits no other code.",
    remedy="Check the registration's endpoints and scopes. " + VERIFY,
)
STORE_UNAVAILABLE = Diagnosis(
    code="temporarily_unavailable",
    who=Who.NOBODY,
    retry=True,
    cause="Something that Mailbearer needs of AWS did not do its work.",
    remedy=WAIT,
)

# --- a message ------------------------------------------------------------------------------------------------------

WAITS_FOR_CONSENT = Diagnosis(
    code="account_consent_required",
    who=Who.USER,
    cause="The message is held: its mailbox has to be connected again.",
    remedy=RECONNECT + " The message then goes out by itself.",
)
PAUSED = Diagnosis(
    code="account_paused",
    who=Who.OPERATOR,
    cause="The message is held: its mailbox is paused.",
    remedy="Resume the mailbox (`POST /v1/accounts/{account}/resume`). The message then goes out by itself.",
)
REGISTRATION_MISSING = Diagnosis(
    code="registration_missing",
    who=Who.OPERATOR,
    cause="The message is held: its mailbox's registration does not exist any more.",
    remedy="Register the provider again under the same name: `mailbearer providers add {registration}`.",
)
ACCOUNT_GONE = Diagnosis(
    code="unknown_account",
    answer=Answer.MESSAGE,
    who=Who.OPERATOR,
    cause="The message's account does not exist any more.",
    remedy="Send it as a new message through a mailbox that exists: `mailbearer accounts list`.",
)
SENDER_NOT_ALLOWED = Diagnosis(
    code="sender_not_allowed",
    answer=Answer.MESSAGE,
    who=Who.OPERATOR,
    cause="The mailbox may not send under the message's From address: it is no alias of the account (any more).",
    remedy="Add it to the account's aliases (`PATCH /v1/accounts/ACCOUNT`), then `POST /v1/messages/MESSAGE_ID/retry`.",
)
CONTENT_GONE = Diagnosis(
    code="content_gone",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="The content of the message is not kept any more.",
    remedy="Send it as a new message.",
)
ATTEMPTS_EXHAUSTED = Diagnosis(
    code="attempts_exhausted",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="Given up after 20 calls to the provider; the detail has what the last one said.",
    remedy="Mend what the last attempt names, then `POST /v1/messages/MESSAGE_ID/retry`.",
)
GAVE_UP = Diagnosis(
    code="gave_up",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="The message could not be sent within seven days.",
    remedy="Mend what the last attempt names, then `POST /v1/messages/MESSAGE_ID/retry`.",
)
HOLD_EXPIRED = Diagnosis(
    code="hold_expired",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="The message waited for its mailbox as long as mail may (seven days, or the account's `hold_for`).",
    remedy="Connect or resume the mailbox, then `POST /v1/messages/MESSAGE_ID/retry`.",
)
UPLOAD_GONE = Diagnosis(
    code="upload_gone",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="An upload that the message carries is not kept any more.",
    remedy="Upload it again and send a new message.",
)
RECIPIENT_SUPPRESSED = Diagnosis(
    code="recipient_suppressed",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="The recipient is on the suppression list, so nothing is sent to the address.",
    remedy="If it may be written to again: `mailbearer suppressions remove ADDRESS`.",
)
WORKER_LOST = Diagnosis(
    code="worker_lost",
    who=Who.NOBODY,
    kind=UNKNOWN_OUTCOME,
    cause="The worker ended during the call to the provider; the message may have been sent.",
    remedy="Look for the Message-ID in Sent Items before sending again.",
)
