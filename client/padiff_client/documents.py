"""HTML documents that hold all they need: style, scripts and what they show."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template

from padiff_rpc.records import record


@record
class Document:
    """A document, and what a browser may do for it.

    Attributes:
        text: the HTML.
        policy: its content security policy, which the text states too.
    """

    text: str
    policy: str


def document(title: str, scripts: Sequence[str], content: object, *, reach: str = "'none'") -> Document:
    """Returns the document in which these scripts of `page/`, as one, show the content.

    `reach`: whom they may ask for more, as a content security policy says it.
    """
    style = _asset("page.css")
    script = "\n".join(_asset(f"{name}.js") for name in scripts)
    # Where something from a model became markup after all, the browser would still not run it.
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; connect-src {reach}; "
        "base-uri 'none'; form-action 'none'"
    )
    text = Template(_asset("page.html")).substitute(
        title=escape(title),
        policy=policy,
        style=style,
        script=script,
        content=_as_script_content(content),
    )
    return Document(text=text, policy=policy)


def _asset(name: str) -> str:
    return (resources.files("padiff_client") / "page" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Returns a text as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _as_script_content(value: object) -> str:
    """Returns JSON in which nothing ends a script element or begins a comment."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
