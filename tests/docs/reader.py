"""What a reader does with a browser: `python -m tests.docs.reader ADDRESS` consents for a mailbox."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import requests

from sandbox.actors import way_on
from sandbox.control.client import Control

SECONDS = 30


def main(address: str) -> None:
    """Take a consent link of the account, walk its pages, and see that it is connected."""
    state = json.loads(Path(".mailbearer/local.json").read_text())
    sandbox = json.loads(Path(".mailbearer/run/sandbox/state.json").read_text())
    with requests.Session() as api:
        api.trust_env = False
        link = api.post(
            f"{state['api_url']}/v1/accounts/{address}/consent",
            headers={"Authorization": f"Bearer {state['api_key']}"},
            timeout=SECONDS,
        ).json()["consent_url"]
        page = api.get(link, timeout=SECONDS)
        sign_in = way_on(page.text, to=sandbox["tenants"]["oidc"]["authorize_url"])
        callback = Control(sandbox["url"]).consent(sign_in, mailbox=address)
        api.get(callback.url, timeout=SECONDS).raise_for_status()


if __name__ == "__main__":
    main(sys.argv[1])
