"""The colours of a page, once for paper and once for the dark.

Figures are drawn in marker colours, one per role, that become CSS variables: one SVG serves both themes.
Every text colour keeps a contrast of at least 4.5 against the paper of its theme (tests/pages/test_theme.py).
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Theme: TypeAlias = Literal["light", "dark"]

# Role -> (light, dark). c0..c5 are a qualitative palette after Okabe and Ito (blue, vermilion, green, purple,
# ochre, sky), each moved in lightness until it can carry text.
COLOURS: Final[dict[str, tuple[str, str]]] = {
    "paper": ("#fffefb", "#15171a"),
    "wash": ("#f5f3ee", "#1e2125"),
    "ink": ("#1c1d1f", "#e8e6e1"),
    "soft": ("#5c5d60", "#a6a7a9"),
    "rule": ("#dcd9d2", "#34383d"),
    "axis": ("#8b8a86", "#777b80"),
    "bar": ("#b9b8b3", "#5b6066"),
    "accent": ("#0a5c9e", "#77b7f0"),
    "heat": ("#064a84", "#77b7f0"),
    "info": ("#0a5c9e", "#77b7f0"),
    "warning": ("#8a5a00", "#e3b341"),
    "danger": ("#b3261e", "#f48a80"),
    "c0": ("#0a5c9e", "#77b7f0"),
    "c1": ("#b8420a", "#f2975a"),
    "c2": ("#00715a", "#48c5a0"),
    "c3": ("#8e3f86", "#dc9bd6"),
    "c4": ("#7a5c00", "#dcbb4a"),
    "c5": ("#00718a", "#5fc6de"),
}

GROUPS: Final = 6

# A role is drawn as #ad00NN, which no figure uses for anything else.
MARKERS: Final[dict[str, str]] = {role: f"#ad00{number:02x}" for number, role in enumerate(COLOURS)}

# Above this depth of colour the text of a heat-map cell turns from ink to paper.
HEAT_TURN: Final = 0.6


def colour(role: str, theme: Theme) -> str:
    """The hexadecimal colour of a role in a theme."""
    return COLOURS[role][0 if theme == "light" else 1]


def declarations(theme: Theme) -> str:
    """The CSS custom properties of a theme."""
    return " ".join(f"--{role}: {colour(role, theme)};" for role in COLOURS)


def group_role(group: int) -> str:
    """The role of the colour of a group; groups beyond the palette start again."""
    return f"c{group % GROUPS}"
