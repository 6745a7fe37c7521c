"""Filling in templates: what they can say, what is missing, and what nobody can do with them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from markupsafe import Markup

from mailbearer.errors import Fault, InvalidInput
from mailbearer.rendering.engine import JinjaEngine
from mailbearer.rendering.limits import Limits
from mailbearer.template import TemplateVersion

ENGINE = JinjaEngine(time.monotonic)


def version(subject: str = "", text: str | None = None, html: str | None = None) -> TemplateVersion:
    return TemplateVersion(template="t", version=1, subject=subject, text=text, html=html, created_at=1)


def text(source: str, **variables: Any) -> str | None:
    return ENGINE.render(version(text=source), variables).text


def html(source: str, **variables: Any) -> str | None:
    return ENGINE.render(version(html=source), variables).html


def refused(source: str, *, engine: JinjaEngine = ENGINE, part: str = "text", **variables: Any) -> list[Fault]:
    with pytest.raises(InvalidInput) as invalid:
        engine.render(version(**{part: source}), variables)
    return list(invalid.value.faults)


def codes(found: list[Fault]) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in found]


# --- the language -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "variables", "wanted"),
    [
        ("Dear {{ name }},", {"name": "Ann"}, "Dear Ann,"),
        ("{{ order.id }} {{ order['id'] }} {{ order.lines[0] }}", {"order": {"id": 5, "lines": ["x"]}}, "5 5 x"),
        ("{{ order.items }} {{ order.keys }}", {"order": {"items": 3, "keys": "k"}}, "3 k"),
        ("{{ a.b }}", {"a": {"b": "{{ c }}"}}, "{{ c }}"),
        ("{% if vip %}yes{% elif n > 1 %}n{% else %}no{% endif %}", {"vip": False, "n": 2}, "n"),
        ("{{ 'many' if n > 1 }}|{{ 'one' if n == 1 else 'not one' }}", {"n": 2}, "many|not one"),
        (
            "{% for x in xs %}{{ loop.index }}/{{ loop.length }} {{ x }}{{ ', ' if not loop.last }}{% endfor %}",
            {"xs": ["a", "b"]},
            "1/2 a, 2/2 b",
        ),
        (
            "{% for x in xs if x.ok %}{{ loop.revindex }}{{ x.n }}{% else %}none{% endfor %}",
            {"xs": [{"ok": True, "n": 1}, {"ok": False, "n": 2}, {"ok": True, "n": 3}]},
            "2113",
        ),
        ("{% for x in [] %}{% else %}none{% endfor %}", {}, "none"),
        (
            "{% for k, v in o|dictsort %}{{ k }}={{ v }};{% endfor %}{% for k in o %}{{ k }}{% endfor %}",
            {"o": {"b": 1, "A": 2}},
            "A=2;b=1;bA",
        ),
        ("{% set a = 'x' ~ 1 %}{{ a }}{% with b = a ~ 'y' %}{{ b }}{% endwith %}", {}, "x1x1y"),
        ("{{ name or 'friend' }}{{ (a and b) or c }}", {"name": "", "a": 0, "b": 1, "c": "c"}, "friendc"),
        ("{{ 1 < n <= 9.5 }} {{ 'a' in 'abc' }} {{ 'x' not in xs }}", {"n": 2, "xs": ["x"]}, "True True False"),
        ("{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ 7 % 4 }} {{ -n }} {{ +n }}", {"n": 5}, "5.0 3 3 -5 5"),
        ("{{ 'a' + 'b' }} {{ ([1] + [2])|length }} {{ (1, 2)|last }} {{ {'a': 1}.a }}", {}, "ab 2 2 1"),
        (
            "{{ name[:2] }} {{ xs[1:]|join(',') }} {{ name[::-1] }}",
            {"name": "Ann", "xs": ["a", "b", "c"]},
            "An b,c nnA",
        ),
        (
            "{{ n is even }} {{ n is divisibleby(3) }} {{ x is defined }} {{ n is not string }}",
            {"n": 4},
            "True False False True",
        ),
        ("{{ '%.2f %s %d%%'|format(9.5, 'a', 3) }}", {}, "9.50 a 3%"),
        ("{# gone #}{% raw %}{{ kept }}{% endraw %}", {}, "{{ kept }}"),
        ("a\r\nb\r\n", {}, "a\nb\n"),
    ],
)
def test_the_language_is_that_of_jinja2(source: str, variables: dict[str, Any], wanted: str) -> None:
    assert text(source, **variables) == wanted


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("-3|abs", "3"), ("'ann lee'|capitalize", "Ann lee"), ("'ann lee'|title", "Ann Lee"),
        ("' a '|trim", "a"), ("'a'|upper", "A"), ("'A'|lower", "a"), ("'a b'|urlencode", "a%20b"),
        ("'one two three four five'|truncate(8)", "one..."), ("'abcdefghijklmnop'|truncate(8, true, '~')", "abcdefg~"),
        ("'short'|truncate", "short"), ("'aaa'|replace('a', 'b', 2)", "bba"), ("'a-b'|replace('-', '')", "ab"),
        ("'a b c'|wordcount", "3"), ("5|string ~ 'x'", "5x"), ("'7'|int + 1", "8"), ("'x'|int(3)", "3"),
        ("'2.5'|float", "2.5"), ("2.567|round(1)", "2.6"), ("[3, 1, 2]|sort|join", "123"),
        ("[3, 1, 2]|sort(reverse=true)|first", "3"), ("['b', 'A']|sort|join", "Ab"),
        ("['b', 'A', 'a']|unique|join", "bA"), ("[1, 2]|sum", "3"), ("[3, 1]|min", "1"), ("[3, 1]|max", "3"),
        ("[1, 2]|reverse|join('-')", "2-1"), ("'ab'|reverse", "ba"), ("'ab'|first ~ 'ab'|last", "ab"),
        ("rows|sum(attribute='price')", "5"), ("rows|map(attribute='buyer.name')|join(', ')", "Ann, Bo"),
        ("rows|join('/', attribute='price')", "2/3"), ("rows|sort(attribute='price', reverse=true)|length", "2"),
        ("rows|selectattr('price', 3)|length", "1"), ("rows|rejectattr('gone')|length", "2"),
        ("rows|list|count", "2"), ("rows[0]|items|length", "2"), ("[]|first|default('none')", "none"),
        ("''|default('x', true)", "x"), ("''|d('x')", ""),
    ],
)  # fmt: skip
def test_filters_do_what_jinja2s_do(expression: str, wanted: str) -> None:
    rows = [{"price": 2, "buyer": {"name": "Ann"}}, {"price": 3, "buyer": {"name": "Bo"}}]
    assert text(f"{{{{ {expression} }}}}", rows=rows) == wanted


def test_html_is_escaped_and_text_and_subject_are_not() -> None:
    rendered = ENGINE.render(version("{{ x }}", "{{ x }}", '<a title="{{ x }}">{{ x }}</a>'), {"x": "\"<b>&'"})
    assert rendered.subject == rendered.text == "\"<b>&'"
    assert rendered.html == '<a title="&#34;&lt;b&gt;&amp;&#39;">&#34;&lt;b&gt;&amp;&#39;</a>'


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("{{ x|safe }}", "<i>"),
        ("{{ x|safe ~ x }}", "<i>&lt;i&gt;"),
        ("{{ x|safe + x }}", "<i>&lt;i&gt;"),
        ("{{ [x|safe, x]|join(x) }}", "<i>&lt;i&gt;&lt;i&gt;"),
        ("{{ [x, x]|join(x|safe) }}", "&lt;i&gt;<i>&lt;i&gt;"),
        ("{{ x|e }} {{ x|escape|upper }}", "&lt;i&gt; &LT;I&GT;"),
        ("{{ (x|safe)|replace('i', x) }}", "<&lt;i&gt;>"),
        ("{{ '%s'|safe|format(x) }}", "&lt;i&gt;"),
        ("{{ {'a': x}|tojson }}", '{"a": "\\u003ci\\u003e"}'),
        ("{% set y = x %}{% for z in [y] %}{{ z }}{% endfor %}", "&lt;i&gt;"),
        ("{{ x|default('a') }}{{ n|default(x) }}", "&lt;i&gt;&lt;i&gt;"),
    ],
)
def test_only_the_template_can_call_something_html(source: str, wanted: str) -> None:
    assert html(source, x="<i>") == wanted


@pytest.mark.parametrize("name", ["safe", "e", "escape", "tojson"])
def test_what_is_for_html_is_refused_elsewhere(name: str) -> None:
    assert codes(refused(f"{{{{ x|{name} }}}}", x=1)) == [("/text", "template_forbidden")]


def test_a_variable_cannot_say_of_itself_that_it_is_html() -> None:
    assert codes(refused("{{ x }}", part="html", x=Markup("<b>"))) == [("/variables/x", "invalid_variable")]


# --- subjects ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "break_", ["\n", "\r", "\r\nBcc: eve@evil.example", "\u2028", "\x85", "\x0b", "\x1b[2J", "\u202e"]
)
def test_a_subject_is_one_line_whatever_the_variables_say(break_: str) -> None:
    found = refused("Order {{ x }}", part="subject", x=f"1{break_}2")
    assert codes(found) == [("/subject", "unsafe_character")]


def test_a_template_cannot_write_a_second_line_into_the_subject_either() -> None:
    for source in ("a\nb", "{{ 'a\\nb' }}", "{{ '\\u2028' }}", "{% for x in [1, 2] %}\n{% endfor %}"):
        assert codes(refused(source, part="subject")) == [("/subject", "unsafe_character")]


def test_blanks_around_a_subject_go() -> None:
    assert ENGINE.render(version("{% if vip %}VIP{% endif %} Your order "), {"vip": False}).subject == "Your order"


# --- variables --------------------------------------------------------------------------------------------------------


def test_every_variable_that_is_missing_is_named_once() -> None:
    with pytest.raises(InvalidInput) as invalid:
        ENGINE.render(
            version(
                "{{ name }}",
                "{{ name }} {{ order.id }} {{ order.buyer.name }} {{ a.b.c }} {{ n|upper }} {{ p + 1 }} {{ q ~ 'x' }}",
                "{% for line in lines %}{{ line.price }}{% endfor %}{% if vip %}{{ unseen }}{% endif %}{{ s[t] }}",
            ),
            {"order": {"id": 5, "buyer": None}, "lines": [{"price": 1}, {"price": None}, {}]},
        )
    assert {fault.code for fault in invalid.value.faults} == {"variable_missing"}
    assert [fault.pointer for fault in invalid.value.faults] == [
        f"/variables/{name}"
        for name in ("name", "order/buyer/name", "a/b/c", "n", "p", "q", "lines/1/price", "lines/2/price", "vip", "t")
    ]


def test_a_missing_variable_is_named_with_its_part_and_line() -> None:
    (found,) = refused("one\ntwo {{ name }}")
    assert "text needs it in line 2" in found.detail


def test_a_name_is_escaped_in_its_pointer() -> None:
    assert [fault.pointer for fault in refused("{{ o['a/b~c'] }}", o={})] == ["/variables/o/a~1b~0c"]


@pytest.mark.parametrize(
    "source",
    [
        "{{ name|default('friend') }}", "{{ a.b.c|d(1) }}", "{{ 'x' if name is defined else 'y' }}",
        "{% if a.b is undefined %}x{% endif %}", "{{ xs[5]|default(1) }}",
        "{% if n is defined and n > 1 %}x{% endif %}",
    ],
)  # fmt: skip
def test_a_default_and_a_test_for_it_make_a_variable_optional(source: str) -> None:
    assert text(source, xs=[]) is not None


def test_null_is_the_same_as_left_out() -> None:
    assert text("{{ x|default('none') }}", x=None) == "none"
    assert codes(refused("{{ x }}{{ o.x }}", x=None, o={"x": None})) == [
        ("/variables/x", "variable_missing"), ("/variables/o/x", "variable_missing")
    ]  # fmt: skip


def test_variables_that_nobody_asks_for_do_no_harm() -> None:
    assert text("x", **{"unused": 1, "the run": 2, "context": 3, "environment": 4, "a b": 5}) == "x"
    assert text("{{ context }}{{ environment }}{{ caller }}", context=1, environment=2, caller=3) == "123"


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (b"x", ""), ({1: 2}, ""), ({"a": [{"b": {1, 2}}]}, "/a/0/b"), (object(), ""), (10**30, ""), (-(2**63), ""),
        (float("nan"), ""), (float("inf"), ""), ((1, 2), ""),
    ],
)  # fmt: skip
def test_a_variable_is_a_json_value(value: object, where: str) -> None:
    assert codes(refused("x", v=value)) == [(f"/variables/v{where}", "invalid_variable")]


@pytest.mark.parametrize("value", ["a\0b", "\ud800", {"a\0": 1}])
def test_nul_and_lone_surrogates_are_refused(value: object) -> None:
    assert codes(refused("{{ 1 }}", v=value)) == [("/variables/v", "unsafe_character")]


def test_variables_that_nest_without_end_are_refused() -> None:
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(10_000):
        inner["a"] = inner = {}
    assert codes(refused("x", v=deep)) == [("/variables/v" + "/a" * 20, "invalid_variable")]
    assert text("{{ v" + ".a" * 18 + " }}", v=_nested(18)) == "end"


def _nested(depth: int) -> Any:
    return {"a": _nested(depth - 1)} if depth else "end"


def test_variables_are_bounded_in_number_and_size() -> None:
    small = JinjaEngine(time.monotonic, Limits(nodes=10, characters=100))
    assert codes(refused("x", engine=small, v=[1] * 20)) == [("/variables", "invalid_variable")]
    assert codes(refused("x", engine=small, v="y" * 101)) == [("/variables", "invalid_variable")]


@pytest.mark.parametrize(
    ("source", "needs"),
    [
        ("{{ name }} {{ order.id }} {{ order['no'] }} {{ xs[0].n }}", ["name", "order.id", "order.no", "xs.0.n"]),
        ("{% if vip %}{{ a }}{% else %}{{ b }}{% endif %}{{ c if d else e }}", ["d", "vip"]),
        ("{% for x in order.lines %}{{ x.price }}{{ loop.index }}{{ y }}{% endfor %}", ["order.lines"]),
        ("{{ a|default('x') }}{{ b is defined }}{{ c|d(e) }}{{ f|upper }}", ["e", "f"]),
        ("{{ a and b }}{{ c or d }}{{ not e }}", ["a", "c", "e"]),
        ("{% set a = b %}{{ a }}{% with c = d %}{{ c }}{% endwith %}{{ c }}", ["b", "c", "d"]),
        ("{% if x %}{% set a = 1 %}{% endif %}{{ a }}", ["x"]),
        ("{{ a[b.c] }}{{ a[:n] }}{{ (a ~ z).x }}{{ 'plain' }}", ["a", "b.c", "n", "z"]),
    ],
)
def test_what_a_template_cannot_do_without_is_known_before(source: str, needs: list[str]) -> None:
    assert list(ENGINE.check(version(text=source))) == needs
    assert list(ENGINE.check(version(subject="{{ s }}", html=source))) == sorted({*needs, "s"})


# --- what cannot be a template ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "{% include 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}", "{% extends 'x' %}",
        "{% block a %}{% endblock %}", "{% macro m() %}{% endmacro %}", "{% call m() %}{% endcall %}",
        "{% filter upper %}{% endfilter %}", "{% set x %}a{% endset %}", "{% autoescape false %}{% endautoescape %}",
        "{% set ns.a = 1 %}", "{% set a, b = c %}", "{% for x in y recursive %}{{ loop(x) }}{% endfor %}",
        "{% for a, (b, c) in y %}{% endfor %}",
        "{{ f() }}", "{{ x.f() }}", "{{ range(9) }}", "{{ ''.join(x) }}", "{{ loop.cycle(1) }}", "{{ super() }}",
        "{{ namespace(a=1) }}", "{{ dict(a=1) }}", "{{ lipsum() }}", "{{ cycler(1) }}", "{{ joiner() }}",
        "{{ '{0.__class__}'.format(1) }}", "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ self }}",
        "{{ self.__init__.__globals__ }}", "{{ x|attr('y') }}", "{{ x|map('upper') }}", "{{ x|xmlattr }}",
        "{{ x|pprint }}", "{{ x|random }}", "{{ x|center(9) }}", "{{ x|indent(9) }}", "{{ x|wordwrap(9) }}",
        "{{ x|batch(9) }}", "{{ x|urlize }}", "{{ x|striptags }}", "{{ x|groupby('a') }}", "{{ x|forceescape }}",
        "{{ x|shown(1) }}", "{{ x|applied(1, 'safe') }}", "{{ x|reached(1) }}", "{{ x is callable }}",
        "{{ x is filter }}", "{{ x is upper }}", "{{ x|upper(1) }}", "{{ x|upper(*y) }}", "{{ x|upper(**y) }}",
        "{{ x|join(nope=1) }}", "{{ x is divisibleby }}", "{{ x is divisibleby(num=1) }}", "{{ 2 ** 9 }}",
        "{{ 9223372036854775808 }}", "{{ 1e999 }}",
    ],
)  # fmt: skip
def test_what_a_template_may_not_do_is_refused_before_it_is_compiled(source: str) -> None:
    found = refused(f"one\n{source}", x="a", y=[1], c=[1, 2])
    assert {fault.code for fault in found} == {"template_forbidden"}
    assert all(fault.pointer == "/text" and fault.detail.startswith("Line 2: ") for fault in found)
    with pytest.raises(InvalidInput):
        ENGINE.check(version(text=source))


@pytest.mark.parametrize(
    "source",
    [
        "{{ x", "{% if %}", "{% for x %}{% endfor %}", "{% endif %}", "{{ }}", "{% nope %}", "{% do x %}", "{{ x..y }}",
        "{# open", "{% raw %}x", "{{ 'open }}", "{% for loop in x %}{{ loop }}{% endfor %}",
        "{{ 9" + "9" * 5000 + " }}",
        "{% break %}", "{% trans %}{% endtrans %}", "{{ _('x') }", "{% debug %}",
    ],
)  # fmt: skip
def test_what_cannot_be_parsed_is_refused(source: str) -> None:
    assert codes(refused(source, x=[1])) == [("/text", "template_syntax")]


def test_all_faults_of_all_parts_come_at_once_with_their_lines() -> None:
    with pytest.raises(InvalidInput) as invalid:
        ENGINE.check(version("{{ a() }}", "one\n{{ b|nope }}\n{% include 'c' %}", "\n\n{% if %}"))
    assert [(fault.pointer, fault.detail[:7]) for fault in invalid.value.faults] == [
        ("/subject", "Line 1:"), ("/text", "Line 2:"), ("/text", "Line 3:"), ("/html", "Line 3:")
    ]  # fmt: skip


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}", "{{ ''['__class__'] }}", "{{ [].append }}", "{{ {}.keys }}", "{{ {}['__class__'] }}",
        "{{ (1|string).x }}", "{{ (1).real }}", "{{ none }}", "{{ [1] }}", "{{ {'a': 1} }}", "{{ 1 / 0 }}",
        "{{ 'a' + 1 }}", "{{ 'a' * 9 }}", "{{ [1] * 9 }}", "{{ 1 < 'a' }}", "{{ 'a' in 5 }}", "{{ 'a' % 1 }}",
        "{{ 'a'|abs }}", "{{ [1]|upper }}", "{{ 1|join }}", "{{ 'a'|items }}", "{{ 1|length }}", "{{ [[1]]|unique }}",
        "{{ 1|round(99) }}", "{{ 1|round(0.5) }}", "{{ '%9d'|format(1) }}", "{{ '%*d'|format(9, 1) }}",
        "{{ '%(a)s'|format(1) }}", "{{ '%s'|format([1]) }}", "{{ '%d'|format('a') }}", "{{ '%s'|format }}",
        "{{ '{0.__class__}'|format(1) }}", "{{ [1, 'a']|sort }}", "{{ [{}]|map(attribute='__class__') }}",
        "{{ [{}]|sum(attribute='a') }}", "{{ 'ab'[::0] }}", "{{ 'ab'['a':] }}", "{{ 1 is divisibleby(0) }}",
        "{{ 'a' is even }}", "{% for x in 'abc' %}{% endfor %}", "{% for x in 5 %}{% endfor %}",
        "{% for a, b in [1] %}{% endfor %}", "{% for a, b in [[1, 2, 3]] %}{% endfor %}", "{{ ([1]|first).x }}",
        "{% for x in [1] %}{{ loop }}{% endfor %}", "{% for x in [1] %}{{ loop.__class__ }}{% endfor %}",
        "{% for x in [1] %}{{ loop._iterable }}{% endfor %}", "{% for x in [1] %}{{ loop.previtem }}{% endfor %}",
        "{% for x in [1] %}{% for y in loop %}{% endfor %}{% endfor %}",
        "{% set a = 1e18 %}" + "{% set a = a * a %}" * 6,
        "{% set a = 9000000000000000000 %}{{ a * a }}", "{{ '9' * 99 }}", "{{ [1]|selectattr('a', [1]) }}",
    ],
)  # fmt: skip
def test_what_comes_to_nothing_is_a_fault_of_its_line(source: str) -> None:
    found = refused(f"\n\n{source}")
    assert codes(found)[0] == ("/text", "template_failed")
    assert found[0].detail.startswith("Line 3: ")


def test_nothing_has_an_attribute_of_python() -> None:
    for value in ("{}", "[]", "''", "1", "o", "xs"):
        for name in ("__class__", "keys", "append", "upper", "real", "pointer"):
            assert text(f"{{{{ ({value}).{name} is defined }}}}", o={"a": 1}, xs=[1]) == "False"


def test_several_such_faults_come_together() -> None:
    assert len(refused("{{ 1 / 0 }}\n{{ [] }}\n{{ 'a'|abs }}\n{{ missing }}")) == 4


@pytest.mark.parametrize("source", ["a\0", "\ud800", "{{ '\\x00' }}", "{{ '\\ud800' }}"])
def test_a_template_cannot_bring_in_what_no_mail_can_hold(source: str) -> None:
    assert codes(refused(source)) == [("/text", "unsafe_character")]


# --- bounds -----------------------------------------------------------------------------------------------------------

MANY = list(range(1000))
ROWS = [{"k": "v" * 3} for _ in range(10_000)]


@pytest.mark.parametrize(
    ("source", "variables"),
    [
        ("{% for a in m %}{% for b in m %}{% for c in m %}{% endfor %}{% endfor %}{% endfor %}", {"m": MANY}),
        ("{% for a in m %}{% for b in m if a == 1000 %}x{% endfor %}{% endfor %}", {"m": MANY}),
        ("{% for a in m %}{{ s }}{% endfor %}", {"m": MANY, "s": "y" * 10_000}),
        ("{% set a = 'xxxxxxxxxx' %}" + "{% set a = a ~ a %}" * 40, {}),
        ("{% set a = 'xxxxxxxxxx' %}" + "{% set a = a + a %}" * 40, {}),
        ("{% set a = [1] %}" + "{% set a = a + a %}" * 40, {}),
        ("{% set a = [1] %}" + "{% set a = [a, a] %}" * 40, {}),
        ("{% set a = {'k': 1} %}" + "{% set a = {'k': a, 'l': a} %}" * 40, {}),
        ("{% set a = [[1, 2]] %}" + "{% set a = [a, a]|reverse %}" * 40, {}),
        ("{{ s|replace('a', s) }}", {"s": "a" * 100_000}),
        ("{{ s|replace('', s) }}", {"s": "a" * 100_000}),
        ("{{ [s, s, s, s, s, s, s, s]|join(s) }}", {"s": "a" * 50_000}),
        ("{{ m|join(s) }}", {"m": ["x"] * 1000, "s": "a" * 10_000}),
        ("{{ '%s%s%s%s%s%s'|format(s, s, s, s, s, s) }}", {"s": "a" * 300_000}),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", {}),
        ("{{ " + "-" * 3000 + "1 }}", {}),
        ("{{ " + "not " * 3000 + "1 }}", {}),
        ("{{ x" + ".a" * 3000 + " }}", {"x": 1}),
        ("{{ x" + "|upper" * 3000 + " }}", {"x": 1}),
        ("{{ 1" + "+1" * 3000 + " }}", {}),
        ("{{ " + "[" * 500 + "]" * 500 + " }}", {}),
        ("{% if x %}" * 30 + "{% endif %}" * 30, {"x": 1}),
        ("{% for x in y %}" * 30 + "{% endfor %}" * 30, {"y": [1]}),
        ("{{ x }}" * 10_000, {"x": 1}),
        ("{" * 200_000, {}),
    ],
)  # fmt: skip
def test_what_would_grow_without_end_is_stopped_soon(source: str, variables: dict[str, Any]) -> None:
    begun = time.thread_time()
    found = refused(source, **variables)
    assert codes(found) == [("/text", "template_limit")]
    assert time.thread_time() - begun < 2


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in m %}{% if b == c %}{% endif %}{% endfor %}",
        "{% for a in m %}{% set x = b|sort(attribute='k')|reverse|list %}{% endfor %}",
        "{% for a in m %}{% if a and b == c and b == c and b == c %}{% endif %}{% endfor %}",
        "{% for a in m %}{% set x = [b, c] %}{% endfor %}",
        "{{ b|sort(attribute='k')|length }}" * 300,
    ],
)
def test_what_takes_too_long_is_stopped(source: str) -> None:
    hurried = JinjaEngine(time.monotonic, Limits(seconds=0.04))
    begun = time.thread_time()
    assert codes(refused(source, engine=hurried, m=MANY, b=ROWS, c=[dict(row) for row in ROWS])) == [
        ("/text", "template_limit")
    ]
    assert time.thread_time() - begun < 1.5


@pytest.mark.parametrize(
    "source", ["{#" * 100_000, "{%" + " " * 200_000, "{% raw %}" * 20_000, "{{ '" + "\\" * 200_000]
)
def test_what_cannot_be_parsed_is_refused_soon(source: str) -> None:
    begun = time.thread_time()
    assert codes(refused(source)) == [("/text", "template_syntax")]
    assert time.thread_time() - begun < 1


def test_a_source_is_bounded_in_all_its_parts_together() -> None:
    with pytest.raises(InvalidInput) as invalid:
        ENGINE.check(version("", "ä" * 70_000, "x" * 130_000))
    assert codes(list(invalid.value.faults)) == [("", "template_limit")]
    assert ENGINE.check(version("", "ä" * 60_000, "x" * 130_000)) == ()


@pytest.mark.parametrize(
    "source",
    [
        "{% for x in y %}" * 12 + "{{ x }}" + "{% endfor %}" * 12,
        "{% if y %}" * 12 + "{{ " + "[" * 15 + "y" + "]" * 15 + "|length }}" + "{% endif %}" * 12,
        "{{ " + " and ".join(["y"] * 50) + " and 1 }}",
        "{{ (" + "not " * 50 + "y)|string }}",
        "{{ " + "y if not y else " * 25 + "1 }}",
        "{{ 1" + "|string" * 50 + " }}",
        "{{ 1" + "~1" * 3000 + " }}",
    ],
)
def test_what_is_within_the_bounds_compiles_and_renders(source: str) -> None:
    assert text(source, y=[1])


def test_a_loop_that_misses_something_at_every_turn_ends_with_some_of_it() -> None:
    found = refused("{% for row in rows %}{{ row.gone }}{% endfor %}", rows=[{}] * 5000)
    assert len(found) == InvalidInput.most
    assert found[0].pointer == "/variables/rows/0/gone"


def test_an_engine_is_used_by_many_at_once() -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(
            pool.map(
                lambda number: text("{% for x in xs %}{{ x }}{{ n }} {% endfor %}", xs=[1, 2], n=number), range(200)
            )
        )
    assert done == [f"1{number} 2{number} " for number in range(200)]


@pytest.mark.parametrize("name", ["[1]", "xs", "{}", "5"])
def test_an_object_in_a_template_has_texts_for_names(name: str) -> None:
    source = f"{{% for x in xs %}}{{% set o = {{{name}: x}} %}}{{{{ o|length }}}}{{% endfor %}}"
    found = refused(source, xs=[1])
    assert codes(found) == [("/text", "template_failed")]
    assert "The name of an entry is a text" in found[0].detail


def test_the_name_of_an_entry_may_come_from_a_variable() -> None:
    assert html("{% set o = {name: 1, 'b': 2} %}{{ o|tojson }}", name="a") == '{"a": 1, "b": 2}'
