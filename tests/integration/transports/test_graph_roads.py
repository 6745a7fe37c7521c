"""Graph's JSON, its drafts, and its search, played on a peer whose every answer a test decides."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote
from uuid import UUID

import pytest

from mailbearer.carriage import GRAPH_CALL_LIMIT, size_of
from mailbearer.message import Address, Attachment, Message, Outcome, Outgoing, Remedy, Unsubscribe, Verdict
from mailbearer.mime import compose
from mailbearer.registration import Flow
from mailbearer.transports.graph import GraphTransport, client_request_id
from mailbearer.transports.graph_draft import CHUNK
from tests.integration.transports.peers import Peer, Request, answer, cut, read_request, silence

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from mailbearer.account import Account
    from mailbearer.egress import Egress
    from mailbearer.registration import Registration
    from tests.integration.transports.conftest import Clock

TOKEN = "eyJ.secret-token"
Play: TypeAlias = "bytes | Callable[[socket.socket], None]"


def created(body: object) -> bytes:
    return answer(201, json.dumps(body).encode())


class GraphPeer(Peer):
    """Answers as Graph does, unless `plays` says otherwise of the first request whose name and path end so."""

    def __init__(self, **plays: Play) -> None:
        self.requests: list[Request] = []
        self.plays = dict(plays)
        super().__init__(self._serve_requests)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def steps(self) -> list[str]:
        return [step_of(request) for request in self.requests]

    def bodies(self, step: str) -> list[Any]:
        return [json.loads(request.body) for request in self.requests if step_of(request) == step]

    def _serve_requests(self, sock: socket.socket) -> None:
        while request := read_request(sock):
            self.requests.append(request)
            play = self.plays.pop(step_of(request), None) or self._usual(request)
            if callable(play):
                play(sock)
            else:
                sock.sendall(play)

    def _usual(self, request: Request) -> bytes:
        step = step_of(request)
        if step == "session":
            return created({"uploadUrl": f"{self.url}/upload/1?authtoken=t", "nextExpectedRanges": ["0-"]})
        if step == "upload":
            last, total = request.headers["content-range"].partition("-")[2].split("/")
            return answer(201) if int(last) + 1 == int(total) else answer(200, b'{"nextExpectedRanges":["1"]}')
        return {
            "draft": created({"id": "AAMk/1=", "isDraft": True}),
            "attach": created({"id": "a"}),
            "delete": answer(204),
        }.get(step, answer(202, request_id="r-1"))


def step_of(request: Request) -> str:
    method, path, _ = request.line.split(" ")
    last = path.partition("?")[0].rpartition("/")[2]
    if method == "DELETE":
        return "delete"
    if method == "PUT":
        return "upload"
    return {"messages": "draft", "attachments": "attach", "createUploadSession": "session"}.get(last, last)


@dataclass
class Road:
    """The transport with an account that may make drafts."""

    transport: GraphTransport
    account: Account
    registration: Registration

    def send(self, peer: GraphPeer, message: Message, *, account: Account | None = None) -> Outcome:
        mime = compose(message, bcc_header=True)
        outgoing = Outgoing(mail_from=message.sender.email, rcpt_to=message.recipients, mime=mime, message=message)
        registration = replace(self.registration, api_base_url=peer.url)
        account = account or self.account
        return self.transport.send(outgoing, account=account, registration=registration, access_token=TOKEN)


@pytest.fixture
def road(egress: Egress, clock: Clock, account: Account, registration: Registration) -> Road:
    account = replace(account, transport="graph", scopes_granted=("Mail.Send", "Mail.ReadWrite"))
    return Road(GraphTransport(egress, clock, compose, deadline=5), account, registration)


def file(size: int, name: str = "a.bin", **fields: Any) -> Attachment:
    content = (bytes(range(251)) * (size // 251 + 1))[:size]
    return Attachment(filename=name, content=base64.b64encode(content).decode(), size=size, **fields)


SMALL = Message(
    account="acc_1",
    sender=Address("ada@example.com", "Ada"),
    to=(Address("bob@example.net", "Bob"),),
    cc=(Address("carol@example.net"),),
    bcc=(Address("eve@example.org"),),
    reply_to=(Address("desk@example.com"),),
    subject="Grüße",
    text="Hello",
    message_id="<1@mailbearer.example>",
    date=1_700_000_000,
)
THREADED = replace(
    SMALL,
    html='<img src="cid:p1">',
    headers=(("Precedence", "bulk"),),
    in_reply_to="<0@example.com>",
    references=("<0@example.com>",),
    unsubscribe=Unsubscribe(url="https://example.com/u", one_click=True),
)
LARGE = replace(
    THREADED,
    attachments=(
        file(10, "p.png", content_type="image/png", content_id="p1"),
        file(2 * CHUNK + 7, "big.pdf", content_type="application/pdf"),
        file(CHUNK, "even.bin"),
    ),
)
ALIAS = replace(SMALL, sender=Address("sales@example.com", "Sales"), headers=(("X-Kind", "note"),))


# --- JSON -----------------------------------------------------------------------------------------------------------


def test_another_from_goes_as_json_with_everything_in_it(road: Road) -> None:
    message = replace(ALIAS, attachments=(file(3, "a.txt", content_type="text/plain"),))
    with GraphPeer() as peer:
        assert road.send(peer, message) == Outcome(verdict=Verdict.ACCEPTED, provider_id="r-1")
    (request,) = peer.requests
    assert request.line == "POST /v1.0/me/sendMail HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {
        "message": {
            "subject": "Grüße",
            "from": {"emailAddress": {"address": "sales@example.com", "name": "Sales"}},
            "body": {"contentType": "text", "content": "Hello"},
            "internetMessageId": "<1@mailbearer.example>",
            "toRecipients": [{"emailAddress": {"address": "bob@example.net", "name": "Bob"}}],
            "ccRecipients": [{"emailAddress": {"address": "carol@example.net"}}],
            "bccRecipients": [{"emailAddress": {"address": "eve@example.org"}}],
            "replyTo": [{"emailAddress": {"address": "desk@example.com"}}],
            "internetMessageHeaders": [{"name": "X-Kind", "value": "note"}],
            "attachments": [
                {
                    "@odata.type": "#microsoft.graph.fileAttachment",
                    "name": "a.txt",
                    "contentType": "text/plain",
                    "contentBytes": "AAEC",
                }
            ],
        }
    }


def test_an_application_sends_json_from_the_mailbox_that_it_names(road: Road) -> None:
    road.registration = replace(road.registration, flow=Flow.CLIENT_CREDENTIALS)
    with GraphPeer() as peer:
        assert road.send(peer, replace(ALIAS, text=None, html="<p>Hi")).verdict is Verdict.ACCEPTED
    (request,) = peer.requests
    assert request.line == "POST /v1.0/users/ada@example.com/sendMail HTTP/1.1"
    assert json.loads(request.body)["message"]["body"] == {"contentType": "html", "content": "<p>Hi"}


def test_the_mailboxs_own_address_goes_as_mime_whatever_its_case(road: Road) -> None:
    message = replace(THREADED, sender=Address("ADA@example.com"))
    with GraphPeer() as peer:
        assert road.send(peer, message).verdict is Verdict.ACCEPTED
    (request,) = peer.requests
    assert base64.b64decode(request.body) == compose(message, bcc_header=True)


def test_what_json_cannot_say_is_refused_by_name_and_not_left_out(road: Road) -> None:
    with GraphPeer() as peer:
        outcome = road.send(peer, replace(THREADED, sender=Address("sales@example.com")))
    assert (outcome.verdict, outcome.code, outcome.remedy) == (Verdict.NOT_ACCEPTED, "not_expressible", Remedy.NONE)
    for name in ("In-Reply-To", "References", "List-Unsubscribe", "text beside html"):
        assert name in outcome.detail
    assert peer.connections == 0


def test_every_call_with_the_token_names_the_request_that_it_came_of_as_a_guid(road: Road) -> None:
    with GraphPeer() as peer:
        registration = replace(road.registration, api_base_url=peer.url)
        for correlation in ("JKJaXmPLvHcESHA=", ""):
            mime = b"To: ben@example.org\r\n\r\nHello\r\n"
            outgoing = Outgoing(
                mail_from="ada@example.com", rcpt_to=("ben@example.org",), mime=mime, correlation=correlation
            )
            road.transport.send(outgoing, account=road.account, registration=registration, access_token=TOKEN)
    marked, bare = peer.requests
    assert UUID(marked.headers["client-request-id"]) == UUID(client_request_id("JKJaXmPLvHcESHA="))
    assert client_request_id("a") != client_request_id("b")
    assert "client-request-id" not in bare.headers


def test_addresses_beyond_ascii_are_refused(road: Road) -> None:
    outgoing = Outgoing(mail_from="ada@example.com", rcpt_to=("jürgen@example.net",), mime=b"\r\n")
    registration = replace(road.registration, api_base_url="http://127.0.0.1:1")
    outcome = road.transport.send(outgoing, account=road.account, registration=registration, access_token=TOKEN)
    assert (outcome.verdict, outcome.code) == (Verdict.NOT_ACCEPTED, "smtputf8_needed")


# --- drafts ---------------------------------------------------------------------------------------------------------


def test_a_large_message_goes_as_a_draft_with_each_attachment_whole(road: Road) -> None:
    with GraphPeer() as peer:
        assert road.send(peer, LARGE) == Outcome(verdict=Verdict.ACCEPTED, provider_id="r-1")
    assert peer.steps == ["draft", "attach", "session", *["upload"] * 3, "session", "upload", "send"]
    draft = message_from_bytes(base64.b64decode(peer.requests[0].body), policy=default)
    assert peer.requests[0].headers["content-type"] == "text/plain"
    assert [draft["Message-ID"], draft["In-Reply-To"], draft["Precedence"]] == [
        "<1@mailbearer.example>",
        "<0@example.com>",
        "bulk",
    ]
    assert draft["List-Unsubscribe"]
    assert "eve@example.org" in draft["Bcc"]
    assert [part.get_content_type() for part in draft.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert peer.bodies("attach") == [
        {
            "@odata.type": "#microsoft.graph.fileAttachment",
            "name": "p.png",
            "contentType": "image/png",
            "isInline": True,
            "contentId": "p1",
            "contentBytes": LARGE.attachments[0].content,
        }
    ]
    big, even = (item["AttachmentItem"] for item in peer.bodies("session"))
    assert big == {
        "attachmentType": "file",
        "size": 2 * CHUNK + 7,
        "name": "big.pdf",
        "contentType": "application/pdf",
    }
    assert (even["name"], even["size"]) == ("even.bin", CHUNK)
    assert peer.requests[-1].line == "POST /v1.0/me/messages/AAMk%2F1%3D/send HTTP/1.1"


def test_the_pieces_join_to_the_attachment_and_never_see_the_token(road: Road) -> None:
    with GraphPeer() as peer:
        road.send(peer, LARGE)
    pieces = [request for request in peer.requests if step_of(request) == "upload"]
    assert [request.headers["content-range"] for request in pieces] == [
        f"bytes 0-{CHUNK - 1}/{2 * CHUNK + 7}",
        f"bytes {CHUNK}-{2 * CHUNK - 1}/{2 * CHUNK + 7}",
        f"bytes {2 * CHUNK}-{2 * CHUNK + 6}/{2 * CHUNK + 7}",
        f"bytes 0-{CHUNK - 1}/{CHUNK}",
    ]
    assert b"".join(request.body for request in pieces[:3]) == base64.b64decode(LARGE.attachments[1].content)
    assert pieces[3].body == base64.b64decode(LARGE.attachments[2].content)
    assert all("authorization" not in request.headers and TOKEN.encode() not in request.body for request in pieces)
    assert all(len(request.body) <= 4_000_000 for request in pieces)
    assert all(
        request.headers["authorization"] == f"Bearer {TOKEN}" for request in peer.requests if request not in pieces
    )


def test_a_large_message_from_another_address_is_a_draft_of_json(road: Road) -> None:
    with GraphPeer() as peer:
        assert road.send(peer, replace(ALIAS, attachments=(file(CHUNK),))).verdict is Verdict.ACCEPTED
    assert peer.steps == ["draft", "session", "upload", "send"]
    draft = peer.bodies("draft")[0]
    assert draft["from"]["emailAddress"]["address"] == "sales@example.com"
    assert draft["internetMessageId"] == "<1@mailbearer.example>"
    assert "attachments" not in draft


def test_many_small_attachments_are_attached_one_by_one(road: Road) -> None:
    message = replace(SMALL, attachments=tuple(file(900_000, f"{number}.bin") for number in range(3)))
    with GraphPeer() as peer:
        assert road.send(peer, message).verdict is Verdict.ACCEPTED
    assert peer.steps == ["draft", "attach", "attach", "attach", "send"]


def test_an_attachment_that_is_too_small_for_a_session_after_all_goes_in_one_call(road: Road) -> None:
    refusal = {"error": {"code": "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize", "message": "No."}}
    with GraphPeer(session=answer(400, json.dumps(refusal).encode())) as peer:
        assert road.send(peer, replace(SMALL, attachments=(file(3_100_000),))).verdict is Verdict.ACCEPTED
    assert peer.steps == ["draft", "session", "attach", "send"]


def test_without_the_scope_a_large_message_is_refused_naming_it(road: Road) -> None:
    with GraphPeer() as peer:
        outcome = road.send(peer, LARGE, account=replace(road.account, scopes_granted=("Mail.Send",)))
    assert (outcome.verdict, outcome.code, outcome.remedy) == (Verdict.NOT_ACCEPTED, "message_too_large", Remedy.NONE)
    assert "Mail.ReadWrite" in outcome.detail
    assert peer.connections == 0


def test_an_application_without_the_permission_is_refused_naming_it(road: Road) -> None:
    account = replace(road.account, scopes_granted=("https://graph.microsoft.com/.default",))
    with GraphPeer(draft=answer(403, b'{"error": {"code": "ErrorAccessDenied"}}')) as peer:
        outcome = road.send(peer, LARGE, account=account)
    assert (outcome.verdict, outcome.code, outcome.remedy) == (Verdict.NOT_ACCEPTED, "message_too_large", Remedy.NONE)
    assert "Mail.ReadWrite" in outcome.detail
    assert peer.steps == ["draft"]


def test_a_large_raw_message_is_refused(road: Road) -> None:
    raw = base64.b64encode(b"Subject: x\r\n\r\n" + b"x\r\n" * 800_000).decode()
    with GraphPeer() as peer:
        outcome = road.send(peer, replace(SMALL, text=None, raw=raw))
    assert (outcome.verdict, outcome.code, peer.connections) == (Verdict.NOT_ACCEPTED, "message_too_large", 0)


def test_the_bytes_are_not_needed_for_a_draft(road: Road) -> None:
    outgoing = Outgoing(mail_from="ada@example.com", rcpt_to=LARGE.recipients, mime=b"", message=LARGE)
    with GraphPeer() as peer:
        registration = replace(road.registration, api_base_url=peer.url)
        outcome = road.transport.send(outgoing, account=road.account, registration=registration, access_token=TOKEN)
    assert outcome.verdict is Verdict.ACCEPTED
    assert size_of(LARGE) > GRAPH_CALL_LIMIT


BEFORE_SENDING = ("draft", "attach", "session", "upload")


@pytest.mark.parametrize("step", BEFORE_SENDING)
@pytest.mark.parametrize(
    "reply",
    [answer(500), answer(503), answer(504, b"<html>"), answer(200, b"[]"), answer(202), answer(302), b"nonsense"],
)
def test_what_goes_wrong_before_the_word_to_send_is_certainly_not_sent_and_leaves_no_draft(
    road: Road, step: str, reply: bytes
) -> None:
    def speak_and_cut(sock: socket.socket) -> None:
        sock.sendall(reply)
        cut(sock)

    with GraphPeer(**{step: speak_and_cut if reply == b"nonsense" else reply}) as peer:
        outcome = road.send(peer, LARGE)
    if step == "upload" and b" 200 " in reply:
        return  # That is what the first piece is answered with.
    assert (outcome.verdict, outcome.code, outcome.remedy) == (
        Verdict.NOT_ACCEPTED,
        "draft_unfinished",
        Remedy.RETRY,
    )
    assert "send" not in peer.steps
    assert peer.steps.count("delete") == (0 if step == "draft" else 1)


def test_a_last_piece_that_did_not_make_it_an_attachment_is_not_sent(road: Road) -> None:
    with GraphPeer(upload=answer(200, b'{"nextExpectedRanges":["5"]}')) as peer:
        outcome = road.send(peer, replace(SMALL, attachments=(file(CHUNK),)))
    assert (outcome.verdict, outcome.code) == (Verdict.NOT_ACCEPTED, "draft_unfinished")
    assert peer.steps[-1] == "delete"


@pytest.mark.parametrize("step", ["attach", "session", "upload", "send"])
def test_the_mailboxs_own_limit_ends_a_message_wherever_it_is_told(road: Road, step: str) -> None:
    refusal = answer(400, b'{"error": {"code": "ErrorMessageSizeExceeded", "message": "No."}}')
    with GraphPeer(**{step: refusal}) as peer:
        outcome = road.send(peer, LARGE)
    assert (outcome.verdict, outcome.code, outcome.remedy) == (
        Verdict.NOT_ACCEPTED,
        "message_too_large",
        Remedy.NONE,
    )
    assert peer.steps[-1] == "delete"


def test_a_blocked_mailbox_is_not_taken_for_a_missing_scope(road: Road) -> None:
    with GraphPeer(draft=answer(403, b'{"error": {"code": "ErrorMessageSubmissionBlocked"}}')) as peer:
        assert road.send(peer, LARGE).code == "sending_blocked"


def test_an_attachment_goes_whole_whatever_size_it_is_said_to_have(road: Road) -> None:
    part = file(2 * CHUNK)
    with GraphPeer() as peer:
        for said in (10, 3_000_001, 3 * CHUNK):
            message = replace(SMALL, attachments=(replace(part, size=said),))
            assert road.send(peer, message).verdict is Verdict.ACCEPTED
    pieces = [request.body for request in peer.requests if step_of(request) == "upload"]
    assert b"".join(pieces) == base64.b64decode(part.content) * 3


def test_a_draft_that_cannot_be_written_is_refused(road: Road) -> None:
    outgoing = Outgoing(
        mail_from="ada@example.com", rcpt_to=LARGE.recipients, mime=b"", message=replace(LARGE, subject="a\nb")
    )
    registration = replace(road.registration, api_base_url="http://127.0.0.1:1")
    outcome = road.transport.send(outgoing, account=road.account, registration=registration, access_token=TOKEN)
    assert (outcome.verdict, outcome.code) == (Verdict.NOT_ACCEPTED, "message_rejected")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": ""}', b'{"id": 7}', b"[" * 100_000])
def test_a_draft_without_a_name_is_not_sent(road: Road, body: bytes) -> None:
    with GraphPeer(draft=answer(201, body)) as peer:
        outcome = road.send(peer, LARGE)
    assert (outcome.verdict, outcome.code, peer.steps) == (Verdict.NOT_ACCEPTED, "draft_unfinished", ["draft"])


@pytest.mark.parametrize("url", ["http://example.com/x", "https://10.0.0.1/x", "nonsense", 7, ""])
def test_an_upload_goes_to_no_address_that_may_not_be_reached(road: Road, url: object) -> None:
    with GraphPeer(session=created({"uploadUrl": url})) as peer:
        outcome = road.send(peer, LARGE)
    assert outcome.verdict is Verdict.NOT_ACCEPTED
    assert "upload" not in peer.steps
    assert peer.steps[-1] == "delete"


@pytest.mark.parametrize(
    ("step", "status", "code", "remedy"),
    [
        ("draft", 401, "token_rejected", Remedy.REFRESH),
        ("draft", 429, "throttled", Remedy.RETRY),
        ("draft", 400, "message_rejected", Remedy.NONE),
        ("attach", 413, "request_too_large", Remedy.NONE),
        ("session", 429, "throttled", Remedy.RETRY),
        ("attach", 404, "draft_unfinished", Remedy.RETRY),
        ("upload", 401, "draft_unfinished", Remedy.RETRY),
        ("upload", 403, "draft_unfinished", Remedy.RETRY),
        ("upload", 404, "draft_unfinished", Remedy.RETRY),
        ("upload", 416, "draft_unfinished", Remedy.RETRY),
        ("upload", 429, "draft_unfinished", Remedy.RETRY),
        ("upload", 413, "request_too_large", Remedy.NONE),
    ],
)
def test_a_clear_refusal_before_the_word_to_send_keeps_its_meaning(
    road: Road, step: str, status: int, code: str, remedy: Remedy
) -> None:
    with GraphPeer(**{step: answer(status, Retry_After="77")}) as peer:
        outcome = road.send(peer, LARGE)
    assert (outcome.verdict, outcome.code, outcome.remedy) == (Verdict.NOT_ACCEPTED, code, remedy)
    assert "send" not in peer.steps
    if status == 429:
        assert outcome.retry_after == 77


@pytest.mark.parametrize(
    ("reply", "verdict", "tidied"),
    [
        (answer(202, Retry_After="5"), Verdict.ACCEPTED, 0),
        (answer(200), Verdict.UNKNOWN, 0),
        (answer(500), Verdict.UNKNOWN, 0),
        (answer(504), Verdict.UNKNOWN, 0),
        (cut, Verdict.UNKNOWN, 0),
        (answer(429), Verdict.NOT_ACCEPTED, 1),
        (answer(413), Verdict.NOT_ACCEPTED, 1),
        (answer(403, b'{"error": {"code": "ErrorSendAsDenied"}}'), Verdict.NOT_ACCEPTED, 1),
        (answer(404, b'{"error": {"code": "ErrorItemNotFound"}}'), Verdict.NOT_ACCEPTED, 1),
    ],
)
def test_the_answer_to_the_word_to_send_decides_and_a_draft_that_may_be_on_its_way_is_left_alone(
    road: Road, reply: Play, verdict: Verdict, tidied: int
) -> None:
    with GraphPeer(send=reply) as peer:
        assert road.send(peer, LARGE).verdict is verdict
    assert (peer.steps.count("send"), peer.steps.count("delete")) == (1, tidied)


def test_one_deadline_covers_all_calls_and_leaves_time_to_tidy_up(road: Road) -> None:
    road.transport.deadline = 0.5
    with GraphPeer(session=silence) as peer:
        began = time.monotonic()
        outcome = road.send(peer, LARGE)
        took = time.monotonic() - began
    assert (outcome.verdict, outcome.code) == (Verdict.NOT_ACCEPTED, "draft_unfinished")
    assert took <= road.transport.deadline_for(size_of(LARGE)) + 0.3
    assert peer.steps == ["draft", "attach", "session", "delete"]


def test_a_larger_message_may_take_longer_but_never_beyond_three_times(road: Road) -> None:
    usual = road.transport.deadline
    sizes = [0, 3_000_000, 60_000_000, 120_000_000, 150_000_000]
    assert [road.transport.deadline_for(size) / usual for size in sizes] == [1, 1.05, 2, 3, 3]


# --- search ---------------------------------------------------------------------------------------------------------


def look_up(road: Road, url: str, message_id: str, *, token: str = TOKEN) -> bool | None:
    registration = replace(road.registration, api_base_url=url)
    return road.transport.look_up(message_id, account=road.account, registration=registration, access_token=token)


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (answer(200, b'{"value": [{"isDraft": false}]}'), True),
        (answer(200, b'{"value": [{"isDraft": true}, {"isDraft": false}]}'), True),
        (answer(200, b'{"value": [{"isDraft": true}]}'), False),
        (answer(200, b'{"value": []}'), False),
        (answer(200, b'{"value": {}}'), None),
        (answer(200, b"[]"), None),
        (answer(200, b"x"), None),
        (answer(202), None),
        (answer(401), None),
        (answer(403), None),
        (answer(429), None),
        (answer(500), None),
        (b"nonsense", None),
    ],
)
def test_a_message_id_is_looked_up(road: Road, reply: bytes, verdict: bool | None) -> None:
    def speak(sock: socket.socket) -> None:
        sock.sendall(reply)
        cut(sock)

    with GraphPeer(draft=speak) as peer:
        assert look_up(road, peer.url, "<1@example.com>") is verdict
    method, path, _ = peer.requests[0].line.split(" ")
    assert (method, unquote(path)) == (
        "GET",
        "/v1.0/me/messages?$filter=internetMessageId eq '<1@example.com>'&$select=isDraft&$top=10",
    )


@pytest.mark.parametrize("message_id", ["<a'b@c>", "<a' or isDraft eq false or 'b@c>", "<a&$top=1#x@c>", "<a%27@c>"])
def test_an_id_cannot_break_out_of_its_string(road: Road, message_id: str) -> None:
    with GraphPeer(draft=answer(200, b'{"value": []}')) as peer:
        assert look_up(road, peer.url, message_id) is False
    query = peer.requests[0].line.split(" ")[1].partition("?")[2]
    assert query.count("&") == 2
    literal = unquote(query.split("&")[0].removeprefix("$filter=internetMessageId%20eq%20"))
    assert literal == "'" + message_id.replace("'", "''") + "'"


def test_nothing_is_asked_without_a_scope_that_reads_or_with_an_odd_id_or_token(road: Road) -> None:
    with GraphPeer() as peer:
        for message_id in ("", "<ä@c>", "<a\r\n@c>", "x" * 1000):
            assert look_up(road, peer.url, message_id) is None
        assert look_up(road, peer.url, "<1@c>", token="a\r\nb") is None
        road.account = replace(road.account, scopes_granted=("Mail.Send",))
        assert look_up(road, peer.url, "<1@c>") is None
    assert peer.connections == 0


def test_a_server_that_is_not_there_tells_nothing(road: Road) -> None:
    assert look_up(road, "http://127.0.0.1:1", "<1@c>") is None
    assert look_up(road, "http://example.com", "<1@c>") is None
