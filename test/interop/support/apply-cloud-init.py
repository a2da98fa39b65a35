"""Writes the files of a user-data as cloud-init itself does, below a folder: argv is the user-data and the folder."""
import sys

import yaml
from cloudinit.config import cc_write_files

with open(sys.argv[1], encoding="utf-8") as source:
    config = yaml.safe_load(source)
for entry in config.get("write_files", []):
    entry["path"] = sys.argv[2] + entry["path"]
    # Users are made later, and not here.
    entry.pop("owner", None)
cc_write_files.write_files("write_files", config.get("write_files", []), "root:root")
