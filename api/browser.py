"""Browsers by the names that people call them: what somebody sees of where they are logged in."""

BROWSERS = {
    "Edge": ("Edg/", "EdgA/", "EdgiOS/"),
    "Opera": ("OPR/", "OPT/"),
    "Samsung Internet": ("SamsungBrowser/",),
    "LINE": ("Line/",),
    "Firefox": ("Firefox/", "FxiOS/"),
    "Chrome": ("Chrome/", "CriOS/"),
    "Safari": ("Safari/",),
}
"""A browser and the marks of its User-Agent. Most also wear those of the ones below them, so the first counts."""
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "ChromeOS": "CrOS",
    "Windows": "Windows NT",
    "Mac": "Macintosh",
    "Linux": "Linux",
}
"""Likewise. An iPad that asks for pages as on a computer says that it is a Mac."""


def called(user_agent: str) -> str | None:
    """Browser and system in words of ours, as in "Chrome · Windows"; None when neither is known.

    It is what the browser says of itself, for people to know their own by: no version, nothing else that it says, and
    no proof of anything.
    """
    browser = next((name for name, marks in BROWSERS.items() if any(mark in user_agent for mark in marks)), None)
    system = next((name for name, mark in SYSTEMS.items() if mark in user_agent), None)
    return " · ".join(name for name in (browser, system) if name) or None
