"""`python -m services.downloader [--check]`."""

from services.downloader.service import run
from services.downloader.settings import DownloaderSettings
from shared.runtime.service import main

main("downloader", DownloaderSettings, run)
