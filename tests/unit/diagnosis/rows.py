"""Realistic answers for every row of what is known of the providers, beyond the samples seen in the wild."""

# ruff: noqa: E501 - a row is a line

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mailbearer.diagnosis import Evidence


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    evidence: Evidence
    code: str
    who: str
    retry: bool
    kind: str = ""


def token(name: str, provider: str, body: Any, code: str, who: str, *, retry: bool = False, status: int = 400) -> Row:
    text = body if isinstance(body, str) else json.dumps(body)
    evidence = Evidence(provider=provider, surface="token", http_status=status, body=text)
    return Row(f"token-{name}", evidence, code, who, retry)


def word(error: str, description: str = "", **more: Any) -> dict[str, Any]:
    return {"error": error} | ({"error_description": description} if description else {}) | more


def aadsts(number: int, error: str = "invalid_grant", text: str = "Something.", **more: Any) -> dict[str, Any]:
    trace = "Trace ID: 11111111-1111-4111-8111-1111111111a1 Correlation ID: 22222222-2222-4222-8222-2222222222c2"
    return {
        "error": error,
        "error_description": f"AADSTS{number}: {text} {trace} Timestamp: 2026-02-01 10:00:00Z",
        "error_codes": [number],
        "timestamp": "2026-02-01 10:00:00Z",
        "trace_id": "11111111-1111-4111-8111-1111111111a1",
        "correlation_id": "22222222-2222-4222-8222-2222222222c2",
        "error_uri": f"https://login.microsoftonline.us/error?code={number}",
    } | more


def numbers(listed: str, code: str, who: str, *, retry: bool = False, error: str = "invalid_grant") -> list[Row]:
    return [
        token(f"aadsts-{number}", "microsoft", aadsts(int(number), error), code, who, retry=retry)
        for number in listed.split()
    ]


def gmail(  # noqa: PLR0917 - a row reads in this order
    name: str, http: int, reason: str, message: str, code: str, who: str, *, retry: bool = False, **more: Any
) -> Row:
    error = {
        "code": http,
        "message": message,
        "errors": [{"message": message, "domain": "global", "reason": reason}],
    } | more
    evidence = Evidence(provider="google", surface="gmail", http_status=http, body=json.dumps({"error": error}))
    return Row(f"gmail-{name}", evidence, code, who, retry, "unknown_outcome" if http >= 500 else "")


def graph(
    name: str, status: int, said: str, code: str, who: str, *, retry: bool = False, message: str = "No.", kind: str = ""
) -> Row:
    body = json.dumps({"error": {"code": said, "message": message, "innerError": {"date": "2026-02-01T10:00:00"}}})
    evidence = Evidence(provider="microsoft", surface="graph", http_status=status, body=body)
    return Row(f"graph-{name}", evidence, code, who, retry, kind)


def smtp(name: str, provider: str, reply: str, code: str, who: str, *, retry: bool = False) -> Row:
    return Row(f"smtp-{name}", Evidence(provider=provider, surface="smtp", smtp=reply), code, who, retry)


def callback(name: str, provider: str, text: str, code: str, who: str, *, retry: bool = False) -> Row:
    return Row(f"callback-{name}", Evidence(provider=provider, surface="callback", body=text), code, who, retry)


def bare(name: str, surface: str, status: int, code: str, who: str, *, retry: bool = False, kind: str = "") -> Row:
    provider = {"graph": "microsoft", "gmail": "google"}.get(surface, "generic")
    return Row(f"bare-{name}", Evidence(provider=provider, surface=surface, http_status=status), code, who, retry, kind)


PAGE_TESTING = (
    "Access blocked: Example has not completed the Google verification process\n"
    "The app is currently being tested, and can only be accessed by developer-approved testers.\nError 403: access_denied"
)
SCOPE_CHALLENGE = "eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIiwic2NvcGUiOiJodHRwczovL21haWwuZ29vZ2xlLmNvbS8ifQ=="
VERDICT = (
    "STOREDRV.Submission.Exception:OutboundSpamException; Failed to process message due to a permanent exception with "
    "message WASCL UserAction verdict is not None. Actual verdict is {}, ShowTierUpgrade. [Hostname=X.PROD.OUTLOOK.COM]"
)

# fmt: off
GOOGLE = [
    token("g-revoked", "google", word("invalid_grant", "Token has been expired or revoked."), "grant_expired_or_revoked", "user"),
    token("g-rapt", "google", word("invalid_grant", "reauth related error (rapt_required)", error_subtype="rapt_required"), "session_policy", "tenant_admin"),
    token("g-rapt-text", "google", word("invalid_grant", "reauth related error (invalid_rapt)"), "session_policy", "tenant_admin"),
    token("g-policy", "google", word("admin_policy_enforced", "Robot is disabled. Ask &amp;#39;IT&amp;#39;"), "admin_policy", "tenant_admin"),
    token("g-client", "google", word("invalid_client", "Unauthorized"), "registration_refused", "operator", status=401),
    token("g-client-2", "google", word("unauthorized_client", "Unauthorized"), "registration_refused", "operator", status=401),
    token("g-dwd", "google", word("unauthorized_client", "Client is unauthorized to retrieve access tokens using this method."), "delegation_missing", "tenant_admin", status=401),
    token("g-principal", "google", word("invalid_request", "Invalid principal for service account."), "subject_wrong", "operator"),
    token("g-impersonation", "google", word("invalid_request", 'Invalid impersonation "sub" field: x'), "subject_wrong", "operator"),
    token("g-deleted", "google", word("invalid_grant", "The account has been deleted"), "account_disabled", "tenant_admin"),
    token("g-restricted", "google", word("access_denied", "Account restricted"), "access_denied", "tenant_admin", status=403),
    token("g-not-authorized", "google", word("access_denied", "Requested client not authorized."), "delegation_missing", "tenant_admin", status=403),
    token("g-jwt-signature", "google", word("invalid_grant", "Invalid JWT Signature."), "service_account_key_unknown", "operator"),
    token("g-jwt-time", "google", word("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."), "assertion_refused", "operator"),
    token("g-failure", "google", word("internal_failure"), "provider_busy", "nobody", retry=True, status=500),
    token("g-disabled", "google", word("disabled_client", "The OAuth client was disabled."), "registration_deleted", "operator", status=401),
    token("auth0-secret", "generic", word("access_denied", "Unauthorized"), "registration_refused", "operator", status=401),
    token("league-request", "generic", word("invalid_request", "The refresh token is invalid.", hint="Token has been revoked"), "refresh_token_invalid", "user", status=401),
    token("yahoo-object", "yahoo", {"error": {"localizedMessage": "invalid", "errorId": "INVALID_REFRESH_TOKEN"}}, "grant_expired_or_revoked", "user"),
    callback("ms-admin-canceled", "microsoft", "error=permission_denied&error_description=The+admin+canceled+the+request", "admin_consent_declined", "tenant_admin"),
    callback("ms-53003-page", "microsoft", "Your sign-in was successful but does not meet the criteria to access this resource.\nError Code: 53003\nRequest Id: x", "access_policy", "tenant_admin"),
    callback("g-institution", "google", "Access blocked: Your institution's admin needs to review Example\nError 400: access_not_configured", "admin_policy", "tenant_admin"),
    smtp("ms-571-send-as", "microsoft", "550 5.7.1 Client does not have permissions to send as this sender", "send_as_denied", "tenant_admin"),
    token("g-signing", "google", {"error": {"code": 403, "message": "Permission 'iam.serviceAccounts.signJwt' denied", "status": "PERMISSION_DENIED"}}, "signing_not_allowed", "operator", status=403),
    gmail("precondition", 400, "failedPrecondition", "Precondition check failed.", "mailbox_unavailable", "tenant_admin"),
    gmail("delegation", 403, "forbidden", "Delegation denied for ann@example.com", "user_id_wrong", "operator", status="PERMISSION_DENIED"),
    gmail("bad-request", 400, "badRequest", "Invalid attachment.", "message_rejected", "user"),
    gmail("auth", 401, "authError", "Invalid Credentials", "token_rejected", "nobody", retry=True, status="UNAUTHENTICATED"),
    gmail("login-required", 401, "required", "Login Required.", "token_unsuitable", "operator"),
    gmail("daily", 403, "dailyLimitExceeded", "Daily Limit Exceeded", "project_quota", "operator", retry=True),
    gmail("rate-403", 403, "rateLimitExceeded", "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user'", "throttled", "nobody", retry=True),
    gmail("rate-429", 429, "userRateLimitExceeded", "User-rate limit exceeded.  Retry after 2026-02-01T10:00:00.123Z", "throttled", "nobody", retry=True),
    gmail("domain", 403, "domainPolicy", "The domain administrators have disabled Gmail apps.", "domain_policy", "tenant_admin"),
    gmail("backend", 500, "backendError", "Backend Error", "server_error", "nobody"),
    gmail("unavailable", 503, "backendError", "The service is currently unavailable.", "server_error", "nobody", status="UNAVAILABLE"),
    gmail("unknown", 403, "someNewReason", "What?", "unknown_refusal", "operator"),
    smtp("g-challenge", "google", f"334 {SCOPE_CHALLENGE}\r\n535-5.7.8 Username and Password not accepted.\r\n535 5.7.8  https://support.google.com/mail/?p=BadCredentials - gsmtp", "smtp_token_rejected", "user"),
    smtp("g-challenge-alone", "google", f"334 {SCOPE_CHALLENGE}", "smtp_token_rejected", "user"),
    smtp("g-454", "google", "454-4.7.0 Too many login attempts, please try again later. For more information, go to\r\n454 4.7.0  https://support.google.com/mail/answer/7126229 - gsmtp", "login_throttled", "nobody", retry=True),
    smtp("g-421", "google", "421 4.7.0 Try again later, closing connection. - gsmtp", "service_unavailable", "nobody", retry=True),
    smtp("g-450", "google", "450-4.2.1 The user you are trying to contact is receiving mail at a rate that\r\n450 4.2.1 prevents additional messages from being delivered.", "throttled", "nobody", retry=True),
    smtp("g-545", "google", "550-5.4.5 Daily user sending limit exceeded. For more information on Gmail\r\n550-5.4.5 sending limits go to\r\n550 5.4.5  https://support.google.com/a/answer/166852 - gsmtp", "daily_limit", "nobody", retry=True),
    smtp("g-545-relay", "google", "550 5.4.5 Daily SMTP relay limit exceeded for customer. - gsmtp", "daily_limit", "nobody", retry=True),
    smtp("g-453", "google", "452 4.5.3 Your message has too many recipients. - gsmtp", "too_many_recipients", "user"),
    smtp("g-552-570", "google", "552-5.7.0 This message was blocked because its content presents a potential\r\n552 5.7.0 security issue. - gsmtp", "content_refused", "user"),
    smtp("g-534", "google", "534-5.7.14 Please log in via your web browser and then try again.\r\n534 5.7.14 - gsmtp", "browser_sign_in_required", "user"),
    smtp("g-534-app", "google", "534-5.7.9 Application-specific password required.\r\n534 5.7.9 - gsmtp", "application_password_required", "operator"),
    smtp("g-spam", "google", "550-5.7.1 Our system has detected that this message is likely unsolicited mail.\r\n550 5.7.1 - gsmtp", "content_refused", "user"),
    smtp("g-starttls", "google", "530 5.7.0 Must issue a STARTTLS command first. - gsmtp", "tls_required", "operator"),
    callback("g-denied", "google", "error=access_denied&state=opaque", "consent_declined", "user"),
    callback("g-testing", "google", PAGE_TESTING, "app_in_testing", "operator"),
    callback("g-redirect", "google", "Error 400: redirect_uri_mismatch\nYou can't sign in", "redirect_uri_wrong", "operator"),
    callback("g-advanced", "google", "Error 400: policy_enforced\nAdvanced Protection prevented", "advanced_protection", "user"),
    callback("g-useragent", "google", "Error 403: disallowed_useragent", "browser_not_allowed", "user"),
    callback("g-page-client", "google", "Error 401: invalid_client\nThe OAuth client was not found.", "registration_refused", "operator"),
    callback("g-restricted", "google", "Error 403: restricted_client", "app_not_verified", "operator"),
]

MICROSOFT = [
    *numbers("50173 70008 700082 50132 50133", "grant_expired_or_revoked", "user"),
    *numbers("700084", "spa_refresh_token", "operator"),
    *numbers("70000", "token_not_taken", "user"),
    *numbers("70043", "session_policy", "tenant_admin"),
    *numbers("50076 50079 50074 50072 50078 500121", "sign_in_required", "user"),
    *numbers("53000 53001 53002 53003 53004 50131 530032 530035 530099", "access_policy", "tenant_admin"),
    *numbers("65001 65004", "consent_missing", "user"),
    *numbers("90094 90095", "admin_consent_required", "tenant_admin"),
    *numbers("90008 650052 650056 650057 65005", "permissions_not_configured", "operator", error="invalid_client"),
    *numbers("7000215 70002", "client_secret_wrong", "operator", error="invalid_client"),
    *numbers("7000222", "client_secret_expired", "operator", error="invalid_client"),
    *numbers("7000218", "client_secret_missing", "operator", error="invalid_client"),
    *numbers("700025", "client_is_public", "operator", error="invalid_client"),
    *numbers("700027 50012 700030 700024 700213", "client_certificate_refused", "operator", error="invalid_client"),
    *numbers("700016 90002 50194 500011", "tenant_or_app_not_found", "operator", error="unauthorized_client"),
    *numbers("9001023 90124 90130", "tenant_endpoint_wrong", "operator", error="invalid_request"),
    *numbers("50057 50034 51004 500341", "account_disabled", "tenant_admin"),
    *numbers("50055 50144", "password_expired", "user"),
    *numbers("50053", "account_locked", "tenant_admin", retry=True),
    *numbers("50105", "user_not_assigned", "tenant_admin"),
    *numbers("50011", "redirect_uri_wrong", "operator", error="invalid_request"),
    *numbers("54005 501481", "code_not_taken", "user"),
    *numbers("900144", "parameter_missing", "operator", retry=True, error="invalid_request"),
    *numbers("50196", "request_loop", "operator"),
    *numbers("50013", "assertion_refused", "operator"),
    *numbers("50020 90072", "wrong_account", "user"),
    *numbers(
        "50087 50033 70012 80005 90006 90012 90024 90033 90055 90090", "provider_busy", "nobody", retry=True,
    ),
    token("ms-server-error", "microsoft", aadsts(90041, "server_error"), "provider_busy", "nobody", retry=True),
    token("ms-two-numbers", "microsoft", aadsts(54005) | {"error_codes": [70002, 54005]}, "code_not_taken", "user"),
    token("ms-two-locked", "microsoft", aadsts(50053) | {"error_codes": [70002, 50053]}, "account_locked", "tenant_admin", retry=True),
    token("ms-uri-only", "microsoft", word("invalid_grant", "Etwas.", error_uri="https://login.partner.microsoftonline.cn/error?code=50076"), "sign_in_required", "user"),
    token("ms-suberror", "microsoft", aadsts(59999, suberror="consent_required"), "consent_missing", "user"),
    token("ms-unknown-number", "microsoft", aadsts(59999, "invalid_client"), "registration_refused", "operator"),
    token("ms-unauthorized-client", "microsoft", aadsts(59999, "unauthorized_client"), "registration_not_allowed", "operator"),
    token("ms-tmp", "microsoft", aadsts(50076, "temporarily_unavailable"), "provider_busy", "nobody", retry=True, status=503),
    graph("token", 401, "InvalidAuthenticationToken", "token_rejected", "nobody", retry=True, message="Access token has expired or is not yet valid."),
    graph("audience", 401, "InvalidAuthenticationToken", "token_unsuitable", "operator", message="Access token validation failure. Invalid audience."),
    graph("denied", 403, "ErrorAccessDenied", "mailbox_access_denied", "tenant_admin"),
    graph("request-denied", 403, "Authorization_RequestDenied", "mailbox_access_denied", "tenant_admin"),
    graph("send-as", 403, "ErrorSendAsDenied", "send_as_denied", "tenant_admin"),
    graph("base64", 400, "ErrorMimeContentInvalidBase64String", "request_malformed", "operator"),
    graph("size", 413, "ErrorMessageSizeExceeded", "message_too_large", "user"),
    graph("quota", 507, "ErrorQuotaExceeded", "mailbox_full", "user"),
    graph("limit", 429, "ErrorExceededMessageLimit", "daily_limit", "nobody", retry=True),
    graph("limit-verdict", 403, "ErrorExceededMessageLimit", "daily_limit_unverified", "user", retry=True, message="Cannot send mail., WASCL UserAction verdict is not None. Actual verdict is RefuseQuota, ShowTierUpgrade."),
    graph("suspended", 403, "ErrorAccountSuspend", "sending_blocked", "user"),
    graph("throttled", 429, "ApplicationThrottled", "throttled", "nobody", retry=True, message="Application is over its CommandConcurrencyLimitReached limit."),
    graph("activity", 429, "ActivityLimitReached", "throttled", "nobody", retry=True),
    graph("unknown-429", 429, "SomethingNew", "throttled", "nobody", retry=True),
    graph("500", 500, "ErrorInternalServerError", "server_error", "nobody", kind="unknown_outcome"),
    graph("unknown", 403, "SomethingNew", "unknown_refusal", "operator"),
    graph("no-user", 404, "ErrorInvalidUser", "mailbox_unknown", "operator"),
    bare("graph-200", "graph", 200, "unexpected_answer", "nobody", kind="unknown_outcome"),
    bare("graph-202", "graph", 202, "no_error", "nobody"),
    bare("graph-429", "graph", 429, "throttled", "nobody", retry=True),
    bare("graph-503", "graph", 503, "server_error", "nobody", kind="unknown_outcome"),
    bare("graph-413", "graph", 413, "request_too_large", "operator"),
    bare("graph-401", "graph", 401, "token_rejected", "nobody", retry=True),
    smtp("ms-tenant", "microsoft", "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.", "smtp_auth_disabled", "tenant_admin"),
    smtp("ms-basic", "microsoft", "535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [X.outlook.com]", "basic_auth_disabled", "operator"),
    smtp("ms-defaults", "microsoft", "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact your administrator.", "sign_in_policy", "tenant_admin"),
    smtp("ms-5760", "microsoft", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", "send_as_denied", "tenant_admin"),
    smtp("ms-sendas", "microsoft", "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message", "send_as_denied", "tenant_admin"),
    smtp("ms-threads", "microsoft", "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded [Hostname=X.PROD.OUTLOOK.COM]", "throttled", "nobody", retry=True),
    smtp("ms-quota", "microsoft", "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed", "daily_limit", "nobody", retry=True),
    smtp("ms-5192", "microsoft", "550 5.1.92 RESOLVER.ADR.RecipientRateLimit", "daily_limit", "nobody", retry=True),
    smtp("ms-full", "microsoft", "554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException", "mailbox_full", "user"),
    smtp("ms-suspend", "microsoft", f"554 5.2.0 {VERDICT.format('Suspend')}", "sending_blocked", "user"),
    smtp("ms-hipsend", "microsoft", f"554 5.2.0 {VERDICT.format('HipSend')}", "sending_blocked", "user"),
    smtp("ms-transient", "microsoft", f"554 5.2.0 {VERDICT.format('TransientError')}", "deferred", "nobody", retry=True),
    smtp("ms-terrl-trial", "microsoft", "550 5.7.232 Your message can't be sent because your trial tenant has exceeded its daily limit", "tenant_limit", "nobody", retry=True),
    smtp("ms-terrl", "microsoft", "550 5.7.233 Your message can't be sent because your tenant exceeded its daily limit", "tenant_limit", "nobody", retry=True),
    smtp("ms-705", "microsoft", "550 5.7.705 Access denied, tenant has exceeded threshold", "sender_banned", "tenant_admin"),
    smtp("ms-750", "microsoft", "550 5.7.750 Service unavailable. Client blocked from sending from unregistered domains", "sender_banned", "tenant_admin"),
    smtp("ms-518", "microsoft", "550 5.1.8 Access denied, bad outbound sender AS(42004)", "sender_banned", "tenant_admin"),
    smtp("ms-hve", "microsoft", "501 5.5.124 Not allowed for this account", "high_volume_account_refused", "tenant_admin"),
    callback("ms-admin-declined", "microsoft", "error=access_denied&error_description=AADSTS65004%3a+User+declined+to+consent&admin_consent=True&state=x", "admin_consent_declined", "tenant_admin"),
    callback("ms-declined", "microsoft", "error=access_denied&error_subcode=cancel&error_description=AADSTS65004%3a+User+declined+to+consent&state=x", "consent_declined", "user"),
    callback("ms-50011-page", "microsoft", "Sorry, but we're having trouble signing you in.\nAADSTS50011: The redirect URI 'x' specified in the request does not match", "redirect_uri_wrong", "operator"),
    callback("ms-90094", "microsoft", "error=access_denied&error_description=AADSTS90094%3a+Admin+consent+is+required", "admin_consent_required", "tenant_admin"),
    callback("ms-fragment", "microsoft", "https://example.org/oauth/callback#error=invalid_client&error_description=AADSTS650057%3a+Invalid+resource", "permissions_not_configured", "operator"),
    callback("ms-workflow", "microsoft", "Approval required\nThis app requires your admin's approval", "admin_consent_required", "tenant_admin"),
    callback("ms-busy", "microsoft", "error=temporarily_unavailable&state=x", "provider_busy", "nobody", retry=True),
    callback("ms-admin-granted", "microsoft", "admin_consent=True&tenant=00000000-dddd-4eee-8fff-000000000002&state=x", "no_error", "nobody"),
]

OTHERS = [
    token("y-refresh", "yahoo", word("INVALID_REFRESH_TOKEN", "x"), "grant_expired_or_revoked", "user"),
    token("y-client", "yahoo", word("INVALID_CLIENT_SECRET"), "registration_refused", "operator", status=401),
    token("aol-redirect", "aol", word("INVALID_REDIRECT_URI"), "redirect_uri_wrong", "operator"),
    smtp("y-auth005", "aol", "535 5.7.0 (#AUTH005) Too many bad auth attempts.", "login_locked", "user", retry=True),
    token("z-code", "zoho", word("invalid_code"), "grant_expired_or_revoked", "user", status=200),
    token("z-throttle", "zoho", word("Access Denied", "You have made too many requests continuously. Please try again after some time.", status="failure"), "token_quota_used", "nobody", retry=True),
    Row("zoho-mail-token", Evidence(provider="zoho", http_status=401, body='{"data":{"errorCode":"INVALID_OAUTHTOKEN"},"status":{"code":401,"description":"Invalid Access"}}'), "token_rejected", "nobody", True),
    Row("zoho-mail-ticket", Evidence(provider="zoho", http_status=400, body='{"data":{"errorCode":"INVALID_TICKET"},"status":{"code":400,"description":"Invalid Input"}}'), "token_unsuitable", "operator", False),
    smtp("z-553", "zoho", "553 Relaying disallowed as info@example.com", "sender_refused", "user"),
    smtp("z-535", "zoho", "535 Authentication Failed", "password_not_accepted", "operator"),
    smtp("z-554-518", "zoho", "554 5.1.8 Email Outgoing Blocked", "sending_blocked", "user"),
    token("f-grant", "fastmail", word("invalid_grant", "unknown token"), "grant_expired_or_revoked", "user"),
    *(
        token(f"rfc-{error}", "generic", word(error), code, who, retry=retry)
        for error, code, who, retry in (
            ("invalid_request", "request_refused", "operator", False),
            ("invalid_client", "registration_refused", "operator", False),
            ("invalid_grant", "grant_expired_or_revoked", "user", False),
            ("unauthorized_client", "registration_not_allowed", "operator", False),
            ("unsupported_grant_type", "request_refused", "operator", False),
            ("invalid_scope", "scope_refused", "operator", False),
            ("invalid_target", "tenant_or_app_not_found", "operator", False),
            ("authorization_pending", "authorization_pending", "user", True),
            ("slow_down", "provider_throttles", "nobody", True),
            ("expired_token", "device_code_expired", "user", False),
            ("access_denied", "consent_declined", "user", False),
            ("login_required", "sign_in_required", "user", False),
            ("interaction_required", "sign_in_required", "user", False),
            ("consent_required", "consent_missing", "user", False),
            ("mfa_required", "sign_in_required", "user", False),
            ("insufficient_user_authentication", "stronger_sign_in_required", "user", False),
            ("server_error", "provider_busy", "nobody", True),
            ("invalid_token", "refresh_token_invalid", "user", False),
            ("use_dpop_nonce", "request_refused", "operator", False),
            ("something_new", "unknown_refusal", "operator", False),
        )
    ),
    token("gen-session", "generic", word("invalid_grant", "Session not active"), "grant_expired_or_revoked", "user"),
    token("okta", "generic", {"errorCode": "E0000047", "errorSummary": "API call exceeded rate limit"}, "provider_throttles", "nobody", retry=True, status=429),
    token("html-502", "generic", "<html><body>Bad gateway</body></html>", "provider_busy", "nobody", retry=True, status=502),
    token("html-403", "generic", "<!DOCTYPE html><html>Forbidden</html>", "provider_busy", "nobody", retry=True, status=403),
    token("html-404", "generic", "<html>Not found</html>", "endpoint_wrong", "operator", status=404),
    token("empty-401", "generic", "", "registration_refused", "operator", status=401),
    token("empty-429", "generic", "", "provider_throttles", "nobody", retry=True, status=429),
    token("grant-503", "generic", word("invalid_grant"), "provider_busy", "nobody", retry=True, status=503),
    token("problem", "generic", {"type": "about:blank", "title": "Service Unavailable", "status": 503}, "provider_busy", "nobody", retry=True, status=503),
    token("200-nothing", "generic", "{}", "token_answer_invalid", "nobody", retry=True, status=200),
    token("200-yes", "generic", {"access_token": "x", "token_type": "Bearer"}, "no_error", "nobody", status=200),
    Row("introspection-active", Evidence(surface="introspection", http_status=200, body='{"active": true}'), "no_error", "nobody", False),
    Row("introspection-401", Evidence(surface="introspection", http_status=401, body=""), "registration_refused", "operator", False),
    Row("userinfo-expired", Evidence(surface="introspection", http_status=401, headers={"WWW-Authenticate": 'Bearer realm="x", error="invalid_token", error_description="expired"'}), "token_rejected", "nobody", True),
    Row("userinfo-scope", Evidence(surface="introspection", http_status=403, headers={"WWW-Authenticate": 'Bearer error="insufficient_scope"'}), "scope_missing", "user", False),
    Row("graph-claims", Evidence(surface="graph", http_status=401, headers={"WWW-Authenticate": 'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="'}, body='{"error":{"code":"InvalidAuthenticationToken","message":"Continuous access evaluation resulted in challenge"}}'), "claims_challenge", "user", False),
    Row("gmail-200", Evidence(surface="gmail", http_status=200, body='{"id": "18c", "threadId": "18c", "labelIds": ["SENT"]}'), "no_error", "nobody", False),
    Row("gmail-200-empty", Evidence(surface="gmail", http_status=200, body="{}"), "unexpected_answer", "nobody", False, "unknown_outcome"),
    smtp("oauthbearer", "generic", "334 eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJzbXRwIn0=\r\n535 5.7.8 Authentication failed", "smtp_token_rejected", "user"),
    smtp("oauthbearer-scope", "generic", "334 eyJzdGF0dXMiOiJpbnN1ZmZpY2llbnRfc2NvcGUifQ==\r\n535 Authentication failed", "scope_missing", "user"),
    smtp("454-after-challenge", "generic", "454 4.7.0 Temporary authentication failure", "login_throttled", "nobody", retry=True),
    smtp("538", "generic", "538 5.7.11 Encryption required for requested authentication mechanism", "mechanism_refused", "operator"),
    smtp("greylist", "generic", "450 4.7.1 Greylisted, try again in 5 minutes", "deferred", "nobody", retry=True),
    smtp("no-such-user", "generic", "550 5.1.1 No such user here", "recipient_rejected", "user"),
    smtp("relay", "generic", "554 5.7.1 <a@b.example>: Relay access denied", "relay_denied", "operator"),
    smtp("too-big", "generic", "552 Message size exceeds fixed limit", "message_too_large", "user"),
    smtp("malformed", "generic", "554 5.6.0 Mail message is malformed", "message_rejected", "user"),
    smtp("sequence", "generic", "503 5.5.1 Bad sequence of commands", "protocol_error", "operator"),
    smtp("unknown-4yz", "generic", "471 Try later", "deferred", "nobody", retry=True),
    smtp("unknown-5yz", "generic", "554 Transaction failed", "unknown_refusal", "operator"),
]
# fmt: on

ROWS = [*GOOGLE, *MICROSOFT, *OTHERS]
