"""As much of curl as the documentation's examples use, for machines that have none: `curl.py [OPTION ...] URL`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import requests

SECONDS = 30
FAILED = 22


def main() -> int:
    """Make one request and write its body; 22 for an error, as curl has it."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--fail-with-body", action="store_true", required=True)
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--data")
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--dump-header", choices=["-"])
    parser.add_argument("url")
    options = parser.parse_args()
    headers = dict(line.split(": ", 1) for line in options.header)
    body = options.data.encode() if options.data is not None else None
    answer = requests.request(
        "GET" if body is None else "POST", options.url, headers=headers, data=body, timeout=SECONDS
    )
    if options.dump_header:
        sys.stdout.writelines(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    if options.output:
        options.output.write_bytes(answer.content)
    else:
        sys.stdout.write(answer.text)
    return 0 if answer.ok else FAILED


if __name__ == "__main__":
    sys.exit(main())
