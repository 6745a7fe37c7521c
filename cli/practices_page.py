"""The fifteen practices as a page: one file that needs nothing from elsewhere, to be sent to whoever asks."""

from collections.abc import Mapping
from html import escape
from typing import Any

from cli.output import plain

_WORDS = {"pass": "kept", "warn": "to look at", "fail": "not kept"}
_ORDER = ("fail", "warn", "pass")
_STYLE = """
:root{color-scheme:light dark;--page:#f6f8fb;--sheet:#fff;--ink:#14253d;--soft:#55657b;--line:#d8e0ea;
--pass:#1a7f4b;--warn:#9a6700;--fail:#b42318}
@media (prefers-color-scheme:dark){:root{--page:#0f1723;--sheet:#18243a;--ink:#e8eef7;--soft:#a3b1c4;--line:#33425a;
--pass:#5bd394;--warn:#f0b353;--fail:#ff8f85}}
*{box-sizing:border-box}
body{margin:0;padding:2rem 1rem 4rem;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:auto}
h1{font-size:1.7rem;margin:0}
.soft{color:var(--soft)}
.counts{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.25rem 0 1.75rem;padding:0;list-style:none}
.counts li{flex:1 1 9rem;padding:.75rem 1rem;border:1px solid var(--line);border-radius:.6rem;background:var(--sheet)}
.counts b{display:block;font-size:1.8rem;line-height:1.2}
section{margin:.6rem 0;border:1px solid var(--line);border-left:.35rem solid var(--mark);border-radius:.6rem}
section{background:var(--sheet)}
.pass{--mark:var(--pass)}.warn{--mark:var(--warn)}.fail{--mark:var(--fail)}
summary{display:flex;gap:.75rem;align-items:baseline;padding:.7rem 1rem;cursor:pointer}
summary h2{flex:1;margin:0;font-size:1.05rem}
.verdict{color:var(--mark);font-weight:600;white-space:nowrap}
ul.evidence{margin:0;padding:0 1rem .8rem 2.6rem}
ul.evidence li{margin:.35rem 0;overflow-wrap:anywhere}
ul.evidence li::marker{color:var(--mark)}
.remedy{margin:.1rem 0 0;color:var(--soft)}
@media print{body{background:none;padding:0}section{break-inside:avoid}}
"""


def page_of(report: Mapping[str, Any]) -> str:
    """Write a report as an HTML page; what is not kept is open, what is can be opened."""
    counts = {"pass": report["passed"], "warn": report["warned"], "fail": report["failed"]}
    told = "".join(f'<li class="{each}"><b class="verdict">{counts[each]}</b>{_WORDS[each]}</li>' for each in _ORDER)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>The fifteen practices: {_text(report["stage"])}</title>
<style>{_STYLE}</style>
</head>
<body><main>
<h1>The fifteen practices</h1>
<p class="soft">Stage {_text(report["stage"])}, looked at {_text(report["at"])} on the running stack</p>
<ul class="counts">{told}</ul>
{"".join(_section(row) for row in report["practices"])}
</main></body>
</html>
"""


def _section(row: Mapping[str, Any]) -> str:
    outcome = str(row["outcome"])
    evidence = "".join(_item(each) for each in sorted(row["evidence"], key=lambda each: _ORDER.index(each["outcome"])))
    return f"""<section class="{outcome}"><details{"" if outcome == "pass" else " open"}>
<summary><span class="soft">{int(row["number"])}</span><h2>{_text(row["practice"])}</h2>
<span class="verdict">{_WORDS[outcome]}</span></summary>
<ul class="evidence">{evidence}</ul>
</details></section>
"""


def _item(evidence: Mapping[str, Any]) -> str:
    todo = "" if evidence["outcome"] == "pass" else f'<p class="remedy">{_text(evidence["remedy"])}</p>'
    return f'<li class="{evidence["outcome"]}">{_text(evidence["seen"])}{todo}</li>'


def _text(said: object) -> str:
    return escape(plain(str(said)))
