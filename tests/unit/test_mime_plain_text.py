from __future__ import annotations

import time

import pytest

from mailbearer.mime.plain_text import plain_text

SIZE = 1_000_000


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("just words", "just words\n"),
        ("<p>One</p><p>Two\n  goes   on</p>", "One\n\nTwo goes on\n"),
        ("<h1>Title</h1>Text<div>line</div><div>line</div>", "Title\n\nText\nline\nline\n"),
        ("a<br>b<br/>c<br><br><br>d", "a\nb\nc\n\nd\n"),
        ("in<b>side</b> a <i>word</i>, <u>or</u> two", "inside a word, or two\n"),
        ("<p>&nbsp;</p><p> \n </p><p>x", "x\n"),
        ("preheader&zwnj;&nbsp;&zwnj;&nbsp;<p>&zwnj;&nbsp;</p><p>x", "preheader\u200c \u200c\n\nx\n"),
        ("soft&shy;hyphen zero\u200bwidth", "softhyphen zerowidth\n"),
        # Entities
        ("&lt;b&gt; &amp;amp; &copy; &#228; &#xE4; &auml &unknown; &", "<b> &amp; © ä ä ä &unknown; &\n"),
        ("&#0;&#xD800;&#99999999;&#1114112;", "\ufffd" * 4 + "\n"),
        # Links
        ('<a href="https://x.example/a?b=1&amp;c=2">here</a>', "here (https://x.example/a?b=1&c=2)\n"),
        ("<a href=https://x.example>here</a> and <a href='HTTPS://y.example'>there</a>",
         "here (https://x.example) and there (HTTPS://y.example)\n"),
        ('<a href="https://x.example/?a=1&copy=2">x</a>', "x (https://x.example/?a=1&copy=2)\n"),
        ('<a href="https://x.example/">x.example</a>', "x.example\n"),
        ('<a href="mailto:a@b.example">write</a> <a href="mailto:a@b.example">a@b.example</a>',
         "write (a@b.example) a@b.example\n"),
        ('<a href="tel:+491">call</a>', "call (+491)\n"),
        ('<a href="#top">up</a> <a href="javascript:x()">run</a> <a>none</a>', "up run none\n"),
        ('<a href="https://x.example"><img src="i.png" alt="Logo"></a>', "Logo (https://x.example)\n"),
        ('<a href="https://x.example"><img src="i.png"></a>', ""),
        ('<a href="https://x.example"><div><p>Button</p></div></a>after', "Button (https://x.example)\n\nafter\n"),
        ('<a href="https://x.example">one<a href="https://y.example">two', "one (https://x.example)two (https://y.example)\n"),
        # Lists
        ("<ul><li>a<li>b</ul>c", "- a\n- b\n\nc\n"),
        ("<ol><li>a</li><li>b</li></ol>", "1. a\n2. b\n"),
        ('<ol start="9"><li>a<li>b</ol>', "9. a\n10. b\n"),
        ("<ul><li>a<ul><li>b</li><li>c</li></ul></li><li>d</li></ul>", "- a\n  - b\n  - c\n- d\n"),
        ("<ul><li></li></ul><p>x", "x\n"),
        ("<li>stray", "- stray\n"),
        ("</ul></ol></blockquote></pre></p>x", "x\n"),
        # Tables
        ("<table><tr><th>Item</th><th>Price</th></tr>\n<tr><td>Pen</td>\n<td>1</td></tr></table>",
         "Item | Price\nPen | 1\n"),
        ("<table><tr><td><table><tr><td>nested</td></tr></table></td></tr></table>", "nested\n"),
        # Quotes, rules, preformatted text
        ("<blockquote>a<blockquote>b</blockquote></blockquote>c", "> a\n\n> > b\n\nc\n"),
        ("a<hr>b", "a\n\n--------------------\n\nb\n"),
        ("<pre>\nif x:\n    y\n\n\nz</pre>", "if x:\n    y\n\nz\n"),
        # What is never seen
        ("<head><title>t</title><style>p{}</style></head><body>x<script>if (a<b) '</p>'</script>", "x\n"),
        ("<!DOCTYPE html><?xml version='1'?><!-- no > no -->x<!-->y", "xy\n"),
        ("<!--[if mso]><p>mso</p><![endif]--><![if !mso]>x<![endif]>", "x\n"),
        ("<SCRIPT>no</SCRIPT><svg><text>no</text></svg><select><option>no</select>x", "x\n"),
        ("x<style>never ended", "x\n"),
        ("x<svg/>y<textarea>z", "xyz\n"),
        # Broken pieces
        ("1 < 2 <3 a<", "1 < 2 <3 a<\n"),
        ('<p title="a > b">x</p>', "x\n"),
        ("<p don't>x</p>", "x\n"),
        ('x<a href="https://never.example>y</a>z', "xyz\n"),
        ("x<p class=", "x\n"),
        ("x</>y</ z>", "xy</ z>\n"),
    ],
)  # fmt: skip
def test_html_says_in_text_what_it_shows(html: str, text: str) -> None:
    assert plain_text(html) == text
    assert plain_text(html.replace("\n", "\r\n")) == text


HOSTILE = {
    "<": "<",
    "<a": "<a",
    "<p>": "<p>",
    "open links": "<a href=http://x>y",
    "quotes": '<a ="',
    "both quotes": "<a =\"><a ='>",
    "comments": "<!--",
    "declarations": "<!",
    "ends": "</",
    "entities": "&amp;",
    "ampersands": "&",
    "hidden": "<svg>",
    "titles": "<title>",
    "lists": "<ul>",
    "items": "<ul><li>x",
    "ends of lists": "<ul></ul></ul>",
    "cells": "<tr><td>x<td>y",
    "quoted": "<blockquote>x",
    "breaks": "<br>",
    "blanks": " ",
    "carriage returns": "\r",
    "images": "<img alt=x>",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("before", ["", "<a href=http://x>", "<pre>", "<ul><li>", "<a "])
def test_no_html_takes_long_or_grows_much(before: str, piece: str) -> None:
    html = before + piece * (SIZE // 10 // len(piece))
    began = time.process_time()
    text = plain_text(html)
    # A hundred thousand characters take 0.1 s at most here; what is not linear takes minutes.
    assert time.process_time() - began < 2
    assert len(text) < 5 * len(html) + 100


@pytest.mark.parametrize("piece", ["a", "a ", "a=", 'a="', "= ", " ", "9"])
def test_no_attribute_takes_long(piece: str) -> None:
    attributes = "=&#" + piece * (SIZE // len(piece))
    began = time.process_time()
    plain_text(f"<a {attributes}>x</a>{attributes}")
    assert time.process_time() - began < 2


@pytest.mark.parametrize("name", ["svg", "template", "title", "script"])
def test_elements_that_never_end_are_looked_for_once(name: str) -> None:
    began = time.process_time()
    plain_text(f"<{name}>" * (SIZE // len(name)))
    assert time.process_time() - began < 2


def test_of_very_long_html_the_beginning_is_given() -> None:
    text = plain_text("<p>" + "word " * 500_000)
    assert text.endswith(" word wo\n[...]\n")
    assert len(text) < SIZE * 2 + 10
