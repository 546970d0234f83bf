"""
What axe, a checker of accessibility, finds in a page.
"""

from __future__ import annotations

from tests.live.browser import LOOKS, Browser
from tests.web import MODULES

SCRIPT = MODULES / "axe-core" / "axe.min.js"

RUN = """
    return axe.run(document, {resultTypes: ["violations"]}).then(({violations}) =>
        violations.map(({id, nodes}) => `${id}: ${nodes.map(({html}) => html).join(" ")}`))
"""


async def violations(browser: Browser, *looks: str) -> list[str]:
    """
    Check the page as it is now, contrast of colours included.

    @param looks: Some of L{LOOKS}; all of them if there are none.
    @return: What axe found, with the look in which it did.
    """
    if not await browser.run("return 'axe' in window"):
        await browser.run(SCRIPT.read_text())
    found = []
    for look in looks or LOOKS:
        await browser.look(look)
        # What fades in has another contrast until it is there.
        await browser.run("return Promise.all(document.getAnimations().map((it) => it.finish()))")
        found += [f"{look}: {each}" for each in await browser.run(RUN)]
    return found
