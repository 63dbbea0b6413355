"""Zips of Zarr directories, with the same bytes on every run."""

import os
import shutil
import zipfile

EPOCH = (1980, 1, 1, 0, 0, 0)


def zip_directory(directory, path, compression=zipfile.ZIP_DEFLATED):
    """Move all files below `directory` into a new zip at `path`, in the order of their names."""
    members = []
    for parent, _, files in os.walk(directory):
        for file in files:
            full = os.path.join(parent, file)
            members.append((os.path.relpath(full, directory).replace(os.sep, "/"), full))
    with zipfile.ZipFile(path, "w") as archive:
        for name, full in sorted(members):
            member = zipfile.ZipInfo(name, EPOCH)
            member.compress_type = compression
            with open(full, "rb") as file:
                archive.writestr(member, file.read())
    shutil.rmtree(directory)
