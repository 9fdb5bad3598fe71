"""What the downloader reads from its environment."""

import tempfile
from pathlib import Path

from pydantic import Field

from shared.runtime.amc import AmcWorkerSettings


class DownloaderSettings(AmcWorkerSettings):
    """Holds the key of access tokens, nothing that opens a refresh token."""

    downloads: int = Field(4, validation_alias="AMCFLOW_DOWNLOADS", ge=1)
    """Results one replica loads at once; each may need its own size on disk."""
    spool_folder: Path = Field(Path(tempfile.gettempdir()), validation_alias="AMCFLOW_SPOOL_FOLDER")
    result_host_suffixes: str = Field(
        ".amazonaws.com", validation_alias="AMCFLOW_RESULT_HOST_SUFFIXES"
    )
    """Hosts whose result links are followed, separated by commas; real AMC only."""
