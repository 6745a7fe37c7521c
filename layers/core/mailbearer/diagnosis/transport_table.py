"""The table, fifth part: what a transport finds out itself on the way to the mail side, or where no code says more."""

from __future__ import annotations

from mailbearer.diagnosis.finding import UNKNOWN_OUTCOME, Answer, Diagnosis, Who
from mailbearer.diagnosis.table import VERIFY, WAIT

# --- the way there --------------------------------------------------------------------------------------------------

CONNECT_FAILED = Diagnosis(
    code="connect_failed",
    who=Who.NOBODY,
    retry=True,
    cause="The provider could not be reached; nothing of the message had left whole.",
    remedy=WAIT,
)
CONNECT_TIMEOUT = Diagnosis(
    code="connect_timeout",
    who=Who.NOBODY,
    retry=True,
    cause="The provider did not answer in time; the message had not left.",
    remedy=WAIT,
)
CONNECTION_LOST = Diagnosis(
    code="connection_lost",
    who=Who.NOBODY,
    retry=True,
    cause="The connection broke before the message had left.",
    remedy=WAIT,
)
DRAFT_UNFINISHED = Diagnosis(
    code="draft_unfinished",
    who=Who.NOBODY,
    retry=True,
    cause="A large message could not be put together at the provider; it was not sent. A draft may have stayed behind.",
    remedy=WAIT,
)
UNSAFE_ENDPOINT = Diagnosis(
    code="unsafe_endpoint",
    who=Who.OPERATOR,
    cause="The registration's server may not be used: its address is not https, not public, or holds credentials.",
    remedy="Register the provider with a public address: `mailbearer providers add`. " + VERIFY,
)
NO_SMTP_SERVER = Diagnosis(
    code="no_smtp_server",
    who=Who.OPERATOR,
    cause="The mailbox goes by SMTP, and its registration names no SMTP server.",
    remedy="Register it with its server: `mailbearer providers add ... --smtp-host`. " + VERIFY,
)
REDIRECTED = Diagnosis(
    code="redirected",
    who=Who.OPERATOR,
    cause="The API answers with a redirect, which is never followed: it could lead the token anywhere.",
    remedy="Correct the API's address in the registration. " + VERIFY,
)

# --- TLS ------------------------------------------------------------------------------------------------------------

TLS_FAILED = Diagnosis(
    code="tls_failed",
    who=Who.NOBODY,
    retry=True,
    cause="No TLS connection could be made.",
    remedy=WAIT + " If it lasts, compare host and port: `mailbearer providers verify {registration}`.",
)
TLS_NOT_TRUSTED = Diagnosis(
    code="tls_not_trusted",
    who=Who.OPERATOR,
    cause="The server's certificate could not be verified, so nothing was said to it.",
    remedy="Register a private server's authority with `mailbearer providers add ... --ca-file`; a public one has to "
    "mend its certificate. " + VERIFY,
)
TLS_UNAVAILABLE = Diagnosis(
    code="tls_unavailable",
    who=Who.OPERATOR,
    cause="The server does not offer STARTTLS, or does not begin it; no token is said without TLS.",
    remedy="Use the port with TLS from the start (`--smtp-security tls`, 465), or turn STARTTLS on at the server. "
    + VERIFY,
)
TLS_INJECTION = Diagnosis(
    code="tls_injection",
    who=Who.OPERATOR,
    cause="Somebody put bytes into the connection before TLS began, so it was given up.",
    remedy="Look at what stands between here and the server, or use the port with TLS from the start (465). " + VERIFY,
)

# --- the dialogue ---------------------------------------------------------------------------------------------------

SERVICE_REFUSED = Diagnosis(
    code="service_refused",
    who=Who.NOBODY,
    retry=True,
    cause="The server does not serve us now (a 5yz instead of its greeting, RFC 5321 section 3.1).",
    remedy=WAIT,
)
EHLO_REFUSED = Diagnosis(
    code="ehlo_refused",
    who=Who.OPERATOR,
    cause="The server refuses our EHLO: it does not want this client.",
    remedy="Ask whoever runs the mail server, with the reply's codes. " + VERIFY,
)
MECHANISM_NOT_OFFERED = Diagnosis(
    code="mechanism_not_offered",
    who=Who.OPERATOR,
    cause="The server offers neither XOAUTH2 nor OAUTHBEARER.",
    remedy="Turn OAuth2 on for SMTP at the server, or use the provider's mail API. " + VERIFY,
)
SIGN_IN_REFUSED = Diagnosis(
    code="sign_in_refused",
    who=Who.OPERATOR,
    cause="The mail server refuses the sign-in with a code that says nothing about the token.",
    remedy="Look up the reply's codes, which are kept as they came. " + VERIFY,
)
TOKEN_MALFORMED = Diagnosis(
    code="token_malformed",
    answer=Answer.TOKEN,
    who=Who.NOBODY,
    retry=True,
    cause="The access token holds characters that RFC 6749 does not allow, and was not used.",
    remedy="Nothing to do: it is refreshed, and the call is made again.",
)
UNEXPECTED_REPLY = Diagnosis(
    code="unexpected_reply",
    who=Who.NOBODY,
    retry=True,
    cause="The server's reply does not fit what it was asked; the message had not left.",
    remedy=WAIT,
)
ANSWER_LOST = Diagnosis(
    code="answer_lost",
    who=Who.NOBODY,
    kind=UNKNOWN_OUTCOME,
    cause="The message had left and no answer came; it may have been sent.",
    remedy="Look for the Message-ID in Sent Items before sending again.",
)

# --- the message ----------------------------------------------------------------------------------------------------

ADDRESS_INVALID = Diagnosis(
    code="address_invalid",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="The envelope holds something that is no address.",
    remedy="Correct the recipients and send it as a new message.",
)
NOT_EXPRESSIBLE = Diagnosis(
    code="not_expressible",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="The way the mailbox's mail goes has no place for something in the message; nothing was left out silently.",
    remedy="Leave out what the detail names, send from the mailbox's own address, or through a mailbox that goes by "
    "SMTP.",
)
SMTPUTF8_NEEDED = Diagnosis(
    code="smtputf8_needed",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="An address has letters beyond ASCII before the @ (RFC 6531); the mailbox's API does not carry such ones.",
    remedy="Use another address of theirs, or send through a mailbox that goes by SMTP.",
)
BARE_LINE_END = Diagnosis(
    code="bare_line_end",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="The message has line ends other than CRLF, by which one message can be smuggled inside another.",
    remedy="Write the raw message with CRLF and send it as a new one.",
)
SMTPUTF8_UNAVAILABLE = Diagnosis(
    code="smtputf8_unavailable",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="An address has letters beyond ASCII before the @, or a raw message has them in its header, and a server on "
    "the way does not take such mail (RFC 6531).",
    remedy="Use another address of theirs, and encode the raw message's header (RFC 2047).",
)
NEEDS_8BITMIME = Diagnosis(
    code="needs_8bitmime",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="The message has 8-bit content, and the server takes 7-bit only (RFC 6152).",
    remedy="Encode it as quoted-printable or base64 and send it as a new message.",
)
