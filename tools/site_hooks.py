"""Hooks of the documents' site: pages that lie at the repository's root, and links that leave docs/.

Every page has one source, whose links serve readers of the repository. The site has some of these pages
elsewhere, and others not at all; a link to such a file leads to the repository. MkDocs calls the functions
by name; a warning fails a strict build.
"""

from __future__ import annotations

import logging
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
# Pages of the site that lie outside docs/: where in the site.
PAGES = {
    "README.md": "index.md",
    "README.zh.md": "zh/index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "GLOSSARY.md": "glossary.md",
    "SECURITY.md": "reporting.md",
    "examples/README.md": "examples.md",
}
_SOURCES = {place: name for name, place in PAGES.items()}
_LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
_FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2[ \t]*$", re.DOTALL | re.MULTILINE)
_REMOTE = re.compile(r"<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>")
# Chinese has no spaces between words, so a line's end in its source is none either.
_CHINESE = "[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"
_LINE_END = re.compile(f"(?<={_CHINESE})\n(?={_CHINESE})")
log = logging.getLogger("mkdocs.hooks.site")


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Returns the site's files, with those from outside docs/."""
    for name, place in PAGES.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Returns a page whose links lead to pages of the site, or to the repository."""
    place = page.file.src_uri
    source = ROOT / _SOURCES[place] if place in _SOURCES else DOCS / place
    kept = [(found.start(), found.end()) for found in _FENCE.finditer(markdown)]

    def replaced(link: re.Match[str]) -> str:
        inside_code = any(start <= link.start() < end for start, end in kept)
        return link[0] if inside_code else _target(link[0], source, place, config["extra"]["repository"])

    return _LINK.sub(replaced, markdown)


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Returns the text of a page; of a Chinese one without the line ends of its source."""
    return _LINE_END.sub("", html) if _is_chinese(page) else html


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Returns the page, which says its language; warns of anything that it would load from another host."""
    for found in _REMOTE.findall(output):
        if 'rel="canonical"' not in found:
            log.warning("%s loads from another host: %s", page.file.src_uri, found)
    # By the language browsers choose fonts: many signs have another shape in Japanese ones.
    return output.replace('<html lang="en"', '<html lang="zh-CN"', 1) if _is_chinese(page) else output


def _is_chinese(page: Any) -> bool:
    return str(page.file.src_uri).startswith("zh/")


def _target(link: str, source: Path, place: str, repository: str) -> str:
    """Returns where a link of the page at `place`, written for its `source`, leads to in the site."""
    path, mark, anchor = link.partition("#")
    if not path or re.match(r"[a-z]+:", path):
        return link
    file = (source.parent / path).resolve()
    if not file.exists():
        log.warning("%s: no such file: %s", source.relative_to(ROOT), path)
        return link
    name = file.relative_to(ROOT).as_posix()
    if name in PAGES:
        name = PAGES[name]
    elif file.is_relative_to(DOCS):
        name = file.relative_to(DOCS).as_posix()
    else:
        return f"{repository}/{'tree' if file.is_dir() else 'blob'}/main/{name}{mark}{anchor}"
    return posixpath.relpath(name, posixpath.dirname(place) or ".") + mark + anchor
