"""Fails when a relative link of a page points nowhere."""

import re
import sys
from pathlib import Path

broken = [
    f"{page}: {target}"
    for page in Path("pages").rglob("*.md")
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text())
    if "://" not in target and not (page.parent / target).exists()
]
print("\n".join(broken) or "every link points to a page")
sys.exit(bool(broken))
