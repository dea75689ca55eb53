"""What of an audit serves which article of the EU AI Act, Regulation (EU) 2024/1689."""

from __future__ import annotations

from typing import Final

#: by part of an audit: the article, and what it asks for
ARTICLES: Final = {
    "incidents": ("Article 12(2)(a)", "events that tell of situations that may present a risk, or of a changed system"),
    "evidence": (
        "Article 12(2)(b) and Article 72(2)",
        "data on performance while it is in use, collected and analysed",
    ),
    "acts": ("Article 12(2)(c)", "events by which the operation is monitored, and what people decided"),
    "monitoring": ("Article 12(1)", "automatic recording of events over the lifetime of the system"),
    "chains": ("Article 72(2)", "data that is documented, so that it can be relied on later"),
}
NOTE: Final = (
    "The articles say what a high-risk AI system has to record (12) and its provider to watch after placing it on the "
    "market (72). This is one source of such records, no statement that they are complete."
)
