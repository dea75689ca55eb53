"""The pages of docs/platforms: their settings, their commands, and the output they show; the files that stand for a
user's own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).parents[1] / "docs" / "platforms"
_SETTINGS: Final = re.compile(r"^## The settings(?::[^\n]*)?\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
_AROUND: Final = re.compile(r"^## (Baseline in|Result out)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
_BLOCK: Final = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
#: a user's own files by the names that pages have for them, and what stands for them: files of the platforms' packages
_IMPORTS: Final = Path(__file__).parent / "platforms" / "imports"
_OWN_FILES: Final = {
    "FeatureStats.pb": "import_tfdv.pb",
    "schema.pbtxt": "import_tfdv_schema.pbtxt",
    "statistics.json": "import_sagemaker_statistics.json",
    "constraints.json": "import_sagemaker_constraints.json",
    "monitoring_schema.json": "import_vertex_schema.json",
    "job.json": "import_vertex_job.json",
    "model/MLmodel": "import_MLmodel",
    "training.csv": "import_mlflow.csv",
    "monitor.yml": "import_azure.yaml",
    "metadata.json": "import_kserve.json",
    "model-settings.json": "import_mlserver.json",
}


class Around(NamedTuple):
    """What a page has beside the traffic: a baseline that comes in, and the result that goes out."""

    page: str
    baseline: list[str]
    result: list[str]
    #: the blocks of YAML in the section of the result
    yaml: list[str]

    @property
    def way(self) -> Way:
        """The page's first way, whose settings these commands use."""
        return next(way for way in ways() if way.page == self.page)


class Way(NamedTuple):
    """A platform's way from its settings to the first finding."""

    page: str
    settings: str
    on_sample: list[str]
    shown: list[str]
    on_topic: list[str]

    @property
    def sample(self) -> Path:
        """The recording that the commands read."""
        return FOLDER / self.on_sample[-1].split()[-1]

    @property
    def name(self) -> str:
        return self.sample.name.partition(".")[0]


def ways() -> list[Way]:
    """All of them, of all pages."""
    found = []
    for page in sorted(FOLDER.glob("*.md")):
        for section in _SETTINGS.findall(page.read_text(encoding="utf-8")):
            blocks = _BLOCK.findall(section)
            assert [kind for kind, _ in blocks] == ["yaml", "bash", "", "bash"], page.name
            settings, on_sample, shown, on_topic = (text for _, text in blocks)
            found.append(Way(page.name, settings, *(text.splitlines() for text in (on_sample, shown, on_topic))))
    return found


def arounds() -> list[Around]:
    """Those of all pages."""
    found = []
    for page in sorted(FOLDER.glob("*.md")):
        sections = dict(_AROUND.findall(page.read_text(encoding="utf-8")))
        assert set(sections) == {"Baseline in", "Result out"}, page.name
        blocks = {name: _BLOCK.findall(text) for name, text in sections.items()}
        lines = {
            name: [line for kind, text in several if kind == "bash" for line in text.splitlines()]
            for name, several in blocks.items()
        }
        yaml = [text for kind, text in blocks["Result out"] if kind == "yaml"]
        found.append(Around(page.name, lines["Baseline in"], lines["Result out"], yaml))
    return found


def put_own_files(folder: Path) -> None:
    """Have there what the pages' commands read, under a user's own names."""
    for own, sample in _OWN_FILES.items():
        (folder / own).parent.mkdir(exist_ok=True)
        shutil.copy(_IMPORTS / sample, folder / own)
    (folder / "traffic").symlink_to(FOLDER / "traffic")
