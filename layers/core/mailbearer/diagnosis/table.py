"""The table itself: words, subtypes and numbers to what they mean."""

from __future__ import annotations

from types import MappingProxyType

from mailbearer.diagnosis.finding import Answer, Diagnosis, Fate, Who

_RECONNECT = "Send the mailbox's owner a reconnect link."
_WAIT = "Nothing to do: it is tried again."

UNKNOWN = Diagnosis(
    code="refused",
    answer=Answer.OTHER,
    who=Who.OPERATOR,
    cause="The provider refused for a reason that is not in the table.",
    remedy="Look up the provider's code in the audit event; then check the registration.",
)
_GRANT_GONE = Diagnosis(
    code="grant_expired_or_revoked",
    answer=Answer.GRANT,
    fate=Fate.DEAD,
    who=Who.USER,
    cause="The owner or an administrator ended the access, the password changed, or it was not used for too long.",
    remedy=_RECONNECT,
)
_SIGN_IN_AGAIN = Diagnosis(
    code="sign_in_required",
    answer=Answer.GRANT,
    fate=Fate.DEAD,
    who=Who.USER,
    cause="The provider wants the owner to sign in again, often with a second factor.",
    remedy=_RECONNECT,
)
_NOT_CONSENTED = Diagnosis(
    code="consent_missing",
    answer=Answer.GRANT,
    fate=Fate.DEAD,
    who=Who.USER,
    cause="The access was never given, was declined, or needs an administrator's consent.",
    remedy="Connect again; where the tenant wants it, an administrator has to consent first.",
)
_SESSION_POLICY = Diagnosis(
    code="session_policy",
    answer=Answer.GRANT,
    fate=Fate.DEAD,
    who=Who.TENANT_ADMIN,
    cause="The organisation's policy ends sessions after a set time, and this grant with them.",
    remedy="An administrator exempts or trusts the app; then connect again. Without that it will end again.",
)
_ACCESS_POLICY = Diagnosis(
    code="access_policy",
    answer=Answer.GRANT,
    # Lifting the policy makes the same grant good again, so nobody has to consent for it.
    fate=Fate.ALIVE,
    who=Who.TENANT_ADMIN,
    cause="A policy of the organisation blocks this sign-in.",
    remedy="An administrator lets the app through the policy; it then works again by itself.",
)
_ACCOUNT = Diagnosis(
    code="account_disabled",
    answer=Answer.GRANT,
    fate=Fate.DEAD,
    who=Who.TENANT_ADMIN,
    cause="The account behind the mailbox is disabled or gone.",
    remedy="An administrator enables the account; then connect again.",
)
_PASSWORD = Diagnosis(
    code="password_expired",
    answer=Answer.GRANT,
    fate=Fate.DEAD,
    who=Who.USER,
    cause="The account's password has expired.",
    remedy="The owner sets a new password, then connects again.",
)
_LOCKED = Diagnosis(
    code="account_locked",
    answer=Answer.GRANT,
    who=Who.TENANT_ADMIN,
    cause="The account is locked for now, or sign-ins from this address are blocked.",
    remedy="Wait; if it lasts, an administrator looks at the sign-in log.",
)
_LOOP = Diagnosis(
    code="request_loop",
    answer=Answer.GRANT,
    who=Who.OPERATOR,
    cause="The provider counts our requests as a loop. The grant is well.",
    pause=3600.0,
    remedy="Nothing at the mailbox. If it comes back, look for a second user of the same registration.",
)
_ASSERTION = Diagnosis(
    code="assertion_refused",
    answer=Answer.GRANT,
    who=Who.OPERATOR,
    cause="The signed assertion was refused: certificate, audience or clock. The grant is well.",
    remedy="Check certificate and clock of the registration.",
)
_TOKEN_NOT_TAKEN = Diagnosis(
    code="token_not_taken",
    answer=Answer.GRANT,
    fate=Fate.DOUBTFUL,
    pause=300.0,
    who=Who.USER,
    cause="The provider did not take the refresh token, or the scopes asked for are not those granted.",
    remedy=_RECONNECT,
)
_CODE_NOT_TAKEN = Diagnosis(
    code="code_not_taken",
    answer=Answer.GRANT,
    fate=Fate.DEAD,
    who=Who.USER,
    cause="The authorization code was used before, is too old, or does not fit its redirect URI or verifier.",
    remedy="Start connecting afresh.",
)
_CLIENT = Diagnosis(
    code="registration_refused",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The provider does not take the client id, its secret, or the way they are sent.",
    remedy="Compare client id and secret with the provider's page, and check the token authentication method.",
)
_CLIENT_GONE = Diagnosis(
    code="registration_deleted",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The registration was deleted or disabled at the provider.",
    remedy="Restore it, or register anew and connect every mailbox again.",
)
_CLIENT_NOT_ALLOWED = Diagnosis(
    code="registration_not_allowed",
    answer=Answer.CLIENT,
    who=Who.TENANT_ADMIN,
    cause="The registration may not use this flow or these scopes.",
    remedy="Allow flow and scopes for the client id at the provider (Google: domain-wide delegation).",
)
_SECRET_WRONG = Diagnosis(
    code="client_secret_wrong",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The client secret is wrong; often it is the secret's id instead of its value.",
    remedy="Store the secret's value.",
)
_SECRET_EXPIRED = Diagnosis(
    code="client_secret_expired",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The client secret has expired; every mailbox of this registration stands still.",
    remedy="Make a new secret at the provider and store it.",
)
_TENANT = Diagnosis(
    code="tenant_or_app_not_found",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The app or the tenant does not exist there, or the app is not multi-tenant.",
    remedy="Check client id, tenant and cloud in the registration's endpoints.",
)
_PERMISSIONS = Diagnosis(
    code="permissions_not_configured",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The app's registration does not list the permissions that are asked for.",
    remedy="Add the permissions to the app at the provider.",
)
_NOT_ASSIGNED = Diagnosis(
    code="user_not_assigned",
    answer=Answer.GRANT,
    who=Who.TENANT_ADMIN,
    cause="The app admits assigned users only, and this one is not.",
    remedy="An administrator assigns the user to the app; it then works again by itself.",
)
_REDIRECT = Diagnosis(
    code="redirect_uri_wrong",
    answer=Answer.CLIENT,
    who=Who.OPERATOR,
    cause="The redirect URI is not registered with the provider.",
    remedy="Register exactly the redirect URI that `providers add` printed.",
)
_REQUEST = Diagnosis(
    code="request_refused",
    answer=Answer.OTHER,
    who=Who.OPERATOR,
    cause="The provider misses a parameter or does not understand the request.",
    remedy="Compare endpoints and scopes of the registration with the provider's pages.",
)
_SCOPE = Diagnosis(
    code="scope_refused",
    answer=Answer.OTHER,
    who=Who.OPERATOR,
    cause="The provider does not know a scope, or does not give it to this registration.",
    remedy="Correct the scopes of the registration, then connect again.",
)
_ADMIN_POLICY = Diagnosis(
    code="admin_policy",
    answer=Answer.OTHER,
    who=Who.TENANT_ADMIN,
    cause="An administrator restricts this app, or the mail service is off for the user.",
    remedy="An administrator allows the client id; it then works again by itself.",
)
_DENIED = Diagnosis(
    code="access_denied",
    answer=Answer.OTHER,
    who=Who.TENANT_ADMIN,
    cause="The provider denies the access.",
    remedy="Ask the administrator of the mailbox's organisation.",
)
_BUSY = Diagnosis(
    code="provider_busy",
    answer=Answer.BUSY,
    who=Who.NOBODY,
    cause="The provider cannot answer now.",
    remedy=_WAIT,
)
_THROTTLED = Diagnosis(
    code="provider_throttles",
    answer=Answer.BUSY,
    who=Who.NOBODY,
    cause="The provider got too many requests for tokens.",
    remedy=_WAIT,
)

WORDS = MappingProxyType(
    {
        # RFC 6749 section 5.2, and the names under which others say the same.
        "invalid_grant": _GRANT_GONE,
        "invalid_code": _GRANT_GONE,  # Zoho
        "invalid_refresh_token": _GRANT_GONE,  # Yahoo
        "invalid_client": _CLIENT,
        "invalid_input": _CLIENT,  # Yahoo, when the client's credentials are missing
        "unauthorized_client": _CLIENT_NOT_ALLOWED,
        "deleted_client": _CLIENT_GONE,  # Google
        "disabled_client": _CLIENT_GONE,  # Google
        "invalid_request": _REQUEST,
        "unsupported_grant_type": _REQUEST,
        "invalid_resource": _TENANT,  # Microsoft
        "invalid_scope": _SCOPE,
        "access_denied": _DENIED,
        "admin_policy_enforced": _ADMIN_POLICY,  # Google
        "org_internal": _ADMIN_POLICY,  # Google
        "invalid_account": _ADMIN_POLICY,  # Google
        # OpenID Connect Core section 3.1.2.6; Microsoft gives them at the token endpoint too.
        "interaction_required": _SIGN_IN_AGAIN,
        "login_required": _SIGN_IN_AGAIN,
        "consent_required": _NOT_CONSENTED,
        # Not in section 5.2, but used at token endpoints.
        "temporarily_unavailable": _BUSY,
        "server_error": _BUSY,
        "internal_failure": _BUSY,  # Google, with 400 too
        "internal_error": _BUSY,
        "slow_down": _THROTTLED,
        "too_many_requests": _THROTTLED,
        "rate_limit_exceeded": _THROTTLED,
        "access denied": _THROTTLED,  # Zoho, with a blank and with 400
    }
)

SUBTYPES = MappingProxyType(
    {
        "invalid_rapt": _SESSION_POLICY,  # Google, error_subtype
        "rapt_required": _SESSION_POLICY,
        # A grant refused by another word than invalid_grant carries that word as its subtype.
        "interaction_required": _SIGN_IN_AGAIN,
        "login_required": _SIGN_IN_AGAIN,
        "consent_required": _NOT_CONSENTED,
        "basic_action": _SIGN_IN_AGAIN,  # Microsoft, suberror
        "additional_action": _SIGN_IN_AGAIN,
        "user_password_expired": _PASSWORD,
        "message_only": _ACCESS_POLICY,
    }
)

NUMBERS = MappingProxyType(
    # Microsoft's AADSTS numbers.
    {
        number: diagnosis
        for diagnosis, numbers in (
            (_GRANT_GONE, (50173, 70008, 700082, 700084)),
            (_TOKEN_NOT_TAKEN, (70000,)),
            (_SESSION_POLICY, (70043,)),
            (_SIGN_IN_AGAIN, (50072, 50074, 50076, 50078, 50079)),
            (_ACCESS_POLICY, (53000, 53001, 53002, 53003, 53004, 50131, 530032, 530035)),
            (_NOT_CONSENTED, (65001, 65004, 90008, 90094, 90095)),
            (_PERMISSIONS, (65005, 650052, 650056, 650057)),
            (_SECRET_WRONG, (7000215,)),
            (_SECRET_EXPIRED, (7000222,)),
            (_ASSERTION, (50013,)),
            (_CLIENT, (700025, 700027, 700030, 7000218, 50012)),
            (_TENANT, (700016, 90002, 50194, 500011)),
            (_ACCOUNT, (50034, 50057, 51004, 500341)),
            (_PASSWORD, (50055, 50144)),
            (_LOCKED, (50053,)),
            (_NOT_ASSIGNED, (50105,)),
            (_REDIRECT, (50011,)),
            (_CODE_NOT_TAKEN, (54005, 501481)),
            (_REQUEST, (900144,)),
            (_LOOP, (50196,)),
            (_BUSY, (50033, 50087, 70012, 80005, 90006, 90012, 90024, 90033, 90055, 90090)),
        )
        for number in numbers
    }
)
