"""The template engine: Jinja2's sandbox, with a closed language and a budget."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import Template, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mailbearer.addresses import unsafe_in_header
from mailbearer.errors import Fault, InvalidInput
from mailbearer.rendering.guarding import put_guards
from mailbearer.rendering.language import HTML, parse
from mailbearer.rendering.limits import LIMITS, Budget, LimitExceeded, Limits
from mailbearer.rendering.needs import needs_of
from mailbearer.rendering.operations import GUARDS, RUN, Findings, Run
from mailbearer.rendering.variables import UNSAFE, Object, Reader
from mailbearer.template import Rendered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailbearer.template import TemplateVersion

_SUBJECT = "subject"
_KEPT = 24  # compiled parts in memory: eight templates, or one and what a merge brings


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox without anything to call, load or look at; our guards are its only filters."""

    def __init__(self, *, autoescape: bool) -> None:
        # `optimized` would compute constants while compiling, where no budget counts.
        super().__init__(autoescape=autoescape, keep_trailing_newline=True, optimized=False, cache_size=0)
        self.globals = {}
        self.tests = {}
        self.filters = dict(GUARDS)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ARG002 - the sandbox's own signature
        return False

    def is_safe_callable(self, obj: Any) -> bool:  # noqa: ARG002 - the sandbox's own signature
        return False


@dataclass(frozen=True, slots=True)
class _Compiled:
    """One part, ready to be filled in, and the variables that it cannot do without."""

    template: Template
    needs: tuple[str, ...]


class JinjaEngine:
    """Fills templates in; an instance may be used by several threads.

    `timer` gives seconds that never go back. Compiled templates are kept by their source.
    """

    def __init__(self, timer: Callable[[], float], limits: Limits = LIMITS) -> None:
        self._timer = timer
        self._limits = limits
        self._html = _Environment(autoescape=True)
        self._plain = _Environment(autoescape=False)
        self._compiled = lru_cache(maxsize=_KEPT)(self._compile)

    def check(self, version: TemplateVersion) -> tuple[str, ...]:
        """Give the variables that a version cannot do without, like `order.id`, by name.

        Raises `InvalidInput` with every fault, at `/subject`, `/text` and `/html`.
        """
        faults: list[Fault] = []
        needs: set[str] = set()
        self._check_size(version, faults)
        for part, source in () if faults else _parts(version):
            try:
                needs.update(self._compiled(part, source).needs)
            except InvalidInput as error:
                faults.extend(error.faults)
        if faults:
            raise InvalidInput(tuple(faults))
        return tuple(sorted(needs))

    def render(self, version: TemplateVersion, variables: Mapping[str, object]) -> Rendered:
        """Fill in a version.

        Raises `InvalidInput` with every variable that is missing (`/variables/<name>`) or cannot be used, what is wrong
        with the template at `/subject`, `/text` and `/html`, and for what breaks a bound.
        """
        refused: list[Fault] = []
        self._check_size(version, refused)
        read = Reader(self._limits, refused).read(variables)
        if refused:
            raise InvalidInput(tuple(refused))
        budget = Budget(self._limits, self._timer)
        findings = Findings()
        filled: dict[str, str] = {}
        for part, source in _parts(version):
            try:
                filled[part] = self._fill(part, source, read, budget, findings)
            except LimitExceeded as error:
                findings.add(Fault(f"/{part}", "template_limit", str(error)))
                break
            except InvalidInput as error:
                for fault in error.faults:
                    findings.add(fault)
        if findings.faults:
            raise InvalidInput(tuple(findings.faults))
        return Rendered(subject=filled[_SUBJECT], text=filled.get("text"), html=filled.get(HTML))

    def _fill(self, part: str, source: str, read: Object, budget: Budget, findings: Findings) -> str:
        run = Run(part, budget, findings, escaping=part == HTML)
        pieces: list[str] = []
        size = 0
        for piece in self._compiled(part, source).template.generate({**read, RUN: run}):
            size += len(piece) if piece.isascii() else len(piece.encode(errors="surrogatepass"))
            if size > self._limits.output:
                raise LimitExceeded(f"The {part} became larger than {self._limits.output} octets.")
            pieces.append(piece)
        text = "".join(pieces)
        if part == _SUBJECT:
            text = text.strip(" ")
            if unsafe_in_header(text):
                detail = "The subject is one line, without control characters."
                findings.add(Fault("/subject", "unsafe_character", detail))
        elif UNSAFE.search(text):
            findings.add(Fault(f"/{part}", "unsafe_character", f"NUL and lone surrogates may not stand in {part}."))
        return text

    def _compile(self, part: str, source: str) -> _Compiled:
        """Parse, guard and compile one part. Raises `InvalidInput`."""
        environment = self._environment(part)
        faults: list[Fault] = []
        tree = parse(environment, part, source, self._limits, faults)
        if tree is None:
            raise InvalidInput(tuple(faults))
        needs = needs_of(tree)
        put_guards(tree)
        tree.set_environment(environment)
        try:
            code = environment.compile(tree, part, part)
        except TemplateSyntaxError as error:  # what only Jinja2's compiler finds
            fault = Fault(f"/{part}", "template_syntax", f"Line {error.lineno}: {error.message}")
            raise InvalidInput((fault,)) from error
        return _Compiled(Template.from_code(environment, code, {}), tuple(needs))

    def _environment(self, part: str) -> _Environment:
        return self._html if part == HTML else self._plain

    def _check_size(self, version: TemplateVersion, faults: list[Fault]) -> None:
        size = sum(len(source.encode(errors="surrogatepass")) for _, source in _parts(version))
        if size > self._limits.source:
            detail = f"subject, text and html of a template have at most {self._limits.source} octets together."
            faults.append(Fault("", "template_limit", detail))


def _parts(version: TemplateVersion) -> list[tuple[str, str]]:
    parts = ((_SUBJECT, version.subject), ("text", version.text), (HTML, version.html))
    return [(part, source) for part, source in parts if source is not None]
