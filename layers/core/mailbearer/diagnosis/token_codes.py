"""The codes of token endpoints, and which row of the table each leads to.

Sources: RFC 6749, 6750, 7009, 7591, 8628, 8707, 9449 and 9470, OpenID Connect Core section 3.1.2.6, the list of AADSTS
numbers in Microsoft's documentation, Google's and Zoho's pages on OAuth errors, and answers seen in the wild.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from mailbearer.diagnosis import client_table as client
from mailbearer.diagnosis import table

if TYPE_CHECKING:
    from mailbearer.diagnosis.finding import Diagnosis


def _by_key(*rows: tuple[Diagnosis, str]) -> MappingProxyType[str, Diagnosis]:
    return MappingProxyType({key: diagnosis for diagnosis, keys in rows for key in keys.split()})


def _by_number(*rows: tuple[Diagnosis, str]) -> MappingProxyType[int, Diagnosis]:
    return MappingProxyType({int(key): diagnosis for diagnosis, keys in rows for key in keys.split()})


WORDS = MappingProxyType(
    {
        **_by_key(
            (table.GRANT_GONE, "invalid_grant invalid_code invalid_refresh_token expired_refresh_token"),
            (table.TOKEN_INVALID, "invalid_token token_expired expired_access_token token_revoked"),
            (table.CODE_NOT_TAKEN, "invalid_authorization_code expired_authorization_code invalid_code_verifier"),
            (table.SIGN_IN_AGAIN, "interaction_required login_required account_selection_required mfa_required"),
            (table.STEP_UP, "insufficient_user_authentication unmet_authentication_requirements"),
            (table.NOT_CONSENTED, "consent_required"),
            (table.DECLINED, "access_denied authorization_declined"),
            (table.PENDING, "authorization_pending"),
            (table.DEVICE_CODE, "expired_token code_expired bad_verification_code invalid_device_code"),
            (table.ADMIN_POLICY, "admin_policy_enforced"),
            (table.SERVICE_OFF, "invalid_account"),
            (table.SIGNING, "permission_denied"),
            (
                client.CLIENT,
                "invalid_client invalid_input invalid_client_id invalid_client_secret invalid_consumer_key",
            ),
            (client.CLIENT, "consumer_key_unknown consumer_key_rejected unauthorized e0000011"),
            (client.CLIENT_GONE, "deleted_client disabled_client client_disabled"),
            (client.NOT_ALLOWED, "unauthorized_client not_allowed"),
            (client.REDIRECT, "redirect_uri_mismatch invalid_redirect_uri invalid_callback"),
            (client.TENANT, "invalid_resource invalid_target"),
            (client.SCOPE, "invalid_scope insufficient_scope invalid_authorization_details"),
            (
                client.REQUEST,
                "invalid_request unsupported_response_type unsupported_token_type unsupported_response_mode",
            ),
            (
                client.REQUEST,
                "invalid_request_uri invalid_request_object request_not_supported request_uri_not_supported",
            ),
            (client.REQUEST, "registration_not_supported invalid_dpop_proof use_dpop_nonce invalid_software_statement"),
            (client.REQUEST, "invalid_client_metadata unsupported_grant_type invalid_grant_type"),
            (client.BUSY, "temporarily_unavailable server_error internal_failure internal_error internal_server_error"),
            (client.BUSY, "backend_error unknown_user_error service_unavailable general_error unavailable internal"),
            (client.THROTTLED, "slow_down too_many_requests rate_limit_exceeded too_many_attempts resource_exhausted"),
            (client.THROTTLED, "e0000047 over_request_limit request_throttled"),
        ),
        # Zoho has blanks inside its words.
        "access denied": client.TOKEN_QUOTA,
        "scope does not exist": client.SCOPE,
    }
)

SUBTYPES = _by_key(
    # Google, error_subtype.
    (table.SESSION_POLICY, "invalid_rapt rapt_required"),
    # A grant refused by another word than invalid_grant carries that word as its subtype.
    (table.SIGN_IN_AGAIN, "interaction_required login_required account_selection_required mfa_required"),
    (table.NOT_CONSENTED, "consent_required"),
    # Microsoft, suberror.
    (table.SIGN_IN_AGAIN, "basic_action additional_action"),
    (table.PASSWORD, "user_password_expired"),
    (table.ACCESS_POLICY, "message_only protection_policy_required device_authentication_failed"),
    (table.GRANT_GONE, "bad_token token_expired"),
)

# Microsoft's AADSTS numbers.
NUMBERS = _by_number(
    (table.GRANT_GONE, "50132 50133 50173 70008 700081 700082 700083"),
    (table.SPA_TOKEN, "700084 9002327"),
    (table.TOKEN_NOT_TAKEN, "70000"),
    (table.SESSION_POLICY, "70043 70044 70046"),
    (table.SIGN_IN_AGAIN, "50058 50072 50074 50076 50078 50079 50085 50089 50097 500121 50125 50139 50140 50143"),
    (table.SIGN_IN_AGAIN, "50158 50199 51006 700020 50136 50197"),
    (table.ACCESS_POLICY, "50005 50127 50129 50131 50155 50161 50170 50177 50178 50180 50187 53000 53001 53002 53003"),
    (table.ACCESS_POLICY, "53004 53010 53011 54000 135011 1000031 90093 90123"),
    (table.TENANT_RESTRICTION, "50002 500021 500022 500212 500213 1000104 90099"),
    (
        table.FEDERATION,
        "20001 20012 20033 40008 40009 40015 50008 50107 50169 80001 80002 80007 80010 80012 80013 80014",
    ),
    (table.NOT_CONSENTED, "65001 65004"),
    (table.ADMIN_CONSENT_NEEDED, "90094 90095"),
    (table.ACCOUNT, "50034 50057 51004 500341 50056 90125"),
    (
        table.WRONG_ACCOUNT,
        "16000 16001 16002 16003 160011 160021 50014 50020 500200 500201 500202 500203 500207 500208",
    ),
    (table.WRONG_ACCOUNT, "90072 90084"),
    (table.PASSWORD, "50055 50135 50144"),
    (table.PASSWORD_FLOW, "50126 50064"),
    (table.LOCKED, "50053"),
    (table.NOT_ASSIGNED, "50105 501051"),
    (table.LOOP, "50196"),
    (table.CODE_NOT_TAKEN, "54005 501481 70018 700005 7000012 700009 50147 501491"),
    (table.PENDING, "70016"),
    (table.DEVICE_CODE, "70019 70020 90119 90120 7000014"),
    (table.ASSERTION, "50013 500133 50027 240002"),
    (client.SECRET_WRONG, "7000215 70002"),
    (client.SECRET_EXPIRED, "7000222"),
    (client.SECRET_MISSING, "7000216 7000218"),
    (client.SECRET_UNWANTED, "700025"),
    (client.CERTIFICATE, "50003 50012 50017 50048 700021 700024 700027 700030 700211 700212 700213 700229 900384"),
    (client.CLIENT, "7000110"),
    (client.CLIENT_GONE, "70001 7000112 7000113 500014"),
    (client.NOT_ALLOWED, "70003 7000114 700051 700054 70005 70007"),
    (client.TENANT, "50001 500011 50049 50059 50128 50194 700011 700016 90002 90019 90038 90043 90051 7000229"),
    (client.TENANT_ENDPOINT, "9001023 9002331 9002332 9002346 90124 90126 90130 900382 900432 90027"),
    (client.PERMISSIONS, "65002 65005 650051 650052 650053 650054 650056 650057 650059 90008 90009"),
    (client.REDIRECT, "50011 500112 500113 70004 900971 90102"),
    (client.SCOPE, "28002 28003 70011 70022 700022 700023"),
    (client.SCOPE_LEFT_OUT, "900144"),
    (
        client.REQUEST,
        "90004 90005 90013 90014 90015 90023 90056 900561 90100 901002 90117 90121 9002313 9002325 9002326",
    ),
    (client.BUSY, "40010 50033 50086 50087 50088 50166 501621 70012 80005 90006 90012 90024 90033 90036 90041 90055"),
    (client.BUSY, "90085 90090 90091 90092 50000"),
)

# Families of numbers in which new ones keep appearing; one named above goes before.
FAMILIES: tuple[tuple[range, Diagnosis], ...] = (
    (range(530000, 530100), table.ACCESS_POLICY),
    (range(53000, 53100), table.ACCESS_POLICY),
    (range(120000, 120100), table.PASSWORD),
    (range(130000, 136000), table.ACCESS_POLICY),
    (range(160000, 160100), table.WRONG_ACCOUNT),
    (range(650050, 650100), client.PERMISSIONS),
    (range(700020, 700031), client.CERTIFICATE),
    (range(700210, 700240), client.CERTIFICATE),
    (range(7000210, 7000300), client.CLIENT),
    (range(81000, 81100), table.FEDERATION),
)

# Google answers alike for a person's dead grant and for faults of a service account, and has no code that tells them
# apart; a few others have one word for two things. These beginnings of `error_description` tell them apart; they only
# ever save a grant or name a better remedy, and they count for nothing where a number or a subtype was sent.
MARKERS: dict[str, tuple[tuple[str, Diagnosis], ...]] = {
    "invalid_grant": (
        ("robot is disabled", table.ROBOT),
        ("invalid email or user id", table.SUBJECT),
        ("not a valid email", table.SUBJECT),
        ("the account has been deleted", table.ACCOUNT),
        ("account has been deleted", table.ACCOUNT),
        ("invalid jwt: no valid verifier", table.KEY),
        ("invalid jwt signature", table.KEY),
        ("invalid jwt", table.ASSERTION),
        ("reauth related error", table.SESSION_POLICY),
    ),
    "unauthorized_client": (
        ("client is unauthorized to retrieve access tokens", table.DELEGATION),
        ("unauthorized client or scope in request", table.DELEGATION),
    ),
    "access_denied": (
        ("account restricted", table.DENIED),
        ("requested client not authorized", table.DELEGATION),
        # Auth0, for a wrong client secret.
        ("unauthorized", client.CLIENT),
    ),
    "invalid_request": (
        ("invalid principal", table.SUBJECT),
        ("invalid impersonation", table.SUBJECT),
        ("service account not allowed", table.ROBOT),
        # PHP league servers, for a refresh token that is dead.
        ("the refresh token is invalid", table.TOKEN_INVALID),
    ),
}

# AADSTS70000 has three meanings and one number; in this one the refresh token is well.
NUMBER_MARKERS: dict[int, tuple[str, Diagnosis]] = {
    70000: ("one or more scopes requested are unauthorized", table.SCOPE_NOT_GRANTED),
}
