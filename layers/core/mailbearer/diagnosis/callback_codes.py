"""What comes back from a provider's sign-in page, or stands on it: error words of callbacks, and of pages.

Sources: RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6, Google's page on authorization errors,
Microsoft's pages on the admin-consent endpoint, and pages seen in the wild.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.diagnosis import client_table as client
from mailbearer.diagnosis import table
from mailbearer.diagnosis.finding import Diagnosis, Who

if TYPE_CHECKING:
    from collections.abc import Mapping

ADMIN_DECLINED = Diagnosis(
    code="admin_consent_declined",
    who=Who.TENANT_ADMIN,
    cause="The administrator declined, or is not one who may consent for the tenant.",
    remedy=f"A Cloud Application Administrator opens {table.ADMIN_CONSENT} and accepts.",
)
INTERNAL_ONLY = Diagnosis(
    code="app_internal_only",
    who=Who.OPERATOR,
    cause="The app's user type is Internal, and the account is outside the organisation. Google shows this on its own "
    "page, so the connect link just goes quiet.",
    remedy="Set the user type to External at https://console.cloud.google.com/auth/audience, or connect an account of "
    "the organisation.",
)
IN_TESTING = Diagnosis(
    code="app_in_testing",
    who=Who.OPERATOR,
    cause="The app is in Testing and the account is no test user of it. Google shows this on its own page.",
    remedy="Publish the app, or add {account} as a test user: https://console.cloud.google.com/auth/audience",
)
UNVERIFIED = Diagnosis(
    code="app_not_verified",
    who=Who.OPERATOR,
    cause="Google has not verified the app for these scopes, or its limit of users without verification is reached.",
    remedy="Have the app verified: https://console.cloud.google.com/auth/verification",
)
PROTECTION = Diagnosis(
    code="advanced_protection",
    who=Who.USER,
    cause="The owner's account is in Google's Advanced Protection, which lets no such app in.",
    remedy="The owner leaves it (https://myaccount.google.com/advanced-protection), or another mailbox is connected.",
)
BROWSER = Diagnosis(
    code="browser_not_allowed",
    who=Who.USER,
    cause="The consent page was opened inside an app, in a browser that the provider does not allow.",
    remedy="Open the link in an ordinary browser: `mailbearer accounts consent {account} --open`.",
)

WORDS: Mapping[str, Diagnosis] = {
    "access_denied": table.DECLINED,
    "cancel": table.DECLINED,
    "user_cancelled_login": table.DECLINED,
    "user_cancelled_authorize": table.DECLINED,
    "interaction_required": table.SIGN_IN_AGAIN,
    "login_required": table.SIGN_IN_AGAIN,
    "admin_policy_enforced": table.ADMIN_POLICY,
    "org_internal": INTERNAL_ONLY,
    "policy_enforced": PROTECTION,
    "disallowed_useragent": BROWSER,
    "restricted_client": UNVERIFIED,
    "unverified_app": UNVERIFIED,
    "rate_limit_exceeded": UNVERIFIED,
    "origin_mismatch": client.REDIRECT,
    "unauthorized_client": client.NOT_ALLOWED,
    # Microsoft's admin-consent endpoint, and Google's page for apps that an administrator has to look at first.
    "permission_denied": ADMIN_DECLINED,
    "access_not_configured": table.ADMIN_POLICY,
}

# On Google's own page the same word has another meaning: a refusal by the owner would have gone to the callback.
PAGE_WORDS: Mapping[str, Diagnosis] = {"access_denied": IN_TESTING}

NUMBERS: Mapping[int, Diagnosis] = {65004: table.DECLINED}

# Microsoft's page for 90094 has no number on it, and nothing comes back unless the owner presses a link.
PAGE_MARKERS: tuple[tuple[str, Diagnosis], ...] = (
    ("need admin approval", table.ADMIN_CONSENT_NEEDED),
    ("needs permission to access resources in your organi", table.ADMIN_CONSENT_NEEDED),
    ("approval required", table.ADMIN_CONSENT_NEEDED),
    ("you can't get there from here", table.ACCESS_POLICY),
    ("more information required", table.SIGN_IN_AGAIN),
    ("has not completed the google verification process", IN_TESTING),
    ("this app is blocked", UNVERIFIED),
)
