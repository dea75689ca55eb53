"""All systems whose files become references. A new one is one file, and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from monitor.reference.imports.azure import read_azure
from monitor.reference.imports.kserve import read_kserve
from monitor.reference.imports.mlflow import read_mlflow
from monitor.reference.imports.sagemaker import read_sagemaker
from monitor.reference.imports.shape import ImportedData, ImportedFile
from monitor.reference.imports.tfdv import read_tfdv
from monitor.reference.imports.vertex import read_vertex

#: the name of a slice is "" where none is asked for
Reader = Callable[[Sequence[ImportedFile], str], ImportedData]

IMPORTS: Final[Mapping[str, Reader]] = {
    "tfdv": read_tfdv,
    "sagemaker": read_sagemaker,
    "vertex": read_vertex,
    "mlflow": read_mlflow,
    "azure": read_azure,
    "kserve": read_kserve,
}
