"""Writes the samples."""

from tests.platforms.exported import HERE, samples

for file, text in samples().items():
    (HERE / file).write_text(text, encoding="utf-8")
