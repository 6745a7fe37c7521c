"""The HTTP face of the device flow: what the device asks, and the page where its person decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, render_template, request

from sandbox.identity.pages import page, refused_page, with_meaning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.control.playing import FaultPlayer
    from sandbox.identity.devices import Device, Devices
    from sandbox.identity.directory import Directory
    from sandbox.identity.server import IdentityServer


class DeviceViews:
    """Device authorization endpoint and verification page of every tenant."""

    def __init__(
        self,
        *,
        servers: Mapping[str, IdentityServer],
        directory: Directory,
        devices: Devices,
        player: FaultPlayer,
    ) -> None:
        self._servers = servers
        self._directory = directory
        self._devices = devices
        self._player = player

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("device", __name__)
        tenant = f"/<any({','.join(self._servers)}):tenant>"
        routes.add_url_rule(f"{tenant}/device_authorization", view_func=self.authorize, methods=["POST"])
        routes.add_url_rule(f"{tenant}/device", view_func=self.verify, methods=["GET", "POST"])
        return routes

    def authorize(self, tenant: str) -> Response:
        """Answer a device authorization request (RFC 8628, section 3.1)."""

        def answer() -> Response:
            response: Response = self._servers[tenant].create_endpoint_response("device_authorization", request)
            return response

        return self._player.play(answer, endpoint="device_authorization", tenant=tenant)

    def verify(self, tenant: str) -> Response:
        """Ask for the code, then for the decision, and set it down."""
        about, typed = self._servers[tenant].tenant, request.values.get("user_code", "")
        if not typed.strip():
            return page(render_template("device.html", tenant=about))
        device = self._devices.by_user_code(typed, tenant=tenant)
        if device is None:
            return refused_page("No device waits with this code: it was mistyped, has expired or was used.")
        if request.method == "POST":
            return self._decide(tenant, device)
        html = render_template(
            "device.html",
            tenant=about,
            device=device,
            scopes=with_meaning(device.scope.split()),
            mailboxes=self._directory.mailboxes(tenant),
            hint="",
        )
        return page(html)

    def _decide(self, tenant: str, device: Device) -> Response:
        ticked = request.form.getlist("granted_scope")
        scope = " ".join(name for name in device.scope.split() if name in ticked)
        address: str | None = None
        if request.form.get("decision") == "allow" and scope:
            mailbox = self._directory.mailbox(tenant, request.form.get("mailbox", ""))
            if mailbox is None:
                return refused_page(f"No mailbox {request.form.get('mailbox', '')!r} here.")
            address = mailbox.address
        if not self._devices.decide(device, mailbox=address, scope=scope):
            return refused_page("This device has its answer already.")
        decided = "The device was denied access." if address is None else f"The device may now use {address}."
        return page(render_template("device.html", tenant=self._servers[tenant].tenant, decided=decided))
