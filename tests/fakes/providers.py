"""A transport and an authorization server that play a script, and a plain composer."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from mailbearer.message import Message, Outcome, Outgoing
from mailbearer.ports.mail import Greeting

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.credential import Credential
    from mailbearer.ports.provider import AuthorizationRequest, DeviceAuthorization, TokenAnswer, TokenFacts, WebPage
    from mailbearer.registration import Registration

Scene: TypeAlias = Outcome | Callable[[], Outcome]
"""What one call comes to, or something that happens during it and gives that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportCall:
    """One call as it was made."""

    outgoing: Outgoing
    account: Account
    registration: Registration
    access_token: str = field(repr=False)


class ScriptedTransport:
    """Plays one outcome per call, and breaks the test at a call too many; `calls` holds what was handed over."""

    def __init__(
        self,
        outcomes: Iterable[Scene] = (),
        *,
        verifies: Iterable[bool | None] = (),
        per_mailbox: int = 1,
        deadline: float = 10,
        size_limit: int = 25 * 1024 * 1024,
        names_recipients_in_headers: bool = False,
    ) -> None:
        self.script = deque(outcomes)
        self.verifies = deque(verifies)
        self.per_mailbox = per_mailbox
        self.deadline = deadline
        self.size_limit = size_limit
        self.names_recipients_in_headers = names_recipients_in_headers
        self.needs_token = True
        self.keeps_connections = False
        self.found: deque[bool | None] = deque()
        self.looked_up: list[str] = []
        self.calls: list[TransportCall] = []
        self.verified: list[str] = []
        self.most_at_once = 0
        self.closed = False
        self.greeting = Greeting(reached=True, offers=("AUTH XOAUTH2", "SIZE 1000"))
        self._at_once = 0
        self._lock = threading.Lock()

    def deadline_for(self, size: int) -> float:  # noqa: ARG002
        return self.deadline

    def send(self, outgoing: Outgoing, *, account: Account, registration: Registration, access_token: str) -> Outcome:
        call = TransportCall(outgoing=outgoing, account=account, registration=registration, access_token=access_token)
        with self._lock:
            self.calls.append(call)
            assert self.script, f"call {len(self.calls)} was not in the script"
            scene = self.script.popleft()
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return scene() if callable(scene) else scene
        finally:
            with self._lock:
                self._at_once -= 1

    def verify(self, *, account: Account, registration: Registration, access_token: str) -> bool | None:  # noqa: ARG002
        with self._lock:
            self.verified.append(access_token)
            return self.verifies.popleft() if self.verifies else True

    def look_up(
        self,
        message_id: str,
        *,
        account: Account,  # noqa: ARG002
        registration: Registration,  # noqa: ARG002
        access_token: str,  # noqa: ARG002
    ) -> bool | None:
        with self._lock:
            self.looked_up.append(message_id)
            return self.found.popleft() if self.found else None

    def greet(self, registration: Registration) -> Greeting:  # noqa: ARG002
        return self.greeting

    def close(self) -> None:
        self.closed = True


class ScriptedAuthorizationServer:
    """Plays one answer or error per call of each kind, and breaks the test at a call too many; `calls` counts them."""

    def __init__(
        self,
        *,
        redeem: Iterable[TokenAnswer | Exception | Callable[[], TokenAnswer]] = (),
        refresh: Iterable[TokenAnswer | Exception | Callable[[], TokenAnswer]] = (),
        revoke: Iterable[bool | Exception | Callable[[], bool]] = (),
        userinfo: Iterable[Mapping[str, object] | Exception | None] = (),
        client_credentials: Iterable[TokenAnswer | Exception] = (),
        assertion: Iterable[TokenAnswer | Exception] = (),
        device_authorization: Iterable[DeviceAuthorization | Exception] = (),
        device_token: Iterable[TokenAnswer | Exception] = (),
        introspect: Iterable[TokenFacts | Exception | None] = (),
        tokeninfo: Iterable[TokenFacts | Exception | None] = (),
        visit: Iterable[WebPage | Exception] = (),
    ) -> None:
        self.scripts: dict[str, deque[Any]] = {
            "redeem": deque(redeem),
            "refresh": deque(refresh),
            "revoke": deque(revoke),
            "userinfo": deque(userinfo),
            "client_credentials": deque(client_credentials),
            "assertion": deque(assertion),
            "device_authorization": deque(device_authorization),
            "device_token": deque(device_token),
            "introspect": deque(introspect),
            "tokeninfo": deque(tokeninfo),
            "visit": deque(visit),
        }
        self.calls: Counter[str] = Counter()
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._lock = threading.Lock()

    def authorization_url(self, registration: Registration, request: AuthorizationRequest) -> str:
        return f"{registration.endpoints.authorize_url}?state={request.state}&login_hint={request.login_hint}"

    def redeem(
        self, registration: Registration, credential: Credential, *, code: str, verifier: str, redirect_uri: str
    ) -> TokenAnswer:
        asked = {"code": code, "verifier": verifier, "redirect_uri": redirect_uri}
        answer: TokenAnswer = self._play("redeem", registration, asked | {"client_secret": credential.client_secret})
        return answer

    def refresh(
        self, registration: Registration, credential: Credential, *, refresh_token: str, scope: str
    ) -> TokenAnswer:
        asked = {"refresh_token": refresh_token, "scope": scope}
        answer: TokenAnswer = self._play("refresh", registration, asked | {"client_secret": credential.client_secret})
        return answer

    def revoke(self, registration: Registration, credential: Credential, *, token: str, hint: str) -> bool:
        asked = {"token": token, "hint": hint}
        answer: bool = self._play("revoke", registration, asked | {"client_secret": credential.client_secret})
        return answer

    def client_credentials(self, registration: Registration, credential: Credential) -> TokenAnswer:
        answer: TokenAnswer = self._play(
            "client_credentials", registration, {"client_secret": credential.client_secret}
        )
        return answer

    def assertion(self, registration: Registration, credential: Credential, *, subject: str) -> TokenAnswer:
        asked = {"subject": subject, "private_key": credential.private_key}
        answer: TokenAnswer = self._play("assertion", registration, asked)
        return answer

    def device_authorization(self, registration: Registration, credential: Credential) -> DeviceAuthorization:
        asked = {"client_secret": credential.client_secret}
        answer: DeviceAuthorization = self._play("device_authorization", registration, asked)
        return answer

    def device_token(self, registration: Registration, credential: Credential, *, device_code: str) -> TokenAnswer:
        asked = {"device_code": device_code, "client_secret": credential.client_secret}
        answer: TokenAnswer = self._play("device_token", registration, asked)
        return answer

    def introspect(self, registration: Registration, credential: Credential, access_token: str) -> TokenFacts | None:
        if not registration.endpoints.introspection_url:
            return None
        asked = {"access_token": access_token, "client_secret": credential.client_secret}
        answer: TokenFacts | None = self._play("introspect", registration, asked)
        return answer

    def tokeninfo(self, registration: Registration, access_token: str) -> TokenFacts | None:
        if not registration.endpoints.tokeninfo_url:
            return None
        answer: TokenFacts | None = self._play("tokeninfo", registration, {"access_token": access_token})
        return answer

    def visit(self, registration: Registration, url: str) -> WebPage:
        answer: WebPage = self._play("visit", registration, {"url": url})
        return answer

    def userinfo(self, registration: Registration, access_token: str) -> Mapping[str, object] | None:
        answer: Mapping[str, object] | None = self._play("userinfo", registration, {"access_token": access_token})
        return answer

    def _play(self, kind: str, registration: Registration, asked: dict[str, str]) -> Any:
        with self._lock:
            self.calls[kind] += 1
            self.asked.append((kind, asked | {"registration": registration.name}))
            assert self.scripts[kind], f"{kind} number {self.calls[kind]} was not in the script"
            scene = self.scripts[kind].popleft()
        if isinstance(scene, Exception):
            raise scene
        return scene() if callable(scene) else scene


class FakeComposer:
    """Writes the few header fields and the text, byte for byte the same each time."""

    def __call__(self, message: Message, *, bcc_header: bool) -> bytes:
        fields = {
            "From": message.sender.email,
            "To": ", ".join(address.email for address in message.to),
            "Cc": ", ".join(address.email for address in message.cc),
            "Bcc": ", ".join(address.email for address in message.bcc) if bcc_header else "",
            "Subject": message.subject,
            "Message-ID": message.message_id,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
        return f"{head}\r\n{message.text or message.html or ''}\r\n".encode()
