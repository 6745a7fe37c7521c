"""The submission server over real sockets, with Python's own client and with a bare one."""

from __future__ import annotations

import base64
import json
import smtplib
import socket
import ssl
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.integration.sandbox.application import RAW, Application

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.world import World
    from tests.integration.sandbox.conftest import Clock

SMTP_SCOPES = {
    "google": "https://mail.google.com/",
    "microsoft": "https://outlook.office.com/SMTP.Send",
    "oidc": "smtp",
}


def trusting(world: World) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=world.smtp.ca_file)


@pytest.fixture
def client(world: World) -> Iterator[smtplib.SMTP]:
    """A connection under verified TLS, greeted, not signed in."""
    connection = smtplib.SMTP(world.smtp.host, world.smtp.port, timeout=5)
    with closing(connection):
        connection.starttls(context=trusting(world))
        connection.ehlo()
        yield connection


def xoauth2(user: str, token: str) -> str:
    return f"user={user}\x01auth=Bearer {token}\x01\x01"


def oauthbearer(user: str, token: str) -> str:
    return f"n,a={user},\x01host=localhost\x01port=587\x01auth=Bearer {token}\x01\x01"


def sign_in(client: smtplib.SMTP, user: str, token: str) -> None:
    client.auth("XOAUTH2", lambda challenge=None: "" if challenge else xoauth2(user, token))


def smtp_token(app: Application) -> str:
    token: str = app.connect(scope=SMTP_SCOPES[app.tenant.name])["access_token"]
    return token


def refusal(client: smtplib.SMTP, mechanism: str, response: str) -> tuple[bytes, int, bytes]:
    """Return the decoded challenge, and the code and text that follow the dummy answer to it."""
    code, challenge = client.docmd("AUTH", f"{mechanism} {base64.b64encode(response.encode()).decode()}")
    assert code == 334
    code, text = client.docmd("" if mechanism == "XOAUTH2" else "AQ==")
    return base64.b64decode(challenge), code, text


def test_before_tls_only_starttls_is_offered_and_afterwards_only_auth(world: World) -> None:
    with closing(smtplib.SMTP(world.smtp.host, world.smtp.port, timeout=5)) as client:
        client.ehlo()
        assert client.has_extn("starttls")
        assert not client.has_extn("auth")
        client.starttls(context=trusting(world))
        client.ehlo()
        assert not client.has_extn("starttls")
        assert client.esmtp_features["auth"].split() == ["XOAUTH2", "OAUTHBEARER"]
        assert {"size", "8bitmime", "smtputf8", "pipelining"} <= set(client.esmtp_features)


def test_auth_before_tls_is_refused(oidc: Application) -> None:
    with closing(smtplib.SMTP(oidc.world.smtp.host, oidc.world.smtp.port, timeout=5)) as client:
        client.ehlo()
        assert client.docmd("AUTH", "XOAUTH2 abc")[0] == 538


def test_the_certificate_is_for_localhost_and_signed_by_the_ca_file_alone(world: World) -> None:
    with closing(smtplib.SMTP("localhost", world.smtp.port, timeout=5)) as client:
        client.starttls(context=trusting(world))
    with (
        closing(smtplib.SMTP(world.smtp.host, world.smtp.port, timeout=5)) as client,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        client.starttls(context=ssl.create_default_context())


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_every_tenants_token_signs_in_and_sends(app: Application, client: smtplib.SMTP, mechanism: str) -> None:
    form = {"XOAUTH2": xoauth2, "OAUTHBEARER": oauthbearer}[mechanism]
    response = form(app.mailbox, smtp_token(app))
    assert client.auth(mechanism, lambda _challenge=None: response)[0] == 235
    assert client.sendmail(app.mailbox, ["bob@example.com", "carol@example.com"], RAW) == {}
    (mail,) = app.world.control.mail()
    assert (mail["via"], mail["tenant"], mail["mailbox"]) == ("smtp", app.tenant.name, app.mailbox)
    assert mail["envelope"] == {"mail_from": app.mailbox, "rcpt_to": ["bob@example.com", "carol@example.com"]}
    assert app.world.control.mail_source(mail["id"]) == RAW


def test_the_token_may_come_after_an_empty_challenge(oidc: Application, client: smtplib.SMTP) -> None:
    response = xoauth2(oidc.mailbox, smtp_token(oidc))
    assert client.auth("XOAUTH2", lambda _challenge=None: response, initial_response_ok=False)[0] == 235


def test_utf8_has_to_be_asked_for(oidc: Application, client: smtplib.SMTP) -> None:
    sign_in(client, oidc.mailbox, smtp_token(oidc))
    client.mail(oidc.mailbox)
    client.command_encoding = "utf-8"
    assert client.rcpt("bøb@example.com") == (553, b"5.6.7 Non-ASCII addresses need SMTPUTF8 (RFC 6531)")
    client.rcpt("bob@example.com")
    assert client.data("Subject: Grüße\r\n\r\nHi\r\n".encode())[0] == 554
    client.mail(oidc.mailbox, ["SMTPUTF8", "BODY=8BITMIME"])
    assert client.rcpt("bøb@example.com")[0] == 250
    assert client.data("Subject: Grüße\r\n\r\nHi\r\n".encode())[0] == 250
    (mail,) = oidc.world.control.mail()
    assert (mail["envelope"]["rcpt_to"], mail["headers"]["subject"]) == (["bøb@example.com"], "Grüße")


def test_what_is_offered_beside_tls_and_sign_in_can_be_chosen(world: World) -> None:
    world.control.change_settings("smtp", keywords=["8BITMIME"])
    with closing(smtplib.SMTP(world.smtp.host, world.smtp.port, timeout=5)) as client:
        client.ehlo()
        assert set(client.esmtp_features) == {"size", "8bitmime", "starttls"}
    with pytest.raises(ValueError, match="keywords are PIPELINING, 8BITMIME, SMTPUTF8"):
        world.control.change_settings("smtp", keywords=["CHUNKING"])


def test_implicit_tls_serves_the_same(oidc: Application) -> None:
    smtp = oidc.world.smtp
    connection = smtplib.SMTP_SSL(smtp.host, smtp.tls_port, timeout=5, context=trusting(oidc.world))
    with closing(connection) as client:
        client.ehlo()
        assert not client.has_extn("starttls")
        sign_in(client, oidc.mailbox, smtp_token(oidc))
        client.sendmail(oidc.mailbox, ["bob@example.com"], RAW)
    assert len(oidc.world.control.mail()) == 1


def test_a_bcc_header_is_kept_so_that_a_leak_is_seen(oidc: Application, client: smtplib.SMTP) -> None:
    sign_in(client, oidc.mailbox, smtp_token(oidc))
    client.sendmail(oidc.mailbox, ["bob@example.com"], b"Bcc: eve@example.com\r\n" + RAW)
    assert oidc.world.control.mail_source(oidc.world.control.mail()[0]["id"]).startswith(b"Bcc: eve")


def test_xoauth2_failure_is_334_with_json_then_535(app: Application, client: smtplib.SMTP) -> None:
    token = smtp_token(app)
    app.world.control.expire_tokens(mailbox=app.mailbox)
    challenge, code, text = refusal(client, "XOAUTH2", xoauth2(app.mailbox, token))
    told = json.loads(challenge)
    assert told == {"status": "400", "schemes": "Bearer", "scope": SMTP_SCOPES[app.tenant.name]}
    assert (code, text[:5]) == (535, b"5.7.8")


def test_oauthbearer_failure_is_334_with_json_then_535(oidc: Application, client: smtplib.SMTP) -> None:
    token = smtp_token(oidc)
    oidc.world.control.revoke_tokens(mailbox=oidc.mailbox)
    challenge, code, _ = refusal(client, "OAUTHBEARER", oauthbearer(oidc.mailbox, token))
    told = json.loads(challenge)
    assert told["status"] == "invalid_token"
    assert told["openid-configuration"] == f"{oidc.tenant.url}/.well-known/openid-configuration"
    assert code == 535


def test_the_535_can_come_without_a_challenge(oidc: Application, client: smtplib.SMTP) -> None:
    oidc.world.control.change_settings("smtp", challenge_on_failure=False)
    response = base64.b64encode(xoauth2(oidc.mailbox, "unknown").encode()).decode()
    assert client.docmd("AUTH", f"XOAUTH2 {response}")[0] == 535


def test_a_token_is_for_its_own_mailbox_only(oidc: Application, client: smtplib.SMTP) -> None:
    oidc.world.control.add_mailbox("oidc", "eve@tenant.example")
    token = smtp_token(oidc)
    assert refusal(client, "XOAUTH2", xoauth2("eve@tenant.example", token))[1] == 535
    assert refusal(client, "OAUTHBEARER", oauthbearer("eve@tenant.example", token))[1] == 535


def test_the_scope_is_needed(google: Application, client: smtplib.SMTP) -> None:
    token = google.connect()["access_token"]  # gmail.send does not do for SMTP
    assert refusal(client, "XOAUTH2", xoauth2(google.mailbox, token))[1] == 535


def test_an_expired_token_is_refused(oidc: Application, client: smtplib.SMTP, clock: Clock) -> None:
    token = smtp_token(oidc)
    clock.ahead = 3601
    assert refusal(client, "XOAUTH2", xoauth2(oidc.mailbox, token))[1] == 535


def test_a_refused_client_may_try_again_on_the_same_connection(oidc: Application, client: smtplib.SMTP) -> None:
    refusal(client, "XOAUTH2", xoauth2(oidc.mailbox, "wrong"))
    sign_in(client, oidc.mailbox, smtp_token(oidc))


def test_an_application_token_speaks_for_the_mailbox_it_names(microsoft: Application, client: smtplib.SMTP) -> None:
    scope = "https://outlook.office365.com/.default"
    token = microsoft.ask_token("client_credentials", scope=scope).json()["access_token"]
    sign_in(client, microsoft.mailbox, token)
    client.sendmail(microsoft.mailbox, ["bob@example.com"], RAW)


@pytest.mark.parametrize("response", ["!", "dXNlcj0=", base64.b64encode(b"user=a@b").decode(), "/w=="])
@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_response_of_another_form_is_a_syntax_error(client: smtplib.SMTP, mechanism: str, response: str) -> None:
    assert client.docmd("AUTH", f"{mechanism} {response}")[0] == 501


def test_password_mechanisms_are_unknown(client: smtplib.SMTP) -> None:
    for mechanism in ("PLAIN", "LOGIN"):
        assert client.docmd("AUTH", f"{mechanism} AGEAYg==")[0] == 504


def test_mechanisms_can_be_taken_away(world: World) -> None:
    world.control.change_settings("smtp", sasl_mechanisms=["OAUTHBEARER"])
    smtp = world.smtp
    connection = smtplib.SMTP_SSL(smtp.host, smtp.tls_port, timeout=5, context=trusting(world))
    with closing(connection) as client:
        client.ehlo()
        assert client.esmtp_features["auth"].strip() == "OAUTHBEARER"
        assert client.docmd("AUTH", "XOAUTH2 abc")[0] == 504


def test_a_token_of_four_kilobytes_is_read(client: smtplib.SMTP) -> None:
    assert refusal(client, "XOAUTH2", xoauth2("ada@tenant.example", "t" * 4_000))[1] == 535


def test_mail_without_auth_is_refused(client: smtplib.SMTP) -> None:
    assert client.mail("ada@tenant.example")[0] == 530


@pytest.mark.parametrize(("tenant", "code", "status"), [("oidc", 553, b"5.7.1"), ("microsoft", 550, b"5.7.60")])
def test_a_foreign_sender_is_refused_and_an_alias_is_not(
    world: World, client: smtplib.SMTP, tenant: str, code: int, status: bytes
) -> None:
    app = Application(world=world, tenant=world.tenants[tenant]).registered()
    sign_in(client, app.mailbox, smtp_token(app))
    answer = client.mail("sales@tenant.example")
    assert (answer[0], answer[1].split()[0]) == (code, status)
    world.control.add_mailbox(tenant, app.mailbox, aliases=["sales@tenant.example"])
    assert client.mail("sales@tenant.example")[0] == 250


def test_size_is_announced_and_enforced(oidc: Application) -> None:
    oidc.world.control.change_settings("smtp", size_limit=2_000)
    smtp = oidc.world.smtp
    connection = smtplib.SMTP_SSL(smtp.host, smtp.tls_port, timeout=5, context=trusting(oidc.world))
    with closing(connection) as client:
        client.ehlo()
        assert client.esmtp_features["size"] == "2000"
        sign_in(client, oidc.mailbox, smtp_token(oidc))
        assert client.mail(oidc.mailbox, ["SIZE=2001"])[0] == 552
        client.rset()
        client.mail(oidc.mailbox)
        client.rcpt("bob@example.com")
        assert client.data(RAW + b"line\r\n" * 400)[0] == 552
    assert oidc.world.control.mail() == []


def test_a_line_over_998_octets_is_refused(oidc: Application, client: smtplib.SMTP) -> None:
    sign_in(client, oidc.mailbox, smtp_token(oidc))
    client.sendmail(oidc.mailbox, ["bob@example.com"], RAW + b"x" * 998 + b"\r\n")
    with pytest.raises(smtplib.SMTPDataError) as refused:
        client.sendmail(oidc.mailbox, ["bob@example.com"], RAW + b"x" * 999 + b"\r\n")
    assert refused.value.smtp_code == 500
    assert len(oidc.world.control.mail()) == 1


def test_leading_dots_and_eight_bit_and_utf8_addresses_arrive_unchanged(
    oidc: Application, client: smtplib.SMTP
) -> None:
    sign_in(client, oidc.mailbox, smtp_token(oidc))
    raw = RAW + b".\r\n..two\r\n\xc3\xa4\xff\r\n"
    client.sendmail(oidc.mailbox, ["jürgen@example.com"], raw, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    (mail,) = oidc.world.control.mail()
    assert mail["envelope"]["rcpt_to"] == ["jürgen@example.com"]
    assert oidc.world.control.mail_source(mail["id"]) == raw


def test_pipelined_commands_are_all_answered_in_order(oidc: Application) -> None:
    smtp = oidc.world.smtp
    response = base64.b64encode(xoauth2(oidc.mailbox, smtp_token(oidc)).encode()).decode()
    plain = socket.create_connection((smtp.host, smtp.tls_port), timeout=5)
    with trusting(oidc.world).wrap_socket(plain, server_hostname="localhost") as tls, tls.makefile("rb") as lines:
        tls.sendall(f"EHLO me\r\nAUTH XOAUTH2 {response}\r\n".encode())
        while not (line := lines.readline()).startswith(b"235"):
            assert line[:3] in {b"220", b"250"}
        tls.sendall(
            f"MAIL FROM:<{oidc.mailbox}>\r\nRCPT TO:<a@b.example>\r\nRCPT TO:<c@b.example>\r\nDATA\r\n".encode()
        )
        assert [lines.readline()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"354"]
        tls.sendall(RAW + b".\r\nMAIL FROM:<" + oidc.mailbox.encode() + b">\r\nRSET\r\nQUIT\r\n")
        assert [lines.readline()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"221"]
    assert len(oidc.world.control.mail()) == 1


def test_several_connections_send_at_once(oidc: Application) -> None:
    token, smtp = smtp_token(oidc), oidc.world.smtp
    connections = [
        smtplib.SMTP_SSL(smtp.host, smtp.tls_port, timeout=5, context=trusting(oidc.world)) for _ in range(4)
    ]
    for connection in connections:
        connection.ehlo()
        sign_in(connection, oidc.mailbox, token)
    for connection in connections:
        connection.sendmail(oidc.mailbox, ["bob@example.com"], RAW)
        connection.close()
    assert len(oidc.world.control.mail()) == 4
