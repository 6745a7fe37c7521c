"""The table, third part: what a mail API's or a mail server's refusal can mean."""

from __future__ import annotations

from mailbearer.diagnosis.finding import UNKNOWN_OUTCOME, Answer, Diagnosis, Who
from mailbearer.diagnosis.table import ADMIN_CONSENT, ENTRA_APP, RECONNECT, WAIT

_DAY = 86_400.0

# --- the token ------------------------------------------------------------------------------------------------------

TOKEN_REJECTED = Diagnosis(
    code="token_rejected",
    answer=Answer.TOKEN,
    who=Who.NOBODY,
    retry=True,
    cause="The access token is not taken any more.",
    remedy="Nothing to do: it is refreshed once, and the call is made again.",
)
TOKEN_UNSUITABLE = Diagnosis(
    code="token_unsuitable",
    answer=Answer.TOKEN,
    who=Who.OPERATOR,
    cause="What was sent is no access token for this API: another resource's token, a broken header, or none.",
    remedy="Compare scopes and transport of the registration: a token for Graph does not fit Exchange, nor the other "
    "way. `mailbearer providers verify {registration}`",
)
CLAIMS_CHALLENGE = Diagnosis(
    code="claims_challenge",
    answer=Answer.TOKEN,
    who=Who.USER,
    cause="Microsoft wants a fresh sign-in for this access (continuous access evaluation).",
    remedy=RECONNECT,
)
SCOPE_MISSING = Diagnosis(
    code="scope_missing",
    who=Who.USER,
    cause="The token lacks the scope for sending: its box was left empty at consent, or the scopes changed since.",
    remedy=RECONNECT + " Everything asked for has to be allowed.",
)
SMTP_TOKEN = Diagnosis(
    code="smtp_token_rejected",
    answer=Answer.TOKEN,
    who=Who.USER,
    cause="The mail server does not take the sign-in: the token is dead, or lacks the scope for SMTP.",
    remedy="The token is refreshed once. If that fails too: " + RECONNECT + " Gmail takes SMTP only with the scope "
    "https://mail.google.com/.",
)
SMTP_IDENTITY = Diagnosis(
    code="smtp_identity_mismatch",
    answer=Answer.TOKEN,
    who=Who.OPERATOR,
    cause="Exchange refuses the token: audience or scope, another user's token, or an app that it does not know.",
    remedy="Refresh once; then check scope https://outlook.office.com/SMTP.Send and that the consenting account is the "
    "mailbox. App-only: `New-ServicePrincipal -AppId {client_id} -ObjectId OBJECT_ID_OF_ENTERPRISE_APP`, then "
    "`Add-MailboxPermission -Identity {account} -User SERVICE_PRINCIPAL -AccessRights FullAccess`.",
)

# --- who may send ---------------------------------------------------------------------------------------------------

MAILBOX_DENIED = Diagnosis(
    code="mailbox_access_denied",
    who=Who.TENANT_ADMIN,
    cause="The app may not send through this mailbox: a permission is missing, or a policy keeps it out.",
    remedy=f"An administrator consents at {ADMIN_CONSENT}, or lets the app in: `Test-ServicePrincipalAuthorization "
    "-Identity {client_id} -Resource {account}`. A change can take two hours.",
)
API_DISABLED = Diagnosis(
    code="api_disabled",
    who=Who.OPERATOR,
    cause="The Gmail API is off in the Cloud project that owns the client; one switch mends every mailbox.",
    remedy="Enable it: https://console.cloud.google.com/apis/library/gmail.googleapis.com; then wait a few minutes.",
)
DOMAIN_POLICY = Diagnosis(
    code="domain_policy",
    who=Who.TENANT_ADMIN,
    cause="The policy of the user's domain does not let this app use Gmail.",
    remedy="An administrator trusts client id {client_id}: Google Admin console (https://admin.google.com): Security > "
    "Access and data control > API controls.",
)
MAILBOX_UNAVAILABLE = Diagnosis(
    code="mailbox_unavailable",
    who=Who.TENANT_ADMIN,
    cause="There is no mailbox that the API can use: no licence, mail is off, on-premises, or deleted.",
    remedy="An administrator gives {account} a licence with mail: https://admin.microsoft.com > Users, or "
    "https://admin.google.com > Apps > Google Workspace > Gmail. A service account also needs the address to act for.",
)
SUBJECT_MISSING = Diagnosis(
    code="subject_missing",
    who=Who.OPERATOR,
    cause="A service account called Gmail for itself, without the address of a user to act for.",
    remedy="Give the registration's token requests the mailbox's address as `sub`.",
)
USER_ID = Diagnosis(
    code="user_id_wrong",
    who=Who.OPERATOR,
    cause="The call names another user than the token's.",
    remedy="Use `me` for the user, and connect the mailbox's own account: `mailbearer accounts consent {account}`.",
)
MAILBOX_UNKNOWN = Diagnosis(
    code="mailbox_unknown",
    who=Who.OPERATOR,
    cause="The tenant has no user with this address.",
    remedy="Compare the account's address with the user's principal name and the tenant: `mailbearer accounts show "
    "{account}`.",
)
SEND_AS = Diagnosis(
    code="send_as_denied",
    answer=Answer.MESSAGE,
    who=Who.TENANT_ADMIN,
    cause="The mailbox may not send as the address in From.",
    remedy="`Add-RecipientPermission FROM_ADDRESS -Trustee {account} -AccessRights SendAs`, or send from the "
    "mailbox's own address.",
)
SENDER_REFUSED = Diagnosis(
    code="sender_refused",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="The server does not take the sender's address for this account.",
    remedy="Send from the mailbox's own address or one of its aliases (Zoho: also compare the data centre's host).",
)
SENDER_AUTHENTICATION = Diagnosis(
    code="sender_authentication_failed",
    answer=Answer.MESSAGE,
    who=Who.TENANT_ADMIN,
    cause="SPF, DKIM or DMARC of the sender's domain does not pass, or the sending host has no reverse name.",
    remedy="Whoever runs the domain's DNS publishes SPF, DKIM and DMARC records for the provider in use.",
)

# --- limits ---------------------------------------------------------------------------------------------------------

THROTTLED = Diagnosis(
    code="throttled",
    who=Who.NOBODY,
    retry=True,
    cause="Too many requests, connections or sign-ins at a time.",
    remedy=WAIT,
)
LOGIN_THROTTLED = Diagnosis(
    code="login_throttled",
    who=Who.NOBODY,
    retry=True,
    cause="Too many sign-ins, or the server cannot check them now.",
    remedy=WAIT + " Keep connections open instead of signing in for each message.",
)
LOGIN_LOCKED = Diagnosis(
    code="login_locked",
    who=Who.USER,
    retry=True,
    pause=3600.0,
    cause="Yahoo counts too many failed sign-ins; it says so to a plain password too.",
    remedy="One late retry; then the owner makes an app password (https://login.yahoo.com/account/security) or "
    "connects by OAuth: `mailbearer accounts consent {account}`.",
)
DAILY_LIMIT = Diagnosis(
    code="daily_limit",
    answer=Answer.LIMIT,
    who=Who.NOBODY,
    retry=True,
    pause=_DAY,
    cause="The mailbox has sent as much as it may in a day.",
    remedy="Nothing to do: mail waits up to 24 hours and goes out by itself.",
)
UNVERIFIED_LIMIT = Diagnosis(
    code="daily_limit_unverified",
    answer=Answer.LIMIT,
    who=Who.USER,
    retry=True,
    pause=_DAY,
    cause="Outlook.com holds a young or unverified account to a small daily limit.",
    remedy="Mail waits 24 hours. The owner verifies the account at https://account.microsoft.com to raise the limit.",
)
PROJECT_QUOTA = Diagnosis(
    code="project_quota",
    answer=Answer.LIMIT,
    who=Who.OPERATOR,
    retry=True,
    pause=_DAY,
    cause="The Cloud project has used its daily quota of the Gmail API; it ends at midnight Pacific time.",
    remedy="It is tried again after that. Raise it: "
    "https://console.cloud.google.com/apis/api/gmail.googleapis.com/quotas",
)
TENANT_LIMIT = Diagnosis(
    code="tenant_limit",
    answer=Answer.LIMIT,
    who=Who.NOBODY,
    retry=True,
    pause=_DAY,
    cause="The whole tenant has sent to as many external recipients as it may in 24 hours.",
    remedy="Nothing to do: all mailboxes of the tenant wait. More licences raise the limit (Exchange admin centre > "
    "Reports > Mail flow > Tenant outbound external recipients).",
)
MAILBOX_FULL = Diagnosis(
    code="mailbox_full",
    who=Who.USER,
    cause="The sending mailbox is full, so no copy can be kept in Sent Items.",
    remedy="The owner of {account} empties Sent Items and Deleted Items.",
)
SENDING_BLOCKED = Diagnosis(
    code="sending_blocked",
    who=Who.USER,
    cause="The provider holds the account's mail back until its owner has proved to be a person.",
    remedy="The owner signs in and follows the notice (https://outlook.live.com, https://mail.zoho.com/UnblockMe); "
    "for a work account an administrator opens https://security.microsoft.com/restrictedentities.",
)
SENDER_BANNED = Diagnosis(
    code="sender_banned",
    who=Who.TENANT_ADMIN,
    cause="The provider bans the account, the tenant or the address it sends from.",
    remedy="An administrator opens https://security.microsoft.com/restrictedentities, unblocks {account} and secures "
    "it; for a whole tenant or its address pool only Microsoft's support helps.",
)

# --- the message ----------------------------------------------------------------------------------------------------

MESSAGE_REJECTED = Diagnosis(
    code="message_rejected",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="The provider does not take the message as it is: an address, a header or an attachment.",
    remedy="Correct the message and send it as a new one.",
)
REQUEST_MALFORMED = Diagnosis(
    code="request_malformed",
    answer=Answer.MESSAGE,
    who=Who.OPERATOR,
    cause="The request around the message is wrong: not the encoding or the form that the API wants.",
    remedy="A fault of the sending program; report it with the provider's code.",
)
RECIPIENT = Diagnosis(
    code="recipient_rejected",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="A recipient's address or its domain does not exist, or does not take mail from this sender.",
    remedy="Correct the recipients and send again to those; nothing was sent to the refused ones.",
)
TOO_MANY_RECIPIENTS = Diagnosis(
    code="too_many_recipients",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="The message has more recipients than the provider takes at once.",
    remedy="Send it in parts (Gmail by SMTP: 100 recipients a message).",
)
TOO_LARGE = Diagnosis(
    code="message_too_large",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="The message is larger than the provider takes.",
    remedy="Make it smaller, or send a link instead of the attachment.",
)
REQUEST_TOO_LARGE = Diagnosis(
    code="request_too_large",
    answer=Answer.MESSAGE,
    who=Who.OPERATOR,
    cause="The request is larger than the API takes in one call, though the message may be allowed.",
    remedy="Send large attachments through an upload session, or connect the mailbox by SMTP.",
)
CONTENT = Diagnosis(
    code="content_refused",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="The provider refuses the content: it looks like spam, or holds a kind of attachment that may not be sent.",
    remedy="Change the content or the attachment and send it as a new message.",
)
MAIL_LOOP = Diagnosis(
    code="mail_loop",
    answer=Answer.MESSAGE,
    who=Who.USER,
    cause="The message has gone round too often.",
    remedy="Look for a forwarding rule between sender and recipient.",
)

# --- the server -----------------------------------------------------------------------------------------------------

SERVER_BUSY = Diagnosis(
    code="server_busy",
    who=Who.NOBODY,
    retry=True,
    cause="The server says that it is busy and has not taken the message.",
    remedy=WAIT + " Where a reading scope exists, the Message-ID is looked up in Sent Items first.",
)
SERVER_ERROR = Diagnosis(
    code="server_error",
    who=Who.NOBODY,
    kind=UNKNOWN_OUTCOME,
    cause="The provider failed after it may have taken the message; such mail has been delivered, even several times.",
    remedy="Look for the Message-ID in Sent Items; only if it is not there: `mailbearer messages show MESSAGE_ID`, "
    "then retry it. Never resend blindly.",
)
UNEXPECTED = Diagnosis(
    code="unexpected_answer",
    who=Who.NOBODY,
    kind=UNKNOWN_OUTCOME,
    cause="The answer is no refusal, nor the one by which this API says that it took the message.",
    remedy="Look for the Message-ID in Sent Items before sending again.",
)
CONFLICT = Diagnosis(
    code="request_conflict",
    who=Who.NOBODY,
    retry=True,
    cause="Another request changed the same thing at the same moment.",
    remedy=WAIT,
)
APP_PERMISSIONS = Diagnosis(
    code="app_permissions_missing",
    who=Who.TENANT_ADMIN,
    cause="The token names no permission at all: the app's permissions have no administrator's consent.",
    remedy=f"An administrator opens {ADMIN_CONSENT}; the permissions are listed in {ENTRA_APP} > {{client_id}}.",
)
