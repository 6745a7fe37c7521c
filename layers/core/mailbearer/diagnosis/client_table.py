"""The table, second part: what is wrong with a registration or a request, and servers that cannot answer."""

from __future__ import annotations

from mailbearer.diagnosis.finding import Answer, Diagnosis, Who
from mailbearer.diagnosis.table import ENTRA_APP, GOOGLE_CLIENTS, VERIFY, WAIT

CLIENT = Diagnosis(
    code="registration_refused",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The provider does not take the client id, its secret, or the way they are sent; or the token is another's.",
    remedy=f"Compare client id and secret with the provider's page. {VERIFY}",
    asides=(
        ("google", f"the page is {GOOGLE_CLIENTS}."),
        ("microsoft", f"the page is {ENTRA_APP}."),
        ("zoho", "the client belongs to one data centre, and no other knows it."),
    ),
)
CLIENT_GONE = Diagnosis(
    code="registration_deleted",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The registration was deleted or disabled at the provider; every mailbox of it stands still.",
    remedy=f"Restore it ({GOOGLE_CLIENTS}, or {ENTRA_APP}), or register anew with `mailbearer providers add` and "
    "connect every mailbox again.",
)
NOT_ALLOWED = Diagnosis(
    code="registration_not_allowed",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The registration may not use this flow.",
    remedy="Allow the flow (grant type) for client id {client_id} at the provider. " + VERIFY,
)
SECRET_WRONG = Diagnosis(
    code="client_secret_wrong",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The client secret is wrong; often it is the secret's id instead of its value.",
    remedy=f"Make a secret in {ENTRA_APP} > {{client_id}} > Certificates & secrets and add its Value: `mailbearer "
    f"providers credentials add {{registration}} --client-secret-stdin`. {VERIFY}",
)
SECRET_EXPIRED = Diagnosis(
    code="client_secret_expired",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The client secret has expired; every mailbox of this registration stands still.",
    remedy=f"Make a new secret in {ENTRA_APP} > {{client_id}} > Certificates & secrets and add its Value: `mailbearer "
    f"providers credentials add {{registration}} --client-secret-stdin`. {VERIFY}",
)
SECRET_MISSING = Diagnosis(
    code="client_secret_missing",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The client is confidential, and no secret or assertion came with the request.",
    remedy="Register it with its secret (`mailbearer providers add ... --client-secret-stdin`), or make the client "
    "public.",
)
SECRET_UNWANTED = Diagnosis(
    code="client_is_public",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The client is public, so no secret may be sent.",
    remedy="Register it without one (`mailbearer providers add ... --token-auth-method none`), or make the redirect "
    "URI one of platform Web.",
)
CERTIFICATE = Diagnosis(
    code="client_certificate_refused",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The client's signed assertion was refused: certificate not registered, expired, wrong audience, or the "
    "clock.",
    remedy=f"Upload the certificate again in {ENTRA_APP} > {{client_id}} > Certificates & secrets, check the clock. "
    f"{VERIFY}",
)
TENANT = Diagnosis(
    code="tenant_or_app_not_found",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The app, the tenant or the resource does not exist there, or the app is not multi-tenant.",
    remedy="Check client id {client_id}, tenant {tenant}, cloud and the host in the scopes. " + VERIFY,
)
TENANT_ENDPOINT = Diagnosis(
    code="tenant_endpoint_wrong",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="This flow or this app does not go through the endpoint of /common, /organizations or /consumers that was "
    "used.",
    remedy="Use the tenant's own endpoint, https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token, in the "
    "registration.",
)
PERMISSIONS = Diagnosis(
    code="permissions_not_configured",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The app's registration does not list the permissions that are asked for, or the tenant lacks the service.",
    remedy=f"Add them in {ENTRA_APP} > {{client_id}} > API permissions (User.Read and Mail.Send, or SMTP.Send). "
    f"{VERIFY}",
)
REDIRECT = Diagnosis(
    code="redirect_uri_wrong",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The redirect URI is not registered with the provider.",
    remedy="Register exactly the redirect URI that `mailbearer providers list` shows: "
    f"{GOOGLE_CLIENTS}, or {ENTRA_APP} > {{client_id}} > Authentication.",
)
REQUEST = Diagnosis(
    code="request_refused",
    who=Who.OPERATOR,
    cause="The provider misses a parameter or does not understand the request.",
    remedy="Compare endpoints, flow and scopes of the registration with the provider's pages. " + VERIFY,
)
SCOPE_LEFT_OUT = Diagnosis(
    code="parameter_missing",
    who=Who.OPERATOR,
    retry=True,
    cause="The provider misses a parameter, mostly `scope`, which some want at a refresh too.",
    remedy="It is tried once more with the scope stored at consent. If it comes back, report it as a fault. " + VERIFY,
)
SCOPE = Diagnosis(
    code="scope_refused",
    who=Who.OPERATOR,
    cause="The provider does not know a scope, or does not give it to this registration.",
    remedy="Correct the scopes (`mailbearer providers add ... --scope`), then `mailbearer accounts consent {account}`.",
)
ENDPOINT = Diagnosis(
    code="endpoint_wrong",
    who=Who.OPERATOR,
    cause="There is no such endpoint at this URL.",
    remedy="Compare the registration's endpoints with the provider's discovery document. " + VERIFY,
)
BUSY = Diagnosis(
    code="provider_busy",
    answer=Answer.BUSY,
    who=Who.NOBODY,
    retry=True,
    cause="The provider cannot answer now; grant and registration are well.",
    remedy=WAIT,
)
THROTTLED = Diagnosis(
    code="provider_throttles",
    answer=Answer.BUSY,
    who=Who.NOBODY,
    retry=True,
    cause="The provider got too many requests for tokens.",
    remedy=WAIT,
)
TOKEN_QUOTA = Diagnosis(
    code="token_quota_used",
    answer=Answer.BUSY,
    who=Who.NOBODY,
    retry=True,
    pause=600.0,
    cause="Zoho gives ten access tokens in ten minutes for one refresh token, and blocks for the rest of that time.",
    remedy="Nothing to do: it is tried again after ten minutes. If it comes back, look for a second user of the token.",
)
ANSWER_INVALID = Diagnosis(
    code="token_answer_invalid",
    who=Who.NOBODY,
    retry=True,
    cause="The token endpoint said yes with something that is no token answer (RFC 6749 section 5.1).",
    remedy=WAIT,
)
NO_ERROR = Diagnosis(
    code="no_error",
    who=Who.NOBODY,
    cause="The answer is a success; nothing in it is an error.",
    remedy="Nothing to do.",
)

# --- what Mailbearer itself finds -----------------------------------------------------------------------------------

ROTATION_LOST = Diagnosis(
    code="rotation_lost_or_revoked",
    who=Who.USER,
    cause="An answer with a new refresh token was lost, and the old token is not taken any more.",
    remedy="Send the owner a new consent link: `mailbearer accounts consent {account}`.",
)
SECRET_GONE = Diagnosis(
    code="secret_missing",
    who=Who.USER,
    cause="Secrets Manager holds no token for this mailbox.",
    remedy="Send the owner a new consent link: `mailbearer accounts consent {account}`.",
)
