"""The table, fourth part: what only mail servers say."""

from __future__ import annotations

from mailbearer.diagnosis.finding import Answer, Diagnosis, Who
from mailbearer.diagnosis.table import WAIT

SMTP_AUTH_DISABLED = Diagnosis(
    code="smtp_auth_disabled",
    who=Who.TENANT_ADMIN,
    cause="SMTP AUTH is off for the mailbox or the whole tenant; OAuth does not help.",
    remedy="`Set-CASMailbox -Identity {account} -SmtpClientAuthenticationDisabled $false` (security defaults have to "
    "be off), or connect the mailbox through Graph: `mailbearer accounts add {account} --transport graph`.",
)
BASIC_AUTH = Diagnosis(
    code="basic_auth_disabled",
    who=Who.OPERATOR,
    cause="A password was used, and Exchange takes none any more.",
    remedy="Connect the mailbox by OAuth: `mailbearer accounts consent {account}`.",
)
PASSWORD_USED = Diagnosis(
    code="password_not_accepted",
    answer=Answer.TOKEN,
    who=Who.OPERATOR,
    cause="A user name and password were used, and they are not accepted; some servers say so of a token too.",
    remedy="Connect the mailbox by OAuth (`mailbearer accounts consent {account}`), or correct the password.",
)
SIGN_IN_POLICY = Diagnosis(
    code="sign_in_policy",
    who=Who.TENANT_ADMIN,
    cause="Security defaults or Conditional Access refuse this sign-in.",
    remedy="An administrator finds the policy in Entra > Monitoring > Sign-in logs and lets SMTP AUTH through for "
    "{account}.",
)
FEDERATION_TLS = Diagnosis(
    code="federation_tls",
    who=Who.TENANT_ADMIN,
    cause="The organisation's federation server does not speak HTTPS as Exchange wants it.",
    remedy="Its administrator turns on TLS 1.2 at the federation (STS) URL.",
)
MECHANISM = Diagnosis(
    code="mechanism_refused",
    who=Who.OPERATOR,
    cause="The server does not take this way of signing in, or not on this connection.",
    remedy="Compare with what the server offers after EHLO (XOAUTH2, OAUTHBEARER). `mailbearer providers verify "
    "{registration}`",
)
AUTH_REQUIRED = Diagnosis(
    code="authentication_required",
    who=Who.OPERATOR,
    cause="The server wants a sign-in before it takes mail.",
    remedy="Use the submission port (587 with STARTTLS, or 465) and sign in: `mailbearer providers verify "
    "{registration}`.",
)
TLS_REQUIRED = Diagnosis(
    code="tls_required",
    who=Who.OPERATOR,
    cause="The server wants TLS first.",
    remedy="Register the server with `--smtp-security starttls` (587) or `tls` (465): `mailbearer providers add`.",
)
APP_PASSWORD = Diagnosis(
    code="application_password_required",
    who=Who.OPERATOR,
    cause="A password was used for an account with two-step verification.",
    remedy="Connect the mailbox by OAuth (`mailbearer accounts consent {account}`), or use an app password "
    "(https://myaccount.google.com/apppasswords).",
)
BROWSER_SIGN_IN = Diagnosis(
    code="browser_sign_in_required",
    who=Who.USER,
    cause="Google wants the owner to sign in with a browser first.",
    remedy="The owner signs in at https://accounts.google.com and confirms; then `mailbearer accounts consent "
    "{account}`.",
)
DEFERRED = Diagnosis(
    code="deferred",
    who=Who.NOBODY,
    retry=True,
    cause="The server cannot take the message now; it has not taken it.",
    remedy=WAIT,
)
SERVICE_UNAVAILABLE = Diagnosis(
    code="service_unavailable",
    who=Who.NOBODY,
    retry=True,
    cause="The server closes the connection; the message was not taken.",
    remedy=WAIT,
)
PROTOCOL = Diagnosis(
    code="protocol_error",
    who=Who.OPERATOR,
    cause="The server did not understand a command, or not at this point of the dialogue.",
    remedy="Check host, port and security of the registration: `mailbearer providers verify {registration}`.",
)
RELAY = Diagnosis(
    code="relay_denied",
    who=Who.OPERATOR,
    cause="The server does not pass mail on for this host or account.",
    remedy="Use the provider's submission host and sign in there: `mailbearer providers verify {registration}`.",
)
SYSTEM = Diagnosis(
    code="mail_system_fault",
    answer=Answer.MESSAGE,
    who=Who.OPERATOR,
    cause="The mail system itself is full, wrongly set up, or lacks a feature that the message needs (RFC 3463, X.3).",
    remedy="Ask whoever runs the mail server, with the reply's codes.",
)
HVE_SUBMISSION = Diagnosis(
    code="high_volume_account_refused",
    answer=Answer.MESSAGE,
    who=Who.TENANT_ADMIN,
    cause="A High Volume Email account may not send this: such accounts reach recipients of their own tenant only.",
    remedy="Send from an ordinary mailbox, or through Azure Communication Services.",
)
