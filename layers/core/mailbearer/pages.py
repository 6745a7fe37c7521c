"""The pages that the owner of a mailbox sees: what is asked, the code to type, and what came of it."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailbearer.account import Account, DeviceCode
    from mailbearer.registration import Registration

_STYLE = """
:root { color-scheme: light dark; font: 17px/1.55 system-ui, sans-serif; }
body { margin: 0; display: grid; place-items: center; min-height: 100vh; background: #f3f4f6; color: #1f2933; }
main { max-width: 34rem; margin: 1rem; padding: 2rem 2.25rem; background: #fff; border-radius: 14px;
  box-shadow: 0 2px 18px #0002; }
h1 { font-size: 1.35rem; margin: 0 0 .75rem; }
li { margin: .3rem 0; }
code { overflow-wrap: anywhere; font-size: .85em; }
.button { display: inline-block; margin-top: 1rem; padding: .7rem 1.3rem; border-radius: 9px;
  background: #1455c0; color: #fff; text-decoration: none; font-weight: 600; }
.button:focus-visible { outline: 3px solid #f59e0b; outline-offset: 2px; }
.code { margin: 1rem 0; font: 600 1.9rem/1.2 ui-monospace, monospace; letter-spacing: .12em; overflow-wrap: anywhere; }
.quiet { color: #52606d; font-size: .87rem; }
@media (prefers-color-scheme: dark) {
  body { background: #111827; color: #e5e7eb; } main { background: #1f2937; } .quiet { color: #9ca3af; }
}
"""

_PAGE = Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">$head<title>$title</title><style>$style</style></head>
<body><main>$content</main></body></html>
"""
)

_ASK = Template(
    """<h1>Let an application send mail as <strong>$address</strong></h1>
<p>It asks <strong>$provider</strong> for the permission to <strong>send</strong> mail from this mailbox, and to
know its address so that no other mailbox is connected by mistake.</p>
<ul>
<li>It will be able to send mail as $address until you or the operator end that.</li>
$reading
<li>It never sees your password. You sign in at the provider, on the next page.</li>
</ul>
<a class="button" id="continue" rel="noreferrer" href="$url">Continue to the sign-in page</a>
<p class="quiet">Asked for exactly: <code>$scopes</code></p>
<p class="quiet">You did not expect this? Close the page; nothing happens. This link works once and for ten
minutes. You can take the permission back at any time in the security settings of your account at the provider.</p>"""
)

_CODE = Template(
    """<h1>Let an application send mail as <strong>$address</strong></h1>
<p>It asks <strong>$provider</strong> for the permission to <strong>send</strong> mail from this mailbox, and to
know its address so that no other mailbox is connected by mistake.</p>
<ol>
<li>Open the provider's page, here or on any other device: <a id="continue" target="_blank" rel="noopener noreferrer"
href="$link">$uri</a></li>
<li>Enter this code there, sign in as $address, and allow what is asked:</li>
</ol>
<p class="code" id="user-code">$code</p>
<p>Keep this page open: it looks for the answer by itself and says when the mailbox is connected.</p>
<ul>
$reading
<li>It never sees your password.</li>
</ul>
<p class="quiet">Asked for exactly: <code>$scopes</code></p>
<p class="quiet">You did not expect this? Close the page and enter the code nowhere; nothing happens. The code is good
for ten minutes at most. You can take the permission back at any time in the security settings of your account at the
provider.</p>"""
)

_SEND_ONLY = (
    "<li>It does <strong>not</strong> ask to read, search, change or delete your mail, contacts or calendar.</li>"
)
_FULL_MAIL = (
    "<li>The provider's SMTP server takes only one permission, which covers the <strong>whole mailbox</strong>. "
    "Mailbearer uses it for sending and nothing else.</li>"
)
_WHOLE_MAILBOX = "https://mail.google.com/"


def consent_page(account: Account, registration: Registration, authorization_url: str) -> str:
    """Say in plain words what is asked and what is not; one button goes on."""
    content = _ASK.substitute(
        address=escape(account.address),
        provider=escape(registration.name),
        reading=_reading(registration),
        url=escape(authorization_url),
        scopes=escape(" ".join(registration.scopes)),
    )
    return _page(f"Connect {account.address}", content)


def device_page(account: Account, registration: Registration, device: DeviceCode, *, again_in: int) -> str:
    """Show the code to type and where; the page renews itself after so many seconds, without a script."""
    content = _CODE.substitute(
        address=escape(account.address),
        provider=escape(registration.name),
        link=escape(device.verification_uri_complete or device.verification_uri),
        uri=escape(device.verification_uri),
        code=escape(device.user_code),
        reading=_reading(registration),
        scopes=escape(" ".join(registration.scopes)),
    )
    return _page(f"Connect {account.address}", content, head=f'<meta http-equiv="refresh" content="{again_in}">')


def connected_page(account: Account, missing: tuple[str, ...], excessive: tuple[str, ...]) -> str:
    """Say that it worked, what comes next, and where what was granted is not what was asked for."""
    content = f"<h1>{escape(account.address)} is connected</h1>"
    if missing:
        content += (
            f"<p>Not granted: <code>{escape(' '.join(missing))}</code>. Sending may fail without it: ask for a new "
            "link, connect again and leave every box ticked.</p>"
        )
    else:
        content += (
            "<p>The application can send mail from this mailbox now. You can close this page; there is nothing else to "
            "do.</p>"
        )
    if excessive:
        content += (
            f"<p>Granted although nobody asked for it: <code>{escape(' '.join(excessive))}</code>. It is not used; an "
            "earlier consent may have given it. You can end it in the security settings of your account.</p>"
        )
    return _page("Connected", content)


def refused_page(detail: str) -> str:
    """Say what went wrong and what to do about it."""
    content = (
        f"<h1>The mailbox was not connected</h1><p>{escape(detail)}</p>"
        '<p class="quiet">Nothing was stored. Ask whoever sent you here for a new link to try again.</p>'
    )
    return _page("Not connected", content)


def page_headers() -> dict[str, str]:
    """Give the header fields of every page beyond those of every answer, see `mailbearer.http.GUARD`."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": (
            f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        ),
    }


def _reading(registration: Registration) -> str:
    return _FULL_MAIL if _WHOLE_MAILBOX in registration.scopes else _SEND_ONLY


def _page(title: str, content: str, *, head: str = "") -> str:
    return _PAGE.substitute(title=escape(title), style=_STYLE, head=head, content=content)
