"""Every wrong input is one sentence: what, where, which value, and the mend."""

import io
import json
import os
import struct
import zipfile

import ml_dtypes
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossent.errors import PredictionsError
from crossent.predictions import open_sources
from predictions_files import LABELS, NN1, compressed, csv_text, read

GOOD = csv_text(NN1)
NAMES = ["dog", "cat", "dog"]
SHOWN_CLASSES = {"classes": json.dumps(["dog", "cat"])}


def text(content, name="nn1.csv", encoding="utf-8"):
    """A function that writes this file and gives its name."""

    def write():
        with open(name, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode(encoding))
        return name

    return write


def changed(old, new):
    assert old in GOOD
    return text(GOOD.replace(old, new))


def parquet(metadata=None, **columns):
    def write():
        pq.write_table(pa.table(columns).replace_schema_metadata(metadata), "nn1.parquet")
        return "nn1.parquet"

    return write


def npz(save=np.savez, **arrays):
    def write():
        save("nn1.npz", **arrays)
        return "nn1.npz"

    return write


def npy(array):
    def write():
        np.save("nn1.npy", array)
        return "nn1.npy"

    return write


def header(shape, descr="<f4"):
    """An .npy file that claims this shape and holds four bytes."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})
    return text(out.getvalue() + b"1234", "nn1.npy")


def cut(write, keep):
    """The same file, cut off."""

    def write_cut():
        name = write()
        with open(name, "rb") as file:
            content = file.read()
        with open(name, "wb") as file:
            file.write(content[:keep])
        return name

    return write_cut


def lying_member():
    """A compressed member whose header claims more than there is."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        out, {"descr": "<f4", "fortran_order": False, "shape": (2**31, 2**20)}
    )
    with zipfile.ZipFile("nn1.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("probs.npy", out.getvalue() + bytes(10**6))
    return "nn1.npz"


def damaged():
    np.savez_compressed(
        "nn1.npz", probs=np.random.default_rng(0).dirichlet([1, 1], 5000), labels=np.zeros(5000, int)
    )
    with open("nn1.npz", "r+b") as file:
        file.seek(3000)
        file.write(bytes(100))
    return "nn1.npz"


def folder():
    os.mkdir("nn1")
    return "nn1"


Q = {"prob_dog": NN1[:, 0], "prob_cat": NN1[:, 1]}
PROBS = {"kind": "probs"}
SUM = "; write more digits, or add --renormalize to divide each row by its sum"
YES_NO = "; not softmax: separate yes/no scores? If they only lack their normalisation, add --renormalize"
INDEX = "; if these are names, add --label-is name"
LOGITS = ", but probabilities lie between 0 and 1; if these are logits, call them so"
PARQUET_MAGIC = (
    "nn1.parquet is no complete Parquet file (Parquet magic bytes not found in footer. Either the file is"
    " corrupted or this is not a parquet file): write it again"
)
KNOWN = "Parquet, Arrow or Feather, CSV, TSV or JSON Lines (also .gz, .zst), .npy and .npz"

# (what writes the source, declared, sentence)
ONE_SOURCE = [
    # the file itself
    (lambda: "nope.csv", {}, "nope.csv: no such file"),
    (lambda: "a*.csv", {}, "a*.csv: no file matches; in a shell, put the pattern in quotes"),
    (lambda: "ftp://me:secret@a/b.csv", {}, "ftp://a/b.csv: no address that can be read (Unrecognized filesystem type in URI:"
     " ftp://a/b.csv); s3://, gs:// and what else PyArrow's file systems know are, else copy the file here"),
    (folder, {}, "nn1 is a folder without predictions.parquet, without seed-1, seed-2, ..., and without Parquet or Arrow files: name a predictions file"),
    (text("", "nn1.parquet"), {}, "nn1.parquet is empty: write it again"),
    (text(b"ARROW1xx", "nn1.parquet"), {}, "nn1.parquet is an Arrow file, not .parquet: name it .arrow or .feather or .ipc"),
    (text("x", "nn1.xlsx"), {}, f"nn1.xlsx has no known suffix: {KNOWN} are read"),
    (text("x", "nn1"), {}, f"nn1 has no known suffix: {KNOWN} are read"),
    (text("x", "nn1.pkl"), {},
     "nn1.pkl looks like a pickle, which is never opened: write it with crossent.save_predictions"),
    (text(b"PK\x03\x04xx"), {}, "nn1.csv is a zip archive, not .csv: name it .npz if numpy.savez wrote it, or export"
                                " a spreadsheet as CSV"),
    (text(b"PAR1xxxx"), {}, "nn1.csv is Parquet, not .csv: name it .parquet"),
    (text(b"\x80\x04xxxx", "nn1.npy"), {}, "nn1.npy is a pickle, which is never opened, not .npy: write .parquet or .csv"),
    (text(compressed(GOOD)), {}, "nn1.csv is compressed with gzip, not .csv: name it .csv.gz"),
    (text(GOOD, "nn1.csv.gz"), {}, "nn1.csv.gz is damaged, or not compressed as its name says (zlib inflate failed:"
                                   " incorrect header check); write it again"),
    (text(compressed(GOOD * 3000)[:-200], "nn1.csv.gz"), {},
     "nn1.csv.gz: damaged or cut off after row 0 (Truncated compressed stream); write it again"),
    # text
    (text(""), {}, "nn1.csv is empty: write it again"),
    (text("\n \n"), {}, "nn1.csv is empty: write a header and one row per example"),
    (text("\ufeff"), {}, "nn1.csv is empty: write a header and one row per example"),
    (text("label,prob_a,prob_b"), {}, "nn1.csv has a header but no rows: write one row per example"),
    (text("label,prob_a,prob_b\r\n\r\n"), {}, "nn1.csv has a header but no rows: write one row per example"),
    (text(GOOD.replace(",", ";")), {}, "nn1.csv seems to be separated by semicolons: write it with commas, and with"
                                       " points in the numbers"),
    (text(GOOD.replace(",", "\t")), {}, "nn1.csv seems to be separated by tabs: name it .tsv"),
    (text(GOOD, "nn1.tsv"), {}, "nn1.tsv seems to be separated by commas: name it .csv"),
    (text("0.9,0.1\n0.2,0.8\n"), {}, "nn1.csv has no header, its first line is numbers (0.9, 0.1): name the columns"
                                     " there, such as id,label,prob_dog,prob_cat"),
    (changed("id,", ","), {}, "nn1.csv: column 1 has no name in the header; name it"),
    (changed("prob_cat", "prob_dog"), {}, "nn1.csv has more than one column 'prob_dog': keep one of them"),
    (text(GOOD, encoding="utf-16"), {}, "nn1.csv is UTF-16: save it as UTF-8"),
    (text(GOOD.replace("prob_cat", "prob_c\xe4t"), encoding="latin-1"), {},
     "nn1.csv: its header is not UTF-8; save the file as UTF-8"),
    (text(GOOD.replace("2,cat", "2,c\xe4t"), encoding="latin-1"), {},
     "nn1.csv, row 2, column label: not UTF-8; save the file as UTF-8"),
    (changed("0.4", "abc"), {}, 'nn1.csv, row 3, column prob_dog: "abc" is not a number; mend it, or leave the row out'),
    (changed("0.4", "NA"), {}, 'nn1.csv, row 3, column prob_dog: "NA" is not a number; mend it, or leave the row out'),
    (changed("0.4", "40%"), {}, 'nn1.csv, row 3, column prob_dog: "40%" is not a number; mend it, or leave the row out'),
    (changed("0.4", '"0,4"'), {}, 'nn1.csv, row 3, column prob_dog: "0,4" has a decimal comma; write 0.4'),
    (changed("0.4", ""), {}, "nn1.csv, row 3, column prob_dog: empty; write a number, or leave the row out"),
    (changed("0.4", " "), {}, "nn1.csv, row 3, column prob_dog: empty; write a number, or leave the row out"),
    (text(GOOD.replace("\n", "\n\n").replace("0.4", "abc")), {},  # blank lines are no rows
     'nn1.csv, row 3, column prob_dog: "abc" is not a number; mend it, or leave the row out'),
    (text(GOOD + "4,dog,0.5,0.5\n" * 99_999 + "5,dog,x,0.5\n"), {},
     'nn1.csv, row 100003, column prob_dog: "x" is not a number; mend it, or leave the row out'),
    (changed("0.4,", ""), {}, "nn1.csv, row 3: 3 columns, but the header has 4; mend the row, and put quotes around"
                              " values that contain the separator"),
    (text("\n\n" + GOOD + "4,dog,0.5,0.5\n" * 99_999 + "5,dog,0,5,0,5\n"), {},
     "nn1.csv, row 100003: 6 columns, but the header has 4; mend the row, and put quotes around values that contain"
     " the separator"),
    # which column is what
    (text("id,label\n1,dog\n"), {}, "nn1.csv has no class columns (id, label): call them prob_<class> or logit_<class>,"
                                    " or one list column 'probs' or 'logits'"),
    (text("label,prob_,prob_a\na,1,0\n"), {}, "nn1.csv: column 'prob_' names no class; call it prob_<class>"),
    (text('label,probs\na,"[1, 0]"\n'), {}, "nn1.csv: column probs would be a list, which a text file cannot hold;"
                                            " write one column per class, prob_<class>"),
    (text("label,prob_a,prob_b,logit_a,logit_b\na,1,0,1,0\n"), {},
     "nn1.csv has logits and probs: choose, --kind logits or --kind probs"),
    (text(GOOD), {"kind": "logits"}, "nn1.csv: --kind logits, but it has column 'prob_dog'; rename it, or leave --kind out"),
    (text("id,dog,cat,label\n1,0.9,0.1,dog\n"), {}, "nn1.csv has no prob_<class> or logit_<class> columns; if dog, cat"
     " are the classes, say what they hold: --kind probs or --kind logits"),
    (text("id,dog,cat,label\n1,0.9,0.1,0\n"), PROBS,
     "nn1.csv, row 1, column label: '0' is not one of the classes dog, cat; mend it, or --classes"),
    (text("dog,cat,split,label\n0.9,0.1,train,dog\n"), PROBS, 'nn1.csv, row 1, column split: "train" is not a number;'
     " mend it, or name other columns: --classes A,B for the classes, --weight COL"),
    (text("label,prob_dog\ndog,0.9\n"), {}, "nn1.csv has one class alone, column prob_dog: name both, such as"
                                            " --classes dog,OTHER"),
    (text("label,prob_dog\ndog,0.9\n"), {"classes": ("dog", "cat", "cow")},
     "nn1.csv has one class alone, column prob_dog: it must be one of two, not of dog, cat, cow"),
    (text("label,prob_dog\ndog,1.25\n"), {"classes": ("dog", "cat")}, f"nn1.csv, row 1, column prob_dog: 1.25{LOGITS}"),
    (text(GOOD), {"classes": ("dog", "dog")},
     "--classes dog,dog: name each class once, two or more, such as --classes dog,cat"),
    (text(GOOD), {"classes": ("dog", "cow")}, "nn1.csv has other classes than dog, cow: it lacks cow and has cat; all"
                                              " sources need the same ones"),
    (text(GOOD), {"id": "key"}, "nn1.csv has no column 'key' (id, label, prob_dog, prob_cat): name the one with the ids,"
                                " --id NAME"),
    (text(GOOD), {"label": "y"}, "no labels: nn1.csv has no column 'y' (id, label, prob_dog, prob_cat); name it with"
                                 " --label, or give them in a file of their own with --labels"),
    (text("prob_a,prob_b\n1,0\n"), {}, "no labels: nn1.csv has no column 'label' (prob_a, prob_b); name it with --label,"
                                       " or give them in a file of their own with --labels"),
    # ids
    (changed("3,dog", ",dog"), {}, "nn1.csv, row 3, column id: empty; every row needs an id"),
    (changed("3,dog", "1,dog"), {}, "nn1.csv: id '1' stands in row 1 and in row 3; every example needs an id of its own"),
    (parquet(id=[1, None, 3], label=NAMES, **Q), {}, "nn1.parquet, row 2, column id: null; every row needs a value"),
    (parquet(id=[1.0, 2.0, 3.0], label=NAMES, **Q), {},
     "nn1.parquet: column id is double, but ids are text or whole numbers; write them so"),
    # labels
    (changed("3,dog", "3,wolf"), {},
     "nn1.csv, row 3, column label: 'wolf' is not one of the classes dog, cat; mend it, or --classes"),
    (changed("3,dog", "3,"), {}, "nn1.csv, row 3, column label: empty; every row needs a label"),
    (changed("3,dog", "3,0"), {}, "nn1.csv, row 3, column label: '0' is not one of the classes dog, cat; mend it, or"
                                  " --classes"),
    (text("label,prob_a,prob_b\n0,1,0\n2,1,0\n"), {}, f"nn1.csv, row 2, column label: 2 is no index of 2 classes, 0..1{INDEX}"),
    (text("label,prob_a,prob_b\n0,1,0\n-1,1,0\n"), {},
     "nn1.csv, row 2, column label: -1 is no index of 2 classes, 0..1; leave the row out"),
    (text("label,prob_a,prob_b\n0,1,0\n1.0,1,0\n"), {},
     "nn1.csv, row 2, column label: 1.0 is a fraction; labels are names, or whole numbers 0..1"),
    (text("label,prob_1,prob_2\n1,1,0\n1,0,1\n"), {}, "nn1.csv, column label: '1' could be a class's name or another"
     " one's index, and so could every label; say which: --label-is name or --label-is index"),
    (parquet(label=[0, None, 0], **Q), {}, "nn1.parquet, row 2, column label: null; every row needs a value"),
    (parquet(label=[0, -1, 0], **Q), {},
     "nn1.parquet, row 2, column label: -1 is no index of 2 classes, 0..1; leave the row out"),
    (parquet(label=[1, 2, 1], **Q), {}, f"nn1.parquet, row 2, column label: 2 is no index of 2 classes, 0..1{INDEX}"),
    (parquet(label=[0, 0.5, 0], **Q), {},
     "nn1.parquet, row 2, column label: 0.5 is a fraction; labels are names, or whole numbers 0..1"),
    (parquet(label=pa.array([0, np.nan, 0]), **Q), {}, "nn1.parquet, row 2, column label: nan; every row needs a label"),
    (parquet(label=[True, False, True], **Q), {}, "nn1.parquet: column label is bool; labels are names, or whole numbers"
                                                  " from 0"),
    (parquet(label=NAMES, probs=NN1.tolist()), {}, "nn1.parquet, row 1, column label: 'dog' is not one of the classes"
                                                   " 0, 1; name the classes, in order, with --classes"),
    (text("label_a,label_c,prob_a,prob_b\n1,0,1,0\n"), {}, "nn1.csv has other classes than a, b: it lacks label_b and has"
                                                           " label_c; all sources need the same ones"),
    (text("label_a,label_b,prob_a,prob_b\n0.50,0.25,1,0\n"), {},
     "nn1.csv, row 1: the soft labels sum to 0.75, not 1; divide each row by its sum"),
    (text("label_a,label_b,prob_a,prob_b\n1.5,-0.5,1,0\n"), {},
     "nn1.csv, row 1, column label_b: -0.5, but soft labels lie between 0 and 1; mend what made it"),
    # outputs
    (changed("0.4", "nan"), {}, "nn1.csv, row 3, column prob_dog: nan, but probabilities lie between 0 and 1; mend what"
                                " made it"),
    (changed("0.4", "inf"), {}, f"nn1.csv, row 3, column prob_dog: inf{LOGITS}"),
    (changed("0.4", "-0.4"), {}, f"nn1.csv, row 3, column prob_dog: -0.4{LOGITS}"),
    (changed("0.4", "0.38"), {}, f"nn1.csv, row 3: the probabilities sum to 0.98, not 1{SUM}"),
    (changed("0.4", "0.75"), {}, f"nn1.csv, row 3: the probabilities sum to 1.35, not 1{YES_NO}"),
    (text("label,prob_a,prob_b\na,90,10\na,60,39\n"), {},
     "nn1.csv, row 1: the probabilities sum to 100, not 1 (99 in row 2); in percent? Divide them by 100"),
    (text("label,logit_a,logit_b\na,1,0\na,0,nan\n"), {}, "nn1.csv, row 2, column logit_b: nan; logits are finite, or"
     " -inf for a class that is ruled out: look for what made it in the model"),
    (text("label,logit_a,logit_b\na,1,0\na,0,inf\n"), {}, "nn1.csv, row 2, column logit_b: +inf; logits are finite, or"
     " -inf for a class that is ruled out: look for what made it in the model"),
    (text("label,logit_a,logit_b\na,1,0\na,-inf,-inf\n"), {},
     "nn1.csv, row 2: no finite logit, so every class is ruled out; leave the row out"),
    (parquet(label=NAMES, prob_dog=[0.9, None, 0.4], prob_cat=Q["prob_cat"]), {},
     "nn1.parquet, row 2, column prob_dog: null; every row needs a value"),
    (parquet(label=NAMES, prob_dog=["a", "b", "c"], prob_cat=Q["prob_cat"]), {}, "nn1.parquet: column prob_dog is string,"
     " not numbers; write one number per row, or name the classes: --classes A,B"),
    (parquet(label=LABELS, probs=[[0.9, 0.1], [0.1, 0.8, 0.1], [0.4, 0.6]]), {},
     "nn1.parquet, row 2, column probs: 3 values, not 2; every row needs one value per class"),
    (parquet(label=LABELS, probs=[[0.9, 0.1], [0.1, None], [0.4, 0.6]]), {},
     "nn1.parquet, row 2, column probs: a null among the values; every class needs a number"),
    (parquet(label=LABELS, probs=[[0.9, 0.1], None, [0.4, 0.6]]), {},
     "nn1.parquet, row 2, column probs: null; every row needs a value"),
    (parquet(label=LABELS, probs=pa.array([[], [1.0], [1.0]], pa.list_(pa.float64()))), {},
     "nn1.parquet, row 1, column probs: an empty list; every class needs a number"),
    (parquet(label=LABELS, probs=[[[0.9, 0.1]]] * 3), {}, "nn1.parquet: column probs is list<element: list<element:"
     " double>>; it must hold one list of numbers per row"),
    (parquet(label=LABELS, probs=[0.9, 0.1, 0.4]), {}, "nn1.parquet: column probs holds single numbers; if they belong to"
     " one of two classes, call it prob_<class>, and name both: --classes A,B"),
    (parquet({"classes": "dog,cat"}, label=NAMES, probs=NN1.tolist()), {},
     "nn1.parquet: its metadata 'classes' is no list of names; write it as JSON, such as [\"dog\", \"cat\"]"),
    (parquet({"classes": '["a", "b", "c"]'}, label=NAMES, probs=NN1.tolist()), {},
     "nn1.parquet has 2 values per row, but there are 3 classes (a, b, c): all sources need the same ones"),
    (parquet({"classes": '["a", "a"]'}, label=NAMES, probs=NN1.tolist()), {},
     "nn1.parquet: its list of classes names one twice; every class once"),
    (parquet(label=pa.array([], pa.int64()), prob_a=pa.array([], pa.float64()), prob_b=pa.array([], pa.float64())), {},
     "nn1.parquet has no rows: nothing can be compared"),
    (parquet(label=pa.array([], pa.int64()), probs=pa.array([], pa.list_(pa.float64()))), {},
     "nn1.parquet has no rows: nothing can be compared"),
    (cut(parquet(label=NAMES, **Q), -20), {}, PARQUET_MAGIC),
    (cut(parquet(label=NAMES, **Q), 100), {}, PARQUET_MAGIC),
    (text(GOOD, "nn1.parquet"), {}, PARQUET_MAGIC),
    # NumPy
    (npz(arr_0=NN1, labels=LABELS), {},
     "nn1.npz has no array 'logits' or 'probs' (arr_0, labels): choose one, nn1.npz:arr_0"),
    (lambda: npz(arr_0=NN1, labels=LABELS)() + ":arr_0", {}, "nn1.npz:arr_0 does not say whether it holds logits or"
     " probabilities: all rows sum to 1; if these are probabilities, add --kind probs"),
    (lambda: npz(arr_0=NN1, labels=LABELS)() + ":arr_1", {}, "nn1.npz:arr_1: no such array; there is arr_0, labels"),
    (lambda: npz(probs=NN1, labels=LABELS)() + ":probs", {"kind": "logits"},
     "nn1.npz:probs: --kind logits, but the array is called probs; rename it, or leave --kind out"),
    (npz(probs=NN1, logits=NN1, labels=LABELS), {}, "nn1.npz has logits and probs: choose, --kind logits or --kind probs"),
    (npz(probs=NN1, label=LABELS, labels=LABELS), {}, "nn1.npz has 'label' and 'labels': keep one of them"),
    (npz(probs=NN1, labels=LABELS[:2]), {},
     "nn1.npz: array probs has 3 rows, array labels has 2; they must have one row per example"),
    (npz(probs=NN1, labels=np.array(NAMES, object)), {}, "nn1.npz, array labels is a pickle of Python objects, which is"
     " never opened: save numbers, or text with astype(str)"),
    (npz(probs=NN1 * 1j, labels=LABELS), {},
     "nn1.npz, array probs has dtype complex128, which cannot be read: save one plain array of numbers, or of text"),
    (npz(probs=NN1[:, :1], labels=LABELS), {}, "nn1.npz has one class alone: at least two are needed"),
    (npz(probs=NN1[:, :0], labels=LABELS), {}, "nn1.npz: array probs has no classes (float64 (3, 0))"),
    (npz(probs=NN1[None], labels=[0]), {},
     "nn1.npz: array probs is float64 (1, 3, 2); it must hold one list of numbers per row"),
    (npz(), {}, "nn1.npz holds no arrays: write it with numpy.savez(file, probs=..., labels=...)"),
    (cut(npz(probs=NN1), -30), {}, "nn1.npz is no complete .npz file (File is not a zip file): write it again with"
                                   " numpy.savez"),
    (damaged, {}, "nn1.npz is damaged, or changed while read (Bad CRC-32 for file 'probs.npy'): write it again"),
    (lying_member, {}, "nn1.npz, array probs claims 2147483648 × 1048576 values (9,007,199,254,740,992 bytes), but"
                       " 1,000,000 bytes are there: it is cut off or damaged, write it again"),
    (header((1, 2**31)), {}, "nn1.npy claims 1 × 2147483648 values (8,589,934,592 bytes), but 4 bytes are there: it is"
                             " cut off or damaged, write it again"),
    (header((-1, -1)), {}, "nn1.npy claims -1 × -1 values (4 bytes), but 4 bytes are there: it is cut off or damaged,"
                           " write it again"),
    (cut(npy(NN1), 30), {}, "nn1.npy is no complete NumPy array: write it again with numpy.save"),
    (cut(npy(NN1), -3), {}, "nn1.npy claims 3 × 2 values (48 bytes), but 45 bytes are there: it is cut off or damaged,"
                            " write it again"),
    (npy(NN1.astype(ml_dtypes.bfloat16)), {}, "nn1.npy has dtype |V2, which cannot be read: save it as float32"),
    (npy(np.array([("a", 1.0)], object)), {}, "nn1.npy is a pickle of Python objects, which is never opened: save numbers,"
                                              " or text with astype(str)"),
    (npy(np.float64(3)), {}, "nn1.npy holds a single value, not an array of rows"),
    (npy(NN1[:, 0]), PROBS, "nn1.npy is float64 (3,), not a matrix with one row per example and one column per class"),
    (npy(NN1), {}, "nn1.npy does not say whether it holds logits or probabilities: all rows sum to 1; if these are"
                   " probabilities, add --kind probs"),
    (npy(NN1 * 5), {}, "nn1.npy does not say whether it holds logits or probabilities: it has entries below 0 or above 1;"
                       " if these are logits, add --kind logits"),
    (npy(NN1 * 0.5), {}, "nn1.npy does not say whether it holds logits or probabilities: add --kind logits or --kind probs"),
    (npy(NN1), PROBS, "no labels: nn1.npy has none; give them in a file of their own with --labels"),
    # memory
    (lambda: [[0.9, 0.1], [0.1]], PROBS, "model 1 (array): its rows have different lengths; every row needs one value per"
                                         " class"),
    (lambda: 3, PROBS, "model 1 (array) is 3, not an array"),
    (lambda: np.array([["a", "b"]]), PROBS, "model 1 (array) is <U1 (1, 2), not a matrix with one row per example and one"
                                            " column per class"),
    (lambda: np.ma.masked_array(NN1, NN1 > 0.5), PROBS,
     "model 1 (array) is a masked array, whose mask would be lost: pass the rows that count"),
    (dict, {}, "model 1 (array): a mapping of column names to values is needed, such as {'probs': ...}"),
    (lambda: {"probs": NN1, "labels": 0}, {}, "model 1 (array), column labels is 0, not an array"),
    (lambda: {"probs": NN1, "labels": LABELS, "classes": [0.5, 1.5]}, {},
     "model 1 (array): 'classes' must be a list of names, one per class"),
    (lambda: {"probs": NN1, "labels": np.array([0, "a", 0], object)}, {},
     "model 1 (array), column labels mixes values of different types: make them all text, or all integers"),
    (lambda: {"probs": NN1, "labels": [0, None, 0]}, {}, "model 1 (array), row 2, column labels: null; every row needs a"
                                                         " value"),
    (lambda: pd.DataFrame([[1.0, 0.0, "a"]], columns=["prob_a", "prob_a", "label"]), {},
     "model 1 (array) is no table for Arrow (Duplicate column names found: ['prob_a', 'prob_a', 'label'])"),
    (lambda: pa.Table.from_arrays([pa.array([1.0])] * 2, ["prob_a", "prob_a"]), {},
     "model 1 (array) has more than one column 'prob_a': keep one of them"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "declared", "sentence"), ONE_SOURCE)
def test_one_wrong_source(tmp_path, monkeypatch, write, declared, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PredictionsError) as caught:
        read(write(), **declared)
    assert str(caught.value) == sentence


TWO_SOURCES = [
    (text("id,prob_dog,prob_cow\n1,1,0\n", "nn2.csv"), "nn2.csv has other classes than dog, cat: it lacks cat and has cow;"
                                                       " all sources need the same ones"),
    (text("id,prob_dog,prob_cat,prob_cow\n1,1,0,0\n", "nn2.csv"), "nn2.csv has other classes than dog, cat: it has cow; all"
                                                                  " sources need the same ones"),
    (npz(ids=[1, 2, 3], probs=NN1), "nn1.npz does not name its classes, and another source does (dog, cat): give their"
                                    " order with --classes"),
    (npz(ids=[1, 2, 3], probs=np.eye(3)), "nn1.npz has 3 values per row, but there are 2 classes (dog, cat): all sources"
                                          " need the same ones"),
    (text("prob_dog,prob_cat\n1,0\n", "nn2.csv"), "nn1.csv has ids (id), nn2.csv has none: give them in all sources, or in"
                                                  " none"),
    (text("id,label,prob_cat,prob_dog\n1,0,1,0\n", "nn2.csv"), "nn2.csv: its labels are indices, and its columns stand in"
     " another order than the first source's (dog, cat), so an index could mean two classes: give the order that the labels"
     " count with --classes"),
    (text("id,prob_dog,prob_cat\n3,1,0\n1,0,1\n3,0,1\n", "nn2.csv"), "nn2.csv: id '3' stands in row 1 and in row 3; every"
                                                                     " example needs an id of its own"),
    (text("id,prob_dog,prob_cat\n01,1,0\n2,1,0\n3,1,0\n", "nn2.csv"), "nn2.csv lacks 1 of nn1.csv's ids (1) and nn1.csv"
     " lacks 1 of nn2.csv's ids (01): compare the same examples, and leave out the others in both"),
    (text("id,label,prob_dog,prob_cat\n2,dog,1,0\n1,dog,1,0\n3,dog,1,0\n", "nn2.csv"), "nn1.csv and nn2.csv disagree on"
     " 1 label (id 2: cat and dog): are these the same examples? Mend the labels, or keep them in one source alone"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "sentence"), TWO_SOURCES)
def test_two_sources_that_do_not_fit(tmp_path, monkeypatch, write, sentence):
    monkeypatch.chdir(tmp_path)
    text(GOOD)()
    with pytest.raises(PredictionsError) as caught:
        read("nn1.csv", write())
    assert str(caught.value) == sentence


LABEL_SOURCES = [
    (text("x,y\n1,dog\n2,cat\n", "l.csv"), "l.csv has no column 'label' (x, y): name the one with the labels, --label NAME"),
    (text("y\ndog\n\ncat\n", "l.csv"), "l.csv, row 2, column y: empty; every row needs a label"),
    (text("y\ndog\n", "l.csv"), "nn1.csv has 2 rows, l.csv has 1 row: without ids rows are paired by position; add the"
                                " missing rows, or ids to all"),
    (lambda: npz(labels=[0, 1])() + ":y", "nn1.npz:y: no such array"),
    (lambda: [0, 1, 1], "nn1.csv has 2 rows, labels (array) has 3 rows: without ids rows are paired by position; add the"
                        " missing rows, or ids to all"),
    (lambda: [True, False], "labels (array) is bool (2,); labels are names, or whole numbers from 0"),
    (lambda: [0, 7], f"labels (array), row 2: 7 is no index of 2 classes, 0..1{INDEX}"),
    (lambda: np.eye(3)[:2], "labels (array): labels have 3 entries per row, but there are 2 classes (dog, cat); give one"
                            " entry per class"),
    (lambda: {"id": [1, 2], "label": [0, 1]}, "labels (array) has ids (id), nn1.csv has none: give them in all sources, or"
                                              " in none"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "sentence"), LABEL_SOURCES)
def test_labels_that_do_not_fit(tmp_path, monkeypatch, write, sentence):
    monkeypatch.chdir(tmp_path)
    text("prob_dog,prob_cat\n0.9,0.1\n0.5,0.5\n")()
    with pytest.raises(PredictionsError) as caught:
        read("nn1.csv", labels=write())
    assert str(caught.value) == sentence


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.chmod(text(GOOD)(), 0)
    with pytest.raises(PredictionsError, match=r"^nn1.csv: permission denied; make it readable$"):
        read("nn1.csv")


def test_a_bomb_is_read_in_bounded_memory(tmp_path, monkeypatch):
    """Megabytes of zeros in a few kilobytes of gzip: refused within the first line, not unpacked."""
    monkeypatch.chdir(tmp_path)
    with pa.output_stream("nn1.csv.gz", compression="gzip") as out:
        for _ in range(100):
            out.write(bytes(1 << 20))
    with pytest.raises(PredictionsError, match="its first line is longer than 16 MB; is it a text file"):
        open_sources(["nn1.csv.gz"])


def test_a_row_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pa.output_stream("nn1.csv.gz", compression="gzip") as out:
        out.write(GOOD.encode())
        for _ in range(20):
            out.write(b"1" * (1 << 20))
    with pytest.raises(
        PredictionsError, match=r"^nn1.csv.gz, after row \d+: a row longer than all others; is a quote"
    ):
        read("nn1.csv.gz")


@pytest.mark.parametrize("rows", [10, 5000, 70_000])
def test_a_wrong_checksum_is_found_in_compressed_members(tmp_path, rows):
    path = tmp_path / "nn1.npz"
    np.savez_compressed(
        path, probs=np.random.default_rng(0).dirichlet([1, 1], rows), labels=np.zeros(rows, int)
    )
    with zipfile.ZipFile(path) as archive:
        checksum = archive.getinfo("probs.npy").CRC
    wrong = path.read_bytes().replace(struct.pack("<I", checksum), struct.pack("<I", checksum ^ 1))
    path.write_bytes(wrong)
    with pytest.raises(PredictionsError, match=r"Bad CRC-32 for file 'probs\.npy'"):
        read(path)


def test_messages_of_worst_rows_name_three(tmp_path):
    q = np.tile([0.5, 0.5], (9, 1))
    q[[2, 4, 6, 8], 0] = 0.47, 0.46, 0.48, 0.49
    with pytest.raises(PredictionsError) as caught:
        read(q, labels=np.zeros(9, int), kind="probs")
    assert str(caught.value) == (
        f"model 1 (array), row 5: the probabilities sum to 0.96, not 1 (0.97 in row 3, 0.98 in row 7){SUM}"
    )
