"""What people are told of a mailbox that needs them, in plain words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailbearer.account import AccountState
from mailbearer.diagnosis import Who, by_code

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.account import Account
    from mailbearer.webhook import Notice

_HOLD_DAYS = 7
_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A text for people; `for_owner` says that it is for the mailbox's owner and not for its operator alone.

    `needed` is false if what it says is over already. The text may hold the link to connect the mailbox again.
    """

    subject: str
    text: str = field(repr=False)
    for_owner: bool = True
    needed: bool = True


def concerns_people(kind: str) -> bool:
    """Tell whether a notice of this kind may be anybody's business; most are told for machines alone."""
    return kind in _LETTERS


def letter_for(notice: Notice, account: Account) -> Letter | None:
    """Write what people have to know of a notice; None if it is none of their business."""
    write = _LETTERS.get(notice.kind)
    return write(notice, account) if write is not None else None


def _reconnect(notice: Notice, account: Account) -> Letter:
    # The moment at which it was written would make another text of the same notice, so none stands here.
    link, until = str(notice.data.get("reconnect_url", "")), str(notice.data.get("expires_at", ""))
    cause = by_code(str(notice.data.get("reason", ""))).cause
    return Letter(
        subject=f"Please connect the mailbox {account.address} again",
        text=_text(
            f"Mail that an application sends through {account.address} cannot leave: the permission to do so has ended "
            f"at the mailbox's provider. {cause}",
            _waiting(account),
            f"Please open this link and allow it again, signed in as {account.address}:",
            link,
            f"The link is good until {until}. It leads to a page that says what is asked, and from there to the "
            "sign-in page of your provider. Nobody but your provider asks for your password.",
            "If the mailbox shall not be used any more, do nothing, and tell whoever runs the application.",
        ),
        needed=account.state is AccountState.CONSENT_REQUIRED,
    )


def _another_mailbox(notice: Notice, account: Account) -> Letter:
    return Letter(
        subject=f"The mailbox {account.address} is connected with another mailbox's permission",
        text=_text(
            f"The permission to send as {account.address} turned out to be that of {notice.data.get('identity', '')}. "
            "That happens when a mailbox is renamed, or when somebody signed in with another account.",
            "Mail goes on leaving, through that mailbox.",
            f"If {account.address} was renamed, tell whoever runs the application. If not, ask there for a new link, "
            f"and open it signed in as {account.address}.",
        ),
    )


def _cut_off(_notice: Notice, account: Account) -> Letter | None:
    if not account.is_shut:
        return None  # whoever revoked one mailbox knows what he did
    return Letter(
        subject=f"The mailbox {account.address} was disconnected",
        text=_text(
            f"The application's permission to send through {account.address} was ended in an emergency, for safety.",
            _waiting(account),
            "You need not do anything now. When the emergency is over, you may get a link to connect the mailbox "
            "again. If you find mail in its folder of sent messages that nobody should have sent, tell whoever runs "
            "the application.",
        ),
    )


def _refused(notice: Notice, account: Account) -> Letter:
    found = by_code(str(notice.data.get("reason", "")))
    return Letter(
        subject=f"The provider takes no mail from {account.address}",
        text=_text(
            f"Mail that an application sends through {account.address} is refused by the mailbox's provider. "
            f"{found.cause}",
            _waiting(account),
            f"What helps: {found.remedy_for(account=account.address, registration=account.provider)}",
        ),
        for_owner=found.who is Who.USER,
        needed=bool(account.mail_refusal),
    )


def _waiting(account: Account) -> str:
    days = dict(account.limits).get("hold_for", _HOLD_DAYS * _DAY) // _DAY
    span = f"for up to {days} days" if days > 1 else "for up to a day"
    return (
        f"Until then it waits, {span}, and is sent by itself afterwards. Mail that you write yourself is not concerned."
    )


def _text(*paragraphs: str) -> str:
    return "\n\n".join(paragraphs) + "\n"


_LETTERS: dict[str, Callable[[Notice, Account], Letter | None]] = {
    "account.reconnect_wanted": _reconnect,
    "account.identity_drift": _another_mailbox,
    "account.revoked": _cut_off,
    "account.mail_refused": _refused,
}
