"""The table, first part: what an authorization server's refusal of a token can mean."""

from __future__ import annotations

from mailbearer.diagnosis.finding import Answer, Diagnosis, Fate, Who

RECONNECT = "Send the owner a new consent link: `mailbearer accounts consent {account}`."
WAIT = "Nothing to do: it is tried again by itself."
ADMIN_CONSENT = "https://login.microsoftonline.com/{tenant}/adminconsent?client_id={client_id}"
ENTRA_APP = "the Entra admin centre (https://entra.microsoft.com) under App registrations"
GOOGLE_CLIENTS = "https://console.cloud.google.com/auth/clients"
GOOGLE_APP_ACCESS = "Google Admin console (https://admin.google.com): Security > Access and data control > API controls"
VERIFY = "Then check it: `mailbearer providers verify {registration}`."

UNKNOWN = Diagnosis(
    code="unknown_refusal",
    who=Who.OPERATOR,
    cause="The provider refused with a code that is not in the table.",
    remedy="Look up the provider's code, which is kept here as it came. " + VERIFY,
)

# --- the grant ------------------------------------------------------------------------------------------------------

GRANT_GONE = Diagnosis(
    code="grant_expired_or_revoked",
    answer=Answer.GRANT,
    fate=Fate.DEAD,
    who=Who.USER,
    cause="The owner or an administrator ended the access, the password changed, or it was not used for too long.",
    remedy=RECONNECT,
    asides=(
        (
            "google",
            (
                "an app in Testing loses every grant after seven days: publish it "
                "(https://console.cloud.google.com/auth/audience)."
            ),
        ),
    ),
)
TOKEN_INVALID = Diagnosis(
    code="refresh_token_invalid",
    who=Who.USER,
    cause="The server calls the token invalid, by a word that RFC 6749 does not have for it.",
    remedy=RECONNECT,
)
TOKEN_NOT_TAKEN = Diagnosis(
    code="token_not_taken",
    answer=Answer.GRANT,
    fate=Fate.DOUBTFUL,
    pause=300.0,
    who=Who.USER,
    cause="The provider did not take the refresh token; the same one has been seen to work again minutes later.",
    remedy="It is tried once more after five minutes. If that fails too: " + RECONNECT,
)
SCOPE_NOT_GRANTED = Diagnosis(
    code="scope_not_granted",
    answer=Answer.GRANT,
    fate=Fate.DOUBTFUL,
    pause=300.0,
    who=Who.USER,
    cause="A scope was asked for that the owner never granted; the refresh token itself may be well.",
    remedy="Ask for the granted scopes only, or have the new ones granted. " + RECONNECT,
)
SIGN_IN_AGAIN = Diagnosis(
    code="sign_in_required",
    answer=Answer.GRANT,
    fate=Fate.DEAD,
    who=Who.USER,
    cause="The provider wants the owner to sign in again, often with a second factor.",
    remedy=RECONNECT + " An unattended mailbox needs an app-only flow or an exemption from the policy.",
)
STEP_UP = Diagnosis(
    code="stronger_sign_in_required",
    who=Who.USER,
    cause="The server wants a stronger or fresher sign-in than the one behind this token (RFC 9470).",
    remedy=RECONNECT,
)
NOT_CONSENTED = Diagnosis(
    code="consent_missing",
    answer=Answer.GRANT,
    fate=Fate.DEAD,
    who=Who.USER,
    cause="The access was never given, or was declined.",
    remedy=RECONNECT + f" If the tenant lets no user consent, an administrator opens {ADMIN_CONSENT} first.",
)
ADMIN_CONSENT_NEEDED = Diagnosis(
    code="admin_consent_required",
    answer=Answer.GRANT,
    fate=Fate.DEAD,
    who=Who.TENANT_ADMIN,
    cause="In this tenant only an administrator may consent to the app.",
    remedy=f"An administrator opens {ADMIN_CONSENT} and accepts; then `mailbearer accounts consent {{account}}`.",
)
SESSION_POLICY = Diagnosis(
    code="session_policy",
    answer=Answer.GRANT,
    fate=Fate.DEAD,
    who=Who.TENANT_ADMIN,
    cause="The organisation's policy ends sessions after a set time, and this grant with them.",
    remedy="An administrator exempts the app: Google Admin console > Security > Access and data control > Google Cloud "
    "session control, or Entra Conditional Access > sign-in frequency; then `mailbearer accounts consent {account}`. "
    "Without that it ends again.",
)
ACCESS_POLICY = Diagnosis(
    code="access_policy",
    answer=Answer.GRANT,
    # Lifting the policy makes the same grant good again, so nobody has to consent for it.
    who=Who.TENANT_ADMIN,
    cause="A policy of the organisation (Conditional Access, security defaults, risk) blocks this sign-in.",
    remedy="An administrator finds the policy in Entra > Monitoring > Sign-in logs (application {client_id}) and lets "
    "the app through; it then works again by itself.",
)
TENANT_RESTRICTION = Diagnosis(
    code="tenant_restriction",
    answer=Answer.GRANT,
    who=Who.TENANT_ADMIN,
    cause="A tenant's restrictions or its cross-tenant access settings keep the account or the app out.",
    remedy="An administrator allows it in Entra > External Identities > Cross-tenant access settings.",
)
FEDERATION = Diagnosis(
    code="federation_fault",
    answer=Answer.GRANT,
    who=Who.TENANT_ADMIN,
    cause="The organisation's own identity provider or directory agent did not do its part.",
    remedy="The administrator of that identity provider mends it; nothing has to be changed here.",
)
ACCOUNT = Diagnosis(
    code="account_disabled",
    answer=Answer.GRANT,
    fate=Fate.DEAD,
    who=Who.TENANT_ADMIN,
    cause="The account behind the mailbox is disabled, deleted or not in the directory.",
    remedy="An administrator enables or restores the account; then `mailbearer accounts consent {account}`.",
)
WRONG_ACCOUNT = Diagnosis(
    code="wrong_account",
    answer=Answer.GRANT,
    who=Who.USER,
    cause="Somebody signed in with an account that this tenant or this app does not take.",
    remedy="Sign out at the provider, then connect with the mailbox's own account: "
    "`mailbearer accounts consent {account}`.",
)
PASSWORD = Diagnosis(
    code="password_expired",
    answer=Answer.GRANT,
    fate=Fate.DEAD,
    who=Who.USER,
    cause="The account's password has expired or has to be changed.",
    remedy="The owner sets a new password, then connects again: `mailbearer accounts consent {account}`.",
)
LOCKED = Diagnosis(
    code="account_locked",
    answer=Answer.GRANT,
    who=Who.TENANT_ADMIN,
    retry=True,
    cause="The account is locked for now, or sign-ins from this address are blocked.",
    remedy="It is tried again later. If it lasts, an administrator looks at Entra > Monitoring > Sign-in logs.",
)
NOT_ASSIGNED = Diagnosis(
    code="user_not_assigned",
    answer=Answer.GRANT,
    who=Who.TENANT_ADMIN,
    cause="The app admits assigned users only, and this one is not.",
    remedy="An administrator assigns the user: Entra > Enterprise applications > the app {client_id} > Users and "
    "groups.",
)
LOOP = Diagnosis(
    code="request_loop",
    answer=Answer.GRANT,
    who=Who.OPERATOR,
    pause=3600.0,
    cause="The provider counts our requests as a loop. The grant is well.",
    remedy="Nothing at the mailbox; it rests for an hour. If it comes back, look for a second user of {client_id}.",
)
SPA_TOKEN = Diagnosis(
    code="spa_refresh_token",
    answer=Answer.GRANT,
    fate=Fate.DEAD,
    who=Who.OPERATOR,
    cause="The token was issued to a single-page app's redirect URI, and such tokens end after 24 hours for good.",
    remedy=f"In {ENTRA_APP} > {{client_id}} > Authentication, move the redirect URI from Single-page application to "
    "Web; then `mailbearer accounts consent {account}`.",
)
CODE_NOT_TAKEN = Diagnosis(
    code="code_not_taken",
    answer=Answer.GRANT,
    fate=Fate.DEAD,
    who=Who.USER,
    cause="The authorization code was used before, is too old, or does not fit its redirect URI, tenant or verifier.",
    remedy="Start connecting afresh: `mailbearer accounts consent {account}`. A grant already stored is kept.",
)
PASSWORD_FLOW = Diagnosis(
    code="password_flow_refused",
    answer=Answer.GRANT,
    who=Who.OPERATOR,
    cause="A user name and password were sent to the token endpoint, and they are not accepted.",
    remedy="Do not use the password grant: connect the mailbox with `mailbearer accounts consent {account}`.",
)
PENDING = Diagnosis(
    code="authorization_pending",
    who=Who.USER,
    retry=True,
    pause=5.0,
    cause="The owner has not yet finished signing in on the other device (RFC 8628).",
    remedy="The owner opens the page shown and types the code; asking goes on by itself.",
)
DEVICE_CODE = Diagnosis(
    code="device_code_expired",
    who=Who.USER,
    cause="The device code has expired, was mistyped, or was used before (RFC 8628).",
    remedy="Show a fresh one: `mailbearer accounts consent {account}`.",
)
DECLINED = Diagnosis(
    code="consent_declined",
    who=Who.USER,
    cause="The owner declined.",
    remedy="If it was a mistake: `mailbearer accounts consent {account}`, and accept what is asked.",
)
DENIED = Diagnosis(
    code="access_denied",
    who=Who.TENANT_ADMIN,
    cause="The provider denies this account or this client the access.",
    remedy=f"The administrator of the mailbox's organisation looks at {GOOGLE_APP_ACCESS}, and at the user's "
    f"restrictions.",
)

# --- service accounts -----------------------------------------------------------------------------------------------

ROBOT = Diagnosis(
    code="service_account_disabled",
    answer=Answer.GRANT,
    who=Who.OPERATOR,
    cause="The service account is disabled, or its project is gone; connecting a mailbox again cannot help.",
    remedy="Enable it at https://console.cloud.google.com/iam-admin/serviceaccounts, or register another. " + VERIFY,
)
SUBJECT = Diagnosis(
    code="subject_wrong",
    answer=Answer.GRANT,
    who=Who.OPERATOR,
    cause="The address that the service account is to act for is not one of the domain.",
    remedy="Correct the mailbox's address; it has to be a user's primary address in the Workspace domain.",
)
KEY = Diagnosis(
    code="service_account_key_unknown",
    answer=Answer.GRANT,
    who=Who.OPERATOR,
    cause="The service account's key or the account itself is not known any more.",
    remedy="Make a new key at https://console.cloud.google.com/iam-admin/serviceaccounts and store it. " + VERIFY,
)
ASSERTION = Diagnosis(
    code="assertion_refused",
    answer=Answer.GRANT,
    who=Who.OPERATOR,
    cause="The signed assertion was refused: certificate, audience or clock. The grant is well.",
    remedy="Check key, audience and this machine's clock. " + VERIFY,
)
SIGNING = Diagnosis(
    code="signing_not_allowed",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The caller may not sign for the service account.",
    remedy="Grant roles/iam.serviceAccountTokenCreator on it at "
    "https://console.cloud.google.com/iam-admin/serviceaccounts (workloadIdentityUser is not enough).",
)
DELEGATION = Diagnosis(
    code="delegation_missing",
    answer=Answer.CLIENT,
    who=Who.TENANT_ADMIN,
    cause="Domain-wide delegation is missing for this client id or for one of the scopes asked for.",
    remedy="Google Admin console (https://admin.google.com/ac/owl/domainwidedelegation): add client id {client_id} "
    "with exactly the scopes of the registration; it can take 24 hours.",
)
ADMIN_POLICY = Diagnosis(
    code="admin_policy",
    who=Who.TENANT_ADMIN,
    cause="A Workspace administrator blocks this app or this service.",
    remedy=f"An administrator trusts client id {{client_id}} in {GOOGLE_APP_ACCESS}; it then works again by itself.",
)
SERVICE_OFF = Diagnosis(
    code="service_off_for_user",
    who=Who.TENANT_ADMIN,
    cause="Gmail is off for this user, or the user is suspended.",
    remedy="An administrator turns it on: Google Admin console (https://admin.google.com): Apps > Google Workspace > "
    "Gmail, and Directory > Users.",
)
