"""The ratios as a picture for the docs: SVG, readable on light and on dark paper."""

from __future__ import annotations

from html import escape

from bench.compare import Results
from bench.stage import KYOSO, LIMIT
from bench.table import per_second, ratio

WIDTH, LEFT, RIGHT, TOP = 720, 56, 64, 56
BAR, GAP, GROUP_GAP = 12, 2, 14
NAMES = {
    KYOSO: "Kyoso",
    "P": "PostGraphile 5",
    "M": "mercurius, JIT",
    "S": "Strawberry, DataLoaders",
    "N": "Strawberry, Tortoise",
}
COLOURS = {KYOSO: "#0f766e", "P": "#b45309", "M": "#6d28d9", "S": "#2563eb", "N": "#9ca3af"}
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2937 } .faint { fill: #6b7280 } line { stroke: #9ca3af }
  @media (prefers-color-scheme: dark) { text { fill: #e5e7eb } .faint { fill: #9ca3af } line { stroke: #6b7280 } }
"""


def picture(results: Results) -> str:
    """Each server's answers per second as a share of L's, by query."""
    kinds = [kind for kind in (KYOSO, "P", "M", "S", "N") if any(kind in taken for taken in results.taken.values())]
    shares = {query: _shares(results, query, kinds) for query in results.taken}
    full = max([1.0, *(share for each in shares.values() for share in each.values())])
    scale = (WIDTH - LEFT - RIGHT) / full
    parts, y = [_legend(kinds)], TOP
    for query, found in shares.items():
        parts.append(f'<text x="{LEFT - 8}" y="{y + BAR}" text-anchor="end">{escape(query)}</text>')
        for kind, share in found.items():
            width = max(1.0, share * scale)
            parts.append(
                f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{COLOURS[kind]}"/>'
                f'<text class="faint" x="{LEFT + width + 6:.1f}" y="{y + BAR - 2}">{share:.2f}</text>'
            )
            y += BAR + GAP
        y += GROUP_GAP
    one = LEFT + scale
    parts.append(f'<line x1="{one:.1f}" y1="{TOP - 8}" x2="{one:.1f}" y2="{y - GROUP_GAP}" stroke-dasharray="3 3"/>')
    parts.append(f'<text class="faint" x="{one:.1f}" y="{TOP - 12}" text-anchor="middle">L = 1</text>')
    label = "Answers per second of each server as a share of hand-written SQL, by query"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img" aria-label="{label}">\n'
        f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _shares(results: Results, query: str, kinds: list[str]) -> dict[str, float]:
    found = {kind: ratio(results, query, LIMIT, per_second, of=kind) for kind in kinds}
    return {kind: one.median for kind, one in found.items() if one}


def _legend(kinds: list[str]) -> str:
    parts: list[str] = []
    x = GAP  # from the edge: at LEFT the last name would be cut off
    for kind in kinds:
        parts.append(f'<rect x="{x}" y="10" width="12" height="12" fill="{COLOURS[kind]}"/>')
        parts.append(f'<text x="{x + 17}" y="20">{escape(NAMES[kind])}</text>')
        x += 34 + 7 * len(NAMES[kind])
    return "".join(parts)
