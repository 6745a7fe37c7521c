"""What the reference says of the functions' roles and variables: `python -m tests.docs.roles_page` writes it anew.

Prose stays as it is: the text above each table, and what each variable is for.
"""

from __future__ import annotations

import re

from tests.docs import template
from tests.docs.pages import page

PERMISSIONS = page("docs/reference/permissions.md")
CONFIGURATION = page("docs/reference/configuration.md")


def permissions() -> str:
    """Give the page of permissions with the table of each function as its role has it."""
    text = PERMISSIONS.read()
    for function, rows in template.permissions().items():
        head, heading, rest = text.partition(f"\n## `{function}`\n")
        prose, rule, rest = rest.partition("|---|---|---|\n")
        _, blank, rest = rest.partition("\n\n")
        text = head + heading + prose + rule + "\n".join(rows) + blank + rest
    return text


def variables() -> str:
    """Give the page of the configuration with the functions that have each variable."""
    text = CONFIGURATION.read()
    for name, functions in template.environment().items():
        who = "all" if functions == set(template.functions()) else ", ".join(sorted(functions))
        text = re.sub(rf"^(\| `{name}` \| .+ \| )[\w, ]+ \|$", rf"\g<1>{who} |", text, flags=re.MULTILINE)
    return text


if __name__ == "__main__":
    PERMISSIONS.path.write_text(permissions(), "utf-8")
    CONFIGURATION.path.write_text(variables(), "utf-8")
