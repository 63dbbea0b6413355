"""Write the small annotated matrix with the anndata that is installed here.

Usage: write_version.py DIRECTORY

Writes anndata_VERSION.h5ad and, as far as the version knows Zarr,
anndata_VERSION.zarr.zip (format 2) and anndata_VERSION.v3.zarr.zip (format 3).
Runs on Python 3.6 and later.
"""

import os
import sys
import warnings

import anndata
import h5py

import archive
import dataset


def without_timestamps():
    """Have h5py store no modification times, so that each run writes the same bytes."""
    create = h5py.Group.create_dataset

    def create_dataset(group, *arguments, **options):
        options.setdefault("track_times", False)
        return create(group, *arguments, **options)

    h5py.Group.create_dataset = create_dataset


def installed_version():
    """Return the version of anndata as its package states it."""
    if sys.version_info >= (3, 8):
        from importlib.metadata import version

        return version("anndata")
    return anndata.__version__


def write_zarr(adata, path, **options):
    """Write one zip of a Zarr directory."""
    directory = path + ".partial"
    adata.write_zarr(directory, **options)
    archive.zip_directory(directory, path)


def main(directory):
    warnings.simplefilter("ignore")
    full_version = installed_version()
    version = dataset.parse_version(full_version)
    if version < (0, 10):
        without_timestamps()
    options = {}
    if version >= (0, 12):
        anndata.settings.allow_write_nullable_strings = True
        anndata.settings.zarr_write_format = 2
        # Otherwise strings with missing values would become categories.
        options["convert_strings_to_categoricals"] = False
    stem = os.path.join(directory, "anndata_" + full_version)
    # Every compressed dataset costs 2 KiB for its index of chunks: the oldest versions must do.
    compression = "gzip" if version < (0, 7) else None
    dataset.build(anndata, version).write(stem + ".h5ad", compression=compression, **options)
    if version < (0, 6):
        return
    if version < (0, 7):
        options["chunks"] = (8, 5)  # which only 0.6 asks for
    write_zarr(dataset.build(anndata, version, dense=True), stem + ".zarr.zip", **options)
    if version >= (0, 12):
        anndata.settings.zarr_write_format = 3
        write_zarr(dataset.build(anndata, version, dense=True), stem + ".v3.zarr.zip", **options)


if __name__ == "__main__":
    main(*sys.argv[1:])
