"""Every byte that is written goes through here, so that no file is ever half there, and faults can be tried.

`layer` holds the handful of calls to the operating system; tests exchange them for ones that fail (`using`).
On them stand `OutputFile` (a binary file whose errors are sentences), `Replacing` (a file appears under its
name complete and synced, or not at all), `replacing_hdf5` and `WorkFolder` (the same for HDF5 and folders).
`check_output` refuses before computing what could not be written or would destroy an input; `safe_name` makes
names for results.
"""

from __future__ import annotations

from underbrush.files.checks import check_kept, check_output
from underbrush.files.folders import WorkFolder
from underbrush.files.hdf5 import LibraryFile, hdf5_in, replacing_hdf5
from underbrush.files.layer import FileLayer, layer, using
from underbrush.files.names import safe_name
from underbrush.files.output import OutputFile
from underbrush.files.problems import explain
from underbrush.files.replacing import Replacing, make_folder_for, scratch_file

__all__ = [
    "FileLayer",
    "LibraryFile",
    "OutputFile",
    "Replacing",
    "WorkFolder",
    "check_kept",
    "check_output",
    "explain",
    "hdf5_in",
    "layer",
    "make_folder_for",
    "replacing_hdf5",
    "safe_name",
    "scratch_file",
    "using",
]
